// Makes the script that goes to a target: a prelude that gives the script its variables and the usual functions, then the user's
// text unchanged. Pure: the same step, target and values give the same bytes, so that a repeated start is the same start.

/** A name and its text; secrets are already read. */
export interface ScriptVariable {
  name: string;
  value: string;
}

/** A script with its variables above this is refused: it would sit in every row and message. */
export const scriptBytesMax = 16 * 1024 * 1024;
/** Bytes of a value that bash encodes by itself; beyond, a program is faster. */
const encodedByBashMax = 600;

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
  // Answers in __octopus_encoded and starts no program for what is short: a started program costs more than the rest of a small script.
  "__octopus_encode() {",
  '  local LC_ALL=C letters=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ text="$1" at a b c',
  "  __octopus_encoded=''",
  `  if [ "\${#text}" -gt ${encodedByBashMax} ]; then __octopus_encoded="$(printf '%s' "$text" | base64 | tr -d '\\n')"; return 0; fi`,
  "  for ((at = 0; at < ${#text}; at += 3)); do",
  "    printf -v a '%d' \"'${text:at:1}\"; printf -v b '%d' \"'${text:at+1:1}\"; printf -v c '%d' \"'${text:at+2:1}\"",
  "    a=$(((a & 255) << 16 | (b & 255) << 8 | (c & 255)))",
  '    __octopus_encoded+="${letters:a>>18:1}${letters:a>>12&63:1}${letters:a>>6&63:1}${letters:a&63:1}"',
  "  done",
  '  case $((${#text} % 3)) in 1) __octopus_encoded="${__octopus_encoded%??}==" ;; 2) __octopus_encoded="${__octopus_encoded%?}=" ;; esac',
  "}",
  // kind, then names and values of its attributes
  "__octopus_say() {",
  '  local message="##octopus[$1"',
  "  shift",
  '  while [ "$#" -gt 1 ]; do __octopus_encode "$2"; message+=" $1=\'$__octopus_encoded\'"; shift 2; done',
  '  echo "$message]"',
  "}",
  "set_octopusvariable() {",
  '  if [ "${3:-}" = \'-sensitive\' ]; then __octopus_say setVariable name "$1" value "$2" sensitive True',
  '  else __octopus_say setVariable name "$1" value "$2"',
  "  fi",
  "}",
  "write_verbose() { printf '##octopus[stdout-verbose]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  "write_highlight() { printf '##octopus[stdout-highlight]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  "write_wait() { printf '##octopus[stdout-wait]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  "write_warning() { printf '##octopus[stdout-warning]\\n%s\\n##octopus[stdout-default]\\n' \"$*\"; }",
  // The file is fetched when the script has ended, by then perhaps in another folder, so its whole path is said.
  "new_octopusartifact() {",
  "  local path length",
  '  [ -f "$1" ] || { echo "There is no file \'$1\' to make an artifact of." >&2; return 1; }',
  '  path="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"',
  '  length="$(wc -c <"$path" | tr -d \' \')"',
  '  __octopus_say createArtifact path "$path" name "${2:-$(basename "$1")}" length "$length"',
  "}",
  'update_progress() { __octopus_say progress percentage "$1" message "$2"; }',
  'fail_step() { [ -z "$1" ] || echo "$1" >&2; exit 1; }',
];
