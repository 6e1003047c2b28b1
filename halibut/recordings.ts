/** Reads the recorded conversations in fixtures/ for tests: frames, bytes and the pieces in which they came. Used by tests and by the fuzz program only. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Binary, Double, guidFromBytes, guidToBytes } from "./bson.ts";
import type { BsonValue } from "./bson.ts";
import type { ByteSource } from "./frames.ts";

export type Direction = "c2s" | "s2c";

export interface RecordedFrame {
  dir: Direction;
  kind: "hello" | "identity" | "control" | "message" | "stream";
  at: number;
  bytes: number;
  order: number;
  text?: string;
  inflatedBytes?: number;
  envelope?: unknown;
  id?: string;
  length?: number;
  dataAt?: number;
}

export interface RecordedConnection {
  /** `<scenario>#<connection>` */
  name: string;
  scenario: string;
  /** Whether the connecting side calls (listening) or serves (polling). */
  mode: "listening" | "polling";
  /** In the order in which they were seen. */
  frames: RecordedFrame[];
  /** All bytes of a direction; null where the recording left them out for their size. */
  bytes: { readonly [direction in Direction]: Buffer | null };
  /** The sizes of the pieces in which the bytes came, where they were noted. */
  pieces: { readonly [direction in Direction]: number[] } | null;
}

/** All recorded connections of a group: `library` (two ends of the original library) or `agent` (a real agent). */
export function readRecordings(group: "library" | "agent"): RecordedConnection[] {
  const folder = join(import.meta.dirname, "fixtures", group);
  const found: RecordedConnection[] = [];
  for (const scenario of readdirSync(folder).sort()) {
    const file = (name: string): string => join(folder, scenario, name);
    const { mode, connections = [] } = JSON.parse(readFileSync(file("scenario.json"), "utf8")) as {
      mode: "listening" | "polling";
      connections?: { connection: number; frames: RecordedFrame[] }[];
    };
    for (const { connection, frames } of connections) {
      const bytes = (dir: Direction): Buffer | null => {
        const path = file(`conn-${connection}.${dir}.bin`);
        return existsSync(path) ? readFileSync(path) : null;
      };
      found.push({
        name: `${scenario}#${connection}`,
        scenario,
        mode,
        frames: frames.toSorted((a, b) => a.order - b.order),
        bytes: { c2s: bytes("c2s"), s2c: bytes("s2c") },
        pieces: readPieces(file(`conn-${connection}.chunks.jsonl`)),
      });
    }
  }
  return found;
}

function readPieces(path: string): RecordedConnection["pieces"] {
  if (!existsSync(path)) return null;
  const pieces: { [direction in Direction]: number[] } = { c2s: [], s2c: [] };
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line === "") continue;
    const event = JSON.parse(line) as { dir: Direction; ev: string; n: number };
    if (event.ev === "data") pieces[event.dir].push(event.n);
  }
  return pieces;
}

/** Pieces of bytes as a source for a frame reader, without deadlines. */
export function memorySource(pieces: Iterable<Buffer>): ByteSource {
  const iterator = pieces[Symbol.iterator]();
  return {
    beginWait() {},
    async read() {
      for (;;) {
        const next = iterator.next();
        if (next.done === true) return null;
        if (next.value.length > 0) return next.value;
      }
    },
  };
}

/** Cuts bytes into pieces of the given sizes; the last size repeats. */
export function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[Math.min(i, sizes.length - 1)] ?? bytes.length;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** The tagged JSON of a recording as BSON values, types and order kept. */
export function fromTagged(json: unknown): BsonValue {
  if (Array.isArray(json)) return json.map(fromTagged);
  if (typeof json !== "object" || json === null) return json as BsonValue;
  const tagged = json as Record<string, never>;
  if ("$i32" in tagged) return tagged["$i32"];
  if ("$i64" in tagged) return BigInt(tagged["$i64"]);
  if ("$f64" in tagged) return new Double(tagged["$f64"]);
  if ("$guid" in tagged) return new Binary(4, guidToBytes(tagged["$guid"]));
  if ("$bin" in tagged) return new Binary(tagged["sub"] ?? 0, Buffer.from(tagged["$bin"], "base64"));
  if ("$date" in tagged) return new Date(tagged["$date"]);
  return new Map(Object.entries(json).map(([name, value]) => [name, fromTagged(value)]));
}

/** BSON values as the tagged JSON of the recordings. */
export function toTagged(value: BsonValue): unknown {
  if (Array.isArray(value)) return value.map(toTagged);
  if (typeof value === "number") return { $i32: value };
  if (typeof value === "bigint") return { $i64: String(value) };
  if (value instanceof Double) return { $f64: value.value };
  if (value instanceof Date) return { $date: value.toISOString() };
  if (value instanceof Binary)
    return value.subtype === 4
      ? { $guid: guidFromBytes(value.bytes) }
      : { $bin: Buffer.from(value.bytes).toString("base64"), sub: value.subtype };
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, toTagged(member)]));
  return value;
}

/** Whether a recorded envelope was shortened in its JSON, so that only its bytes are whole. */
export function isShortened(envelope: unknown): boolean {
  return /"\$(long|elided)"/.test(JSON.stringify(envelope));
}
