/**
 * Plain JavaScript values ↔ BSON values, led by the shapes of a contract. Only the types that a contract names are accepted from a peer;
 * a stream inside a value becomes a reference here, its bytes follow in a frame of their own (data-streams.ts).
 */
import { randomUUID } from "node:crypto";
import { Binary, Double, guidFromBytes, guidToBytes } from "./bson.ts";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { CORE_LIBRARY, dictionaryTypes, elementTypes, listTypes } from "./collection-types.ts";
import { createIncomingStream } from "./data-streams.ts";
import type { DataStream, IncomingStream, OutgoingStream } from "./data-streams.ts";
import { ArgumentMismatch, ProtocolError } from "./errors.ts";
import type { Shape } from "./shapes.ts";
import { formatTimespan, parseTimespan } from "./timespans.ts";

const STREAM_TYPE = "Halibut.DataStream, Halibut";

/**
 * A value as BSON. JavaScript side: date = Date, timespan = milliseconds, int64 = safe integer, guid = text, bytes = Uint8Array, stream = DataStream,
 * list = array, dictionary = plain object, object = plain object with the shape's members (missing ones are written as null).
 * `direct` is true for a parameter or result, where .NET needs type names. A value that does not fit is our own mistake: TypeError naming `path`.
 */
export function encodeValue(shape: Shape, value: unknown, direct: boolean, streams: OutgoingStream[], path: string): BsonValue {
  if (value === null || value === undefined) return null;
  const wrong = (expected: string): never => {
    throw new TypeError(`${path} must be ${expected}.`);
  };
  switch (shape.kind) {
    case "void":
      return null;
    case "string":
      return typeof value === "string" ? value : wrong("a string");
    case "boolean":
      return typeof value === "boolean" ? value : wrong("a boolean");
    case "int32":
      return typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= 0x7fffffff ? value : wrong("a 32-bit integer");
    case "int64":
      return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : wrong("a safe integer");
    case "double":
      return typeof value === "number" ? new Double(value) : wrong("a number");
    case "date":
      return value instanceof Date && !Number.isNaN(value.getTime()) ? value : wrong("a valid Date");
    case "timespan":
      return typeof value === "number" && Number.isFinite(value) ? formatTimespan(value) : wrong("a number of milliseconds");
    case "guid":
      return typeof value === "string" ? new Binary(4, guidToBytes(value)) : wrong("a GUID as text");
    case "bytes": {
      if (!(value instanceof Uint8Array)) return wrong("a Uint8Array");
      const binary = new Binary(0, value);
      if (!direct) return binary;
      return new Map<string, BsonValue>([
        ["$type", `System.Byte[], ${CORE_LIBRARY}`],
        ["$value", binary],
      ]);
    }
    case "stream": {
      const stream = value as DataStream;
      if (typeof stream.open !== "function" || !Number.isSafeInteger(stream.length) || stream.length < 0)
        return wrong("a DataStream with a length and open()");
      const id = randomUUID();
      streams.push({ id, stream });
      const reference: BsonDocument = new Map();
      if (direct) reference.set("$type", STREAM_TYPE);
      return reference.set("id", new Binary(4, guidToBytes(id))).set("length", BigInt(stream.length));
    }
    case "list": {
      if (!Array.isArray(value)) return wrong("an array");
      const items = value.map((item, index) => encodeValue(shape.of, item, false, streams, `${path}[${index}]`));
      if (!direct) return items;
      const element = elementTypes(shape.of, path);
      return new Map<string, BsonValue>([
        ["$type", `System.Collections.Generic.List\`1[[${element[0]}]], ${CORE_LIBRARY}`],
        ["$values", items],
      ]);
    }
    case "dictionary": {
      if (typeof value !== "object") return wrong("an object");
      const entries: BsonDocument = new Map();
      if (direct)
        entries.set(
          "$type",
          `System.Collections.Generic.Dictionary\`2[[System.String, ${CORE_LIBRARY}],[${elementTypes(shape.of, path)[0]}]], ${CORE_LIBRARY}`,
        );
      for (const [key, item] of Object.entries(value))
        entries.set(key, encodeValue(shape.of, item, false, streams, `${path}[${JSON.stringify(key)}]`));
      return entries;
    }
    case "object": {
      if (typeof value !== "object") return wrong("an object");
      const members: BsonDocument = new Map();
      if (direct) members.set("$type", shape.type);
      for (const [name, member] of Object.entries(shape.members))
        members.set(name, encodeValue(member, (value as Record<string, unknown>)[name], false, streams, `${path}.${name}`));
      return members;
    }
  }
}

/** What a decoder gathers along the way. `knownTypes` are the `$type` texts of all contracts at hand: a known type in the wrong place is a mismatch. */
export interface DecodeContext {
  incoming: IncomingStream[];
  knownTypes: ReadonlySet<string>;
  streamsPerMessageMax: number;
}

/**
 * A BSON value as JavaScript, by its shape. Absent and null members become null, unknown members are skipped, numbers and GUIDs are converted as
 * .NET does. A direct argument of another kind is an ArgumentMismatch; everything else that does not fit, or a type that is not allowed, is a ProtocolError.
 */
export function decodeValue(shape: Shape, value: BsonValue | undefined, direct: boolean, context: DecodeContext, path: string): unknown {
  if (value === null || value === undefined) return null;
  const wrong = (expected: string): never => {
    const message = `${path} is not ${expected}.`;
    throw direct ? new ArgumentMismatch(message) : new ProtocolError(message);
  };
  switch (shape.kind) {
    case "void":
      return null;
    case "string":
      if (typeof value === "string") return value;
      return typeof value === "number" || typeof value === "bigint" ? String(value) : wrong("a text");
    case "boolean":
      if (typeof value === "boolean") return value;
      if (typeof value === "number" || typeof value === "bigint") return Number(value) !== 0;
      return value === "true" ? true : value === "false" ? false : wrong("a boolean");
    case "int32": {
      const number = typeof value === "string" && shape.names !== undefined ? namedValue(shape.names, value) : toInteger(value);
      return number !== undefined && Math.abs(number) <= 0x80000000 && number !== 0x80000000 ? number : wrong("a 32-bit integer");
    }
    case "int64": {
      const number = toInteger(value);
      return number !== undefined && Number.isSafeInteger(number) ? number : wrong("an integer below 2^53");
    }
    case "double":
      if (value instanceof Double) return value.value;
      return typeof value === "number" || typeof value === "bigint" ? Number(value) : wrong("a number");
    case "date": {
      if (value instanceof Date) return value;
      const date = typeof value === "string" ? new Date(value) : undefined;
      return date !== undefined && !Number.isNaN(date.getTime()) ? date : wrong("a date");
    }
    case "timespan":
      return (typeof value === "string" ? parseTimespan(value) : undefined) ?? wrong("a timespan");
    case "guid":
      return toGuid(value) ?? wrong("a GUID");
    case "bytes": {
      const inner =
        value instanceof Map && value.has("$type")
          ? unwrap(value, [`System.Byte[], ${CORE_LIBRARY}`, "System.Byte[], mscorlib"], "$value", path)
          : value;
      if (inner instanceof Binary) return inner.bytes;
      return typeof inner === "string" ? new Uint8Array(Buffer.from(inner, "base64")) : wrong("bytes");
    }
    case "stream": {
      const reference = value instanceof Map ? streamReference(value) : undefined;
      if (reference === undefined || (direct && (value as BsonDocument).get("$type") !== STREAM_TYPE)) return wrong("a stream");
      return addIncoming(context, reference);
    }
    case "list": {
      const items =
        value instanceof Map ? unwrap(value, listTypes(shape.of, path), "$values", path) : direct ? wrong("a typed list") : value;
      if (!Array.isArray(items)) return wrong("a list");
      return items.map((item, index) => decodeValue(shape.of, item, false, context, `${path}[${index}]`));
    }
    case "dictionary": {
      if (!(value instanceof Map)) return wrong("a dictionary");
      const entries = Object.create(null) as Record<string, unknown>;
      for (const [key, item] of value) {
        if (key === "$type") {
          if (typeof item !== "string" || !dictionaryTypes(shape.of, path).includes(item)) throw notAllowed(path, item);
          continue;
        }
        entries[key] = decodeValue(shape.of, item, false, context, `${path}[${JSON.stringify(key.slice(0, 100))}]`);
      }
      if (direct && !value.has("$type")) return wrong("a typed dictionary");
      return entries;
    }
    case "object": {
      if (!(value instanceof Map)) return wrong(`a ${shape.type}`);
      checkType(shape, value, direct, context, path);
      const found = memberFinder(value);
      const members: Record<string, unknown> = {};
      for (const [name, member] of Object.entries(shape.members))
        members[name] = decodeValue(member, found(name), false, context, `${path}.${name}`);
      return members;
    }
  }
}

/** Older .NET libraries name the exact assembly; which one it is does not matter here. */
const assemblyDetails = /(?:, (?:Version|Culture|PublicKeyToken)=[^,]{0,100}){1,3}$/;

function namedValue(names: { readonly [name: string]: number }, text: string): number | undefined {
  return Object.entries(names).find(([name]) => name.toLowerCase() === text.toLowerCase())?.[1];
}

function checkType(shape: Shape & { kind: "object" }, value: BsonDocument, direct: boolean, context: DecodeContext, path: string): void {
  const [firstKey] = value.keys();
  const sent = firstKey === "$type" ? value.get("$type") : undefined;
  const type = typeof sent === "string" ? sent.replace(assemblyDetails, "") : sent;
  if (type === undefined) {
    // Like .NET: without a type name in first place an argument is just a generic object, which fits no parameter.
    if (direct) throw new ArgumentMismatch(`${path} has no type name in its first place.`);
    return;
  }
  if (type === shape.type || (typeof type === "string" && shape.alsoAccepts?.includes(type))) return;
  if (direct && typeof type === "string" && context.knownTypes.has(type)) throw new ArgumentMismatch(`${path} is a ${type}.`);
  throw notAllowed(path, type);
}

function notAllowed(path: string, type: BsonValue | undefined): ProtocolError {
  return new ProtocolError(`${path} has a type that is not allowed: ${typeof type === "string" ? type.slice(0, 200) : "not even a text"}.`);
}

/** The types of all objects in a shape, for `DecodeContext.knownTypes`. */
export function collectTypes(shape: Shape, into: Set<string>): void {
  if (shape.kind === "list" || shape.kind === "dictionary") collectTypes(shape.of, into);
  else if (shape.kind === "stream") into.add(STREAM_TYPE);
  else if (shape.kind === "object") {
    into.add(shape.type);
    for (const type of shape.alsoAccepts ?? []) into.add(type);
    for (const member of Object.values(shape.members)) collectTypes(member, into);
  }
}

/** Finds stream references by their form, for arguments that no contract describes: their frames follow all the same and must be read. */
export function collectStreams(value: BsonValue, context: DecodeContext): void {
  if (Array.isArray(value)) for (const item of value) collectStreams(item, context);
  else if (value instanceof Map) {
    const reference = streamReference(value);
    if (reference !== undefined) addIncoming(context, reference);
    else for (const member of value.values()) collectStreams(member, context);
  }
}

function streamReference(value: BsonDocument): { id: string } | undefined {
  const found = memberFinder(value);
  const id = toGuid(found("id"));
  const length = found("length");
  const members = value.size - (value.has("$type") ? 1 : 0);
  if (id === undefined || members !== 2 || toInteger(length) === undefined) return undefined;
  if (value.has("$type") && value.get("$type") !== STREAM_TYPE) return undefined;
  return { id };
}

function addIncoming(context: DecodeContext, reference: { id: string }): DataStream {
  if (context.incoming.length >= context.streamsPerMessageMax)
    throw new ProtocolError(`A message has more than ${context.streamsPerMessageMax} streams.`);
  const stream = createIncomingStream(reference.id);
  context.incoming.push(stream);
  return stream.content;
}

/** Looks a member up by its exact name, else ignoring case. */
export function memberFinder(document: BsonDocument): (name: string) => BsonValue | undefined {
  let folded: Map<string, BsonValue> | undefined;
  return (name) => {
    const exact = document.get(name);
    if (exact !== undefined) return exact;
    if (folded === undefined) {
      folded = new Map();
      for (const [key, value] of document) folded.set(key.toLowerCase(), value);
    }
    return folded.get(name.toLowerCase());
  };
}

function toInteger(value: BsonValue | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Double) return Number.isFinite(value.value) ? Math.round(value.value) : undefined;
  if (typeof value === "string" && /^-?\d{1,19}$/.test(value)) return Number(value);
  return undefined;
}

function toGuid(value: BsonValue | undefined): string | undefined {
  if (value instanceof Binary && value.bytes.length === 16) return guidFromBytes(value.bytes);
  if (typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) return value.toLowerCase();
  return undefined;
}

/** The inside of a `{ $type, $value }` or `{ $type, $values }` wrapper whose type is one of `types`. */
function unwrap(value: BsonDocument, types: readonly string[], member: string, path: string): BsonValue {
  const type = value.get("$type");
  if (typeof type !== "string" || !types.includes(type)) throw notAllowed(path, type);
  return value.get(member) ?? null;
}
