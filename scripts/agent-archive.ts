// `node launch.mjs run scripts/agent-archive.ts <folder>`: makes the archive of the agent with the Node it needs into a folder, as a server
// hands it out, and removes those of other versions. Says how far it is: a server and `npm start` run it while people wait.
import fs from "node:fs/promises";
import { constants, setPriority } from "node:os";
import path from "node:path";
import { makeArchive } from "./bundle/archive.ts";
import { makeBundle } from "./bundle/make-bundle.ts";

/** A good deal quicker than the smallest archive, and some percent larger. */
const level = 4;
/** A line so often is enough to see that it goes on. */
const progressEveryMs = 500;

const folder = process.argv[2];
if (folder === undefined) {
  console.error("Name the folder that the archive goes to.");
  process.exit(2);
}
// Somebody may be deploying meanwhile.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
const into = path.resolve(folder);
/** Beside it, so that the folder is there only when an archive is in it. */
const place = `${into}.${process.pid}`;
const bundle = path.join(place, "agent");
await fs.mkdir(place, { recursive: true });
try {
  const made = await makeBundle({ root: path.dirname(import.meta.dirname), program: "agent", folder: bundle, withNode: true });
  let saidAtMs = performance.now();
  const archive = await makeArchive({
    folder: bundle,
    into: place,
    name: `cuttle-agent-${made.version}`,
    platform: made.platform,
    level,
    onProgress(done, total) {
      if (performance.now() - saidAtMs < progressEveryMs) return;
      saidAtMs = performance.now();
      console.log(JSON.stringify({ done, total }));
    },
  });
  const name = path.basename(archive.file);
  await fs.mkdir(into, { recursive: true });
  await fs.rename(archive.file, path.join(into, name));
  for (const other of await fs.readdir(into))
    if (/^cuttle-agent-.*\.tar\.gz$/.test(other) && other !== name) await fs.rm(path.join(into, other), { force: true });
  console.log(JSON.stringify({ file: path.join(into, name), bytes: archive.bytes, sha256: archive.sha256 }));
} finally {
  await fs.rm(place, { recursive: true, force: true });
}
