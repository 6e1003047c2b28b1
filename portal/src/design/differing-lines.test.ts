// Lines that went and came: no more than those, and those around them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { differingLines } from "./differing-lines.ts";

const shown = (before: string, after: string) => differingLines(before, after)?.map(({ sign, text }) => sign + text);

test("a changed line is one that goes and one that comes, with two around it", () => {
  assert.deepEqual(shown("a\nb\nc\nd\ne\nf", "a\nb\nc\nD\ne\nf"), [" b", " c", "-d", "+D", " e", " f"]);
});

test("what only comes or goes stands alone, also at the ends", () => {
  assert.deepEqual(shown("b", "a\nb"), ["+a", " b"]);
  assert.deepEqual(shown("a\nb", "a"), [" a", "-b"]);
  assert.deepEqual(shown("same\ntext", "same\ntext"), []);
});

test("texts that are too long to compare are not", () => {
  const long = "line\n".repeat(2_000);
  assert.equal(differingLines(long, `${long}x`), undefined);
});
