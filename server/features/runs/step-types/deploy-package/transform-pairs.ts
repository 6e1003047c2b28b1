// Which files of a package are transforms (XDT) of which others: by their names, and as a step lists them. Pure.

import { posix } from "node:path";
import { patternExpression } from "./name-patterns.ts";

/** A line of the list: `Transform => Target`, or the middle of a name, which stands for `*.<middle>.config => *.config`. */
export interface TransformRule {
  line: string;
  /** With its folder, counted from the target's. */
  transform: string;
  /** Null for a plain line. */
  target: { folder: string; name: string; /** Counted from the package's folder, and no other. */ fromRoot: boolean } | null;
}

export interface TransformPair {
  target: string;
  transform: string;
}

/** Longer lists are refused. */
const rulesMax = 200;
const ruleCharactersMax = 1_000;
/** Of one package; a mistaken pattern fits very many. */
export const transformPairsMax = 1_000;

/** One rule a line, or separated by commas. Throws RangeError. */
export function readTransformRules(text: string | undefined): TransformRule[] {
  const lines = (text ?? "")
    .split(/[,\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (lines.length > rulesMax) throw new RangeError(`The list of additional transforms has more than ${rulesMax} lines.`);
  return lines.map((line): TransformRule => {
    if (line.length > ruleCharactersMax) throw new RangeError(`'${line.slice(0, 60)}…' is too long for a transform and its target.`);
    const [transform = "", target, ...more] = line.split("=>").map((part) => part.trim().replaceAll("\\", "/"));
    if (transform === "" || target === "" || more.length > 0)
      throw new RangeError(`'${line}' names no transform and its target. Write 'Web.Custom.config => Web.config'.`);
    for (const name of [transform, target ?? ""])
      if (name.startsWith("/") || /^[A-Za-z]:/.test(name))
        throw new RangeError(
          `'${line}' names a file outside of the package; transforms are part of it. Name them from the target's folder.`,
        );
    if (target === undefined) return { line, transform, target: null };
    const folder = posix.normalize(posix.dirname(target));
    const name = posix.basename(target);
    if (folder === ".." || folder.startsWith("../")) throw new RangeError(`The target in '${line}' leads out of the package's folder.`);
    if (name.replace(/^\*/, "").includes("*")) throw new RangeError(`The target in '${line}' may have a '*' at the beginning only.`);
    return { line, transform, target: { folder: folder === "." ? "" : folder, name, fromRoot: target.startsWith("./") } };
  });
}

/** Patterns of the files that may take part. `automatic` tells whether files are found by their names as well. */
export function patternsOfRules(rules: readonly TransformRule[], automatic: boolean): string[] {
  const patterns = rules.flatMap(({ transform, target }) => {
    if (target === null) return ["**/*.config"];
    const name = posix.basename(transform);
    return [`**/${target.name}`, `**/${name}`, ...(hasEnding(name) ? [] : [`**/${name}.config`])];
  });
  return [...new Set([...(automatic ? ["**/*.config"] : []), ...patterns])];
}

const hasEnding = (name: string): boolean => /\.config$/i.test(name);

/**
 * In the order in which they are to be applied: for each target the rules, then the transforms named by `middles` (`Release`, the environment, the
 * tenant). A transform is applied to a target once. Throws RangeError.
 */
export function pairTransforms(
  files: readonly string[],
  rules: readonly TransformRule[],
  middles: readonly string[],
): { pairs: TransformPair[]; unused: string[] } {
  const byLowerCase = new Map(files.map((file) => [file.toLowerCase(), file]));
  const byFolder = new Map<string, string[]>();
  for (const file of files) byFolder.set(folderOf(file), [...(byFolder.get(folderOf(file)) ?? []), file]);
  const all = [...rules, ...middles.map((middle): TransformRule => ({ line: middle, transform: middle, target: null }))];
  const used = new Set<TransformRule>();
  const pairs: TransformPair[] = [];
  for (const target of files.toSorted()) {
    const seen = new Set([target]);
    for (const rule of all) {
      for (const transform of transformsOf(target, rule, byLowerCase, byFolder)) {
        if (seen.has(transform)) continue;
        seen.add(transform);
        used.add(rule);
        pairs.push({ target, transform });
        if (pairs.length > transformPairsMax)
          throw new RangeError(`More than ${transformPairsMax} pairs of files fit the transforms of this step. Name fewer of them.`);
      }
    }
  }
  return { pairs, unused: rules.filter((rule) => !used.has(rule)).map((rule) => rule.line) };
}

function folderOf(file: string): string {
  const folder = posix.dirname(file).toLowerCase();
  return folder === "." ? "" : folder;
}

function transformsOf(
  file: string,
  rule: TransformRule,
  byLowerCase: ReadonlyMap<string, string>,
  byFolder: ReadonlyMap<string, readonly string[]>,
): string[] {
  const inPlace = (...names: string[]): string[] =>
    names.flatMap((name) => {
      const found = byLowerCase.get(posix.normalize(name).toLowerCase());
      return found === undefined ? [] : [found];
    });
  if (rule.target === null) {
    if (!hasEnding(file)) return [];
    const name = `${file.replace(/\.config$/i, "")}.${rule.transform}`;
    return inPlace(hasEnding(name) ? name : `${name}.config`);
  }
  const base = baseFolder(file, rule.target);
  if (base === undefined) return [];
  const name = posix.basename(rule.transform);
  const folder = posix.normalize(posix.join(base, posix.dirname(rule.transform)));
  if (folder === ".." || folder.startsWith("../")) return [];
  const endings = hasEnding(name) ? [""] : [".config", ""];
  if (name.startsWith("*") && rule.target.name.startsWith("*") && !name.slice(1).includes("*")) {
    const stem = posix.basename(file).slice(0, posix.basename(file).length - rule.target.name.length + 1);
    return inPlace(...endings.map((ending) => posix.join(folder, `${stem}${name.slice(1)}${ending}`)));
  }
  const candidates = byFolder.get(folder === "." ? "" : folder.toLowerCase()) ?? [];
  return endings.flatMap((ending) => {
    const expression = new RegExp(patternExpression(`${name}${ending}`), "i");
    return candidates.filter((one) => expression.test(posix.basename(one)));
  });
}

/** The folder from which the rule counts, if the file is one of its targets. */
function baseFolder(file: string, target: NonNullable<TransformRule["target"]>): string | undefined {
  const name = posix.basename(file).toLowerCase();
  const wanted = target.name.toLowerCase();
  if (wanted.startsWith("*") ? !name.endsWith(wanted.slice(1)) : name !== wanted) return undefined;
  const folder = posix.dirname(file) === "." ? "" : posix.dirname(file);
  const below = target.folder.toLowerCase();
  if (target.fromRoot) return folder.toLowerCase() === below ? "" : undefined;
  if (below === "") return folder;
  if (folder.toLowerCase() === below) return "";
  return folder.toLowerCase().endsWith(`/${below}`) ? folder.slice(0, folder.length - below.length - 1) : undefined;
}
