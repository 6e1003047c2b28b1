// The small shell program between agent and script. It outlives the agent: it says durably that the script was begun, keeps
// its output in files, and writes down how it ended. The agent only ever looks at these files, so it can die at any moment.
//
// Files in the script's record folder, N being the number of the attempt:
//   command                what to run, from the agent
//   wrapper-N              "<pid> <start time>" of this program, complete before started-N exists; its pid is the script's session
//   started-N              made exclusively, by this program before the script begins, or by an agent that wants the attempt never to begin.
//                          Exactly one of the two succeeds: that is how "was it started?" always has a certain answer.
//   script                 "<pid> <start time>" of the script, which has a process group of its own
//   stdout, stderr         what the script wrote
//   stdout.recorder …      "<pid> <start time>" of the process that writes it
//   stdout.cut …           the disk refused or the limit was reached: the rest of the stream was dropped
//   stdout.closed …        every process that held the stream has closed it, and all of it is in the file
//   exit                   "<code>\n", valid once its line end is there
//
// Pipes stand between script and files because scripts open /dev/stdout and /dev/stderr, which would truncate a file. Every
// program that is started here costs milliseconds before the script begins, so the shell does by itself what it can. Job control
// gives the script its process group; it is off again before the wait, which would else take a stopped script for an ended one.
// What cannot be written is tried again, for a disk may have room later, until the folder is gone.

/** Exit code of the wrapper when it could not prepare; the script was certainly not begun. */
const wrapperFailed = 71;
/** Exit code of the wrapper when the agent had made the attempt void before. */
const wrapperVoided = 72;

/** File in the record folder: workspace, program and its arguments, each ended by NUL. */
export const commandName = "command";

/**
 * Arguments: attempt, limit of each stream in KiB, umask of the script. It prepares and waits for a line on standard input; then it reads the
 * command file. Nothing is begun when its input closes before. Runs with `bash --norc -p -c` as leader of a session, in the record folder,
 * which may be renamed meanwhile.
 */
export const wrapperText = `
attempt=$1 kib=$2 mask=$3
umask 077
note() {
  local file=$1 pid=$2 line
  read -r line <"/proc/$pid/stat" || return
  line=\${line##*) }
  set -- $line
  printf '%s %s\\n' "$pid" "\${20}" >"$file"
}
keep() {
  (
    until note "$1.recorder" $BASHPID && : >>"$1" || [ ! -e "wrapper-$attempt" ]; do sleep 1; done
    ulimit -f "$kib" && exec cat >>"$1"
  ) || { : >"$1.cut"; cat >/dev/null; }
  until : >"$1.closed" || [ ! -e "wrapper-$attempt" ]; do sleep 1; done
}
note "wrapper-$attempt" $$ || exit ${wrapperFailed}
exec 5> >(keep stdout)
exec 6> >(exec 5>&-; keep stderr)
read -r word || exit 0
mapfile -d '' -t command <${commandName} && [ "\${#command[@]}" -gt 1 ] || exit ${wrapperFailed}
set -- "\${command[@]}"
workspace=$1
shift
set -C
printf 'wrapper\\n' >"started-$attempt" || exit ${wrapperVoided}
set +C
set -m
(
  until note script $BASHPID || [ ! -e "wrapper-$attempt" ]; do sleep 1; done
  cd "$workspace" && unset OLDPWD && umask "$mask" && exec "$@" </dev/null >&5 2>&6 5>&- 6>&-
) & script=$!
set +m
wait "$script"
code=$?
exec 5>&- 6>&-
until printf '%s\\n' "$code" >exit || [ ! -e "wrapper-$attempt" ]; do sleep 1; done
`;
