// `npm run portal`: builds the web portal when its sources have changed. `-- --watch` builds again at each change, for the server of this
// checkout to serve; `-- --sizes` says what the first view of the dashboard takes.
import { watch } from "node:fs";
import path from "node:path";
import { buildPortal, portalFolder } from "./portal/build-portal.ts";
import { budgets, measureFirstView } from "./portal/first-view.ts";

const root = path.dirname(import.meta.dirname);
const words = process.argv.slice(2);
/** An editor saves several files at once. */
const quietMs = 150;
const known = ["--watch", "--sizes", "--quiet"];
const unknown = words.filter((word) => !known.includes(word));
if (unknown.length > 0) {
  console.error(`npm run portal -- [${known.join("] [")}]; not ${unknown.join(" ")}`);
  process.exit(2);
}

async function buildOnce(): Promise<boolean> {
  const startedAt = performance.now();
  if (!words.includes("--quiet")) process.stderr.write("Building the portal …\n");
  try {
    const { isNew } = await buildPortal(root);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (isNew || !words.includes("--quiet"))
      process.stderr.write(`${isNew ? `The portal is built (${seconds} s).` : "The portal is as its sources are."}\n`);
    return true;
  } catch (error) {
    process.stderr.write(`The portal could not be built. ${(error as Error).message}\n`);
    return false;
  }
}

const isBuilt = await buildOnce();
if (words.includes("--sizes") && isBuilt) {
  const view = await measureFirstView(portalFolder(root));
  for (const [kind, files] of [
    ["scripts", view.scripts],
    ["styles", view.styles],
  ] as const) {
    const sum = files.reduce((all, { bytes }) => all + bytes, 0);
    console.log(`${kind}: ${(sum / 1024).toFixed(1)} KiB gzip of ${budgets[kind]} allowed before the first view of the dashboard`);
    for (const { file, bytes } of files.sort((a, b) => b.bytes - a.bytes))
      console.log(`  ${(bytes / 1024).toFixed(1).padStart(7)} ${file}`);
  }
}
if (words.includes("--watch")) {
  let due: NodeJS.Timeout | undefined;
  let building = Promise.resolve(true);
  watch(path.join(root, "portal"), { recursive: true }, (_kind, name) => {
    if (name === null || /^(?:dist|node_modules)/.test(name)) return;
    clearTimeout(due);
    due = setTimeout(() => {
      building = building.then(buildOnce);
    }, quietMs);
  });
} else if (!isBuilt) process.exitCode = 1;
