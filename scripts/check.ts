// `npm run check`: format, lint, types and the architecture rules, each with its time; what fails is shown in full, what passes takes one line.
// `npm run check -- --fix` lets the formatter and the linter mend what they can first. It runs no other test.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

const root = path.dirname(import.meta.dirname);
/** The slowest of them takes seconds; past this a tool hangs. */
const checkTimeoutMs = 3 * 60_000;

const unknown = process.argv.slice(2).filter((word) => word !== "--fix");
if (unknown.length > 0) {
  console.error(`npm run check knows only --fix, not ${unknown.join(" ")}.`);
  process.exit(2);
}
const shouldFix = process.argv.includes("--fix");

const checks = [
  { name: "format", mend: "npm run check -- --fix", args: [tool("oxfmt", "bin/oxfmt"), shouldFix ? "--write" : "--check", "."] },
  {
    name: "lint",
    mend: "npm run check -- --fix mends some of it",
    args: [tool("oxlint", "bin/oxlint"), "--deny-warnings", ...(shouldFix ? ["--fix"] : [])],
  },
  { name: "types", mend: "see the lines above", args: [tool("typescript", "bin/tsc"), "--noEmit", "--pretty"] },
  {
    name: "portal types",
    mend: "see the lines above",
    args: [tool("typescript", "bin/tsc"), "--noEmit", "--pretty", "-p", "portal/tsconfig.json"],
  },
  {
    name: "architecture",
    mend: "each message says what to do instead",
    args: ["--test", "--test-reporter=spec", "test/architecture.test.ts"],
  },
];

const results = [];
for (const check of checks) {
  const startedAt = performance.now();
  const { code, output } = await run(check.args);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (code !== 0) console.log(`--- ${check.name} ---\n${withoutPassed(output)}\n`);
  else if (check.name === "architecture") console.log(largestFiles(output));
  results.push({ ...check, code, seconds });
}
for (const result of results) {
  console.log(
    `${result.code === 0 ? "ok    " : "FAILED"} ${result.name.padEnd(13)} ${result.seconds.padStart(5)} s${result.code === 0 ? "" : `   (${result.mend})`}`,
  );
}
process.exitCode = results.every((result) => result.code === 0) ? 0 : 1;

function tool(name: string, file: string): string {
  const found = path.join(root, "node_modules", name, file);
  if (!existsSync(found))
    throw new Error(`${found} is missing. Remove node_modules and run the command again: it installs what the lock file says.`);
  return found;
}

async function run(args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], timeout: checkTimeoutMs });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => {
      if (signal !== null) output += `\nended by ${signal} (limit: ${checkTimeoutMs / 1000} s)`;
      resolve(exitCode ?? 1);
    });
  });
  return { code, output };
}

function withoutPassed(output: string): string {
  const rows = output.split("\n").filter((row) => !/^(?:✔|ℹ) /.test(row));
  return rows.join("\n").trim();
}

/** The architecture test lists them on every run; the rest of its output says nothing when it passes. */
function largestFiles(output: string): string {
  const lines = output.split("\n");
  const from = lines.findIndex((line) => line.includes("largest files"));
  return from === -1 ? "" : `${lines.slice(from, from + 11).join("\n")}\n`;
}
