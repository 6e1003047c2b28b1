# Step 1 of the first deployment: lays the release into a folder of its own, so that the running page is not touched yet.
# May be run again: it writes the same files. Settings (all optional): PAGE_FOLDER, PAGE_PAUSE_SECONDS.
set -euo pipefail

version="$(get_octopusvariable "Octopus.Release.Number")"
environment="$(get_octopusvariable "Octopus.Environment.Name")"
folder="${PAGE_FOLDER:-$HOME/first-deployment}/releases/$version"
mkdir -p "$folder"

# A pause between the files, on purpose: it leaves time to kill the server or the agent and to watch the deployment go on.
pause="${PAGE_PAUSE_SECONDS:-0}"

echo "Release $version goes to $folder"
sleep "$pause"

cat >"$folder/page.html" <<PAGE
<!doctype html>
<meta charset="utf-8">
<title>First deployment $version</title>
<h1>Version $version</h1>
<p>Deployed to $environment by Cuttle.</p>
PAGE
echo "Wrote page.html"
sleep "$pause"

# A web server of one file. It answers until it is told to end, or until the port is taken from it.
cat >"$folder/page-server.mjs" <<'SERVER'
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
const [folder, port, noteFile] = process.argv.slice(2);
const page = readFileSync(`${folder}/page.html`);
const server = createServer((request, response) => {
  response.writeHead(request.url === "/" ? 200 : 404, { "content-type": "text/html; charset=utf-8", "x-page-process": String(process.pid) });
  response.end(request.url === "/" ? page : "There is one page only: /\n");
});
server.listen(Number(port), "127.0.0.1", () => writeFileSync(noteFile, `${process.pid} ${port}\n`));
process.on("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
SERVER
echo "Wrote page-server.mjs"
sleep "$pause"
