// Reads JSON that a stranger sent: bounded depth, no text that PostgreSQL cannot store. Shapes are checked elsewhere.

import { problem } from "../../base/problems.ts";

/** Real documents nest about ten deep (a process with its packages); deeper ones only try our recursion. */
export const jsonDepthMax = 64;

/** @throws Problem 400 saying what is wrong with the text */
export function readJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder("utf-8", { ignoreBOM: false }).decode(bytes);
  if (text.trim() === "") return undefined;
  checkDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw problem.invalid(`The request body is not valid JSON: ${error instanceof Error ? withoutBody(error.message) : "unreadable"}.`);
  }
  // Only these escapes can bring in what UTF-8 text in the database cannot hold; looking first keeps the usual body cheap.
  if (/\\u(?:0000|d[89a-f])/i.test(text)) checkStorable(value);
  return value;
}

/** Node's message quotes the text; a body may hold a secret, so only the position stays. */
function withoutBody(message: string): string {
  const position = /at position \d+( \(line \d+ column \d+\))?/.exec(message);
  return position ? `unexpected text ${position[0]}` : "it ends too early";
}

function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > jsonDepthMax) throw problem.invalid(`The request body nests deeper than the limit of ${jsonDepthMax} levels.`);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}

/** Whether the database can keep a text: no NUL, no half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes("\u0000") && text.isWellFormed();
}

function checkStorable(value: unknown): void {
  if (typeof value === "string") {
    if (!isStorable(value))
      throw problem.invalid("The request body holds a text with a NUL or half a surrogate pair, which cannot be stored.");
  } else if (Array.isArray(value)) value.forEach(checkStorable);
  else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      checkStorable(key);
      checkStorable(member);
    }
  }
}
