// The programs that `npm start` runs: bundles of the sources as they are now, made once for each state of them. A bundle that runs is never
// replaced, because a program loads parts of itself late.
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { makeBundle } from "../bundle/make-bundle.ts";
import type { BuildStep } from "../portal/build-portal.ts";
import { buildPortal, isPortalBuilt } from "../portal/build-portal.ts";
import { StartError } from "./start-error.ts";
import { amountText } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

/** This state and those before, of which one may still run. */
const statesKept = 3;
const sources = ["server", "agent", "halibut", "templates", "contract", "packaging", "portal"];

/** Entry files of server and agent, and the folder for archives of this agent, which is there once there is one. Makes the bundles when the sources have changed since the last time. */
export async function bundlePrograms(root: string, terminal: Terminal): Promise<{ server: string; agent: string; agentArchives: string }> {
  const base = path.join(root, "node_modules", ".cache", "cuttle-bundles");
  const folder = path.join(base, keyOf(root));
  if (!existsSync(folder)) {
    if (!isPortalBuilt(root)) await terminal.during("Building the portal", (tell) => portalOf(root, tell));
    await terminal.during("Bundling server and agent", async (tell) => {
      const onProgress = tellAmount(tell);
      const staging = `${folder}.${process.pid}`;
      try {
        mkdirSync(staging, { recursive: true });
        await makeBundle({ root, program: "server", folder: path.join(staging, "server"), withNode: false, onProgress });
        await makeBundle({ root, program: "agent", folder: path.join(staging, "agent"), withNode: false, onProgress });
        if (!existsSync(folder)) renameSync(staging, folder);
      } catch (error) {
        // Another start may have been quicker by a moment; its bundle is as good.
        if (!existsSync(folder)) throw new StartError(`The programs could not be bundled: ${(error as Error).message}`, { cause: error });
      } finally {
        rmSync(staging, { recursive: true, force: true });
      }
    });
    removeOld(base);
  }
  return {
    server: path.join(folder, "server", "cuttle-server.mjs"),
    agent: path.join(folder, "agent", "cuttle-agent.mjs"),
    agentArchives: path.join(folder, "agent-archives"),
  };
}

/** Each part that tells of itself begins its own pace. */
function tellAmount(tell: (detail: string) => void): (step: BuildStep) => void {
  let before = "";
  let startedAt = performance.now();
  return ({ what, done, total }) => {
    if (what !== before) startedAt = performance.now();
    before = what;
    tell(`${what} ${amountText(done, total, String, performance.now() - startedAt)}`);
  };
}

async function portalOf(root: string, tell: (detail: string) => void): Promise<void> {
  try {
    await buildPortal(root, tellAmount(tell));
  } catch (error) {
    throw new StartError(`The portal could not be built. ${(error as Error).message}`, { cause: error });
  }
}

/** Changes whenever a source, a library or the way of bundling does. */
function keyOf(root: string): string {
  const hash = createHash("sha256");
  const files = globSync(
    [
      ...sources.map((name) => `${name}/**/*.{ts,tsx,mjs,json,css,svg,html}`),
      "packaging/**/*",
      "scripts/{bundle,portal}/*.ts",
      "package-lock.json",
    ],
    {
      cwd: root,
      exclude: (name) => name === "node_modules" || name === "fixtures" || name === "dist" || name.endsWith(".test.ts"),
    },
  );
  for (const file of files.sort()) {
    const { size, mtimeMs } = statSync(path.join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

function removeOld(base: string): void {
  const states = readdirSync(base).map((name) => ({ name, atMs: statSync(path.join(base, name)).mtimeMs }));
  states.sort((one, other) => other.atMs - one.atMs);
  for (const { name } of states.slice(statesKept)) rmSync(path.join(base, name), { recursive: true, force: true });
}
