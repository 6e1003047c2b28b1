// How an argument text becomes arguments, by the rules of the servers that quote it.
import assert from "node:assert/strict";
import { test } from "node:test";
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
