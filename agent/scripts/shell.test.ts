// How an argument text becomes arguments, by the rules of the servers that quote it; and what the shell around scripts must not do.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { prepareDirectly } from "./nursery.ts";
import { findArgumentProblem, splitArguments } from "./shell.ts";

const table: [text: string, expected: string[]][] = [
  ["", []],
  ["one two", ["one", "two"]],
  ["  one\t two  ", ["one", "two"]],
  ['"two words" x', ["two words", "x"]],
  ["'single quoted'", ["'single", "quoted'"]],
  ["back\\slash", ["back\\slash"]],
  ["$HOME *", ["$HOME", "*"]],
  ['a"b c"d', ["ab cd"]],
  ['""', [""]],
  ['"a""b"', ['a"b']],
  ['a\\"b', ['a"b']],
  ['"a\\\\" b', ["a\\", "b"]],
  ['\\\\\\"x', ['\\"x']],
  ["tail\\", ["tail\\"]],
  ["a\\ b", ["a\\", "b"]],
  ['"open end', ["open end"]],
];
for (const [text, expected] of table)
  test(`${JSON.stringify(text)} gives ${expected.length} arguments`, () => assert.deepEqual(splitArguments(text), expected));

test("arguments that the kernel would refuse are refused with a sentence", () => {
  assert.equal(findArgumentProblem(["a", "b"]), undefined);
  assert.match(findArgumentProblem(["x".repeat(130_000)])!, /longer than/);
  assert.match(findArgumentProblem(Array.from({ length: 10 }, () => "x".repeat(100_000)))!, /together/);
  assert.match(findArgumentProblem(["a\0b"])!, /NUL/);
});

test(
  "a spare wrapper runs nobody's start-up file, although the shell takes its input for a remote login",
  { timeout: 30_000 },
  async (t) => {
    const home = mkdtempSync(join(tmpdir(), "cuttle-shell-"));
    const record = join(home, "record");
    mkdirSync(record);
    t.after(() => rmSync(home, { recursive: true, force: true }));
    writeFileSync(join(home, ".bashrc"), `: >${join(home, "ran")}\n`);
    // As under a service manager: no shell above it.
    const environment = { PATH: process.env["PATH"], HOME: home };
    const spare = await prepareDirectly({ streamBytesMax: 1e6, umask: 0o22, environment }, record, 1);
    const ended = new Promise((resolve) => spare.onEnd(resolve));
    while (!existsSync(join(record, "wrapper-1"))) await delay(5);
    spare.dismiss();
    await ended;
    assert.equal(existsSync(join(home, "ran")), false);
  },
);
