// Two people's edits of one list: nobody's are lost, and what both changed is never decided for them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, differencesIn, mergeRows } from "./row-merge.ts";
import type { Side } from "./row-merge.ts";

const row = (Id: string, text = "was", more: object = {}) => ({ Id, text, ...more });
const base = [row("a"), row("b"), row("c")];
const none = new Map<string, Side>();
const shown = (rows: readonly { Id: string; text: string }[]) => rows.map(({ Id, text }) => `${Id}:${text}`).join(" ");

test("each one's edits to different rows are both kept, with what was added and removed", () => {
  const mine = [row("a", "mine"), row("b"), row("new", "mine"), row("c")];
  const theirs = [row("a"), row("x", "theirs"), row("b", "theirs")];
  assert.equal(shown(mergeRows(base, mine, theirs, none)), "a:mine x:theirs b:theirs new:mine");
  assert.deepEqual(
    changesOf(base, mine, theirs).map(({ id, by }) => `${id} ${by}`),
    ["a mine", "x theirs", "b theirs", "new mine", "c theirs"],
  );
});

test("a row that both changed is a conflict, and taken as chosen; removing against changing is one too", () => {
  const mine = [row("a", "mine"), row("c", "mine")];
  const theirs = [row("a", "theirs"), row("b", "theirs"), row("c")];
  assert.deepEqual(
    changesOf(base, mine, theirs).map(({ id, by }) => `${id} ${by}`),
    ["a both", "b both", "c mine"],
  );
  assert.equal(
    shown(
      mergeRows(
        base,
        mine,
        theirs,
        new Map([
          ["a", "theirs"],
          ["b", "theirs"],
        ]),
      ),
    ),
    "a:theirs b:theirs c:mine",
  );
  assert.equal(
    shown(
      mergeRows(
        base,
        mine,
        theirs,
        new Map([
          ["a", "mine"],
          ["b", "mine"],
        ]),
      ),
    ),
    "a:mine c:mine",
  );
});

test("an order of one's own stays, and what others added finds its place in it", () => {
  assert.equal(shown(mergeRows(base, base.toReversed(), [row("a"), row("x"), row("b"), row("c")], none)), "c:was b:was a:was x:was");
});

test("what the server writes, and the order of members, are nobody's edit", () => {
  const theirs = [{ text: "was", Slug: "a-2", Id: "a" }, row("b"), row("c")];
  assert.deepEqual(changesOf(base, base, theirs), []);
});

test("differences name single values", () => {
  const of = (text: string) => ({ Id: "a", Properties: { text, same: "same" }, list: ["one"] });
  const change = { id: "a", by: "both" as const, base: of("was"), mine: of("mine"), theirs: undefined };
  assert.deepEqual(differencesIn(change), [
    { field: "Properties / text", base: "was", mine: "mine", theirs: "" },
    { field: "Properties / same", base: "same", mine: "same", theirs: "" },
    { field: "list", base: "one", mine: "one", theirs: "" },
  ]);
});
