// What people write in instructions and notes: the marks they use become elements, everything else stays text, and nothing takes long.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readMarkdown } from "./markdown.ts";
import type { Block, Inline } from "./markdown.ts";

/** Short forms to compare with. */
function inline(parts: readonly Inline[]): string {
  return parts
    .map((part) => {
      if (part.kind === "text") return part.text;
      if (part.kind === "break") return "↵";
      if (part.kind === "code") return `code(${part.text})`;
      return part.kind === "link" ? `link(${part.href} ${inline(part.parts)})` : `${part.kind}(${inline(part.parts)})`;
    })
    .join("");
}
function block(one: Block): string {
  if (one.kind === "code") return `pre(${one.text})`;
  if (one.kind !== "list") return `${one.kind === "heading" ? "h" : "p"}(${inline(one.parts)})`;
  return `${one.isOrdered ? `ol${one.start}` : "ul"}[${one.items.map((item) => item.map(block).join(" ")).join("; ")}]`;
}
const read = (text: string): string => readMarkdown(text).map(block).join(" ");

test("paragraphs, headings, code, bold, emphasis and lists", () => {
  assert.equal(
    read("Look at **the shop**,\nthen *decide*.\r\n\r\nUse `npm *x*`."),
    "p(Look at bold(the shop),↵then emphasis(decide).) p(Use code(npm *x*).)",
  );
  assert.equal(read("## Before ##\ntext\n```sh\n# **as it is**\n\n```\nafter"), "h(Before) p(text) pre(# **as it is**\n) p(after)");
  assert.equal(read("- one\n  more\n- two\n\n  part\n* three\n\nafter"), "ul[p(one↵more); p(two) p(part); p(three)] p(after)");
  assert.equal(
    read("3. first\n4) second\n   - inner **x**\n   - other\n5. third"),
    "ol3[p(first); p(second) ul[p(inner bold(x)); p(other)]; p(third)]",
  );
  assert.equal(read("**bold with *both* in it** end"), "p(bold(bold with emphasis(both) in it) end)");
});

test("links lead to http(s) only", () => {
  assert.equal(read("[the **board**](https://example.com/a?b=1&c) now"), "p(link(https://example.com/a?b=1&c the bold(board)) now)");
  assert.equal(
    read("See https://example.com/x_y(1), or (http://example.com/)."),
    "p(See link(https://example.com/x_y(1 https://example.com/x_y(1)), or (link(http://example.com/ http://example.com/)).)",
  );
  for (const href of [
    "javascript:alert(1)",
    "java\nscript:x",
    "data:text/html,x",
    "//example.com",
    "/app",
    "vbscript:x",
    "https:",
    " JAVASCRIPT:x",
  ])
    assert.ok(!JSON.stringify(readMarkdown(`[click](${href}) <${href}>`)).includes('"link"'), href);
  assert.equal(read('[a](https://e.com/ "title")'), "p(link(https://e.com/ a))");
});

test("what is no mark is text, HTML too", () => {
  for (const text of [
    "<b>Look</b> &amp; <img src=x onerror=alert(1)>",
    "2 * 3 * 4",
    "snake_case_name and __init__",
    "a ** b",
    "`open",
    "[not a link]",
    "-5 degrees",
    "1.5 EUR",
    "#tag",
  ])
    assert.equal(read(text), `p(${text})`);
  assert.equal(read("\\*not bold\\* and \\[x\\](y)"), "p(*not bold* and [x](y))");
  assert.equal(read(" \n\t\n"), "");
});

test("hostile text is read in no time", () => {
  for (const piece of [
    "**a ",
    "*",
    "`",
    "[",
    "[a](",
    "[a](https://x",
    "https://",
    "https://x).",
    "- ",
    "  - x\n",
    "> ",
    "```\n",
    "- a\n\n",
    "1. x\n  ",
    "\\",
  ]) {
    const startedMs = performance.now();
    readMarkdown(piece.repeat(30_000));
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 5_000, `${JSON.stringify(piece)} took ${tookMs} ms`);
  }
});
