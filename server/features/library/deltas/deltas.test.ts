// The delta formats, byte for byte as other programs write and read them, and what is refused of a client's delta.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { makeDelta } from "../../../../test/support/octodiff.ts";
import { applyDelta, signatureOf } from "./deltas.ts";
import type { BaseFile } from "./deltas.ts";

const fileOf = (content: Buffer): BaseFile => ({ bytes: content.length, read: async (from, to) => content.subarray(from, to) });

async function* inPieces(content: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function apply(base: Buffer, delta: Buffer, pieceBytes = 7, fileBytesMax = 1_000_000): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of applyDelta(fileOf(base), inPieces(delta, pieceBytes), fileBytesMax)) pieces.push(piece);
  return Buffer.concat(pieces);
}

test("a signature is a header and, for each chunk, its length, rolling checksum and SHA-1", async () => {
  const content = Buffer.alloc(5_000, "The quick brown fox jumps over the lazy dog. ");
  const signature = await signatureOf(fileOf(content));
  const header = "OCTOSIG\x01\x04SHA1\x07Adler32>>>";
  assert.equal(signature.toString("latin1", 0, header.length), header);
  assert.equal(signature.length, header.length + 3 * 26);
  const last = signature.subarray(header.length + 2 * 26);
  const tail = content.subarray(4_096);
  assert.equal(last.readUInt16LE(0), tail.length);
  assert.equal(last.toString("hex", 6), createHash("sha1").update(tail).digest("hex"));
  // Sums by hand: of "ab" a = 1 + 97 + 98, b = 98 + 196.
  const small = await signatureOf(fileOf(Buffer.from("ab")));
  assert.equal(small.readUInt32LE(header.length + 2), (294 << 16) | 196);
  assert.equal((await signatureOf(fileOf(Buffer.alloc(0)))).length, header.length);
});

test("a delta of copies and new bytes makes the new file, however it arrives", async () => {
  const base = Buffer.from("0123456789".repeat(500));
  const wanted = Buffer.concat([Buffer.from("new head "), base.subarray(100, 4_000), Buffer.from(" middle "), base.subarray(0, 10)]);
  const delta = makeDelta(wanted, [Buffer.from("new head "), [100, 3_900], Buffer.from(" middle "), [0, 10]]);
  for (const pieceBytes of [1, 7, 64, 100_000]) assert.ok((await apply(base, delta, pieceBytes)).equals(wanted));
});

test("a delta that is broken, lies or grows too large is refused", async () => {
  const base = Buffer.from("0123456789");
  const wanted = Buffer.from("012abc");
  const good = makeDelta(wanted, [[0, 3], Buffer.from("abc")]);
  assert.ok((await apply(base, good)).equals(wanted));
  const changed = (at: number, byte: number) => {
    const copy = Buffer.from(good);
    copy[at] = byte;
    return copy;
  };
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /ends in the middle/],
    [good.subarray(0, good.length - 1), /ends in the middle/],
    [good.subarray(0, 45), /ends in the middle/],
    [changed(0, 88), /no delta of a kind/],
    [changed(9, 2), /no delta of a kind/],
    [changed(11, 88), /other than SHA1/],
    [changed(20, good[20]! ^ 1), /another hash/],
    [changed(good.length - 1, 88), /another hash/],
    [Buffer.concat([good, Buffer.from([0x61])]), /command that/],
    [makeDelta(wanted, [[5, 6]]), /behind the end/],
    [makeDelta(wanted, [[-1, 6]]), /length that cannot be/],
  ];
  for (const [delta, message] of cases) await assert.rejects(apply(base, delta), { status: 400, message });
  const bomb = makeDelta(
    wanted,
    Array.from({ length: 1_000 }, (): [number, number] => [0, 10]),
  );
  await assert.rejects(apply(base, bomb, 64, 5_000), { status: 413 });
});
