# Before anything is replaced: is there a Node to run the shop with? A deployment that would fail later fails here, and the running shop stays.
set -euo pipefail
# For whoever counts from outside how often each step ran.
[ -z "${PAGE_FOLDER:-}" ] || echo "$(get_octopusvariable "Octopus.Release.Number") $(get_octopusvariable "Octopus.Environment.Name") PreDeploy.sh" >>"$PAGE_FOLDER/runs"
node="$(get_octopusvariable "ShopNode")"
"$node" --version >/dev/null 2>&1 || fail_step "The shop needs Node 20 or newer at '$node' (variable ShopNode)."
echo "The shop will run on Node $("$node" --version)"
# On purpose: time to kill the server or the agent and to watch the deployment go on.
sleep "$(cat "${PAGE_FOLDER:-/nowhere}/pause" 2>/dev/null || echo "${PAGE_PAUSE_SECONDS:-0}")"
