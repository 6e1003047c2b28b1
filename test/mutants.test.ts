// A mutant whose place has changed would break nothing and hold nothing: each must still stand where it says, with its test.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { mutants } from "./mutant-list.ts";

const root = path.dirname(import.meta.dirname);
const textOf = (file: string): string => readFileSync(path.join(root, file), "utf8");

test("each mutant stands exactly once in its file, changes it, and names a test that is there", () => {
  for (const { name, file, find, put, test: itsTest, pattern } of mutants) {
    assert.equal(textOf(file).split(find).length - 1, 1, `"${name}": how often ${file} holds ${find}`);
    assert.notEqual(find, put, name);
    const text = textOf(itsTest);
    if (typeof pattern === "string") assert.match(text, new RegExp(pattern), `"${name}": ${itsTest} has no test of that name`);
  }
});

test("no two mutants have one name, since a word chooses them", () => {
  const names = mutants.map(({ name }) => name);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});
