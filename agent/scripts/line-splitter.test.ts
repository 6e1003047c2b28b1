// Where lines end, and that counting and reading agree wherever the output is cut into stretches.
import assert from "node:assert/strict";
import { test } from "node:test";
import { splitLines } from "./line-splitter.ts";

function lines(text: string | Buffer, closed = true, lineBytesMax = 1000): string[] {
  const bytes = Buffer.from(text);
  const found: string[] = [];
  splitLines(bytes, 0, bytes.length, closed, lineBytesMax, (start, end) => found.push(bytes.toString("utf8", start, end)) > 0);
  return found;
}

const table: [what: string, text: string, expected: string[]][] = [
  ["LF ends a line", "a\nb\n", ["a", "b"]],
  ["CRLF is one end", "a\r\nb\r\n", ["a", "b"]],
  ["a lone CR ends a line", "a\rb\r\rc\n", ["a", "b", "", "c"]],
  ["LF CR are two ends", "a\n\rb", ["a", "", "b"]],
  ["the rest without an end is a line", "a\nb", ["a", "b"]],
  ["empty output has no line", "", []],
  ["an empty line counts", "\n", [""]],
  ["NUL, escape and byte order mark are text", "a\0b\u001b[1m\ufeff\n", ["a\0b\u001b[1m\ufeff"]],
];
for (const [what, text, expected] of table) test(what, () => assert.deepEqual(lines(text), expected));

test("without its end a line waits for more, unless the output is closed", () => {
  assert.deepEqual(lines("a\nbc", false), ["a"]);
  assert.deepEqual(lines("a\nbc", true), ["a", "bc"]);
});

test("a line of just the greatest length is whole, a longer one is cut into pieces of that length", () => {
  assert.deepEqual(lines("abcd\n", true, 4), ["abcd"]);
  assert.deepEqual(lines("abcde\n", true, 4), ["abcd", "e"]);
  assert.deepEqual(lines("abcdefgh\r\nx", true, 4), ["abcd", "efgh", "x"]);
  assert.deepEqual(lines("abcdefghi", false, 4), ["abcd", "efgh"]);
});

test("a long line is cut between characters", () => {
  assert.deepEqual(lines("aaaä🐙b\n", true, 4), ["aaa", "ä", "🐙", "b"]);
  assert.deepEqual(lines(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80]), true, 5).length, 2);
});

test("a text cut at any place into two stretches gives the same lines as in one", () => {
  const texts = ["one\r\ntwo\rthree\n\n\r\r\nfour", "aaaaaaaaaaaaaaaaaaaaaaaaa\r\nbb\n", "äöü🐙äöü🐙äöü🐙\n🐙\r🐙"];
  for (const text of texts) {
    const bytes = Buffer.from(text);
    for (const lineBytesMax of [5, 7, 100]) {
      const whole = lines(text, true, lineBytesMax);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const found: string[] = [];
        const add = (start: number, end: number): boolean => found.push(bytes.toString("utf8", start, end)) > 0;
        const first = splitLines(bytes, 0, cut, false, lineBytesMax, add);
        // The log skips the LF of a CR that ended the stretch before.
        const from = bytes[first.end - 1] === 13 && bytes[first.end] === 10 ? first.end + 1 : first.end;
        splitLines(bytes, from, bytes.length, true, lineBytesMax, add);
        assert.deepEqual(found, whole, `cut at ${cut} of ${JSON.stringify(text)} with lines of ${lineBytesMax}`);
        // Read again, a stretch gives the lines that were counted in it.
        assert.equal(splitLines(bytes, 0, first.end, true, lineBytesMax).lines, first.lines, `stretch of ${cut} read again`);
      }
    }
  }
});
