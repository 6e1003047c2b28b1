// The envelope of one page and its links.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOf, pageSizeMax, pageWanted } from "./paging.ts";

const page = (total: number, skip: number, take: number, query: object = {}) =>
  pageOf({ itemType: "Thing", items: [], total, wanted: { skip, take }, path: "/api/Spaces-1/things", query });

test("Page.Next is there exactly while something follows, and repeats the filters", () => {
  assert.equal(
    page(10, 0, 5, { partialName: "a&b", ids: ["A", "B"] }).Links["Page.Next"],
    "/api/Spaces-1/things?skip=5&take=5&partialName=a%26b&ids=A%2CB",
  );
  assert.equal(page(10, 5, 5).Links["Page.Next"], undefined);
  assert.equal(page(10, 20, 5).Links["Page.Next"], undefined);
  assert.equal(page(10, 0, 0).Links["Page.Next"], undefined);
  assert.equal(page(10, 5, 5).Links["Page.Previous"], "/api/Spaces-1/things?skip=0&take=5");
  assert.equal(page(10, 0, 5).Links["Page.Previous"], undefined);
});

test("there is always at least one page, and the last is counted from zero", () => {
  assert.deepEqual([page(0, 0, 30).NumberOfPages, page(0, 0, 30).LastPageNumber], [1, 0]);
  assert.deepEqual([page(31, 0, 30).NumberOfPages, page(31, 0, 30).LastPageNumber], [2, 1]);
});

test("the window is bounded, and a batch of ids with a leftover skip means the batch", () => {
  assert.deepEqual(pageWanted({}), { skip: 0, take: 30 });
  assert.deepEqual(pageWanted({ take: 2147483647 }), { skip: 0, take: pageSizeMax });
  assert.deepEqual(pageWanted({ skip: 300, take: 300, ids: ["a", "b"] }), { skip: 0, take: 300 });
  assert.deepEqual(pageWanted({ take: 0 }), { skip: 0, take: 0 });
});
