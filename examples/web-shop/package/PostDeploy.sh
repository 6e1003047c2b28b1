# Tells the later steps, and people, where the shop is.
set -euo pipefail
address="http://127.0.0.1:$(get_octopusvariable "Shop:Port")/"
set_octopusvariable "ShopAddress" "$address"
write_highlight "Release $(get_octopusvariable "Octopus.Release.Number") is open at $address"
