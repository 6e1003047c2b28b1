// Puts values into YAML at places named as in JSON. The text around them stays as it was, comments included.

import { isAlias, isCollection, isMap, isScalar, isSeq, parse, parseAllDocuments } from "yaml";
import { applyEdits, NotOfThisForm } from "./text-edits.ts";
import type { Edit, ValueOf } from "./text-edits.ts";

/** Reading takes about a second for so much. */
const charactersMax = 2_000_000;
const depthMax = 200;

/** Throws NotOfThisForm. */
export function replaceInYaml(text: string, valueOf: ValueOf): string {
  if (text.length > charactersMax) throw new NotOfThisForm(`it is longer than ${charactersMax} characters`);
  if (nesting(text) > depthMax) throw new NotOfThisForm(`it is nested deeper than ${depthMax} times`);
  const edits: Edit[] = [];
  const documents = parseAllDocuments(text, { uniqueKeys: false, logLevel: "silent" });
  if (!Array.isArray(documents)) return text;
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) throw new NotOfThisForm(`it is no YAML: ${error.message.split("\n")[0]}`);
    walk(document.contents, "", 0);
  }
  return applyEdits(text, edits);

  function walk(node: unknown, path: string, depth: number): void {
    if (depth > depthMax) throw new NotOfThisForm(`it is nested deeper than ${depthMax} times`);
    if (isAlias(node) || !(isCollection(node) || isScalar(node))) return;
    const given = path === "" ? undefined : valueOf(path);
    if (given !== undefined && node.range) {
      const [from, to] = node.range;
      const before = text.slice(from, to);
      // A block ends with its line; an empty value has no place of its own behind its colon.
      const end = before.endsWith("\n") ? "\n" : "";
      const start = before === "" && /[:-]$/.test(text.slice(0, from)) ? " " : "";
      edits.push({ from, to, text: `${start}${written(isScalar(node) ? node.value : undefined, before, given)}${end}` });
      return;
    }
    const inside = (key: string): string => (path === "" ? key : `${path}:${key}`);
    if (isMap(node)) for (const pair of node.items) walk(pair.value, inside(isScalar(pair.key) ? String(pair.key.value) : ""), depth + 1);
    else if (isSeq(node)) for (const [n, item] of node.items.entries()) walk(item, inside(String(n)), depth + 1);
  }
}

/** How deep brackets go at most, wherever they stand: the parser needs far longer for thousands of them. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth = Math.max(0, depth + (bracket === "[" || bracket === "{" ? 1 : -1));
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** `before` is undefined for a list or a map. */
function written(before: unknown, source: string, value: string): string {
  const plain = value.trim();
  if (before === undefined) {
    try {
      const parsed: unknown = JSON.parse(plain);
      if (typeof parsed === "object" && parsed !== null) return JSON.stringify(parsed);
    } catch {
      // Then it is a text.
    }
    return JSON.stringify(value);
  }
  if (typeof before !== "string" && before !== null) {
    const read = readPlain(plain);
    if (typeof read === typeof before) return plain;
  }
  // Without quotes only where it had none and reads as the same text again.
  if (!/^["'|>]/.test(source) && /^[A-Za-z0-9_./-]+$/.test(value) && readPlain(value) === value) return value;
  return JSON.stringify(value);
}

function readPlain(text: string): unknown {
  if (!/^[A-Za-z0-9_.+-]*$/.test(text.replaceAll("/", ""))) return undefined;
  try {
    return parse(text, { logLevel: "silent" });
  } catch {
    return undefined;
  }
}
