# Step 2 of the first deployment: ends the page of the release before, if there is one, and starts the new one beside the agent.
# May be run again: it replaces whatever page runs. Settings (all optional): PAGE_FOLDER, PAGE_PORT, PAGE_NODE.
set -euo pipefail

version="$(get_octopusvariable "Octopus.Release.Number")"
folder="${PAGE_FOLDER:-$HOME/first-deployment}"
port="${PAGE_PORT:-8066}"
node="${PAGE_NODE:-node}" # any Node from 20 on
note="$folder/page.running" # "<process id> <port>", written by a page once it listens

if [ -e "$note" ]; then
  read -r old old_port <"$note"
  # The note may be older than the last restart of the machine: only a page that names this very process is ended.
  answering="$("$node" -e 'fetch(process.argv[1]).then((answer) => console.log(answer.headers.get("x-page-process")), () => {})' "http://127.0.0.1:$old_port/")"
  if [ "$answering" = "$old" ]; then
    echo "Ending the page before (process $old)"
    kill "$old"
    for _ in $(seq 100); do kill -0 "$old" 2>/dev/null || break; sleep 0.1; done
  fi
  rm -f "$note"
fi

# In a session of its own and with its own log, so that it stays when this script has ended.
setsid nohup "$node" "$folder/releases/$version/page-server.mjs" "$folder/releases/$version" "$port" "$note" >"$folder/page.log" 2>&1 </dev/null &
started=$!

for _ in $(seq 150); do
  [ -s "$note" ] && break
  if ! kill -0 "$started" 2>/dev/null; then
    cat "$folder/page.log" >&2
    fail_step "The page of release $version could not be started on port $port."
  fi
  sleep 0.1
done
[ -s "$note" ] || fail_step "The page of release $version did not listen on port $port within 15 seconds."
echo "The page of release $version runs (process $(cut -d' ' -f1 "$note")) on port $port"
