/** Our codec and our conversation against the recordings of the original library and of a real agent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { deserialize, serialize } from "bson";
import { decodeBson, encodeBson } from "./bson.ts";
import type { BsonDocument } from "./bson.ts";
import { advance, startOf } from "./conversation.ts";
import type { Utterance } from "./conversation.ts";
import { compress } from "./deflate.ts";
import { createFrameReader } from "./frames.ts";
import type { Wait } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import { identityOf } from "./recorded-exchanges.ts";
import { cut, fromTagged, isShortened, memorySource, readRecordings, toTagged } from "./recordings.ts";
import type { Direction, RecordedConnection, RecordedFrame } from "./recordings.ts";

const recordings = [...readRecordings("library"), ...readRecordings("agent")];
const anyTime: Wait = { what: "anything", totalMs: Number.POSITIVE_INFINITY };

/** Each single byte of a message is a visit to zlib's thread pool: larger recordings would take a minute and show nothing new. */
const BYTE_BY_BYTE_MAX = 600;

test("there are recordings of every kind of frame", () => {
  const kinds = new Set(recordings.flatMap(({ frames }) => frames.map(({ kind }) => kind)));
  assert.deepEqual([...kinds].sort(), ["control", "hello", "identity", "message", "stream"]);
  assert.ok(recordings.length > 90, `${recordings.length} connections`);
});

for (const [way, sizes] of [
  ["whole", (_: RecordedConnection, __: Direction) => [Number.MAX_SAFE_INTEGER]],
  [
    "byte by byte",
    (recorded: RecordedConnection, dir: Direction) => ((recorded.bytes[dir]?.length ?? 0) <= BYTE_BY_BYTE_MAX ? [1] : undefined),
  ],
  ["in the pieces in which they came", (recorded: RecordedConnection, dir: Direction) => recorded.pieces?.[dir]],
  ["in odd pieces", () => [1_021]],
] as const)
  test(`recorded bytes fed ${way} are cut into the recorded frames`, async () => {
    let directions = 0;
    for (const recorded of recordings)
      for (const dir of ["c2s", "s2c"] as const) {
        const bytes = recorded.bytes[dir];
        const pieces = sizes(recorded, dir);
        if (bytes === null || pieces === undefined) continue;
        await compareFrames(recorded, dir, cut(bytes, pieces));
        directions++;
      }
    assert.ok(directions > 70, `${directions} directions`);
  });

async function compareFrames(recorded: RecordedConnection, dir: Direction, pieces: Iterable<Buffer>): Promise<void> {
  const reader = createFrameReader(memorySource(pieces), defaultLimits);
  const bytes = recorded.bytes[dir]!;
  for (const frame of recorded.frames) {
    if (frame.dir !== dir) continue;
    const where = `${recorded.name} ${dir} at ${frame.at}`;
    assert.equal(reader.consumedBytes, frame.at, where);
    switch (frame.kind) {
      case "hello":
        assert.equal(await reader.readHello(anyTime), "halibut", where);
        break;
      case "identity":
        assert.equal((await reader.readIdentity(anyTime)).kind, identityOf(frame), where);
        break;
      case "control":
        assert.equal(`${await reader.readControlWord(anyTime)}\r\n`, frame.text, where);
        break;
      case "message": {
        const document = await reader.readMessage(anyTime, anyTime);
        const inflated = inflateRawSync(bytes.subarray(frame.at, frame.at + frame.bytes));
        assert.equal(inflated.length, frame.inflatedBytes, where);
        assert.ok(encodeBson(document).equals(inflated), `${where}: encoding again gives the same BSON`);
        if (!isShortened(frame.envelope)) assert.deepEqual(toTagged(document), frame.envelope, where);
        break;
      }
      case "stream": {
        assert.deepEqual(await reader.readStreamHeader(anyTime), { id: frame.id, length: frame.length }, where);
        const content: Buffer[] = [];
        for await (const piece of reader.readStreamContent(frame.length!, anyTime)) content.push(piece);
        assert.ok(Buffer.concat(content).equals(bytes.subarray(frame.dataAt, frame.dataAt! + frame.length!)), where);
        break;
      }
    }
    assert.equal(reader.consumedBytes, frame.at + frame.bytes, `${where}: the frame ends where it should`);
  }
}

test("the JSON beside a recording encodes to the recorded BSON, and an independent library agrees with ours", () => {
  let messages = 0;
  for (const recorded of recordings)
    for (const frame of recorded.frames) {
      const bytes = recorded.bytes[frame.dir];
      if (frame.kind !== "message" || bytes === null) continue;
      const inflated = inflateRawSync(bytes.subarray(frame.at, frame.at + frame.bytes));
      if (!isShortened(frame.envelope))
        assert.ok(encodeBson(fromTagged(frame.envelope) as BsonDocument).equals(inflated), `${recorded.name} at ${frame.at}`);
      const theirs = serialize(deserialize(inflated, { promoteValues: false }));
      assert.ok(encodeBson(decodeBson(inflated, defaultLimits)).equals(theirs), `${recorded.name} at ${frame.at}: bson package`);
      messages++;
    }
  assert.ok(messages > 400, `${messages} messages`);
});

test("both sides of every recording keep to the conversation", () => {
  for (const recorded of recordings) {
    let connector = startOf("connector");
    let listener = startOf("listener");
    for (const frame of recorded.frames) {
      const utterance = utteranceOf(frame);
      // The original says END whenever it disposes of a connection, even of one that broke in mid-call: nobody hears it.
      if (utterance === undefined || (utterance === "END" && connector !== "caller: idle" && connector !== "caller: may request")) continue;
      const fromConnector = frame.dir === "c2s";
      connector = advance(connector, `${fromConnector ? "send" : "receive"} ${utterance}`);
      listener = advance(listener, `${fromConnector ? "receive" : "send"} ${utterance}`);
    }
    assert.notEqual(listener, "listener: fresh", recorded.name);
  }
});

/** What a frame says in the conversation; stream frames belong to their message. */
function utteranceOf(frame: RecordedFrame): Utterance | undefined {
  if (frame.kind === "hello") return "hello";
  if (frame.kind === "identity") return identityOf(frame);
  if (frame.kind === "control") return frame.text!.trim() as Utterance;
  if (frame.kind === "stream") return undefined;
  const { Message: message } = frame.envelope as { Message: { $type: string } | null };
  if (message === null) return "nothing";
  return message.$type.includes("RequestMessage") ? "request" : "response";
}

test("a message of 64 KiB or more ends with its last byte alone in a stored block, smaller ones do not need it", async () => {
  for (const size of [100, 65_535, 65_536, 300_000]) {
    const bson = Buffer.alloc(size, "abc");
    bson[size - 1] = 0;
    const compressed = await compress(bson);
    assert.ok(inflateRawSync(compressed).equals(bson));
    assert.equal(compressed.subarray(-6).equals(Buffer.from([1, 1, 0, 0xfe, 0xff, 0])), size >= 65_536, String(size));
  }
});
