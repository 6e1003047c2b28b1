// Writes an answer in its declared shape: unlisted members never leave, times become ISO 8601 with offset, and links carry the
// virtual directory the request came through.

import type { TSchema } from "@cuttle/contract/rest/shapes";

/** `linkPrefix` is the virtual directory ("/octopus"), empty without one. */
export type Writer = (value: unknown, linkPrefix: string) => unknown;

interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  patternProperties?: Record<string, Schema>;
}

export function compileWriter(shape: TSchema): Writer {
  return compile(shape as Schema);
}

function compile(schema: Schema): Writer {
  if (schema.anyOf) return writeAny(schema.anyOf);
  if (schema.type === "object") return schema.properties ? writeObject(schema) : writeMap(schema);
  if (schema.type === "array") {
    const write = compile(schema.items ?? {});
    return (value, linkPrefix) => (Array.isArray(value) ? value.map((one) => write(one, linkPrefix)) : []);
  }
  return (value) => (value === undefined ? null : value instanceof Date ? timeText(value) : value);
}

/** `2026-01-31T09:00:00.000+00:00`: some clients read an offset but not the letter Z. */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, -1)}+00:00`;
}

function writeAny(options: Schema[]): Writer {
  const writers = options.filter((one) => one.type !== "null").map((one) => ({ schema: one, write: compile(one) }));
  return (value, linkPrefix) => {
    if (value === null || value === undefined) return null;
    const kind = Array.isArray(value) ? "array" : value instanceof Date ? "string" : typeof value === "object" ? "object" : undefined;
    const fitting = writers.find(({ schema }) =>
      kind === undefined ? schema.type !== "object" && schema.type !== "array" : schema.type === kind,
    );
    return (fitting ?? writers[0])?.write(value, linkPrefix) ?? null;
  };
}

function writeObject(schema: Schema): Writer {
  const required = new Set(schema.required ?? []);
  const members = Object.entries(schema.properties!).map(([name, member]) => ({
    name,
    write: name === "Links" ? writeLinks : compile(member),
    always: required.has(name),
  }));
  return (value, linkPrefix) => {
    if (typeof value !== "object" || value === null) return null;
    const source = value as Record<string, unknown>;
    const result: Record<string, unknown> = {};
    for (const { name, write, always } of members) {
      const member = source[name];
      if (member !== undefined || always) result[name] = write(member, linkPrefix);
    }
    return result;
  };
}

function writeMap(schema: Schema): Writer {
  const [memberSchema] = Object.values(schema.patternProperties ?? {});
  const write = compile(memberSchema ?? {});
  return (value, linkPrefix) =>
    typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, write(member, linkPrefix)]))
      : {};
}

const writeLinks: Writer = (value, linkPrefix) => {
  const links = (value ?? {}) as Record<string, string>;
  if (linkPrefix === "") return links;
  return Object.fromEntries(Object.entries(links).map(([name, link]) => [name, linkPrefix + link]));
};
