// Versions sort as people expect, and ranges hold what they say.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readVersion, readVersionRange } from "./versions.ts";

const ascending = [
  "0.9",
  "1.0.0-0",
  "1.0.0-2",
  "1.0.0-10",
  "1.0.0-alpha",
  "1.0.0-alpha.1",
  "1.0.0-alpha.beta",
  "1.0.0-beta",
  "1.0.0-beta+build.1",
  "1.0.0-beta.2",
  "1.0.0-beta.11",
  "1.0.0-rc.1",
  "1.0.0",
  "1.0.0+a",
  "1.0.0+b",
  "1.0.0.1",
  "1.0.1-x",
  "1.0.2",
  "1.0.10",
  "1.2",
  "1.10.0",
  "2",
  "10.0.0",
  "2024.12.31.1",
];

function inRange(version: string, range: string): boolean {
  const { key } = readVersion(version)!;
  const { from, below } = readVersionRange(range);
  return (from === undefined || key >= from) && (below === undefined || key < below);
}

test("keys sort as versions do: numbers by size, pre-releases before their release, metadata last", () => {
  const shuffled = ascending.toSorted((a, b) => (a.split("").reverse().join("") < b.split("").reverse().join("") ? -1 : 1));
  const sorted = shuffled.toSorted((a, b) => (readVersion(a)!.key < readVersion(b)!.key ? -1 : 1));
  assert.deepEqual(sorted, ascending);
});

test("spellings of one version have one key, and a normal spelling", () => {
  const key = readVersion("1.0")!.key;
  for (const same of ["1", "1.0.0", "01.0.0.0", "1.00"]) assert.equal(readVersion(same)!.key, key, same);
  assert.equal(readVersion("1.0-BETA")!.key, readVersion("1.0.0-beta")!.key);
  assert.equal(readVersion("1.02.0.0-rc+x")!.normal, "1.2.0-rc");
  assert.equal(readVersion("1.2.3.4")!.normal, "1.2.3.4");
});

test("what is no version is none", () => {
  for (const text of ["", "v1", "1.", "1.2.3.4.5", "1.0-", "1.0+", "a", "1.0 ", "1.0-ü", `1.${"9".repeat(19)}`, "1".repeat(101)]) {
    assert.equal(readVersion(text), undefined, text);
  }
});

test("ranges: ends belong to them or not, metadata belongs to its version", () => {
  const cases: [string, string[], string[]][] = [
    ["1.0", ["1.0", "1.0+x", "2.0", "9"], ["0.9", "1.0-rc"]],
    ["[1.0]", ["1.0.0", "1.0+x"], ["1.0.0.1", "1.0-rc", "1.1"]],
    ["[1.0,2.0)", ["1.0", "1.9", "2.0-rc"], ["0.9", "2.0"]],
    ["(1.0,2.0]", ["1.0.0.1", "2.0", "2.0+x"], ["1.0", "1.0+x", "2.0.1"]],
    ["(,2.0)", ["0.1", "1"], ["2.0"]],
    ["[1.5,)", ["1.5", "3"], ["1.4"]],
  ];
  for (const [range, inside, outside] of cases) {
    for (const version of inside) assert.equal(inRange(version, range), true, `${version} in ${range}`);
    for (const version of outside) assert.equal(inRange(version, range), false, `${version} not in ${range}`);
  }
  for (const wrong of ["", "x", "[1.0", "(1.0)", "[1,2,3]", "[1.0,x]", "1.*"]) {
    assert.throws(() => readVersionRange(wrong), { status: 400 }, wrong);
  }
});
