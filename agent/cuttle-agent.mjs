#!/usr/bin/env node
// The agent's entry in plain JavaScript that Node 20 parses: finds a Node that runs TypeScript and hands over. Knows nothing else of the agent.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Type stripping without flags needs it. */
const nodeMajorMin = 24;

const main = fileURLToPath(new URL("./main.ts", import.meta.url));
const launcher = new URL("../launch.mjs", import.meta.url);

if (Number(process.versions.node.split(".")[0]) >= nodeMajorMin) {
  await import("./main.ts");
} else if (existsSync(launcher)) {
  const { runOnFittingNode } = await import(launcher.href);
  try {
    process.exitCode = await runOnFittingNode(main, process.argv.slice(2));
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
