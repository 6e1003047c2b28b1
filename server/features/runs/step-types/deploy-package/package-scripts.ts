// The bash that deploys a package at a target, as text. It needs bash, tar, gzip and sha256sum there and nothing of ours. The order of stages
// is the official one: unpack, PreDeploy, files, copy to the custom folder, Deploy, PostDeploy; DeployFailed when one of them fails.
// Pure: the same input gives the same text.

import type { ScriptFile } from "@cuttle/contract/agent/script";
import { bashWord } from "../../../../engine/execution/execution.ts";
import { cacheGroup, incomingFolder, targetCacheFunctions } from "../../../../engine/transfer/transfer.ts";
import type { JournalEntry } from "./journal.ts";
import { writeEntry } from "./journal.ts";

export const stages = ["PreDeploy", "Deploy", "PostDeploy", "DeployFailed"] as const;
export type Stage = (typeof stages)[number];

/** Where at the target a deployment keeps what it must know from one script to the next. */
export const runningFolder = "Files/cuttle/running";
/** Made by the first script: the files that the server fills in. */
export const collectedFile = "files.tar";
/** What ended deployments leave there goes after so many minutes; until then a late question finds the same folder. */
const runningMinutesMax = 7 * 24 * 60;
/** Looked for whenever the number of such folders is a multiple of this: with each deployment there is one more. */
const runningLooks = 16;
const suffixMax = 10_000;
/** Names of variables that a file's name can hold; of longer ones a hash. */
const plainNameMax = 60;
/** In an entry of the journal: replaced by what the target's own clock says, which all its entries go by. */
export const targetTime = "@TARGET-TIME@";

export interface PackageOnTarget {
  /** Names this deployment of this action on this target: letters, digits and hyphens. */
  owner: string;
  packageId: string;
  archiveSha256: string;
  /** A 1 for each block that is not packed, a 0 for the others. */
  plainBlocks: string;
  /** Where the package is unpacked: the target has reserved it. */
  folder: string;
}

export interface PackageStages {
  /** Scripts of the step itself. */
  own: { readonly [stage in Stage]?: string };
  /** Whether scripts of the package run. */
  runsPackaged: boolean;
  /** Whether they are removed when they have run. */
  removesPackaged: boolean;
  custom: { folder: string; purge: boolean; /** Extended regular expressions. */ exclusions: readonly string[] } | undefined;
  journal: JournalEntry;
  forgotten: { ids: readonly string[]; folders: readonly string[] };
  /** What SkipRemainingConventions holds before any script sets it. */
  skips: string;
  /** Values that only the target's own scripts change. */
  installationVariables: readonly string[];
}

export interface ComposedScript {
  /** To stand below the functions for variables. */
  text: string;
  files: ScriptFile[];
}

/** Lines of a target's journal that come with its answer to the question, and their characters; a longer one is fetched as a file. */
export const journalLinesMax = 240;
const journalCharactersMax = 64 * 1024;

/** Bash for the question: reserves the folder, once for each deployment, says where it is, and tells the journal. */
export function reserveFolder(owner: string, place: readonly string[], version: string): string {
  return `
running="$cuttle_cache/running/${owner}"
if [ ! -s "$running/folder" ]; then
  base="\${TentacleApplications:?This agent does not say where applications go.}"${place.map((part) => `/${bashWord(part)}`).join("")}
  [ -d "$running" ] || (umask 077 && mkdir -p "$running") || exit 1
  [ -d "$base" ] || mkdir -p "$base" || exit 1
  folder="$base/"${bashWord(version)}
  tries=0
  until [ ! -e "$folder" ] && mkdir "$folder" 2>/dev/null; do
    tries=$((tries + 1))
    [ -d "$folder" ] && [ "$tries" -lt ${suffixMax} ] || { echo "The folder $folder cannot be made. May this user write there?" >&2; exit 1; }
    folder="$base/"${bashWord(version)}"_$tries"
  done
  # In one write: a file that is still empty reserves nothing.
  printf '%s' "$folder" > "$running/folder" || exit 1
fi
say() { local text="\${2//\\\\/\\\\\\\\}"; printf '%s %s\\n' "$1" "\${text//$'\\n'/\\\\n}"; }
IFS= read -r -d '' folder < "$running/folder"
say folder "$folder"
say applications "$TentacleApplications"
say instance "$TentacleInstanceName"
say program "$TentacleProgramDirectoryPath"
TZ=UTC0 printf -v now '%(%Y-%m-%d %H:%M:%S)T' -1
say now "$now"
journal="\${TentacleJournal:-$TentacleHome/DeploymentJournal.xml}"
lines=()
[ ! -f "$journal" ] || mapfile -t -n ${journalLinesMax + 1} lines < "$journal"
text="\${lines[*]}"
if [ "\${#lines[@]}" -le ${journalLinesMax} ] && [ "\${#text}" -le ${journalCharactersMax} ] && { [ ! -f "$journal" ] || [ -r "$journal" ]; }; then
  [ "\${#lines[@]}" = 0 ] || printf 'journal %s\\n' "\${lines[@]}"
  echo "journal-lines \${#lines[@]}"
fi
`;
}

/** The journal as the question's script told it; undefined when it has to be fetched. */
export function readToldJournal(lines: readonly string[]): string | undefined {
  const told = lines.flatMap((line) => /^journal (.*)$/.exec(line)?.[1] ?? []);
  const count = lines.flatMap((line) => /^journal-lines ([0-9]+)$/.exec(line)?.[1] ?? [])[0];
  return count !== undefined && Number(count) === told.length ? told.join("\n") : undefined;
}

/** What the question's script said, by its words. */
export function readSaid(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    lines.flatMap((line) => {
      const [, word, value] = /^(folder|applications|instance|program|now) (.*)$/.exec(line) ?? [];
      return word === undefined ? [] : [[word, value!.replace(/\\([\\n])/g, (_, sign) => (sign === "n" ? "\n" : "\\"))] as const];
    }),
  );
}

/** All in one script. */
export function composeDeployment(target: PackageOnTarget, stagesOf: PackageStages): ComposedScript {
  return {
    text: `${functions(target, stagesOf)}
cuttle_deploy() {
  ${beginning(target)}
  cuttle_stage PreDeploy || return
  cuttle_skips && return 0
  ${ending(stagesOf)}
}
cuttle_deploy
cuttle_end $?
`,
    files: filesOf(stagesOf),
  };
}

/** The package is there already and nothing is run: only where it lies is said. */
export function composePassOver(target: PackageOnTarget, stagesOf: PackageStages, there: JournalEntry): ComposedScript {
  const place = bashWord(there.customInstallationDirectory || there.extractedTo);
  const text = `${functions(target, stagesOf)}
echo "The package was installed before to "${place}", so nothing of this step is done. Deploy with 're-deploy' to do it all the same."
cuttle_installed_to ${place}
rmdir "$cuttle_folder" 2>/dev/null
rm -rf -- "$cuttle_running/values" "$cuttle_cache/incoming/${target.owner}-"*
exit 0
`;
  return { text, files: [] };
}

/** The first of two: as far as PreDeploy, then the files that fit one of the patterns are laid ready for the server. */
export function composePreparation(target: PackageOnTarget, stagesOf: PackageStages, patterns: readonly string[]): ComposedScript {
  return {
    text: `${functions(target, stagesOf)}
cuttle_patterns=(${patterns.map((pattern) => bashWord(pattern.replace(/[[\]]/g, "\\$&"))).join(" ")})
cuttle_collect() (
  cd "$cuttle_folder" || exit 1
  umask 077
  shopt -s globstar dotglob nullglob
  IFS=
  files=()
  for pattern in "\${cuttle_patterns[@]}"; do
    for file in $pattern; do [ -f "$file" ] && [ ! -L "$file" ] && files+=("./$file"); done
  done
  if [ "\${#files[@]}" -gt 0 ]; then tar -cf "$cuttle_running/${collectedFile}.new" -- "\${files[@]}"
  else head -c 1024 /dev/zero > "$cuttle_running/${collectedFile}.new"
  fi && mv "$cuttle_running/${collectedFile}.new" "$cuttle_running/${collectedFile}"
)
cuttle_deploy() {
  ${beginning(target)}
  cuttle_stage PreDeploy || return
  cuttle_skips && return 0
  cuttle_collect
}
cuttle_deploy
code=$?
[ "$code" = 0 ] || cuttle_end "$code"
exit 0
`,
    files: filesOf(stagesOf),
  };
}

/** The second of two. `filled`: name of the uploaded file; undefined when nothing was to fill in. */
export function composeCompletion(target: PackageOnTarget, stagesOf: PackageStages, filled: string | undefined): ComposedScript {
  return {
    text: `${functions(target, stagesOf)}
cuttle_deploy() {
  cuttle_skips && return 0
  [ -f "$cuttle_running/${collectedFile}" ] || { echo "The files that were laid ready in $cuttle_running are gone. Deploy again." >&2; return 1; }
  ${filled === undefined ? ":" : `tar -xmof "$TentacleHome/${incomingFolder}/${filled}" -C "$cuttle_folder" || return 1`}
  ${ending(stagesOf)}
}
cuttle_deploy
cuttle_end $?
`,
    files: filesOf(stagesOf),
  };
}

/** When the server could not fill in the files: DeployFailed, and the journal says so. */
export function composeFailure(target: PackageOnTarget, stagesOf: PackageStages): ComposedScript {
  return { text: `${functions(target, stagesOf)}\ncuttle_end 1\n`, files: filesOf(stagesOf) };
}

function beginning(target: PackageOnTarget): string {
  return `cuttle_journal failed || return
  cuttle_accept ${target.owner} ${target.archiveSha256}
  cuttle_unpack ${cacheGroup(target.packageId)} ${target.archiveSha256} "$cuttle_folder" ${target.plainBlocks} || return 1
  cuttle_installed_to "$cuttle_folder"`;
}

function ending({ custom }: PackageStages): string {
  return `${custom === undefined ? ":" : "cuttle_copy || return 1"}
  cuttle_stage Deploy || return
  cuttle_skips && return 0
  cuttle_stage PostDeploy`;
}

function filesOf({ own }: PackageStages): ScriptFile[] {
  return stages.flatMap((stage): ScriptFile[] => {
    const text = own[stage];
    if (text === undefined) return [];
    const bytes = Buffer.from(unixText(text), "utf8");
    return [
      {
        Name: `${stage}.step.sh`,
        Contents: {
          length: bytes.length,
          async *open() {
            yield bytes;
          },
        },
        EncryptionPassword: null,
      },
    ];
  });
}

function unixText(script: string): string {
  return `${script.replaceAll("\r\n", "\n")}\n`;
}

/** An array of bash. */
function words(texts: readonly string[]): string {
  return `(${texts
    .filter((text) => !text.includes("\n"))
    .map(bashWord)
    .join(" ")})`;
}

function functions(
  target: PackageOnTarget,
  { runsPackaged, removesPackaged, custom, journal, forgotten, skips, installationVariables }: PackageStages,
): string {
  return `${targetCacheFunctions}
cuttle_workspace="$PWD"
cuttle_running="$cuttle_cache/running/${target.owner}"
cuttle_folder=${bashWord(target.folder)}
cuttle_current="$cuttle_folder"
cuttle_custom=${bashWord(custom?.folder ?? "")}
cuttle_good=${bashWord(`${writeEntry({ ...journal, wasSuccessful: true })}\n`)}
cuttle_failed=${bashWord(`${writeEntry({ ...journal, wasSuccessful: false })}\n`)}
cuttle_forgotten_ids=${words(forgotten.ids.filter((id) => /^[A-Za-z0-9._-]+$/.test(id)))}
cuttle_forgotten_folders=${words(forgotten.folders)}
cuttle_kept=(${(custom?.exclusions ?? []).map(bashWord).join(" ")})

# What a script sets, a later one of this deployment reads.
eval "cuttle_plain_$(declare -f get_octopusvariable)"
eval "cuttle_plain_$(declare -f set_octopusvariable)"
# Answers in cuttle_file; only a long name costs a program.
cuttle_value_file() {
  local LC_ALL=C name="\${1,,}" at sign
  cuttle_file="$cuttle_running/values/"
  if [ "\${#name}" -gt ${plainNameMax} ]; then
    read -r sign _ < <(printf '%s' "$name" | sha256sum)
    cuttle_file+="$sign"
    return 0
  fi
  for ((at = 0; at < \${#name}; at++)); do
    sign="\${name:at:1}"
    case "$sign" in
      [a-z0-9_-]) cuttle_file+="$sign" ;;
      *) printf -v sign '%d' "'$sign"; printf -v sign '.%02x' "$((sign & 255))"; cuttle_file+="$sign" ;;
    esac
  done
}
# What this script itself sets stays in its memory, until a script in a shell of its own makes the folder.
declare -A cuttle_values=()
# The folder is closed to others, so its files need not be.
cuttle_keep() {
  local cuttle_file
  if [ "$BASHPID" = "$$" ]; then
    cuttle_values[".\${1,,}"]="$2"
    [ -d "$cuttle_running/values" ] || return 0
  fi
  [ -d "$cuttle_running/values" ] || mkdir -p -m 700 "$cuttle_running/values" || return
  cuttle_value_file "$1"
  printf '%s' "$2" >| "$cuttle_file"
}
get_octopusvariable() {
  if [ -d "$cuttle_running/values" ]; then
    local cuttle_file cuttle_text
    cuttle_value_file "$1"
    if [ -f "$cuttle_file" ]; then IFS= read -r -d '' cuttle_text < "$cuttle_file" || :; printf '%s' "$cuttle_text"; return 0; fi
  fi
  if [ -n "\${cuttle_values[".\${1,,}"]+set}" ]; then printf '%s' "\${cuttle_values[".\${1,,}"]}"; return 0; fi
  cuttle_plain_get_octopusvariable "$@"
}
set_octopusvariable() {
  cuttle_keep "$1" "$2"
  cuttle_plain_set_octopusvariable "$@"
}
cuttle_installed_to() {
  local name
  for name in ${installationVariables.map(bashWord).join(" ")}; do cuttle_keep "$name" "$1"; done
  cuttle_plain_set_octopusvariable Package.InstallationDirectoryPath "$1"
}
cuttle_skips() {
  local cuttle_file value=${bashWord(skips)}
  cuttle_value_file Octopus.Action.SkipRemainingConventions
  [ ! -f "$cuttle_file" ] || IFS= read -r -d '' value < "$cuttle_file" || :
  case "\${value,,}" in '' | false | no | 0) return 1 ;; esac
  return 0
}

# stage. The step's own script, then the package's.
cuttle_stage() {
  local script code whose
  for script in "$cuttle_workspace/$1.step.sh" "$cuttle_current/$1.sh"; do
    [ -f "$script" ] || continue
    whose='of the step'
    if [ "$script" = "$cuttle_current/$1.sh" ]; then
      ${runsPackaged ? ":" : "continue"}
      whose='of the package'
    fi
    write_verbose "Running the $1 script $whose."
    ( cd "$cuttle_current" && set -- && . "$script" )
    code=$?
    ${removesPackaged ? `[ "$whose" = 'of the step' ] || rm -f -- "$script"` : ":"}
    [ "$code" = 0 ] || { echo "The $1 script $whose ended with exit code $code." >&2; return "$code"; }
    cuttle_skips && return 0
  done
  return 0
}

# prefix. Empties the current folder but for what stays; fails when something stays.
cuttle_purge_in() {
  local name pattern stays='' isKept
  for name in "$1"*; do
    isKept=''
    for pattern in "\${cuttle_kept[@]}"; do [[ $name =~ $pattern ]] && isKept=1; done
    if [ -n "$isKept" ]; then stays=1
    elif [ -d "./$name" ] && [ ! -L "./$name" ]; then
      if cuttle_purge_in "$name/"; then rmdir "./$name" || stays=1; else stays=1; fi
    else rm -f -- "./$name" || stays=1
    fi
  done
  [ -z "$stays" ]
}
cuttle_copy() {
  mkdir -p -- "$cuttle_custom" || return 1
  ${custom?.purge === true ? `write_verbose "Emptying $cuttle_custom."\n  ( cd "$cuttle_custom" && shopt -s dotglob nullglob && { cuttle_purge_in ''; true; } ) || return 1` : ":"}
  write_verbose "Copying the package to $cuttle_custom."
  cp -RPpf -- "$cuttle_folder/." "$cuttle_custom/" || { echo "The package could not be copied to $cuttle_custom." >&2; return 1; }
  cuttle_current="$cuttle_custom"
  cuttle_installed_to "$cuttle_custom"
}

# good or failed. Puts the entry into the journal in place of an older one of this deployment; with a good one, the forgotten go.
cuttle_journal() {
  local file="\${TentacleJournal:-$TentacleHome/DeploymentJournal.xml}" text="$cuttle_failed" id now status
  local -A gone=([${bashWord(journal.id)}]=1)
  if [ "$1" = good ]; then
    text="$cuttle_good"
    for id in "\${cuttle_forgotten_ids[@]}"; do gone[$id]=1; done
  fi
  TZ=UTC0 printf -v now '%(%Y-%m-%d %H:%M:%S)T' -1
  cuttle_lock
  cuttle_write_journal
  status=$?
  cuttle_unlock
  [ "$status" = 0 ] || echo "The journal of deployments $file cannot be written." >&2
  return "$status"
}
cuttle_write_journal() {
  local isWhole=''
  if [ -s "$file" ]; then
    cuttle_other_entries > "$file.new" || return 1
    [ -n "$isWhole" ] || mv -f "$file" "$file.unreadable"
  fi
  [ -n "$isWhole" ] || printf '<?xml version="1.0" encoding="utf-8"?>\\n<Deployments>\\n' > "$file.new" || return 1
  printf '%s</Deployments>\\n' "\${text/${targetTime}/$now}" >> "$file.new" && mv -f "$file.new" "$file"
}
# What is in front of the end of the journal, but for what goes; sets isWhole when there is an end.
cuttle_other_entries() {
  local line skipping='' entry='<Deployment[[:space:]](.*[[:space:]])?Id="([^"]*)"' empty='<Deployments */>'
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in
      *'</Deployments>'*) [ -n "\${line%%</Deployments>*}" ] && [ -z "$skipping" ] && printf '%s\\n' "\${line%%</Deployments>*}"; isWhole=1; return 0 ;;
      *'<Deployments'*) [[ $line =~ $empty ]] && { printf '%s<Deployments>\\n' "\${line%%<Deployments*}"; isWhole=1; return 0; } ;;
    esac
    if [ -n "$skipping" ]; then
      case "$line" in *'</Deployment>'*) skipping='' ;; esac
      continue
    fi
    if [[ $line == *'<Deployment'[[:space:]]* && $line =~ $entry ]] && [ -n "\${BASH_REMATCH[2]}" ] && [ -n "\${gone[\${BASH_REMATCH[2]}]}" ]; then
      case "$line" in *'</Deployment>'* | *'/>'*) ;; *) skipping=1 ;; esac
      continue
    fi
    printf '%s\\n' "$line" || return 1
  done < "$file"
}

# code. The last of every deployment.
cuttle_end() {
  local code="$1" folder left
  if [ "$code" = 0 ]; then
    cuttle_journal good || code=1
    for folder in "\${cuttle_forgotten_folders[@]}"; do
      case "$folder" in
        */../* | */..) ;;
        "$TentacleApplications/"*) write_verbose "Removing $folder, which is older than what is kept."; rm -rf -- "$folder" ;;
      esac
    done
    cuttle_forget ${cacheGroup(target.packageId)}
  else
    cuttle_stage DeployFailed
  fi
  shopt -s nullglob
  left=("$cuttle_cache/incoming/${target.owner}-"*)
  [ ! -d "$cuttle_running/values" ] || left+=("$cuttle_running/values")
  [ ! -f "$cuttle_running/${collectedFile}" ] || left+=("$cuttle_running/${collectedFile}")
  [ "\${#left[@]}" = 0 ] || rm -rf -- "\${left[@]}"
  left=("$cuttle_cache/running/"*)
  # Now and then is often enough for small folders.
  [ "$((\${#left[@]} % ${runningLooks}))" != 0 ] ||
    find "$cuttle_cache/running" -mindepth 1 -maxdepth 1 -mmin +${runningMinutesMax} -exec rm -rf -- {} + 2>/dev/null
  exit "$code"
}
`;
}
