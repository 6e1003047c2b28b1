# Tells the later steps, and people, where the shop is.
set -euo pipefail
# For whoever counts from outside how often each step ran.
[ -z "${PAGE_FOLDER:-}" ] || echo "$(get_octopusvariable "Octopus.Release.Number") $(get_octopusvariable "Octopus.Environment.Name") PostDeploy.sh" >>"$PAGE_FOLDER/runs"
address="http://127.0.0.1:$(get_octopusvariable "Shop:Port")/"
set_octopusvariable "ShopAddress" "$address"
write_highlight "Release $(get_octopusvariable "Octopus.Release.Number") is open at $address"
