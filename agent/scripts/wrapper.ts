// The small shell program between agent and script. It outlives the agent: it says durably that the script was begun, keeps
// its output in files, and writes down how it ended. The agent only ever looks at these files, so it can die at any moment.
//
// Files in the script's record folder, N being the number of the attempt:
//   wrapper-N       "<pid> <start time>" of this program, complete before started-N exists
//   started-N       made exclusively, by this program before the script begins, or by an agent that wants the attempt never to begin.
//                   Exactly one of the two succeeds: that is how "was it started?" always has a certain answer.
//   script          "<pid> <start time>" of the script; the pid is also its session
//   stdout, stderr  what the script wrote
//   stdout.cut …    the disk refused or the limit was reached: the rest of the stream was dropped
//   exit            "<code>\n", valid once its line end is there
//   closed          every process that held the output has closed it, and all of it is in the files
//
// Pipes stand between script and files because scripts open /dev/stdout and /dev/stderr, which would truncate a file.

/** Exit code of the wrapper when it could not prepare; the script was certainly not begun. */
export const wrapperFailed = 71;
/** Exit code of the wrapper when the agent had made the attempt void before. */
export const wrapperVoided = 72;

/** Arguments: record folder, attempt, limit of each stream in KiB, umask of the script, then program and arguments. Runs with `bash -p -c`. */
export const wrapperText = `
record=$1 attempt=$2 kib=$3 mask=$4
shift 4
umask 077
note() {
  local file=$1 pid=$2 line
  read -r line <"/proc/$pid/stat" || return
  line=\${line##*) }
  set -- $line
  printf '%s %s\\n' "$pid" "\${20}" >"$record/$file"
}
keep() {
  (ulimit -f "$kib" && exec cat >>"$record/$1") && return
  : >"$record/$1.cut"
  exec cat >/dev/null
}
note "wrapper-$attempt" $$ || exit ${wrapperFailed}
mkfifo "$record/stdout-$attempt.pipe" "$record/stderr-$attempt.pipe" || exit ${wrapperFailed}
set -C
printf 'wrapper\\n' >"$record/started-$attempt" || exit ${wrapperVoided}
set +C
keep stdout <"$record/stdout-$attempt.pipe" & out=$!
keep stderr <"$record/stderr-$attempt.pipe" & err=$!
(
  until note script $BASHPID; do sleep 1; done
  umask "$mask"
  exec setsid "$@" >"$record/stdout-$attempt.pipe" 2>"$record/stderr-$attempt.pipe"
)
code=$?
until printf '%s\\n' "$code" >"$record/exit"; do sleep 1; done
wait "$out" "$err"
until : >"$record/closed"; do sleep 1; done
`;
