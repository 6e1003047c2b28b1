// Breaks the rules of the engine one at a time, in a copy, and runs the test that must notice. A mutant that lives is a rule that
// nothing holds. Slow; its own command: `npm run mutants` (with words: only mutants whose name holds one of them).

import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { mutants } from "./mutant-list.ts";
import type { Mutant } from "./mutant-list.ts";

/** The slowest test that must notice takes a minute when nothing is wrong. */
const deadlineMs = 5 * 60_000;
/** A single test that waits for what the mutant prevents. */
const testDeadlineMs = 150_000;
/** Named at the end, the slowest first: a test that waits long for what never comes wants a deadline of its own. */
const slowMs = 60_000;
/** Who was ended may still write something: a tenth of a second each, growing. */
const removeRetries = 5;
const root = path.dirname(import.meta.dirname);
const words = process.argv.slice(2);
const chosen = mutants.filter((mutant) => words.length === 0 || words.some((word) => mutant.name.includes(word)));

let lived = 0;
/** Where a mutant is tried now, and what ends its test: for a run that is ended by a signal. */
let folderInUse: string | undefined;
let endTest: (() => void) | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    endTest?.();
    if (folderInUse !== undefined) removeWithPrograms(folderInUse);
    process.exit(130);
  });
const slow: { mutant: Mutant; seconds: number; isEnded: boolean }[] = [];
const begunMs = performance.now();
for (const mutant of chosen) {
  const folder = (folderInUse = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-mutant-")));
  const copy = path.join(folder, "copy");
  const files = path.join(folder, "files");
  try {
    await fs.mkdir(files);
    // For programs that run as somebody else.
    await fs.chmod(folder, 0o711);
    await fs.chmod(files, 0o1777);
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
    const { passed, isEnded } = await runTest(copy, files, mutant);
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    if (seconds * 1_000 > slowMs || isEnded) slow.push({ mutant, seconds, isEnded });
    if (passed) lived += 1;
    console.log(
      `${passed ? "LIVES " : "caught"}  ${mutant.rule.padEnd(12)} ${mutant.name} (${mutant.pattern}${typeof mutant.pattern === "number" ? " seeds" : ""}, ${seconds} s)`,
    );
  } finally {
    removeWithPrograms(folder);
    folderInUse = undefined;
  }
}
for (const { mutant, seconds, isEnded } of slow.sort((one, other) => other.seconds - one.seconds))
  console.log(`slow    ${seconds} s${isEnded ? ", ended because it hung" : ""}: ${mutant.name} (${mutant.test}, ${mutant.pattern})`);
console.log(
  `${chosen.length - lived} of ${chosen.length} mutants were caught, in ${((performance.now() - begunMs) / 60_000).toFixed(1)} minutes.`,
);
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

/** Scripts of agents are in groups of their own and outlive a test that was ended: some hundred of them make every later test late. */
function removeWithPrograms(folder: string): void {
  for (const pid of process.platform === "linux" ? readdirSync("/proc") : []) {
    if (!/^[0-9]+$/.test(pid)) continue;
    try {
      const said = [
        readlinkSync(`/proc/${pid}/cwd`),
        readFileSync(`/proc/${pid}/cmdline`, "utf8"),
        readFileSync(`/proc/${pid}/environ`, "utf8"),
      ];
      if (said.some((text) => text.includes(folder))) process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended meanwhile, or is somebody else's.
    }
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: removeRetries });
}

/** Whether the test passes. One that hangs, and has to be ended, has noticed as well. What it and its programs write goes to `files`. */
function runTest(copy: string, files: string, mutant: Mutant): Promise<{ passed: boolean; isEnded: boolean }> {
  return new Promise((resolve, reject) => {
    const isSeeds = typeof mutant.pattern === "number";
    // What a failed test leaves open does not matter here.
    const asTest = [
      "--test",
      "--test-reporter=tap",
      "--test-force-exit",
      `--test-timeout=${testDeadlineMs}`,
      `--test-name-pattern=${mutant.pattern}`,
      mutant.test,
    ];
    const asSeeds = [mutant.test, "--first", "--seeds", `${mutant.pattern}`];
    const child = spawn(process.execPath, isSeeds ? asSeeds : asTest, {
      cwd: copy,
      env: { ...process.env, TMPDIR: files },
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    let said = "";
    // With the programs that the test has started: a group of its own.
    const end = (): void => void process.kill(-child.pid!, "SIGKILL");
    let hasFailed = false;
    child.stdout.on("data", (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-10_000);
      if (isSeeds || hasFailed || !/^ *not ok /m.test(said)) return;
      // One test that fails is enough; others of the file may take their minutes.
      hasFailed = true;
      end();
    });
    let isEnded = false;
    const timer = setTimeout(() => {
      isEnded = true;
      end();
    }, deadlineMs);
    endTest = end;
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      endTest = undefined;
      // A simulation that cannot run at all has noticed nothing.
      if (isSeeds && code !== 0 && code !== null && !said.includes("broke a promise"))
        reject(new Error(`${mutant.name}: the simulation did not run.`));
      else resolve({ passed: code === 0 && !hasFailed, isEnded });
    });
  });
}
