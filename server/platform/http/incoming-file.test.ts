// Forms cut into pieces at every place, with content that looks like what separates their parts.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fileNameIn, withIncomingFile } from "./incoming-file.ts";

const boundary = "b-o-u-n-d";
const lookalikes = `\r\n--${boundary.slice(0, 5)}\r\n-\r\n--\r\n\r\n--b-o-u-n\r\n--b-o-\r\n--b-o-u-n-`;
const form = (content: string, closed = true): Buffer =>
  Buffer.from(
    `a preamble\r\n--${boundary}\r\nContent-Disposition: form-data; name="x"\r\n\r\nvalue\r\n` +
      `--${boundary}  \r\nContent-Disposition: form-data; name="file"; filename="C:\\\\temp\\\\a.zip"\r\nContent-Type: x/y\r\n\r\n${content}` +
      (closed ? `\r\n--${boundary}\r\nContent-Disposition: form-data; name="after"\r\n\r\nz\r\n--${boundary}--\r\nepilogue` : ""),
  );

function requestOf(body: Buffer, pieceBytes: number): IncomingMessage {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) pieces.push(body.subarray(at, at + pieceBytes));
  const socket = Object.assign(new EventEmitter(), { setTimeout() {}, destroy() {} });
  const headers = { "content-type": `multipart/form-data; boundary="${boundary}"` };
  return Object.assign(Readable.from(pieces, { objectMode: false }), { headers, socket }) as unknown as IncomingMessage;
}

async function contentOf(body: Buffer, pieceBytes: number, fileBytesMax = 1_000_000): Promise<{ name: string | undefined; text: string }> {
  return await withIncomingFile(requestOf(body, pieceBytes), fileBytesMax, async ({ fileName, content }) => {
    const pieces: Buffer[] = [];
    // Copied: the memory of a piece is used again.
    for await (const piece of content) pieces.push(Buffer.from(piece));
    return { name: fileName, text: Buffer.concat(pieces).toString() };
  });
}

test("a file comes out of its form as it went in, wherever the form is cut", async () => {
  for (const content of ["", "x", lookalikes, `${lookalikes.repeat(20)}\r`, "\r\n", "y".repeat(5_000)]) {
    for (let pieceBytes = 1; pieceBytes < 80; pieceBytes += 1)
      assert.deepEqual(await contentOf(form(content), pieceBytes), { name: "a.zip", text: content }, `in pieces of ${pieceBytes}`);
    assert.equal((await contentOf(form(content), 100_000)).text, content);
  }
});

test("pieces that are freed when the next one is asked for lose nothing, wherever the form is cut", async () => {
  const content = `${"x".repeat(15_900)}${lookalikes.repeat(20)}`.repeat(12);
  // The first piece ends within the headers of the file's part.
  const body = Buffer.concat([Buffer.alloc(16_384 - 100, "p"), form(content)]);
  // Around every place of a delimiter and of what looks like one.
  for (let pieceBytes = 16_384; pieceBytes < 16_384 + 150; pieceBytes += 3) {
    const freed: ArrayBufferLike[] = [];
    async function* inOwnMemory(): AsyncGenerator<Buffer> {
      for (let at = 0; at < body.length; at += pieceBytes) {
        const piece = Buffer.from(new ArrayBuffer(Math.min(pieceBytes, body.length - at)));
        body.copy(piece, 0, at);
        freed.push(piece.buffer);
        yield piece;
      }
    }
    const request = Object.assign(Readable.from(inOwnMemory(), { objectMode: true }), {
      headers: { "content-type": `multipart/form-data; boundary="${boundary}"` },
      socket: Object.assign(new EventEmitter(), { setTimeout() {}, destroy() {} }),
    }) as unknown as IncomingMessage;
    const text = await withIncomingFile(request, 1_000_000, async (incoming) => {
      let all = "";
      for await (const piece of incoming.content) all += Buffer.from(piece).toString("latin1");
      return all;
    });
    assert.ok(text === content, `in pieces of ${pieceBytes}`);
    assert.ok(freed.slice(1, -2).every((memory) => memory.byteLength === 0));
  }
});

test("into memory of any size a file comes as it went in, wherever the form is cut", async () => {
  const content = `${lookalikes.repeat(20)}\r`;
  const whole = { headers: { "content-type": "application/octet-stream" } };
  for (const memoryBytes of [1, 7, 13, 100, 100_000]) {
    for (const pieceBytes of [1, 9, 10, 11, 50, 100_000]) {
      for (const request of [requestOf(form(content), pieceBytes), Object.assign(requestOf(Buffer.from(content), pieceBytes), whole)]) {
        const text = await withIncomingFile(request, 1_000_000, async (incoming) => {
          const memory = Buffer.alloc(memoryBytes);
          let all = "";
          for (let bytes; (bytes = await incoming.content.readInto(memory)) > 0;) all += memory.toString("latin1", 0, bytes);
          assert.equal(await incoming.content.readInto(memory), 0, "the end stays the end");
          return all;
        });
        assert.ok(text === content, `in pieces of ${pieceBytes} into ${memoryBytes}`);
      }
    }
  }
});

test("who reads into large memory hears of a slow client as its bytes come", async (t) => {
  let nowMs = 0;
  t.mock.method(performance, "now", () => nowMs);
  async function* slow(): AsyncGenerator<Buffer> {
    for (let n = 0; n < 10; n++) {
      nowMs += 700;
      yield Buffer.from("ten bytes.");
    }
  }
  const request = Object.assign(Readable.from(slow(), { objectMode: false, highWaterMark: 1 }), {
    headers: { "content-type": "application/octet-stream" },
    socket: Object.assign(new EventEmitter(), { setTimeout() {}, destroy() {} }),
  }) as unknown as IncomingMessage;
  const reads: number[] = [];
  await withIncomingFile(request, 1_000_000, async ({ content }) => {
    const memory = Buffer.alloc(100_000);
    for (let bytes; (bytes = await content.readInto(memory)) > 0;) reads.push(bytes);
  });
  assert.ok(reads.length >= 4, String(reads));
  assert.equal(
    reads.reduce((all, bytes) => all + bytes, 0),
    100,
  );
});

test("a form that ends early, holds no file or never ends its headers is refused", async () => {
  for (const pieceBytes of [1, 7, 1_000]) {
    await assert.rejects(contentOf(form("half", false), pieceBytes), { status: 400, message: /not complete/ });
    await assert.rejects(contentOf(Buffer.from(`--${boundary}--\r\n`), pieceBytes), { status: 400, message: /no file/ });
    await assert.rejects(contentOf(Buffer.from("nothing of the kind"), pieceBytes), { status: 400 });
  }
  await assert.rejects(contentOf(Buffer.from(`--${boundary}\r\n${"h".repeat(40_000)}`), 1_000), { status: 413 });
  await assert.rejects(contentOf(form("z".repeat(1_200_000)), 10_000, 100), { status: 413 });
});

test("names of files come without folders, from either spelling", () => {
  assert.equal(fileNameIn(`form-data; name="f"; filename="a b.zip"`), "a b.zip");
  assert.equal(fileNameIn(`form-data; name=f; filename=a.zip; filename*=utf-8''caf%C3%A9.zip`), "café.zip");
  assert.equal(fileNameIn(`attachment; filename="../../etc/a.zip"`), "a.zip");
  assert.equal(fileNameIn(`form-data; name="filename"`), undefined);
  assert.equal(fileNameIn(`form-data; filename="x\\"y.zip"`), 'x"y.zip');
  assert.equal(fileNameIn(`form-data; filename*=utf-8''%zz; filename=b.zip`), "b.zip");
});
