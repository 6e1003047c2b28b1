// Reading what a client sent into a declared shape.

import assert from "node:assert/strict";
import { test } from "node:test";
import { list, oneOf, optional, orNull, text, time, whole, flag, object, map } from "@cuttle/contract/rest/shapes";
import { compileReader } from "./shape-reader.ts";

const shape = object({
  Name: text(),
  Mode: optional(oneOf(["On", "Off"])),
  At: optional(orNull(time())),
  Items: optional(list(object({ Id: whole() }))),
  Flags: optional(map(flag())),
});
const read = compileReader(shape, "body");
const faultsOf = (value: unknown) => {
  const faults: string[] = [];
  read(value, "", faults);
  return faults;
};

test("names and enumeration values are read in any case and come out as declared", () => {
  assert.deepEqual(read({ name: "n", MODE: "off", items: [{ ID: 1 }], extra: 1 }, "", []), { Name: "n", Mode: "Off", Items: [{ Id: 1 }] });
});

test("each fault names its place", () => {
  assert.deepEqual(faultsOf({ Name: 1, Mode: "x", At: "yesterday", Items: [{ Id: 1 }, { Id: "2" }], Flags: { a: 1 } }), [
    "Name must be text.",
    "Mode must be one of: On, Off.",
    "At must be a time such as 2026-01-31T09:00:00.000+00:00.",
    "Items[1].Id must be a whole number.",
    'Flags["a"] must be true or false.',
  ]);
  assert.deepEqual(faultsOf({}), ["Name is required."]);
});

test("a thousand faults are reported as twenty", () => {
  assert.equal(faultsOf({ Name: "n", Items: Array.from({ length: 1_000 }, () => ({ Id: "x" })) }).length, 20);
});

test("a query reads numbers, flags and lists from text", () => {
  const readQuery = compileReader(object({ Skip: optional(whole()), Active: optional(flag()), Ids: optional(list(text())) }), "query");
  assert.deepEqual(readQuery({ skip: "5", ACTIVE: "True", ids: ["a,b", "c"] }, "", []), { Skip: 5, Active: true, Ids: ["a", "b", "c"] });
  assert.deepEqual(readQuery({ ids: "" }, "", []), { Ids: [] });
});
