# Before anything is replaced: is there a Node to run the shop with? A deployment that would fail later fails here, and the running shop stays.
set -euo pipefail
node="$(get_octopusvariable "ShopNode")"
"$node" --version >/dev/null 2>&1 || fail_step "The shop needs Node 20 or newer at '$node' (variable ShopNode)."
echo "The shop will run on Node $("$node" --version)"
# On purpose: time to kill the server or the agent and to watch the deployment go on.
sleep "${PAGE_PAUSE_SECONDS:-0}"
