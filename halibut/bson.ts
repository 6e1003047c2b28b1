/**
 * BSON documents as bytes and as values, for exactly the element types that occur on the wire. Reading is strict and bounded (depth, elements,
 * lengths), keeps the order of members and never makes an object whose keys come from the peer: documents are Maps.
 */
import { ProtocolError } from "./errors.ts";

/** A 64-bit floating point number: plain numbers stand for int32. */
export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Binary {
  readonly subtype: number;
  readonly bytes: Uint8Array;
  constructor(subtype: number, bytes: Uint8Array) {
    this.subtype = subtype;
    this.bytes = bytes;
  }
}

/** number = int32, bigint = int64, Date = UTC date-time. */
export type BsonValue = null | boolean | string | number | bigint | Double | Binary | Date | BsonValue[] | BsonDocument;
export type BsonDocument = Map<string, BsonValue>;

export interface BsonLimits {
  messageElementsMax: number;
  messageDepthMax: number;
}

const DOUBLE = 0x01;
const STRING = 0x02;
const DOCUMENT = 0x03;
const ARRAY = 0x04;
const BINARY = 0x05;
const BOOLEAN = 0x08;
const DATE = 0x09;
const NULL = 0x0a;
const INT32 = 0x10;
const INT64 = 0x12;

/** The largest |milliseconds| a Date can hold. */
const DATE_MS_MAX = 8_640_000_000_000_000n;

/** Reads one document that fills `bytes` exactly; anything else is a ProtocolError. */
export function decodeBson(bytes: Buffer, limits: BsonLimits): BsonDocument {
  let elements = 0;

  function fail(at: number, what: string): never {
    throw new ProtocolError(`The message is not valid BSON: ${what} at byte ${at}.`);
  }

  /** Reads the elements of a document or array whose length field is at `start`; `end` is the first byte that is not its own any more. */
  function readMembers(start: number, end: number, depth: number, onMember: (name: string, value: BsonValue) => void): number {
    if (depth > limits.messageDepthMax) fail(start, `more than ${limits.messageDepthMax} levels of nesting`);
    if (end - start < 5) fail(start, "a document without room for its own length");
    const length = bytes.readInt32LE(start);
    if (length < 5 || length > end - start) fail(start, `a document length of ${length}`);
    const last = start + length - 1;
    if (bytes[last] !== 0) fail(last, "a document that does not end with zero");
    let at = start + 4;
    while (at < last) {
      if (++elements > limits.messageElementsMax) fail(at, `more than ${limits.messageElementsMax} elements`);
      const type = bytes[at]!;
      const nameEnd = bytes.indexOf(0, at + 1);
      if (nameEnd < 0 || nameEnd >= last) fail(at, "a name without an end");
      const name = bytes.toString("utf8", at + 1, nameEnd);
      at = nameEnd + 1;
      const room = last - at;
      let value: BsonValue;
      switch (type) {
        case DOUBLE:
          if (room < 8) fail(at, "a number cut short");
          value = new Double(bytes.readDoubleLE(at));
          at += 8;
          break;
        case STRING: {
          if (room < 5) fail(at, "a text cut short");
          const size = bytes.readInt32LE(at);
          if (size < 1 || size > room - 4 || bytes[at + 3 + size] !== 0) fail(at, `a text length of ${size}`);
          value = bytes.toString("utf8", at + 4, at + 3 + size);
          at += 4 + size;
          break;
        }
        case DOCUMENT: {
          const document: BsonDocument = new Map();
          at = readMembers(at, last, depth + 1, (key, member) => document.set(key, member));
          value = document;
          break;
        }
        case ARRAY: {
          const items: BsonValue[] = [];
          at = readMembers(at, last, depth + 1, (_key, item) => items.push(item));
          value = items;
          break;
        }
        case BINARY: {
          if (room < 5) fail(at, "a binary value cut short");
          const size = bytes.readInt32LE(at);
          if (size < 0 || size > room - 5) fail(at, `a binary length of ${size}`);
          value = new Binary(bytes[at + 4]!, Buffer.from(bytes.subarray(at + 5, at + 5 + size)));
          at += 5 + size;
          break;
        }
        case BOOLEAN: {
          if (room < 1 || bytes[at]! > 1) fail(at, "a boolean that is neither 0 nor 1");
          value = bytes[at] === 1;
          at += 1;
          break;
        }
        case DATE: {
          if (room < 8) fail(at, "a date cut short");
          const ms = bytes.readBigInt64LE(at);
          if (ms > DATE_MS_MAX || ms < -DATE_MS_MAX) fail(at, "a date out of range");
          value = new Date(Number(ms));
          at += 8;
          break;
        }
        case NULL:
          value = null;
          break;
        case INT32:
          if (room < 4) fail(at, "a number cut short");
          value = bytes.readInt32LE(at);
          at += 4;
          break;
        case INT64:
          if (room < 8) fail(at, "a number cut short");
          value = bytes.readBigInt64LE(at);
          at += 8;
          break;
        default:
          fail(nameEnd, `the element type 0x${type.toString(16)}`);
      }
      onMember(name, value);
    }
    return last + 1;
  }

  const document: BsonDocument = new Map();
  const end = readMembers(0, bytes.length, 1, (name, value) => document.set(name, value));
  if (end !== bytes.length) fail(end, "bytes behind the document");
  return document;
}

/** Writes a document; the bytes are those a .NET peer writes for the same values in the same order. */
export function encodeBson(document: BsonDocument): Buffer {
  let out = Buffer.allocUnsafe(1024);
  let at = 0;

  function reserve(size: number): void {
    if (at + size <= out.length) return;
    const larger = Buffer.allocUnsafe(Math.max(out.length * 2, at + size));
    out.copy(larger, 0, 0, at);
    out = larger;
  }

  function writeText(text: string): number {
    const size = Buffer.byteLength(text);
    reserve(size + 1);
    out.write(text, at, "utf8");
    at += size;
    out[at++] = 0;
    return size + 1;
  }

  function writeElement(name: string, value: BsonValue): void {
    if (name.includes("\0")) throw new TypeError("A member name on the wire may not hold a zero character.");
    reserve(1);
    const typeAt = at++;
    writeText(name);
    reserve(16);
    let type: number;
    if (value === null) type = NULL;
    else if (typeof value === "string") {
      type = STRING;
      const sizeAt = at;
      at += 4;
      const size = writeText(value);
      out.writeInt32LE(size, sizeAt);
    } else if (typeof value === "boolean") {
      type = BOOLEAN;
      out[at++] = value ? 1 : 0;
    } else if (typeof value === "number") {
      type = INT32;
      at = out.writeInt32LE(value, at);
    } else if (typeof value === "bigint") {
      type = INT64;
      at = out.writeBigInt64LE(value, at);
    } else if (value instanceof Double) {
      type = DOUBLE;
      at = out.writeDoubleLE(value.value, at);
    } else if (value instanceof Date) {
      type = DATE;
      at = out.writeBigInt64LE(BigInt(value.getTime()), at);
    } else if (value instanceof Binary) {
      type = BINARY;
      at = out.writeInt32LE(value.bytes.length, at);
      out[at++] = value.subtype;
      reserve(value.bytes.length);
      out.set(value.bytes, at);
      at += value.bytes.length;
    } else if (Array.isArray(value)) {
      type = ARRAY;
      writeDocument(value.map((item, index) => [String(index), item] as const));
    } else {
      type = DOCUMENT;
      writeDocument(value);
    }
    out[typeAt] = type;
  }

  function writeDocument(members: Iterable<readonly [string, BsonValue]>): void {
    reserve(5);
    const start = at;
    at += 4;
    for (const [name, value] of members) writeElement(name, value);
    reserve(1);
    out[at++] = 0;
    out.writeInt32LE(at - start, start);
  }

  writeDocument(document);
  return out.subarray(0, at);
}

/** The 16 bytes of a GUID in .NET order: the first three groups little-endian. */
export function guidToBytes(guid: string): Buffer {
  const hex = guid.replaceAll("-", "");
  if (!/^[0-9a-fA-F]{32}$/.test(hex)) throw new TypeError("A GUID has 32 hex digits.");
  return swapGuid(Buffer.from(hex, "hex"));
}

/** The inverse of `guidToBytes`: lower-case text with dashes. */
export function guidFromBytes(bytes: Uint8Array): string {
  const hex = swapGuid(Buffer.from(bytes)).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function swapGuid(bytes: Buffer): Buffer {
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
