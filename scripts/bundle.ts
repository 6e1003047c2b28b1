// `npm run bundle`: makes dist/server and dist/agent, one folder each that runs without node_modules, and an archive of each to install
// from. `-- --with-node` puts the Node that runs this beside them, `-- --only agent` makes one, `-- --no-archives` leaves the archives out.
import fs from "node:fs/promises";
import path from "node:path";
import { makeArchive } from "./bundle/archive.ts";
import { makeBundle } from "./bundle/make-bundle.ts";
import type { BundledProgram } from "./bundle/make-bundle.ts";

const root = path.dirname(import.meta.dirname);
const words = process.argv.slice(2);
const only = words.includes("--only") ? words[words.indexOf("--only") + 1] : undefined;
const unknown = words.filter((word) => !["--with-node", "--no-archives", "--only", "server", "agent"].includes(word));
if (unknown.length > 0 || (words.includes("--only") && only !== "server" && only !== "agent")) {
  console.error(`npm run bundle -- [--with-node] [--no-archives] [--only server|agent]; not ${words.join(" ")}`);
  process.exit(2);
}
const programs: readonly BundledProgram[] = only === "server" || only === "agent" ? [only] : ["agent", "server"];
/** Of an agent that brings its Node, which is the only one that a machine without anything can run. */
let agentArchive: string | undefined;
for (const program of programs) {
  const startedAt = performance.now();
  const made = await makeBundle({ root, program, folder: path.join(root, "dist", program), withNode: words.includes("--with-node") });
  console.log(`dist/${program}: ${mebibytes(made.bytes)} in ${made.files} files, version ${made.version}`);
  // A server hands out the agent that was made with it.
  if (program === "server" && agentArchive !== undefined) {
    const agents = path.join(root, "dist", "server", "agents");
    await fs.mkdir(agents, { recursive: true });
    await fs.copyFile(agentArchive, path.join(agents, path.basename(agentArchive)));
  }
  if (!words.includes("--no-archives")) {
    const archive = await makeArchive({
      folder: path.join(root, "dist", program),
      name: `cuttle-${program}-${made.version}`,
      platform: made.platform,
    });
    if (program === "agent" && made.platform !== null) agentArchive = archive.file;
    console.log(`${path.relative(root, archive.file)}: ${mebibytes(archive.bytes)}, SHA-256 ${archive.sha256}`);
  }
  console.log(`  ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
