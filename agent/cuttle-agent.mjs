#!/usr/bin/env node
// The agent's entry in plain JavaScript that Node 20 parses: finds a Node that runs TypeScript and hands over. Knows nothing else of the agent.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import * as nodeModule from "node:module";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Type stripping without flags needs it. */
const nodeMajorMin = 24;

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const launcher = new URL("../launch.mjs", import.meta.url);

if (Number(process.versions.node.split(".")[0]) >= nodeMajorMin) {
  useCompileCache();
  await import("./main.ts");
} else if (existsSync(launcher)) {
  const { runOnFittingNode } = await import(launcher.href);
  try {
    process.exitCode = await runOnFittingNode(fileURLToPath(import.meta.url), process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`cuttle-agent: ${error.message}\n`);
    process.exitCode = 1;
  }
} else {
  process.stderr.write(
    `cuttle-agent: Node ${nodeMajorMin} or newer is needed; this is Node ${process.versions.node}. Install it from nodejs.org or with your package manager.\n`,
  );
  process.exitCode = 1;
}

/**
 * Keeps compiled code between starts. That halves the memory at rest: with a filled cache the compiler for TypeScript, 35 MB, is never
 * loaded. So an empty one is filled by a process that ends before this one loads anything. Without a private folder it goes without.
 */
function useCompileCache() {
  if (process.env.NODE_COMPILE_CACHE !== undefined || process.env.NODE_DISABLE_COMPILE_CACHE !== undefined) return;
  const { version } = JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8"));
  const folder = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "cuttle-agent", `${version}-${process.version}`);
  try {
    const isNew = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined;
    // What stands there is run as code: it must be ours alone.
    const { uid, mode } = statSync(folder);
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return;
    if (isNew) spawnSync(process.execPath, [main, "version"], { env: { ...process.env, NODE_COMPILE_CACHE: folder }, timeout: 20_000 });
    nodeModule.enableCompileCache(folder);
  } catch {
    // A home that cannot be written to: the agent runs all the same.
  }
}
