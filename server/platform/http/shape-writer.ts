// Writes an answer in its declared shape: unlisted members never leave, times become ISO 8601 with offset, and links carry the
// virtual directory the request came through. As a value, or at once as the text that goes out, which spares a copy of every document.

import type { TSchema } from "@cuttle/contract/rest/shapes";
import { giveBack } from "./give-back.ts";

/** Of one shape. `linkPrefix` is the virtual directory ("/octopus"), empty without one. */
export interface ShapeWriter {
  /** The document as the client will see it. */
  value(value: unknown, linkPrefix: string): unknown;
  /** The JSON text of that document; of a long one its bytes, because a long text would first be built and then copied into them. */
  body(value: unknown, linkPrefix: string): string | Buffer;
}

interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  patternProperties?: Record<string, Schema>;
}

/** What one text is made with. */
interface Writing {
  readonly linkPrefix: string;
  /** Long lists that stand in a document many times, such as the environments of each project, are made into text or bytes once. */
  readonly lists: Map<readonly unknown[], string | Buffer>;
  /** What is ready of a long document. */
  readonly pieces: Buffer[];
}

interface Writer {
  value(value: unknown, linkPrefix: string): unknown;
  text(value: unknown, writing: Writing): string;
  /** Only of what may be long: its text behind `before`. What is ready may go to the pieces; what it gives back stands behind them. */
  append?(value: unknown, writing: Writing, before: string): string;
}

/** A text of this length becomes a piece: joining pieces costs little, and V8 puts a text of so many parts together within its caches. */
const pieceTextMin = 16 * 1024;
/** A list of this length becomes a piece of its own, so that it is copied only once for each place where it stands. */
const sharedPieceTextMin = 2 * 1024;
/** Shorter lists cost less than finding them again; and only of plain entries does every writer make the same text. */
const sharedListMin = 32;

/** Of a document that lasts: the text that was made last, and for whom. */
interface LastingText {
  of?: Writer;
  linkPrefix?: string;
  text?: string;
}
const lastingTexts = new WeakMap<object, LastingText>();

/** Says of a document, which stands in lists, that nobody will ever change it: its text is then made once, and kept as long as the document is. */
export function lasting<Document extends object>(document: Document): Document {
  lastingTexts.set(document, {});
  return document;
}

export function compileWriter(shape: TSchema): ShapeWriter {
  const writer = compile(shape as Schema);
  return {
    value: writer.value,
    body(document, linkPrefix) {
      const writing: Writing = { linkPrefix, lists: new Map(), pieces: [] };
      const rest = append(writer, document, writing, "");
      if (writing.pieces.length === 0) return rest;
      writing.pieces.push(Buffer.from(rest));
      const all = Buffer.concat(writing.pieces);
      for (const piece of writing.pieces) giveBack(piece);
      return all;
    },
  };
}

function append(writer: Writer, value: unknown, writing: Writing, before: string): string {
  return writer.append === undefined ? before + writer.text(value, writing) : writer.append(value, writing, before);
}

function compile(schema: Schema): Writer {
  if (schema.anyOf) return writeAny(schema.anyOf);
  if (schema.type === "object") return schema.properties ? writeObject(schema) : writeMap(schema);
  if (schema.type === "array") return writeList(compile(schema.items ?? {}));
  return plain;
}

/** `2026-01-31T09:00:00.000+00:00`: some clients read an offset but not the letter Z. */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, -1)}+00:00`;
}

/** What JSON writes otherwise than it stands: quotes, backslashes, control characters and halves of pairs. */
// oxlint-disable-next-line no-control-regex -- these are the ones
const escaped = /["\\\u0000-\u001f\ud800-\udfff]/;
/** Up to this length looking at each character costs less than starting a search. */
const shortTextMax = 48;

function quoted(text: string): string {
  if (text.length > shortTextMax) return escaped.test(text) ? JSON.stringify(text) : `"${text}"`;
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n);
    if (code < 0x20 || code === 0x22 || code === 0x5c || (code >= 0xd800 && code <= 0xdfff)) return JSON.stringify(text);
  }
  return `"${text}"`;
}

const plain: Writer = {
  value: (value) => (value === undefined ? null : value instanceof Date ? timeText(value) : value),
  text(value) {
    if (typeof value === "string") return quoted(value);
    if (value === null || value === undefined) return "null";
    if (typeof value === "boolean") return value ? "true" : "false";
    return value instanceof Date ? `"${timeText(value)}"` : JSON.stringify(value);
  },
};

function writeList(item: Writer): Writer {
  function text(value: unknown, writing: Writing): string {
    if (!Array.isArray(value) || value.length === 0) return "[]";
    let all = `[${item.text(value[0], writing)}`;
    for (let n = 1; n < value.length; n++) all += `,${item.text(value[n], writing)}`;
    return `${all}]`;
  }
  function shared(value: unknown[], writing: Writing): string | Buffer {
    let known = writing.lists.get(value);
    if (known === undefined) {
      const all = text(value, writing);
      writing.lists.set(value, (known = all.length < sharedPieceTextMin ? all : Buffer.from(all)));
    }
    return known;
  }
  return {
    value: (value, linkPrefix) => (Array.isArray(value) ? value.map((one) => item.value(one, linkPrefix)) : []),
    text,
    append(value, writing, before) {
      if (!Array.isArray(value) || value.length === 0) return `${before}[]`;
      if (item === plain) {
        if (value.length < sharedListMin) return before + text(value, writing);
        const all = shared(value, writing);
        if (typeof all === "string") return before + all;
        writing.pieces.push(Buffer.from(before), all);
        return "";
      }
      let all = `${before}[`;
      for (let n = 0; n < value.length; n++) {
        all = append(item, value[n], writing, n === 0 ? all : `${all},`);
        if (all.length < pieceTextMin) continue;
        writing.pieces.push(Buffer.from(all));
        all = "";
      }
      return `${all}]`;
    },
  };
}

function writeAny(options: Schema[]): Writer {
  const writers = options.filter((one) => one.type !== "null").map((one) => ({ schema: one, write: compile(one) }));
  function fitting(value: NonNullable<unknown>): Writer | undefined {
    if (writers.length === 1) return writers[0]!.write;
    const kind = Array.isArray(value) ? "array" : value instanceof Date ? "string" : typeof value === "object" ? "object" : undefined;
    const found = writers.find(({ schema }) =>
      kind === undefined ? schema.type !== "object" && schema.type !== "array" : schema.type === kind,
    );
    return (found ?? writers[0])?.write;
  }
  return {
    value: (value, linkPrefix) => (value === null || value === undefined ? null : (fitting(value)?.value(value, linkPrefix) ?? null)),
    text: (value, writing) => (value === null || value === undefined ? "null" : (fitting(value)?.text(value, writing) ?? "null")),
  };
}

function writeObject(schema: Schema): Writer {
  const required = new Set(schema.required ?? []);
  const members = Object.entries(schema.properties!).map(([name, member]) => ({
    name,
    first: `{${JSON.stringify(name)}:`,
    later: `,${JSON.stringify(name)}:`,
    write: name === "Links" ? links : compile(member),
    always: required.has(name),
  }));
  const writer: Writer = {
    value(value, linkPrefix) {
      if (typeof value !== "object" || value === null) return null;
      const source = value as Record<string, unknown>;
      const result: Record<string, unknown> = {};
      for (const { name, write, always } of members) {
        const member = source[name];
        if (member !== undefined || always) result[name] = write.value(member, linkPrefix);
      }
      return result;
    },
    text(value, writing) {
      if (typeof value !== "object" || value === null) return "null";
      const known = lastingTexts.get(value);
      if (known?.of === writer && known.linkPrefix === writing.linkPrefix) return known.text!;
      const source = value as Record<string, unknown>;
      let text = "";
      for (const { name, first, later, write, always } of members) {
        const member = source[name];
        if (member !== undefined || always) text += (text === "" ? first : later) + write.text(member, writing);
      }
      text = text === "" ? "{}" : `${text}}`;
      if (known === undefined) return text;
      // A look at a character makes one piece of the many that V8 remembers.
      text.charCodeAt(0);
      Object.assign(known, { of: writer, linkPrefix: writing.linkPrefix, text } satisfies LastingText);
      return text;
    },
    ...(members.some(({ write }) => write.append !== undefined) && {
      append(value: unknown, writing: Writing, before: string) {
        if (typeof value !== "object" || value === null) return `${before}null`;
        const source = value as Record<string, unknown>;
        let text = before;
        let isEmpty = true;
        for (const { name, first, later, write, always } of members) {
          const member = source[name];
          if (member === undefined && !always) continue;
          text = append(write, member, writing, text + (isEmpty ? first : later));
          isEmpty = false;
        }
        return isEmpty ? `${text}{}` : `${text}}`;
      },
    }),
  };
  return writer;
}

function writeMap(schema: Schema): Writer {
  const [memberSchema] = Object.values(schema.patternProperties ?? {});
  const member = compile(memberSchema ?? {});
  return {
    value: (value, linkPrefix) =>
      typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, member.value(one, linkPrefix)]))
        : {},
    text(value, writing) {
      if (typeof value !== "object" || value === null) return "{}";
      return `{${Object.entries(value)
        .map(([key, one]) => `${quoted(key)}:${member.text(one, writing)}`)
        .join(",")}}`;
    },
  };
}

const links: Writer = {
  value(value, linkPrefix) {
    const all = (value ?? {}) as Record<string, string>;
    if (linkPrefix === "") return all;
    return Object.fromEntries(Object.entries(all).map(([name, link]) => [name, linkPrefix + link]));
  },
  text(value, { linkPrefix }) {
    let text = "{";
    for (const [name, link] of Object.entries((value ?? {}) as Record<string, string | undefined>)) {
      if (link === undefined) continue;
      if (text.length > 1) text += ",";
      text += `${quoted(name)}:${quoted(linkPrefix + link)}`;
    }
    return `${text}}`;
  },
};
