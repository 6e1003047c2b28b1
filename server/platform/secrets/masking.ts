// Replaces sensitive values in the lines of a script's output before they are stored anywhere. A line comes out once it is certain that
// nothing in it begins a value that ends in a later line; the wait ends with the next lines or with flush().
//
// Whoever goes on after a takeover starts a new masker at the first line that was not given out. That masks the same, because a line is
// never given out while a masked stretch reaches from it into the next one, and because nothing given out is remembered.
//
// Found are: the value itself, each line (from 8 characters) of a value with several lines, the value broken over lines at any place
// (from its 4th character on), and its JSON, XML, URL, base64, hexadecimal and shell-quoted forms. Not found are values shorter than
// maskedCharactersMin and forms that nobody listed here (encrypted, reversed, spelled out).
import { buildAutomaton } from "./masking-automaton.ts";
import type { Automaton, Pattern } from "./masking-automaton.ts";
import { base64Cores, escapedForms } from "./masking-forms.ts";

/** What stands in place of a value. */
export const mask = "********";
/** Shorter values are not masked: they would blot out ordinary text. Warn whoever enters one. */
export const maskedCharactersMin = 3;
const lineOfValueCharactersMin = 8;
/** Fewer characters of a value at the end of a line do not hold it back: nearly every line ends like that. */
const heldCharactersMin = 4;
const base64CoreCharactersMin = 4;
/** A value longer than this is looked for in pieces of this length, and not in its encoded forms, which would take much memory. */
const pieceCharactersMax = 16_384;
/** Lines held back at most. Only values that overlap each other without end get there; then all of these lines are masked whole. */
const heldLinesMax = 10_000;
const heldCharactersMax = 4 * 1024 * 1024;
const base64Characters = /[A-Za-z0-9+/_=-]/;
const widenCharactersMax = 3;
const lineFeed = 10;
const carriageReturn = 13;

/** Each line pushed comes out once, in order, perhaps with a later call. */
export interface LineMasker {
  /** Takes the next line (without its line break) and answers the lines that may be shown now. */
  push(line: string): string[];
  /** No more lines come: answers what was held back. The masker may be used on, as if new. */
  flush(): string[];
}

export function isTooShortToMask(value: string): boolean {
  return value.replace(/[\r\n]/g, "").length < maskedCharactersMin;
}

/** A masker for one stream of lines. */
export function createMasker(values: readonly string[]): LineMasker {
  return prepareMasking(values).createMasker();
}

/** The costly part once, for any number of streams with the same values. */
export function prepareMasking(values: readonly string[]): { createMasker(): LineMasker } {
  const patterns = new Map<string, Pattern>();
  for (const value of values) for (const pattern of patternsOf(value)) patterns.set(JSON.stringify(pattern), pattern);
  if (patterns.size === 0) return { createMasker: () => ({ push: (line) => [line], flush: () => [] }) };
  const automaton = buildAutomaton([...patterns.values()], heldCharactersMin);
  return { createMasker: () => createLineMasker(automaton) };
}

function patternsOf(value: string): Pattern[] {
  if (isTooShortToMask(value)) return [];
  const found: Pattern[] = [];
  const add = (text: string, widen = false, charactersMin = maskedCharactersMin): void => {
    for (let at = 0; at < text.length; at += pieceCharactersMax) {
      const pattern = withoutBreaks(text.slice(at, at + pieceCharactersMax), widen);
      if (pattern.text.length >= charactersMin) found.push(pattern);
    }
  };
  add(value);
  const lines = value.split(/[\r\n]+/);
  if (lines.length > 1) for (const line of lines) add(line, false, lineOfValueCharactersMin);
  if (value.length > pieceCharactersMax) return found;
  const unix = value.replaceAll("\r\n", "\n");
  for (const form of new Set([value, unix, unix.replaceAll("\n", "\r\n"), value.trim()])) {
    if (isTooShortToMask(form)) continue;
    for (const escaped of escapedForms(form)) if (escaped !== form) add(escaped);
    for (const core of base64Cores(form)) add(core, true, base64CoreCharactersMin);
  }
  return found;
}

/** Line breaks are left out of patterns and of the stream alike, so a value is found however it is broken over lines. */
function withoutBreaks(text: string, widen: boolean): Pattern {
  const breaks: number[] = [];
  let plain = "";
  for (const part of text.split(/[\r\n]+/)) {
    if (plain !== "" && part !== "") breaks.push(plain.length);
    plain += part;
  }
  return { text: plain, breaks, widen };
}

interface HeldLine {
  text: string;
  /** Position in the stream (line breaks not counted) of its first character, and of the first after it. */
  start: number;
  end: number;
}

interface Stretch {
  start: number;
  end: number;
}

function createLineMasker(automaton: Automaton): LineMasker {
  let state = 0;
  let position = 0;
  let held: HeldLine[] = [];
  let heldCharacters = 0;
  /** What was found in the held lines, in order and joined where it overlaps. */
  let stretches: Stretch[] = [];
  /** Those of base64 once more, each by itself: their first and last characters are decided by their neighbours too. */
  let encoded: Stretch[] = [];

  function read(text: string): HeldLine {
    const start = position;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit === lineFeed || unit === carriageReturn) continue;
      position += 1;
      state = automaton.next(state, unit);
      const plain = automaton.matched(state);
      if (plain > 0) found(position - plain);
      const toWiden = automaton.matchedToWiden(state);
      if (toWiden > 0) {
        found(position - toWiden);
        encoded.push({ start: position - toWiden, end: position });
      }
    }
    return { text, start, end: position };
  }

  function found(from: number): void {
    let start = from;
    for (let last = stretches.at(-1); last !== undefined && last.end >= start; last = stretches.at(-1)) {
      start = Math.min(start, last.start);
      stretches.pop();
    }
    stretches.push({ start, end: position });
  }

  /** Gives out the first `count` held lines and forgets them. */
  function release(count: number, whole: boolean): string[] {
    if (count === 0) return [];
    const lines = held.slice(0, count);
    held = held.slice(count);
    const out = lines.map((line) => (whole ? mask : maskLine(line, stretches, encoded)));
    const boundary = lines.at(-1)!.end;
    for (const line of lines) heldCharacters -= line.text.length;
    stretches = stretches.filter((stretch) => stretch.end > boundary);
    encoded = encoded.filter((stretch) => stretch.end > boundary);
    if (!whole) state = automaton.shortened(state, position - boundary);
    return out;
  }

  return {
    push(text) {
      held.push(read(text));
      heldCharacters += text.length;
      const certain = position - automaton.held(state);
      const count = linesBefore(held, certain, stretches);
      if (count === 0 && (held.length > heldLinesMax || heldCharacters > heldCharactersMax)) return release(held.length, true);
      return release(count, false);
    },
    flush() {
      const out = release(held.length, false);
      state = 0;
      stretches = [];
      encoded = [];
      return out;
    },
  };
}

/** How many of the lines may be shown: up to a line's end at which nothing waits for more and over which nothing found reaches. */
function linesBefore(lines: readonly HeldLine[], certain: number, stretches: readonly Stretch[]): number {
  for (let position = certain; ;) {
    const count = linesEndingBy(lines, position);
    const end = lines[count - 1]?.end;
    if (end === undefined) return 0;
    const reaching = stretches[firstEndingAfter(stretches, end)];
    if (reaching === undefined || reaching.start >= end) return count;
    position = reaching.start;
  }
}

/** How many of the lines end at or before the position. */
function linesEndingBy(lines: readonly HeldLine[], position: number): number {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lines[middle]!.end <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the first stretch whose end is greater than `position`. */
function firstEndingAfter(stretches: readonly Stretch[], position: number): number {
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (stretches[middle]!.end > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

function maskLine(line: HeldLine, stretches: readonly Stretch[], encoded: readonly Stretch[]): string {
  const first = firstEndingAfter(stretches, line.start);
  if ((stretches[first]?.start ?? line.end) >= line.end) return line.text;
  const characters = line.text.replace(/[\r\n]/g, "");
  const hidden = new Uint8Array(characters.length);
  for (let index = first; index < stretches.length && stretches[index]!.start < line.end; index++) {
    hidden.fill(1, Math.max(0, stretches[index]!.start - line.start), stretches[index]!.end - line.start);
  }
  for (const stretch of encoded) {
    if (stretch.end <= line.start || stretch.start >= line.end) continue;
    const from = stretch.start - line.start;
    const to = stretch.end - line.start;
    for (let at = from - 1; at >= Math.max(0, from - widenCharactersMax) && base64Characters.test(characters[at]!); at--) hidden[at] = 1;
    for (let at = to; at < Math.min(characters.length, to + widenCharactersMax) && base64Characters.test(characters[at]!); at++)
      hidden[at] = 1;
  }
  let out = "";
  let shownFrom = 0;
  // Line breaks inside a text that holds a value are dropped: one line stays one line.
  for (let at = 0; at < characters.length; at++) {
    if (hidden[at] === 0) continue;
    out += characters.slice(shownFrom, at) + mask;
    while (hidden[at + 1] === 1) at += 1;
    shownFrom = at + 1;
  }
  return out + characters.slice(shownFrom);
}
