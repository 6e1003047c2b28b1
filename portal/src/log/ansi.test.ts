// What programs print for terminals: colours stay, everything else that is not text goes, and nothing ends in markup or a bad link.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAnsi, plainText } from "./ansi.ts";

const esc = "\u001b";

test("a plain line is one part, whatever it holds", () => {
  for (const line of ["", "hello", "<b>&amp;</b>", "\ttabbed", "שלום 🦑"]) assert.deepEqual(parseAnsi(line), [{ text: line, classes: [] }]);
});

test("colours and weights become classes until they are taken back", () => {
  assert.deepEqual(parseAnsi(`a${esc}[1;31mb${esc}[22mc${esc}[39;44md${esc}[me`), [
    { text: "a", classes: [] },
    { text: "b", classes: ["bold", "fg-1"] },
    { text: "c", classes: ["fg-1"] },
    { text: "d", classes: ["bg-4"] },
    { text: "e", classes: [] },
  ]);
  assert.deepEqual(parseAnsi(`${esc}[95mx${esc}[7my`), [
    { text: "x", classes: ["fg-13"] },
    { text: "y", classes: ["fg-0", "bg-13"] },
  ]);
  assert.deepEqual(parseAnsi(`${esc}[38;5;9mx`), [{ text: "x", classes: ["fg-9"] }]);
  assert.deepEqual(parseAnsi(`${esc}[38;5;196mx`), [{ text: "x", classes: [], color: "rgb(255 0 0)" }]);
  assert.deepEqual(parseAnsi(`${esc}[48;2;1;2;3mx`), [{ text: "x", classes: [], background: "rgb(1 2 3)" }]);
  assert.deepEqual(parseAnsi(`${esc}[38;2;1;999;3;1mx`), [{ text: "x", classes: ["bold"] }], "a colour that is none is left out");
});

test("moving, clearing, titles, bells and halves of sequences are dropped", () => {
  for (const [line, text] of [
    [`${esc}[2J${esc}[10;20Hdone`, "done"],
    [`${esc}]0;title\u0007done`, "done"],
    [`${esc}]2;title${esc}\\done`, "done"],
    [`do\u0007\u0000\u0008ne`, "done"],
    [`${esc}(Bdone`, "done"],
    [`\u009b31mdone`, "done"],
    [`done${esc}[`, "done"],
    [`do\u202ene\u2066`, "done"],
    [`${esc}7${esc}[6n${esc}=${esc}cdone${esc}8`, "done"],
    [`${esc}[?25l${esc}[1 qdone`, "done"],
    [`done${esc}`, "done"],
    [`${esc}[38;5mdone`, "done"],
  ] as const)
    assert.equal(plainText(line), text, JSON.stringify(line));
});

test("what is never ended hides nothing of what stands behind it", () => {
  for (const [line, text] of [
    [`${esc}]0;an error is here`, "0;an error is here"],
    [`${esc}]8;;https://example.com/ an error is here`, "8;;https://example.com/ an error is here"],
    [`${esc}[שלום`, "שלום"],
    [`${esc}[31mred${esc}[1`, "red1"],
    [`${esc}P${"x".repeat(5_000)}\u0007done`, `${"x".repeat(5_000)}done`],
  ] as const)
    assert.equal(plainText(line), text, JSON.stringify(line.slice(0, 60)));
});

test("of what a progress bar wrote over itself the last counts", () => {
  assert.equal(plainText("10 %\r50 %\r100 %"), "100 %");
  assert.equal(plainText("done\r"), "done");
  assert.equal(plainText(`1\r${esc}[32m2`), "2");
});

test("links lead to the web or nowhere", () => {
  const link = (to: string) => parseAnsi(`${esc}]8;;${to}${esc}\\x${esc}]8;;${esc}\\y`);
  assert.deepEqual(link("https://example.com/a"), [
    { text: "x", classes: [], href: "https://example.com/a" },
    { text: "y", classes: [] },
  ]);
  for (const to of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//example.com", "HTTPS://", " https://x"])
    assert.equal(link(to)[0]!.href, undefined, to);
});

test("a line of many sequences takes time in proportion to its length", () => {
  const line = `${esc}[31mx`.repeat(200_000);
  assert.equal(parseAnsi(line).length, 200_000);
  assert.equal(plainText(`${esc}]`.repeat(100_000)), "");
});
