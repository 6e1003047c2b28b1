#!/usr/bin/env node
// Starts the server's command line on a Node that can run it. Plain JavaScript that any Node of the last years parses, because its
// first job is to say in a sentence what is wrong with an old one.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const nodeMajorMin = 24;
const launcher = new URL("../launch.mjs", import.meta.url);
const compileCache = new URL("../compile-cache.mjs", import.meta.url);

if (Number.parseInt(process.versions.node, 10) >= nodeMajorMin) {
  if (existsSync(compileCache)) {
    const { useCompileCache } = await import(compileCache.href);
    const at = (name) => fileURLToPath(new URL(name, import.meta.url));
    const sources = [".", "../halibut", "../contract"].map(at);
    useCompileCache({ program: "cuttle-server", main: at("main.ts"), sources, late: [at("reach-database.ts"), at("compose.ts")] });
  }
  await import("./main.ts");
} else if (existsSync(launcher)) {
  // In a checkout the right Node lies among the packages.
  const { runOnFittingNode } = await import(launcher.href);
  try {
    process.exitCode = await runOnFittingNode(fileURLToPath(import.meta.url), process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
} else {
  process.stderr.write(`Cuttle needs Node ${nodeMajorMin} or newer; this is Node ${process.versions.node}. Install it from nodejs.org.\n`);
  process.exitCode = 1;
}
