// Which lines are in sight: for short logs, for logs longer than any element may be, and at both ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { geometryOf, linePx, offsetOf, overscanLines, spacerPxMax, visibleLines } from "./visible-range.ts";

const viewportPx = 600;

test("the scroll bar stands for its own pixels until an element would be too tall", () => {
  assert.deepEqual(geometryOf(200_000, viewportPx), { spacerPx: 200_000 * linePx, scale: 1 });
  const long = geometryOf(5_000_000, viewportPx);
  assert.equal(long.spacerPx, spacerPxMax);
  assert.ok(
    Math.abs((spacerPxMax - viewportPx) * long.scale - (5_000_000 * linePx - viewportPx)) < 1,
    "the end of the bar is the end of the log",
  );
});

test("the lines in sight are drawn with some beyond the edges, and never ones that are not there", () => {
  assert.deepEqual(visibleLines(0, viewportPx, 10), { first: 1, last: 10 });
  assert.deepEqual(visibleLines(1_000 * linePx, viewportPx, 5_000), { first: 1_001 - overscanLines, last: 1_031 + overscanLines });
  const end = visibleLines(5_000 * linePx - viewportPx, viewportPx, 5_000);
  assert.equal(end.last, 5_000);
  assert.deepEqual(visibleLines(0, viewportPx, 0), { first: 1, last: 0 });
});

test("a line that one goes to is in sight, with lines before it where there are any", () => {
  for (const line of [1, 2, 500, 4_999, 5_000]) {
    const offset = offsetOf(line, viewportPx, 5_000);
    assert.ok(offset <= (line - 1) * linePx && (line - 1) * linePx + linePx <= offset + viewportPx, String(line));
  }
  assert.equal(offsetOf(3, viewportPx, 5), 0);
});
