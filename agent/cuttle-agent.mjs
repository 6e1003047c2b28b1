#!/usr/bin/env node
// The agent's entry in plain JavaScript that Node 20 parses: finds a Node that runs TypeScript and hands over. Knows nothing else of the agent.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
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
  const base = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "cuttle-agent");
  // One per installation, so that two of them do not take each other's away.
  const installation = createHash("sha256").update(main).digest("hex").slice(0, 8);
  const folder = path.join(base, `${installation}-${process.version}-${sourcesKey()}`);
  try {
    const isNew = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined;
    // What stands there is run as code: it must be ours alone.
    const { uid, mode } = statSync(folder);
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return;
    if (isNew) {
      const older = readdirSync(base).filter((name) => name.startsWith(`${installation}-`) && path.join(base, name) !== folder);
      for (const name of older) rmSync(path.join(base, name), { recursive: true, force: true });
      spawnSync(process.execPath, [main, "version"], { env: { ...process.env, NODE_COMPILE_CACHE: folder }, timeout: 20_000 });
    }
    nodeModule.enableCompileCache(folder);
  } catch {
    // A home that cannot be written to: the agent runs all the same.
  }
}

/** Changes whenever a source does: a cache of older sources would load the compiler after all. */
function sourcesKey() {
  const hash = createHash("sha256");
  for (const folder of [".", "../halibut", "../contract/agent"].map((name) => fileURLToPath(new URL(name, import.meta.url)))) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder, { recursive: true }).sort()) {
      if (!name.endsWith(".ts") || name.includes("node_modules")) continue;
      const { size, mtimeMs } = statSync(path.join(folder, name));
      hash.update(`${folder} ${name} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest("hex").slice(0, 16);
}
