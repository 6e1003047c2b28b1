#!/usr/bin/env node
// The agent's entry in plain JavaScript that Node 20 parses: finds a Node that runs TypeScript and hands over. Knows nothing else of the agent.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Type stripping without flags needs it. */
const nodeMajorMin = 24;
const launcher = new URL("../launch.mjs", import.meta.url);
const compileCache = new URL("../compile-cache.mjs", import.meta.url);

if (Number.parseInt(process.versions.node, 10) >= nodeMajorMin) {
  if (existsSync(compileCache)) {
    const { useCompileCache } = await import(compileCache.href);
    const sources = [".", "../halibut", "../contract/agent"].map((name) => fileURLToPath(new URL(name, import.meta.url)));
    useCompileCache({ program: "cuttle-agent", main: fileURLToPath(new URL("main.ts", import.meta.url)), sources });
  }
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
