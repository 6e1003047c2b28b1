// `npm test`: runs every *.test.ts of the workspaces and of test/, but for those that take long (test/long/, `npm run test:long`) and those in
// a browser (test/portal/, `npm run test:portal`), with Node's own runner and prints its closing lines, how long it took, and every skipped test with its reason. `npm test -- lease` runs the files whose path contains "lease". It does not decide which skips are
// allowed: that is .ci/run, which reads the list this leaves in the file named by CUTTLE_TEST_SKIPS.
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { skippedTests } from "./skipped-tests.ts";

const root = path.dirname(import.meta.dirname);
/** Two cores are what a small machine and CI have; test files start PostgreSQL and nodes of their own. */
const concurrentFilesMax = 2;
/** One test file that hangs must not hold the run until CI's own limit; the slowest honest file needs far less. */
const fileTimeoutMs = 4 * 60_000;
/** A file whose thread is blocked does not hear its own limit. The whole suite needs a third of this on a busy machine. */
const runTimeoutMs = 20 * 60_000;

/** Whole clusters under kills, cuts and wrong clocks: minutes of their own, which nobody should wait for at each change. CI runs them. */
const longFolder = path.join("test", "long") + path.sep;
/** A browser beside the server and its database takes both cores of a small machine. */
const browserFolder = path.join("test", "portal") + path.sep;

const wantedWords = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const unknownFlags = process.argv.slice(2).filter((word) => word.startsWith("--"));
if (unknownFlags.length > 0) {
  console.error(`npm test knows no flag ${unknownFlags.join(" ")}. Words after -- choose files by a part of their path: npm test -- lease`);
  process.exit(2);
}

const patterns = ["halibut", "templates", "contract", "server", "agent", "portal", "test", "scripts"].map(
  (folder) => `${folder}/**/*.test.ts`,
);
const all = globSync(patterns, { cwd: root, exclude: ["**/node_modules/**"] }).sort();
const chosen =
  wantedWords.length === 0
    ? all.filter((file) => !file.startsWith(longFolder) && !file.startsWith(browserFolder))
    : all.filter((file) => wantedWords.some((word) => file.includes(word)));
if (chosen.length === 0) {
  console.error(`No test file has ${wantedWords.map((word) => `"${word}"`).join(" or ")} in its path. There are ${all.length} test files.`);
  process.exit(2);
}

const folder = mkdtempSync(path.join(tmpdir(), "cuttle-tests-"));
const tapFile = path.join(folder, "run.tap");
const startedAt = performance.now();
console.log(`Running ${chosen.length} of ${all.length} test files, ${concurrentFilesMax} at a time, on Node ${process.versions.node}.`);
const runner = spawn(
  process.execPath,
  [
    "--test",
    `--test-concurrency=${concurrentFilesMax}`,
    `--test-timeout=${fileTimeoutMs}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${tapFile}`,
    ...chosen,
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
// The first Ctrl-C reaches the runner through the terminal; this process only waits for it to end its files.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => runner.kill(signal));
const late = setTimeout(() => {
  const hanging = chosen.filter((file) => commandsBelow(runner.pid!).some((command) => command.includes(file)));
  console.error(`The tests have not ended after ${runTimeoutMs / 60_000} minutes and are stopped. Still running: ${hanging.join(", ")}.`);
  runner.kill("SIGKILL");
}, runTimeoutMs);
const code = await new Promise<number>((resolve, reject) => {
  runner.once("error", reject);
  runner.once("exit", (exitCode, signal) => resolve(signal === null ? (exitCode ?? 1) : 1));
});
clearTimeout(late);

/** Command lines of a process's children, where the system tells them. A file whose tests have all ended hangs on what one of them left. */
function commandsBelow(parent: number): string[] {
  return globSync("/proc/[0-9]*/stat").flatMap((file) => {
    try {
      const parentOf = Number(
        readFileSync(file, "utf8")
          .replace(/^.*\) \S /s, "")
          .split(" ")[0],
      );
      return parentOf === parent ? [readFileSync(file.replace(/stat$/, "cmdline"), "utf8").replaceAll("\0", " ")] : [];
    } catch {
      return []; // ended meanwhile
    }
  });
}

const skipped = skippedTests(readFileSync(tapFile, "utf8"));
rmSync(folder, { recursive: true, force: true });
if (skipped.length > 0) {
  console.log(`\nSkipped:`);
  for (const each of skipped) console.log(`  ${each.name}\n    because: ${each.reason === "" ? "no reason given" : each.reason}`);
}
const skipsFile = process.env["CUTTLE_TEST_SKIPS"];
if (skipsFile !== undefined) writeFileSync(skipsFile, skipped.map((each) => `${each.name}\t${each.reason}\n`).join(""));
console.log(`\n${code === 0 ? "All passed" : "Failed"} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
process.exitCode = code;
