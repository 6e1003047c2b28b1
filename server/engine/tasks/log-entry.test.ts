// What is told of stored lines without decoding them must never leave out a line that is looked for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeEntry, siftOf } from "./log-entry.ts";
import type { LogEntry, logCategories } from "./log-entry.ts";

const texts = [
  "plain",
  'a "quoted" word',
  "back\\slash \\u001b",
  "\u001b[31mred\u001b[0m",
  "one\ntwo\tthree",
  "GRÖSSE größe",
  "ΟΔΟΣ\nΣ ας σας",
  "İstanbul \u212a",
  "\ud83e\udd91 squid \ud83e",
  'm":"Error',
];
const lineOf = (text: string, category: (typeof logCategories)[number]): LogEntry => ({ kind: "line", block: "b", category, at: "", text });

test("a line that is looked for is never passed over: by every part of it, in any case, by its level", () => {
  for (const text of texts) {
    const bytes = Buffer.from(encodeEntry(lineOf(text, "Error")));
    for (let from = 0; from < text.length; from++) {
      for (let to = from + 1; to <= text.length; to++) {
        const part = text.slice(from, to);
        for (const [wanted, matchCase] of [
          [part, true],
          [part, false],
          [part.toUpperCase(), false],
          [part.toLowerCase(), false],
        ] as const) {
          const isIn = matchCase ? text.includes(wanted) : text.toLowerCase().includes(wanted.toLowerCase());
          for (const categories of [new Set<string>(), new Set(["Fatal", "Error"])]) {
            const sift = siftOf({ text: wanted, matchCase, categories });
            if (isIn) assert.ok(sift?.(bytes) ?? true, JSON.stringify({ text, wanted, matchCase }));
          }
        }
      }
    }
  }
});

test("most lines that are not looked for are passed over", () => {
  const many = Buffer.from(texts.map((text) => encodeEntry(lineOf(text, "Info"))).join(""));
  const none = new Set<string>();
  assert.equal(siftOf({ text: "nowhere", matchCase: false, categories: none })?.(many), false);
  assert.equal(siftOf({ text: "PLAIN", matchCase: true, categories: none })?.(many), false);
  assert.equal(siftOf({ text: "PLAIN", matchCase: false, categories: none })?.(many), true);
  // What a line says is no level.
  assert.equal(siftOf({ text: "", matchCase: false, categories: new Set(["Error"]) })?.(many), false);
  assert.equal(siftOf({ text: "", matchCase: false, categories: none }), undefined);
  assert.equal(siftOf({ text: "ö", matchCase: false, categories: none }), undefined);
});
