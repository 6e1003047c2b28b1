/**
 * Feeds mutated recordings to the reader and the decoders, in process and from a seed, and looks for anything but a frame or a typed refusal.
 * Run as a program: `node halibut/fuzz-frames.ts <frames> [seed]`.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { Binary, Double, decodeBson, encodeBson } from "./bson.ts";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { ArgumentMismatch, ConnectionError, ProtocolError } from "./errors.ts";
import { createFrameReader } from "./frames.ts";
import type { FrameReader, Wait } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import { bindRequest, decodeRequest, decodeResponse, decodeResult } from "./messages.ts";
import type { IncomingStream } from "./data-streams.ts";
import { agentContracts, echoContract } from "./recorded-contracts.ts";
import { cut, memorySource, readRecordings } from "./recordings.ts";
import { collectTypes } from "./values.ts";

export interface FuzzResult {
  frames: number;
  /** How often the mutated bytes were still understood, and how often each kind of refusal came. */
  outcomes: { [outcome: string]: number };
  slowestMs: number;
  residentGrowthBytes: number;
}

const anyTime: Wait = { what: "anything", totalMs: Number.POSITIVE_INFINITY };
/** Recordings longer than this would make most mutations hit the same long text. */
const SEED_BYTES_MAX = 8_000;
/** One of so many inputs arrives in pieces, which is slow because zlib works in a thread then. */
const IN_PIECES_EVERY = 50;
/** The residue of the collector between two looks; a leak of four kilobytes per frame would exceed it in the test that takes long. */
const RESIDENT_GROWTH_BYTES_MAX = 400 * 1024 * 1024;

const contracts = new Map([echoContract, ...agentContracts].map((contract) => [contract.name, contract]));
const knownTypes = new Set<string>();
for (const { methods } of contracts.values())
  for (const { params, result } of Object.values(methods)) for (const shape of [...params, result]) collectTypes(shape, knownTypes);
const resultShapes = [...contracts.values()].flatMap(({ methods }) => Object.values(methods).map(({ result }) => result));

/** Throws when an input made the reader fail in an unexpected way, take longer than a second, or keep memory; the message names seed and frame. */
export async function fuzzFrames(count: number, seed: number): Promise<FuzzResult> {
  const random = generator(seed);
  const conversations: Buffer[] = [];
  const messages: Buffer[] = [];
  for (const { frames, bytes } of [...readRecordings("library"), ...readRecordings("agent")])
    for (const dir of ["c2s", "s2c"] as const) {
      const all = bytes[dir];
      if (all === null) continue;
      if (dir === "c2s" && all.length <= SEED_BYTES_MAX) conversations.push(all);
      for (const frame of frames)
        if (frame.kind === "message" && frame.dir === dir && frame.bytes <= SEED_BYTES_MAX)
          messages.push(all.subarray(frame.at, frame.at + frame.bytes));
    }
  const documents = messages.map((message) => inflateRawSync(message)).filter(({ length }) => length < 65_536);
  const folder = await mkdtemp(join(tmpdir(), "halibut-fuzz-"));
  const result: FuzzResult = { frames: count, outcomes: {}, slowestMs: 0, residentGrowthBytes: 0 };
  const residentBefore = process.memoryUsage.rss();
  try {
    for (let frame = 0; frame < count; frame++) {
      const kind = random(10);
      let input: Buffer;
      let read: (reader: FrameReader) => Promise<void>;
      if (kind < 3) {
        input = stored(encodeBson(mutateValues(decodeBson(pick(documents, random), defaultLimits), random)));
        read = (reader) => readAnyMessage(reader, random, folder);
      } else if (kind < 5) {
        input = stored(mendLengths(mutate(pick(documents, random), random)));
        read = (reader) => readAnyMessage(reader, random, folder);
      } else if (kind < 7) {
        input = mutate(pick(messages, random), random);
        read = (reader) => readAnyMessage(reader, random, folder);
      } else {
        input = mutate(pick(conversations, random), random);
        read = (reader) => readConversation(reader, folder);
      }
      const pieces = random(IN_PIECES_EVERY) === 0 ? [1 + random(400)] : [input.length];
      const startedAt = performance.now();
      let outcome = "understood";
      try {
        await read(createFrameReader(memorySource(cut(input, pieces)), defaultLimits));
      } catch (error) {
        if (!(error instanceof ProtocolError || error instanceof ConnectionError || error instanceof ArgumentMismatch))
          throw new Error(`Frame ${frame} of seed ${seed} made the reader fail: ${input.toString("base64").slice(0, 4_000)}`, {
            cause: error,
          });
        outcome = error.name;
      }
      result.outcomes[outcome] = (result.outcomes[outcome] ?? 0) + 1;
      assert.ok(!("polluted" in {}), `frame ${frame} of seed ${seed} reached Object.prototype`);
      const ms = performance.now() - startedAt;
      if (ms > result.slowestMs) result.slowestMs = ms;
      assert.ok(ms < 5_000, `frame ${frame} of seed ${seed} took ${Math.round(ms)} ms: ${input.toString("base64").slice(0, 4_000)}`);
      if (frame % 10_000 === 0) {
        result.residentGrowthBytes = Math.max(result.residentGrowthBytes, process.memoryUsage.rss() - residentBefore);
        assert.ok(
          result.residentGrowthBytes < RESIDENT_GROWTH_BYTES_MAX,
          `memory grew by ${result.residentGrowthBytes} bytes by frame ${frame}`,
        );
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return result;
}

async function readAnyMessage(reader: FrameReader, random: (below: number) => number, folder: string): Promise<void> {
  const document = await reader.readMessage(anyTime, anyTime);
  const { Message: message } = Object.fromEntries(document);
  const isRequest = message instanceof Map && message.has("params");
  if (isRequest !== (random(10) === 0)) await bind(reader, document, folder);
  else {
    const response = decodeResponse(document);
    const incoming: IncomingStream[] = [];
    decodeResult(pick(resultShapes, random), response, { incoming, knownTypes, streamsPerMessageMax: 256 }, "it");
  }
}

async function bind(reader: FrameReader, document: BsonDocument, folder: string): Promise<void> {
  const request = decodeRequest(document);
  if (request === null) return;
  const { incoming } = bindRequest(request, contracts, knownTypes, 256);
  for (let i = 0; i < incoming.length; i++) {
    const { id, length } = await reader.readStreamHeader(anyTime);
    const stream = incoming.find((candidate) => candidate.id === id && !candidate.filled);
    if (stream === undefined) throw new ProtocolError("unknown stream");
    await stream.fill(length, reader.readStreamContent(length, anyTime), { folder, limits: defaultLimits });
    await stream.dispose();
  }
}

async function readConversation(reader: FrameReader, folder: string): Promise<void> {
  if ((await reader.readHello(anyTime)) !== "halibut") return;
  await reader.readIdentity(anyTime);
  for (;;) {
    await bind(reader, await reader.readMessage(anyTime, anyTime), folder);
    if ((await reader.readControlWord(anyTime)) === "END") return;
  }
}

/** A document as one stored deflate block: valid framing, so that the mutation reaches the decoders. */
function stored(document: Buffer): Buffer {
  const size = Math.min(document.length, 0xffff);
  const head = Buffer.from([1, size & 0xff, size >> 8, ~size & 0xff, (~size >> 8) & 0xff]);
  return Buffer.concat([head, document.subarray(0, size)]);
}

/** One to three members or items replaced, removed, added or renamed: still valid BSON, but not what a contract expects. */
function mutateValues(document: BsonDocument, random: (below: number) => number): BsonDocument {
  for (let changes = 1 + random(3); changes > 0; changes--) {
    let container: BsonDocument | BsonValue[] = document;
    while (random(4) !== 0) {
      const inner: BsonValue | undefined = pick([...container.values()], random);
      if (!Array.isArray(inner) && !(inner instanceof Map)) break;
      container = inner;
    }
    const value = pick(strangeValues(), random);
    if (Array.isArray(container)) {
      if (random(3) === 0) container.push(value);
      else if (container.length > 0) container[random(container.length)] = value;
      continue;
    }
    const name = pick([...container.keys(), "$type", "__proto__", "constructor", ""], random);
    if (random(3) === 0) container.delete(name);
    else if (random(4) === 0) container.set(`${name}x`, container.get(name) ?? null);
    else container.set(name, value);
  }
  return document;
}

/** Made anew each time, because the containers among them are mutated too. */
const strangeValues = (): BsonValue[] => [
  null,
  true,
  0,
  -1,
  0x7fffffff,
  2n ** 63n - 1n,
  -(2n ** 63n),
  new Double(Number.NaN),
  new Double(1e308),
  "",
  "x".repeat(3_000),
  "99999999.23:59:59.9999999",
  "System.Diagnostics.Process, System",
  "Halibut.DataStream, Halibut",
  new Date(-62_135_596_800_000),
  new Binary(4, Buffer.alloc(16)),
  new Binary(4, Buffer.alloc(3)),
  new Binary(0, Buffer.alloc(100)),
  [],
  [[[[null]]]],
  new Map(),
  new Map<string, BsonValue>([["__proto__", new Map<string, BsonValue>([["polluted", true]])]]),
  new Map<string, BsonValue>([
    ["id", new Binary(4, Buffer.alloc(16, 1))],
    ["length", -5n],
  ]),
];

/** Corrects the lengths of the envelope and of the message in it, without which hardly any mutation would be looked at further in. */
function mendLengths(document: Buffer): Buffer {
  const messageAt = 4 + 1 + "Message\0".length;
  if (document.length < messageAt + 6) return document;
  document.writeInt32LE(document.length, 0);
  document.writeInt32LE(document.length - messageAt - 1, messageAt);
  document.fill(0, document.length - 2);
  return document;
}

/** One to four changes: bits, bytes, lengths, lost, doubled and foreign stretches. */
function mutate(original: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(original);
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(Math.max(1, bytes.length));
    const size = 1 + random(16);
    switch (random(7)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << random(8));
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        if (at + 4 <= bytes.length)
          bytes.writeInt32LE(pick([0, -1, 1, 4, 5, 0x7fffffff, -0x80000000, bytes.length, random(70_000)], random), at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + size), bytes.subarray(at)]);
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length: size }, () => random(256))), bytes.subarray(at)]);
        break;
      default:
        if (random(4) === 0) bytes = bytes.subarray(0, at);
        else bytes[at] = bytes[at]! + 1;
    }
  }
  return bytes;
}

function pick<T>(from: readonly T[], random: (below: number) => number): T {
  // An empty container has nothing to pick: its only reader treats undefined as such.
  return from[random(from.length)]!;
}

/** xorshift32: the same seed gives the same inputs on every machine. */
function generator(seed: number): (below: number) => number {
  let x = seed >>> 0 || 1;
  return (below) => {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x % below;
  };
}

if (import.meta.main) {
  const count = Number(process.argv[2] ?? 1_000_000);
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
  assert.ok(Number.isSafeInteger(count) && Number.isSafeInteger(seed), "Usage: node halibut/fuzz-frames.ts <frames> [seed]");
  process.stdout.write(`${count} mutated frames, seed ${seed}\n`);
  const startedAt = performance.now();
  const result = await fuzzFrames(count, seed);
  process.stdout.write(`${JSON.stringify({ ...result, seconds: Math.round((performance.now() - startedAt) / 100) / 10 }, null, 2)}\n`);
}
