// Patterns for names of files, as people write them in steps: `*` and `?` within one name, `**` over folders. Turned into extended regular
// expressions, which the target's bash and this server read alike. Pure.

/** Longer lists are refused. */
const patternsMax = 500;
const patternCharactersMax = 1_000;

/** One pattern a line (or, in some fields, separated by commas or semicolons); empty ones are left out. Throws RangeError. */
export function readPatterns(text: string | undefined, separators: RegExp = /\r?\n/): string[] {
  const patterns = (text ?? "")
    .split(separators)
    .map((line) =>
      line
        .trim()
        .replaceAll("\\", "/")
        .replace(/^(?:\.\/)+/, ""),
    )
    .filter((line) => line !== "");
  if (patterns.length > patternsMax) throw new RangeError(`A list of files has more than ${patternsMax} lines.`);
  for (const pattern of patterns) {
    if (pattern.length > patternCharactersMax) throw new RangeError(`'${pattern.slice(0, 60)}…' is too long for the name of a file.`);
    if (pattern.startsWith("/") || /^[A-Za-z]:/.test(pattern) || pattern.split("/").includes(".."))
      throw new RangeError(`'${pattern}' leads out of the package's folder; files are named from there.`);
  }
  return patterns;
}

/** An extended regular expression that fits the whole name. */
export function patternExpression(pattern: string): string {
  let expression = "^";
  for (let at = 0; at < pattern.length; at++) {
    const rest = pattern.slice(at);
    if (rest.startsWith("**/")) {
      expression += "(.*/)?";
      at += 2;
    } else if (rest.startsWith("**")) {
      expression += ".*";
      at += 1;
    } else if (rest.startsWith("*")) expression += "[^/]*";
    else if (rest.startsWith("?")) expression += "[^/]";
    else expression += pattern[at]!.replace(/[.^$*+?()[\]{}|\\]/, "\\$&");
  }
  return `${expression}$`;
}
