// Reads a variable's text as JSON, with the freedoms that the official product takes (names without quotes, single quotes, comments, commas at the end),
// and writes parts of it back. Objects become maps, so that no name can reach a prototype. It answers undefined for what is no JSON.

/** A number as text, because `1.50` and large integers are not to change on their way. */
export class JsonNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | Map<string, JsonValue>;

class NotJson extends Error {}

/** An object or array; undefined for anything else, and for what nests deeper than the limit. */
export function parseJsonContainer(text: string, depthMax: number): JsonValue[] | Map<string, JsonValue> | undefined {
  const first = /^\s*(?:\/|[[{])/.test(text);
  if (!first) return undefined;
  try {
    const value = new JsonReader(text, depthMax).readAll();
    return Array.isArray(value) || value instanceof Map ? value : undefined;
  } catch (error) {
    if (error instanceof NotJson) return undefined;
    throw error;
  }
}

/** As the official product shows a part of a JSON value: text as it is, `True` and `False`, nothing for null, compact JSON for the rest. */
export function jsonText(value: JsonValue): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value instanceof JsonNumber) return value.text;
  return compact(value);
}

function compact(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(compact).join(",")}]`;
  if (value instanceof Map) return `{${[...value].map(([name, member]) => `${JSON.stringify(name)}:${compact(member)}`).join(",")}}`;
  if (value instanceof JsonNumber) return value.text;
  return JSON.stringify(value);
}

class JsonReader {
  readonly #text: string;
  readonly #depthMax: number;
  #at = 0;
  #depth = 0;

  constructor(text: string, depthMax: number) {
    this.#text = text;
    this.#depthMax = depthMax;
  }

  readAll(): JsonValue {
    const value = this.#value();
    this.#skip();
    if (this.#at < this.#text.length) throw new NotJson();
    return value;
  }

  #skip(): void {
    const blank = /(?:[\s\uFEFF]+|\/\/[^\n\r]*|\/\*[^]*?\*\/)*/y;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (!(code <= 32 || code === 47 || code > 127)) return;
      blank.lastIndex = this.#at;
      const length = blank.exec(this.#text)?.[0].length ?? 0;
      if (length === 0) return;
      this.#at += length;
    }
  }

  #value(): JsonValue {
    this.#skip();
    const start = this.#text[this.#at];
    if (start === "{" || start === "[") {
      if (++this.#depth > this.#depthMax) throw new NotJson();
      this.#at++;
      const value = start === "{" ? this.#object() : this.#array();
      this.#depth--;
      return value;
    }
    if (start === '"' || start === "'") return this.#string(start);
    const word = this.#match(/[-+]?[\w.]+(?:(?<=[eE])[-+]\d+)?/y);
    if (word === "null" || word === "undefined") return null;
    if (word === "true" || word === "false") return word === "true";
    if (!/^-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?$/.test(word)) throw new NotJson();
    // A fraction loses its last zeros, as it does in the official product, which reads it as a number.
    return new JsonNumber(/^-?\d+$/.test(word) ? word : String(Number(word)));
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw new NotJson();
    this.#at += found.length;
    return found;
  }

  #object(): Map<string, JsonValue> {
    const members = new Map<string, JsonValue>();
    for (;;) {
      this.#skip();
      const start = this.#text[this.#at];
      if (start === "}") break;
      const name = start === '"' || start === "'" ? this.#string(start) : this.#match(/[\p{L}\p{Nd}_$]+/uy);
      this.#skip();
      this.#match(/:/y);
      members.set(name, this.#value());
      if (!this.#comma("}")) break;
    }
    this.#match(/\}/y);
    return members;
  }

  #array(): JsonValue[] {
    const items: JsonValue[] = [];
    for (;;) {
      this.#skip();
      if (this.#text[this.#at] === "]") break;
      items.push(this.#value());
      if (!this.#comma("]")) break;
    }
    this.#match(/\]/y);
    return items;
  }

  #comma(end: string): boolean {
    this.#skip();
    if (this.#text[this.#at] === end) return false;
    this.#match(/,/y);
    return true;
  }

  #string(quote: string): string {
    this.#at++;
    const inside = quote === '"' ? /[^"\\]*/y : /[^'\\]*/y;
    let value = "";
    for (;;) {
      value += this.#match(inside);
      const end = this.#text[this.#at++];
      if (end === quote) return value;
      if (end === undefined) throw new NotJson();
      const escape = this.#text[this.#at++] ?? "";
      if (escape === "u") value += String.fromCharCode(Number.parseInt(this.#match(/[0-9a-fA-F]{4}/y), 16));
      else {
        const at = "bfnrt\"'\\/".indexOf(escape);
        if (escape === "" || at < 0) throw new NotJson();
        value += "\b\f\n\r\t\"'\\/"[at];
      }
    }
  }
}
