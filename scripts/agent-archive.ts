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
await fs.mkdir(into, { recursive: true });
const place = path.join(into, `making.${process.pid}`);
try {
  const made = await makeBundle({ root: path.dirname(import.meta.dirname), program: "agent", folder: place, withNode: true });
  let saidAtMs = performance.now();
  const archive = await makeArchive({
    folder: place,
    into,
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
  for (const other of await fs.readdir(into))
    if (/^cuttle-agent-.*\.tar\.gz$/.test(other) && other !== name) await fs.rm(path.join(into, other), { force: true });
  console.log(JSON.stringify({ file: archive.file, bytes: archive.bytes, sha256: archive.sha256 }));
} finally {
  await fs.rm(place, { recursive: true, force: true });
}
