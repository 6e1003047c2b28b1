// Numbered lines out of files: the same numbers after every reopening, however the one before ended.
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { lineBytesMax, openOutputLog, type OutputLog, pageLinesMax } from "./output-log.ts";

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "cuttle-log-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function texts(log: OutputLog, after = 0): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const page = await log.read(after);
    all.push(...page.lines.map((line) => `${line.Source}${line.Text}`));
    after = page.next;
    if (page.atEnd) return all;
  }
}

test("D7: lines keep their numbers when the log is closed and opened at any point", async (t) => {
  const folder = folderFor(t);
  const seen: string[] = [];
  const pieces = ["one\ntwo", " more\r", "\nthree\r\n", "fo", "ur\rfive"];
  for (const [i, piece] of pieces.entries()) {
    const log = await openOutputLog(folder);
    appendFileSync(join(folder, i === 2 ? "stderr" : "stdout"), piece);
    await log.collect(false);
    await log.append([{ source: 2, text: `note ${i}` }]);
    seen.push(...(await texts(log, seen.length)));
    assert.deepEqual(await texts(log), seen, "all lines from the beginning are those that were given before, in the same order");
    await log.close();
  }
  const log = await openOutputLog(folder);
  await log.collect(true);
  assert.deepEqual(await texts(log), [
    "0one",
    "2note 0",
    "0two more",
    "2note 1",
    "1",
    "1three",
    "2note 2",
    "2note 3",
    "0four",
    "2note 4",
    "0five",
  ]);
  for (let after = 0; after <= 11; after++) assert.deepEqual(await texts(log, after), (await texts(log)).slice(after), `after ${after}`);
  assert.deepEqual(await log.read(50), { lines: [], next: 50, atEnd: true }, "beyond the end the asked number comes back");
  assert.equal((await texts(log, -3)).length, 11, "a negative number gives everything");
  await log.close();
});

test("D7: a torn record at the end of the index is dropped, and its lines are taken again", async (t) => {
  const folder = folderFor(t);
  let log = await openOutputLog(folder);
  appendFileSync(join(folder, "stdout"), "a\nb\n");
  await log.collect(false);
  appendFileSync(join(folder, "stdout"), "c\n");
  await log.collect(false);
  await log.close();
  truncateSync(join(folder, "index"), statSync(join(folder, "index")).size - 10);
  log = await openOutputLog(folder);
  assert.deepEqual(await texts(log), ["0a", "0b"]);
  await log.collect(false);
  assert.deepEqual(await texts(log), ["0a", "0b", "0c"]);
  await log.close();
});

test("D7: an index that a power cut filled with zeros is taken up to where it is sound", async (t) => {
  const folder = folderFor(t);
  let log = await openOutputLog(folder);
  appendFileSync(join(folder, "stdout"), "a\n");
  await log.collect(false);
  await log.close();
  appendFileSync(join(folder, "index"), Buffer.alloc(96));
  log = await openOutputLog(folder);
  appendFileSync(join(folder, "stdout"), "b\n");
  await log.collect(false);
  assert.deepEqual(await texts(log), ["0a", "0b"]);
  await log.close();
});

test("D7: lines whose bytes are lost keep their numbers", async (t) => {
  const folder = folderFor(t);
  let log = await openOutputLog(folder);
  writeFileSync(join(folder, "stdout"), "a\nb\nc\n");
  await log.collect(false);
  await log.append([{ source: 2, text: "after" }]);
  await log.close();
  truncateSync(join(folder, "stdout"), 2);
  log = await openOutputLog(folder);
  const lost = "0(this line was lost when the machine stopped)";
  assert.deepEqual(await texts(log), ["0a", lost, lost, "2after"]);
  await log.close();
});

test("S5: very long lines are cut, and pages keep their limits", async (t) => {
  const folder = folderFor(t);
  const log = await openOutputLog(folder);
  writeFileSync(join(folder, "stdout"), `${"x".repeat(2 * lineBytesMax + 3)}\n${"y\n".repeat(3 * pageLinesMax)}`);
  await log.collect(false);
  const all = await texts(log);
  assert.deepEqual(
    all.slice(0, 3).map((text) => text.length - 1),
    [lineBytesMax, lineBytesMax, 3],
  );
  assert.equal(all.length, 3 + 3 * pageLinesMax);
  const page = await log.read(3);
  assert.equal(page.lines.length, pageLinesMax);
  assert.equal(page.atEnd, false);
  await log.close();
});

test("what is not UTF-8 becomes U+FFFD as in a text decoder", async (t) => {
  const folder = folderFor(t);
  const log = await openOutputLog(folder);
  writeFileSync(join(folder, "stdout"), Buffer.from([0xff, 0xfe, 10, 0xed, 0xa0, 0x80, 10, 0xe2, 0x82, 10, 0xef, 0xbb, 0xbf, 0x61, 10]));
  await log.collect(false);
  assert.deepEqual(await texts(log), ["0\ufffd\ufffd", "0\ufffd\ufffd\ufffd", "0\ufffd", "0\ufeffa"]);
  await log.close();
});
