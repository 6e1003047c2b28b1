// Puts values into JSON at places named by their path, joined with colons: `Logging:Level`, `Servers:0:Port`. The text around them stays.

import { applyEdits, NotOfThisForm } from "./text-edits.ts";
import type { Edit, ValueOf } from "./text-edits.ts";

/** Deeper ones are refused: they would use up the stack. */
const depthMax = 200;

/** Throws NotOfThisForm. Comments, as many programs allow them, are passed over. */
export function replaceInJson(text: string, valueOf: ValueOf): string {
  const edits: Edit[] = [];
  let at = 0;

  const fail = (): never => {
    throw new NotOfThisForm(`it is no JSON from character ${at} on`);
  };
  function blanks(): void {
    const found = /(?:[\s\ufeff]|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
    found.lastIndex = at;
    at += found.exec(text)?.[0].length ?? 0;
  }
  function token(pattern: RegExp): string {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? fail();
    at += found.length;
    return found;
  }
  function textToken(): string {
    const written = token(/"(?:[^"\\]|\\.)*"/y);
    try {
      return JSON.parse(written) as string;
    } catch {
      return fail();
    }
  }
  /** `isOpen`: nothing around it was replaced. */
  function value(path: string, depth: number, isOpen: boolean): void {
    if (depth > depthMax) throw new NotOfThisForm(`it is nested deeper than ${depthMax} times`);
    blanks();
    const from = at;
    const given = isOpen && path !== "" ? valueOf(path) : undefined;
    const first = text[at];
    if (first === "{" || first === "[") {
      const end = first === "{" ? "}" : "]";
      at += 1;
      blanks();
      for (let index = 0; text[at] !== end; index++) {
        let key = String(index);
        if (first === "{") {
          key = textToken();
          blanks();
          token(/:/y);
        }
        value(path === "" ? key : `${path}:${key}`, depth + 1, isOpen && given === undefined);
        blanks();
        if (text[at] !== end) token(/,/y);
        blanks();
      }
      at += 1;
    } else if (first === '"') textToken();
    else token(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y);
    if (given !== undefined) edits.push({ from, to: at, text: written(text.slice(from, at), given) });
  }
  value("", 0, true);
  blanks();
  if (at < text.length) fail();
  return applyEdits(text, edits);
}

/** The value in the type that stood there, where it fits; else as text. */
function written(before: string, value: string): string {
  const plain = value.trim();
  if (/^-?\d/.test(before) && /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(plain)) return plain;
  if ((before === "true" || before === "false") && /^(?:true|false)$/i.test(plain)) return plain.toLowerCase();
  if (before.startsWith("{") || before.startsWith("[")) {
    try {
      const parsed: unknown = JSON.parse(plain);
      if (typeof parsed === "object" && parsed !== null) return plain;
    } catch {
      // Then it is a text.
    }
  }
  return JSON.stringify(value);
}
