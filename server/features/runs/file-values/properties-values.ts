// Puts values into Java's properties files: `key=value`, `key: value` or `key value`, continued where a line ends with a backslash.

import { applyEdits } from "./text-edits.ts";
import type { Edit, ValueOf } from "./text-edits.ts";

export function replaceInProperties(text: string, valueOf: ValueOf): string {
  const edits: Edit[] = [];
  // A logical line: not a comment; a backslash takes the end of its line along.
  for (const line of text.matchAll(
    /^[ \t\f]*(?![#!\s])((?:\\\r?\n[ \t\f]*|\\.|[^\\\r\n:= \t\f])+)([ \t\f]*[:=]?[ \t\f]*)((?:\\\r?\n|\\.|[^\\\r\n])*)/gm,
  )) {
    const [whole, key = "", between = "", value = ""] = line;
    const given = valueOf(unescaped(key));
    if (given === undefined) continue;
    const to = line.index + whole.length;
    edits.push({ from: to - value.length, to, text: `${between === "" ? "=" : ""}${escaped(given)}` });
  }
  return applyEdits(text, edits);
}

function unescaped(text: string): string {
  const short: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", f: "\f" };
  return text
    .replace(/\\\r?\n[ \t\f]*/g, "")
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_whole, hex: string | undefined, one: string | undefined) =>
      hex === undefined ? (short[one!] ?? one!) : String.fromCharCode(Number.parseInt(hex, 16)),
    );
}

/** Characters beyond ASCII as numbers: whichever encoding the reader takes, it reads them right. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t")
    .replace(/^ /, "\\ ")
    .replace(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
