# Step 3 of the first deployment: asks the page as a visitor would and fails the deployment unless it shows this release.
# Settings (all optional): PAGE_PORT, PAGE_NODE.
set -euo pipefail

version="$(get_octopusvariable "Octopus.Release.Number")"
address="http://127.0.0.1:${PAGE_PORT:-8066}/"
node="${PAGE_NODE:-node}"

"$node" -e '
  const [address, version] = process.argv.slice(1);
  fetch(address, { signal: AbortSignal.timeout(10000) }).then(async (answer) => {
    const shown = /Version (\S+?)</.exec(await answer.text())?.[1];
    if (shown === version) return;
    console.error(`${address} shows version ${shown}, not ${version}.`);
    process.exitCode = 1;
  });
' "$address" "$version"
write_highlight "Version $version answers at $address"
