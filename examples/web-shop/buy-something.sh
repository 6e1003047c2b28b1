# Step 2: visits the shop as a customer would, buys a mug, and fails the deployment unless the shop shows this release.
set -euo pipefail

version="$(get_octopusvariable "Octopus.Release.Number")"
environment="$(get_octopusvariable "Octopus.Environment.Name")"
address="$(get_octopusvariable "Octopus.Action[Open the shop].Output.ShopAddress")"
node="$(get_octopusvariable "ShopNode")"
[ -z "${PAGE_FOLDER:-}" ] || echo "$version $environment buy-something.sh" >>"$PAGE_FOLDER/runs"

"$node" -e '
  const [address, version, environment] = process.argv.slice(1);
  const ask = (where, options) => fetch(address + where, { redirect: "manual", signal: AbortSignal.timeout(10000), ...options });
  const expect = (what, is) => {
    if (!is) throw new Error(`${address}: ${what}`);
  };
  (async () => {
    const health = await (await ask("health")).json();
    expect(`shows version ${health.version}, not ${version}`, health.version === version);
    expect(`says it is in ${health.environment}, not ${environment}`, health.environment === environment);
    const basket = await ask("basket", { method: "POST", body: new URLSearchParams({ id: "mug" }) });
    expect(`the basket answers ${basket.status}`, basket.status === 303);
    const cookie = basket.headers.get("set-cookie").split(";")[0];
    const order = await ask("order", { method: "POST", headers: { cookie } });
    expect(`the order is answered with ${order.status}`, order.status === 201);
    console.log(`Bought a mug: ${/<code>(.*?)<\/code>/.exec(await order.text())[1]}`);
  })().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
' "$address" "$version" "$environment"
write_highlight "Version $version of the shop in $environment sells"
