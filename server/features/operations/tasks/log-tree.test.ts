// The tree and the text that clients see of a log.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEntry } from "../../../engine/tasks/tasks.ts";
import { buildLogTree, linesPerNodeMax, rawLogText } from "./log-tree.ts";

const at = "2026-01-31T09:00:00.000Z";
const line = (block: string, text: string, category: "Info" | "Verbose" = "Info"): LogEntry => ({
  kind: "line",
  block,
  category,
  at,
  text,
});
const block = (id: string, parent: string | null): LogEntry => ({ kind: "block", id, parent, name: `name of ${id}`, at });

/** In two pieces. */
async function* stream(entries: readonly LogEntry[]): AsyncGenerator<readonly LogEntry[]> {
  yield entries.slice(0, 3);
  yield entries.slice(3);
}

const entries = [
  block("root", null),
  block("step", "root"),
  line("step", "hello"),
  line("step", "quiet", "Verbose"),
  { kind: "status", id: "step", status: "Success", at } as LogEntry,
];

test("blocks become nodes with stable ids, status and lines", async () => {
  const { roots } = await buildLogTree(stream(entries), "ServerTasks-1", { verbose: false });
  const step = roots[0]!.Children[0]!;
  assert.equal(roots.length, 1);
  assert.deepEqual(
    [step.Id, step.Name, step.Status, step.Ended],
    ["ServerTasks-1_step", "name of step", "Success", "2026-01-31T09:00:00.000+00:00"],
  );
  assert.deepEqual(
    step.LogElements.map((one) => one.MessageText),
    ["hello"],
  );
  assert.deepEqual((await buildLogTree(stream(entries), "t", { verbose: true })).roots[0]!.Children[0]!.LogElements.length, 2);
});

test("a block that a takeover opens again stays one node", async () => {
  const { roots } = await buildLogTree(stream([...entries, block("root", null), block("step", "root"), line("step", "more")]), "t", {
    verbose: false,
  });
  assert.equal(roots.length, 1);
  assert.deepEqual(
    roots[0]!.Children.map((one) => one.LogElements.length),
    [2],
  );
});

test("only the last lines of a node are kept, with a gap that counts the others", async () => {
  const many = [block("root", null), ...Array.from({ length: linesPerNodeMax + 500 }, (_, n) => line("root", `line ${n}`))];
  const elements = (await buildLogTree(stream(many), "t", { verbose: false })).roots[0]!.LogElements;
  assert.equal(elements.length, linesPerNodeMax + 1);
  assert.deepEqual([elements[0]!.Category, elements[0]!.MessageText.slice(0, 17)], ["Gap", "500 earlier lines"]);
  assert.equal(elements.at(-1)!.MessageText, `line ${linesPerNodeMax + 499}`);
  const tail = (await buildLogTree(stream(many), "t", { verbose: false, tail: 2 })).roots[0]!.LogElements;
  assert.deepEqual(
    tail.map((one) => one.Category),
    ["Gap", "Info", "Info"],
  );
});

test("the raw text has every line once, with its level", async () => {
  let text = "";
  for await (const piece of rawLogText(stream(entries))) text += piece;
  assert.match(text, /09:00:00 {3}Info {5}\| {5}hello\n/);
  assert.match(text, /Verbose {2}\| {5}quiet\n/);
  assert.match(text, /== Success: name of step ==/);
});
