// Makes the script that goes to a target: a prelude that gives the script its variables and the usual functions, then the user's
// text unchanged. Pure: the same step, target and values give the same bytes, so that a repeated start is the same start.

/** A name and its text; secrets are already read. */
export interface ScriptVariable {
  name: string;
  value: string;
}

/** A script with its variables above this is refused: it would sit in every row and message. */
export const scriptBytesMax = 16 * 1024 * 1024;

/**
 * Text as a bash word that means exactly these bytes: everything but letters, digits and a few harmless signs is escaped, so that
 * no value can ever end its own quotes. Reading it needs no other program. Bash cannot hold NUL; it is left out.
 */
export function bashWord(text: string): string {
  let word = "$'";
  for (const byte of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9 _.,:;/@%+=~-]/.test(character)) word += character;
    else if (byte !== 0) word += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `${word}'`;
}

/**
 * The script for bash. Names of variables compare ignoring case, as far as the target's locale knows letters. `parameters` are words of bash as
 * they stand, which the script finds as its arguments.
 */
export function composeBashScript(variables: readonly ScriptVariable[], body: string, parameters = ""): string {
  const cases = variables.map((one) => `    ${bashWord(one.name)}) printf '%s' ${bashWord(one.value)} ;;`);
  const given = parameters.trim() === "" ? [] : [`set -- ${parameters.replaceAll(/\s+/g, " ")}`];
  return `${[...reading(cases), ...saying, ...given].join("\n")}\n${body.replaceAll("\r\n", "\n")}\n`;
}

function reading(cases: readonly string[]): string[] {
  return [
    "get_octopusvariable() {",
    "  local restore=''",
    "  shopt -q nocasematch || { restore=1; shopt -s nocasematch; }",
    '  case "$1" in',
    ...cases,
    "    *) ;;",
    "  esac",
    '  [ -z "$restore" ] || shopt -u nocasematch',
    "  return 0",
    "}",
  ];
}

/** Functions that speak to the server by service messages; their values travel as base64. */
const saying = [
  "__octopus_encode() { printf '%s' \"$1\" | base64 | tr -d '\\n'; }",
  "set_octopusvariable() {",
  "  local sensitive=''",
  "  [ \"${3:-}\" != '-sensitive' ] || sensitive=\" sensitive='$(__octopus_encode True)'\"",
  '  echo "##octopus[setVariable name=\'$(__octopus_encode "$1")\' value=\'$(__octopus_encode "$2")\'$sensitive]"',
  "}",
  // The file is fetched when the script has ended, by then perhaps in another folder, so its whole path is said.
  "new_octopusartifact() {",
  '  local path="$1" name="${2:-${1##*/}}"',
  '  [ -f "$path" ] || { echo "There is no file $path to collect as an artifact." >&2; return 1; }',
  '  case "$path" in /*) ;; *) path="$PWD/$path" ;; esac',
  '  write_verbose "Artifact $name will be collected from $path after this step completes."',
  '  echo "##octopus[createArtifact path=\'$(__octopus_encode "$path")\' name=\'$(__octopus_encode "$name")\' length=\'$(__octopus_encode "$(($(wc -c <"$path")))")\']"',
  "}",
  "update_progress() {",
  '  echo "##octopus[progress percentage=\'$(__octopus_encode "$1")\' message=\'$(__octopus_encode "$2")\']"',
  "}",
  "write_verbose() { printf '##octopus[stdout-verbose]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  "write_highlight() { printf '##octopus[stdout-highlight]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  "write_wait() { printf '##octopus[stdout-wait]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  "write_warning() { printf '##octopus[stdout-warning]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  "new_octopusartifact() {",
  "  local path name length",
  '  [ -f "$1" ] || { echo "There is no file \'$1\' to make an artifact of." >&2; return 1; }',
  '  path="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"',
  '  name="${2:-$(basename "$1")}"',
  '  length="$(wc -c <"$path" | tr -d \' \')"',
  '  echo "##octopus[createArtifact path=\'$(__octopus_encode "$path")\' name=\'$(__octopus_encode "$name")\' length=\'$(__octopus_encode "$length")\']"',
  "}",
  'update_progress() { echo "##octopus[progress percentage=\'$(__octopus_encode "$1")\' message=\'$(__octopus_encode "$2")\']"; }',
  'fail_step() { [ -z "$1" ] || echo "$1" >&2; exit 1; }',
];
