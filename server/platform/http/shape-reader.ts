// Turns what a client sent into the shape a route declared: member names in any letter case, unknown members left out, every
// fault named with its place. Compiled once per route into plain functions.

import type { TSchema } from "@cuttle/contract/rest/shapes";
import { isStorable } from "./json-text.ts";

/** Returned beside a fault, so that "no value" is never mistaken for one. */
export const unreadable = Symbol("unreadable");

/** Reads one value. `at` names the place for messages ("Steps[2].Name"); faults are appended. */
export type Reader = (value: unknown, at: string, faults: string[]) => unknown;

/** The parts of JSON Schema that our shapes use. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  enum?: string[];
  patternProperties?: Record<string, Schema>;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  format?: string;
}

/** Faults reported of one body; more would only repeat themselves. */
const faultsMax = 20;

/** `from: "query"` also reads numbers, flags and lists from text. */
export function compileReader(shape: TSchema, from: "body" | "query"): Reader {
  return compile(shape as Schema, from === "query");
}

function compile(schema: Schema, fromText: boolean): Reader {
  if (schema.anyOf) return readAny(schema.anyOf, fromText);
  if (schema.enum) return readEnum(schema.enum);
  switch (schema.type) {
    case "object":
      return schema.properties ? readObject(schema, fromText) : readMap(schema, fromText);
    case "array":
      return readList(schema, fromText);
    case "string":
      return readText(schema);
    case "integer":
      return readInteger(schema, fromText);
    case "boolean":
      return readFlag(fromText);
    case "null":
      return (value, at, faults) => (value === null ? null : fault(faults, `${at} must be null.`));
    case undefined:
      return (value) => value;
    default:
      throw new Error(`The shape type ${schema.type} cannot be read from a request.`);
  }
}

function fault(faults: string[], sentence: string): typeof unreadable {
  if (faults.length < faultsMax) faults.push(sentence);
  return unreadable;
}

function readAny(options: Schema[], fromText: boolean): Reader {
  const nullable = options.some((one) => one.type === "null");
  const readers = options.filter((one) => one.type !== "null").map((one) => compile(one, fromText));
  return (value, at, faults) => {
    if (value === null && nullable) return null;
    let first: string[] | undefined;
    for (const read of readers) {
      const own: string[] = [];
      const result = read(value, at, own);
      if (own.length === 0) return result;
      first ??= own;
    }
    for (const one of first ?? [`${at} must be null.`]) fault(faults, one);
    return unreadable;
  };
}

function readEnum(values: string[]): Reader {
  const byLowerCase = new Map(values.map((value) => [value.toLowerCase(), value]));
  return (value, at, faults) => {
    const known = typeof value === "string" ? byLowerCase.get(value.toLowerCase()) : undefined;
    return known ?? fault(faults, `${at} must be one of: ${values.join(", ")}.`);
  };
}

function readObject(schema: Schema, fromText: boolean): Reader {
  const members = new Map(
    Object.entries(schema.properties!).map(([name, member]) => [name.toLowerCase(), { name, read: compile(member, fromText) }]),
  );
  const required = schema.required ?? [];
  return (value, at, faults) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return fault(faults, `${at || "The body"} must be a JSON object.`);
    const result: Record<string, unknown> = {};
    for (const [key, raw] of Object.entries(value)) {
      const member = members.get(key.toLowerCase());
      if (member !== undefined) result[member.name] = member.read(raw, at ? `${at}.${member.name}` : member.name, faults);
    }
    for (const name of required) {
      if (!Object.hasOwn(result, name)) fault(faults, `${at ? `${at}.${name}` : name} is required.`);
    }
    return result;
  };
}

function readMap(schema: Schema, fromText: boolean): Reader {
  const [memberSchema] = Object.values(schema.patternProperties ?? {});
  const read = compile(memberSchema ?? {}, fromText);
  return (value, at, faults) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return fault(faults, `${at || "The body"} must be a JSON object.`);
    // A key named __proto__ means nothing here and is the classic way to poison objects: left out like any unknown member.
    const kept = Object.entries(value).filter(([key]) => key !== "__proto__");
    return Object.fromEntries(kept.map(([key, raw]) => [key, read(raw, `${at}[${JSON.stringify(key.slice(0, 60))}]`, faults)]));
  };
}

function readList(schema: Schema, fromText: boolean): Reader {
  const read = compile(schema.items ?? {}, fromText);
  const itemsMax = schema.maxItems;
  return (value, at, faults) => {
    // ids=A,B and ids=A&ids=B are the same list; an empty text is an empty list.
    const entries = fromText
      ? (Array.isArray(value) ? value : [value]).flatMap((one) => String(one).split(",")).filter((one) => one !== "")
      : value;
    if (!Array.isArray(entries)) return fault(faults, `${at || "The body"} must be a JSON array.`);
    if (itemsMax !== undefined && entries.length > itemsMax) {
      return fault(faults, `${at || "The body"} has more than the limit of ${itemsMax} entries.`);
    }
    return entries.map((entry, n) => read(entry, `${at}[${n}]`, faults));
  };
}

const dateTime = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?$/;

function readText(schema: Schema): Reader {
  const { minLength = 0, maxLength = Number.MAX_SAFE_INTEGER } = schema;
  return (value, at, faults) => {
    if (typeof value !== "string") return fault(faults, `${at} must be text.`);
    if (value.trim().length < minLength) return fault(faults, `${at} must not be empty.`);
    if (value.length > maxLength) return fault(faults, `${at} is longer than the limit of ${maxLength} characters.`);
    if (!isStorable(value)) return fault(faults, `${at} holds a NUL or half a surrogate pair, which cannot be stored.`);
    if (schema.format === "date-time" && !(dateTime.test(value) && Number.isFinite(Date.parse(value)))) {
      return fault(faults, `${at} must be a time such as 2026-01-31T09:00:00.000+00:00.`);
    }
    return value;
  };
}

function readInteger(schema: Schema, fromText: boolean): Reader {
  const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema;
  return (value, at, faults) => {
    const number = fromText && typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
    if (typeof number !== "number" || !Number.isSafeInteger(number)) return fault(faults, `${at} must be a whole number.`);
    if (number < minimum || number > maximum) return fault(faults, `${at} must lie between ${minimum} and ${maximum}.`);
    return number;
  };
}

function readFlag(fromText: boolean): Reader {
  return (value, at, faults) => {
    if (typeof value === "boolean") return value;
    if (fromText && typeof value === "string" && /^(true|false)$/i.test(value)) return value.toLowerCase() === "true";
    return fault(faults, `${at} must be true or false.`);
  };
}
