// Service messages as scripts of the product print them, and texts that only look like them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { levelOf, readServiceMessage } from "./service-messages.ts";

const encoded = (text: string): string => Buffer.from(text, "utf8").toString("base64");

test("a message is read in both kinds of quotes, and its values decoded", () => {
  const message = readServiceMessage(
    `##octopus[setVariable name="${encoded("Größe")}" value='${encoded("a\nb ' ]")}'  sensitive='${encoded("True")}']`,
  );
  assert.ok(message);
  assert.equal(message.name, "setVariable");
  assert.deepEqual(
    [...message.attributes],
    [
      ["name", "Größe"],
      ["value", "a\nb ' ]"],
      ["sensitive", "True"],
    ],
  );
});

test("level switches, values that are no base64, and values that PostgreSQL could not hold", () => {
  assert.equal(levelOf(readServiceMessage("##octopus[stdout-warning]")!), "Warning");
  assert.equal(levelOf(readServiceMessage("##octopus[stdout-nothing]")!), undefined);
  assert.equal(levelOf(readServiceMessage("##octopus[constructor]")!), undefined);
  assert.deepEqual(
    [...readServiceMessage("##octopus[progress percentage='50' message='']")!.attributes],
    [
      ["percentage", "50"],
      ["message", ""],
    ],
  );
  assert.equal(readServiceMessage(`##octopus[setVariable name='${encoded("a\u0000b")}']`)!.attributes.get("name"), "ab");
});

test("a broken message says nothing and shows nothing; other text is text", () => {
  const broken = readServiceMessage("##octopus[setVariable name='x value='");
  assert.deepEqual([broken?.name, broken?.attributes.size], ["setVariable", 0]);
  for (const text of ["", "##octopus", "##octopus[", "say ##octopus[stdout-verbose]", "##octopus[1]", `##octopus[${"a".repeat(50)}]`])
    assert.equal(readServiceMessage(text), undefined, text);
});

test("a line that is long and nearly a message is read in no time", () => {
  const text = `##octopus[x${" a='b'".repeat(200_000)}`;
  const startedMs = performance.now();
  assert.equal(readServiceMessage(text)?.attributes.size, 0);
  assert.ok(performance.now() - startedMs < 5_000);
});
