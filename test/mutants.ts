// Breaks the rules of the engine one at a time, in a copy, and runs the test that must notice. A mutant that lives is a rule that
// nothing holds. Slow; its own command: `npm run mutants` (with words: only mutants whose name holds one of them).

import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { mutants } from "./mutant-list.ts";
import type { Mutant } from "./mutant-list.ts";

/** The slowest test that must notice takes a minute when nothing is wrong. */
const deadlineMs = 5 * 60_000;
/** A single test that waits for what the mutant prevents. */
const testDeadlineMs = 150_000;
const root = path.dirname(import.meta.dirname);
const words = process.argv.slice(2);
const chosen = mutants.filter((mutant) => words.length === 0 || words.some((word) => mutant.name.includes(word)));

let lived = 0;
for (const mutant of chosen) {
  const copy = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-mutant-"));
  try {
    for (const part of ["agent", "contract", "halibut", "server", "templates", "test", "package.json", "tsconfig.json"]) {
      await fs.cp(path.join(root, part), path.join(copy, part), { recursive: true, filter: (from) => !from.includes("node_modules") });
    }
    await linkPackages(copy);
    const file = path.join(copy, mutant.file);
    const source = await fs.readFile(file, "utf8");
    if (source.split(mutant.find).length !== 2) throw new Error(`${mutant.file} does not hold exactly once: ${mutant.find}`);
    await fs.writeFile(
      file,
      source.replace(mutant.find, () => mutant.put),
    );
    const startedMs = performance.now();
    const passed = await runTest(copy, mutant);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    if (passed) lived += 1;
    console.log(
      `${passed ? "LIVES " : "caught"}  ${mutant.rule.padEnd(12)} ${mutant.name} (${mutant.pattern}${typeof mutant.pattern === "number" ? " seeds" : ""}, ${seconds} s)`,
    );
  } finally {
    await fs.rm(copy, { recursive: true, force: true });
  }
}
console.log(`${chosen.length - lived} of ${chosen.length} mutants were caught.`);
process.exitCode = lived === 0 ? 0 : 1;

/** The installed packages, with our own workspaces pointing into the copy. */
async function linkPackages(copy: string): Promise<void> {
  const installed = path.join(root, "node_modules");
  await fs.mkdir(path.join(copy, "node_modules", "@cuttle"), { recursive: true });
  for (const name of await fs.readdir(installed)) {
    if (name === "@cuttle" || name.startsWith(".")) continue;
    await fs.symlink(path.join(installed, name), path.join(copy, "node_modules", name));
  }
  for (const name of ["agent", "contract", "halibut", "server", "templates"]) {
    await fs.symlink(path.join(copy, name), path.join(copy, "node_modules", "@cuttle", name));
  }
}

/** Whether the test passes. One that hangs has noticed as well. */
function runTest(copy: string, mutant: Mutant): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const isSeeds = typeof mutant.pattern === "number";
    const asTest = ["--test", `--test-timeout=${testDeadlineMs}`, `--test-name-pattern=${mutant.pattern}`, mutant.test];
    const asSeeds = [mutant.test, "--first", "--seeds", `${mutant.pattern}`];
    const child = spawn(process.execPath, isSeeds ? asSeeds : asTest, {
      cwd: copy,
      stdio: ["ignore", isSeeds ? "pipe" : "ignore", "ignore"],
      detached: true,
    });
    let said = "";
    child.stdout?.on("data", (bytes: Buffer) => (said = (said + bytes.toString()).slice(-10_000)));
    // With the programs that the test has started: a group of its own.
    const end = (): void => void process.kill(-child.pid!, "SIGKILL");
    const timer = setTimeout(end, deadlineMs);
    const onSignal = (): never => {
      end();
      process.exit(130);
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
      // A simulation that cannot run at all has noticed nothing.
      if (isSeeds && code !== 0 && code !== null && !said.includes("broke a promise"))
        reject(new Error(`${mutant.name}: the simulation did not run.`));
      else resolve(code === 0);
    });
  });
}
