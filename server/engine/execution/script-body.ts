// Makes the script that goes to a target: a prelude that gives the script its variables and the usual functions, then the user's
// text unchanged. Pure: the same step, target and values give the same bytes, so that a repeated start is the same start.

/** A name and its text; secrets are already read. */
export interface ScriptVariable {
  name: string;
  value: string;
}

/** A script with its variables above this is refused: it would sit in every row and message. */
export const scriptBytesMax = 16 * 1024 * 1024;

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

/** As `tr` does it on the target: only A to Z. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Base64 keeps quotes, newlines and shell characters of values away from the shell; names compare ignoring case. */
export function composeBashScript(variables: readonly ScriptVariable[], body: string): string {
  const cases = variables.map((one) => `    ${base64(lowerAscii(one.name))}) base64 -d <<< '${base64(one.value)}' ;;`);
  return `${bashPrelude(cases)}\n${body.replaceAll("\r\n", "\n")}\n`;
}

function bashPrelude(cases: readonly string[]): string {
  return [
    "__cuttle_encode() { printf '%s' \"$1\" | base64 | tr -d '\\n'; }",
    "get_octopusvariable() {",
    '  case "$(__cuttle_encode "$(printf \'%s\' "$1" | tr \'[:upper:]\' \'[:lower:]\')")" in',
    ...cases,
    "    *) return 0 ;;",
    "  esac",
    "}",
    "set_octopusvariable() {",
    '  if [ "$3" = "-sensitive" ]; then',
    "    echo \"##octopus[setVariable name='$(__cuttle_encode \"$1\")' value='$(__cuttle_encode \"$2\")' sensitive='$(__cuttle_encode True)']\"",
    "  else",
    "    echo \"##octopus[setVariable name='$(__cuttle_encode \"$1\")' value='$(__cuttle_encode \"$2\")']\"",
    "  fi",
    "}",
    'write_verbose() { echo "##octopus[stdout-verbose]"; echo "$1"; echo "##octopus[stdout-default]"; }',
    'write_highlight() { echo "##octopus[stdout-highlight]"; echo "$1"; echo "##octopus[stdout-default]"; }',
    'write_warning() { echo "##octopus[stdout-warning]"; echo "$1"; echo "##octopus[stdout-default]"; }',
    'fail_step() { [ -n "$1" ] && echo "$1" >&2; exit 1; }',
  ].join("\n");
}
