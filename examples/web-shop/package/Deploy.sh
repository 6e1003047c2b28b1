# Ends the shop of the release before, if there is one, and opens the new one beside the agent. May be run again: it replaces whatever shop is open.
set -euo pipefail
# For whoever counts from outside how often each step ran.
[ -z "${PAGE_FOLDER:-}" ] || echo "$(get_octopusvariable "Octopus.Release.Number") $(get_octopusvariable "Octopus.Environment.Name") Deploy.sh" >>"$PAGE_FOLDER/runs"

node="$(get_octopusvariable "ShopNode")"
data="$(get_octopusvariable "Shop:DataFolder")"
port="$(get_octopusvariable "Shop:Port")"
note="$data/page.running" # "<process id> <port>", written by a shop once it is open
mkdir -p "$data"

if [ -e "$note" ]; then
  read -r old old_port <"$note"
  # The note may be older than the last restart of the machine: only a shop that names this very process is ended.
  answering="$("$node" -e 'fetch(process.argv[1]).then((answer) => console.log(answer.headers.get("x-page-process")), () => {})' "http://127.0.0.1:$old_port/health")"
  if [ "$answering" = "$old" ]; then
    echo "Closing the shop before (process $old)"
    kill "$old"
    for _ in $(seq 100); do kill -0 "$old" 2>/dev/null || break; sleep 0.1; done
  fi
  rm -f "$note"
fi

# On purpose: time to kill the server or the agent and to watch the deployment go on.
sleep "$(cat "${PAGE_FOLDER:-/nowhere}/pause" 2>/dev/null || echo "${PAGE_PAUSE_SECONDS:-0}")"

# In a session of its own and with its own log, so that it stays open when this script has ended.
setsid nohup "$node" "$PWD/shop.mjs" "$note" >"$data/shop.log" 2>&1 </dev/null &
started=$!

for _ in $(seq 150); do
  [ -s "$note" ] && break
  if ! kill -0 "$started" 2>/dev/null; then
    cat "$data/shop.log" >&2
    fail_step "The shop could not be opened on port $port."
  fi
  sleep 0.1
done
[ -s "$note" ] || fail_step "The shop was not open on port $port within 15 seconds."
