// What programs print for terminals, made harmless: colours and weights become classes, everything else that is not text is dropped. Links
// are kept when they lead to the web. Pure; the result is drawn as text, never as markup.

export interface Segment {
  text: string;
  /** Names of classes, such as "bold" or "fg-1"; empty for plain text. */
  classes: readonly string[];
  /** Exact colours beyond the sixteen. */
  color?: string;
  background?: string;
  href?: string;
}

interface Look {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  foreground: Colour | undefined;
  background: Colour | undefined;
}

type Colour = { index: number } | { exact: string };

const plain: Look = {
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  foreground: undefined,
  background: undefined,
};

/** Control characters that are no part of text, and those that turn the text behind them; the tab stays. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const interesting = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
// oxlint-disable-next-line no-control-regex -- as above
const nextInteresting = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
/** Longer control strings are taken for what was never ended. */
const controlCharactersMax = 4_096;

/** The parts of one line. A line without control characters is one part, and that costs a look only. */
export function parseAnsi(line: string): readonly Segment[] {
  if (!interesting.test(line)) return [{ text: line, classes: [] }];
  const text = afterLastReturn(line);
  const segments: Segment[] = [];
  let look = plain;
  let href: string | undefined;
  let at = 0;
  /** The next end of a control string from where it was last looked for. */
  let end = { index: -1, length: 0 };
  const push = (part: string): void => {
    if (part !== "") segments.push(segmentOf(part, look, href));
  };
  while (at < text.length) {
    nextInteresting.lastIndex = at;
    const found = nextInteresting.exec(text);
    if (found === null) {
      push(text.slice(at));
      break;
    }
    push(text.slice(at, found.index));
    at = found.index + 1;
    if (found[0] !== "\u001b" && found[0] !== "\u009b") continue;
    // Of the short form the one character stands for both.
    if (found[0] === "\u009b") at -= 1;
    const kind = found[0] === "\u009b" ? "[" : text[at];
    if (kind === "[") {
      parameters.lastIndex = at + 1;
      const [whole] = parameters.exec(text) ?? [""];
      at += 1 + whole.length;
      if (whole.endsWith("m")) look = applied(look, whole.slice(0, -1));
    } else if (kind === "]" || kind === "P" || kind === "X" || kind === "^" || kind === "_") {
      if (end.index < at) end = stringEnd(text, at);
      at += 1;
      // One that is never ended hides nothing: what stands behind it is shown.
      if (end.index - at > controlCharactersMax) continue;
      const control = text.slice(at, end.index);
      if (kind === "]" && control.startsWith("8;")) href = webAddress(control.slice(control.indexOf(";", 2) + 1));
      at = end.index + end.length;
    } else if (kind !== undefined && "()*+#%".includes(kind)) at += 2;
    else if (kind !== undefined && kind >= "0" && kind <= "~") at += 1;
  }
  return segments;
}

/** Colours and moves: numbers, then one letter. */
const parameters = /[0-?]*[ -/]*[@-~]/y;
// oxlint-disable-next-line no-control-regex -- as above
const nextStringEnd = /\u0007|\u001b\\|\u009c/g;

function stringEnd(text: string, from: number): { index: number; length: number } {
  nextStringEnd.lastIndex = from;
  const found = nextStringEnd.exec(text);
  return found === null ? { index: Infinity, length: 0 } : { index: found.index, length: found[0].length };
}

/** The line as text alone, for searching and copying. */
export function plainText(line: string): string {
  return parseAnsi(line)
    .map(({ text }) => text)
    .join("");
}

/** A progress bar writes over itself; what a terminal would show in the end is what counts. */
function afterLastReturn(line: string): string {
  if (!line.includes("\r")) return line;
  const parts = line.split("\r");
  return parts.findLast((part) => part !== "") ?? "";
}

function webAddress(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text)) return undefined;
  try {
    return new URL(text).href;
  } catch {
    return undefined;
  }
}

function segmentOf(text: string, look: Look, href: string | undefined): Segment {
  const classes: string[] = [];
  if (look.bold) classes.push("bold");
  if (look.dim) classes.push("dim");
  if (look.italic) classes.push("italic");
  if (look.underline) classes.push("underline");
  const [foreground, background] = look.inverse
    ? [look.background ?? { index: 0 }, look.foreground ?? { index: 7 }]
    : [look.foreground, look.background];
  const segment: Segment = { text, classes };
  if (foreground !== undefined) {
    if ("index" in foreground) classes.push(`fg-${foreground.index}`);
    else segment.color = foreground.exact;
  }
  if (background !== undefined) {
    if ("index" in background) classes.push(`bg-${background.index}`);
    else segment.background = background.exact;
  }
  if (href !== undefined) segment.href = href;
  return segment;
}

function applied(before: Look, text: string): Look {
  const codes = text === "" ? [0] : text.split(/[;:]/).map((part) => Number(part === "" ? 0 : part));
  let look = before;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!;
    if (code === 0) look = plain;
    else if (code === 1) look = { ...look, bold: true };
    else if (code === 2) look = { ...look, dim: true };
    else if (code === 3) look = { ...look, italic: true };
    else if (code === 4) look = { ...look, underline: true };
    else if (code === 7) look = { ...look, inverse: true };
    else if (code === 22) look = { ...look, bold: false, dim: false };
    else if (code === 23) look = { ...look, italic: false };
    else if (code === 24) look = { ...look, underline: false };
    else if (code === 27) look = { ...look, inverse: false };
    else if (code >= 30 && code <= 37) look = { ...look, foreground: { index: code - 30 } };
    else if (code >= 90 && code <= 97) look = { ...look, foreground: { index: code - 82 } };
    else if (code === 39) look = { ...look, foreground: undefined };
    else if (code >= 40 && code <= 47) look = { ...look, background: { index: code - 40 } };
    else if (code >= 100 && code <= 107) look = { ...look, background: { index: code - 92 } };
    else if (code === 49) look = { ...look, background: undefined };
    else if (code === 38 || code === 48) {
      const [colour, used] = longColour(codes.slice(at + 1));
      at += used;
      if (colour !== undefined) look = code === 38 ? { ...look, foreground: colour } : { ...look, background: colour };
    }
  }
  return look;
}

function longColour(codes: readonly number[]): [Colour | undefined, number] {
  const isByte = (value: number | undefined): value is number =>
    value !== undefined && Number.isInteger(value) && value >= 0 && value <= 255;
  if (codes[0] === 5) {
    const index = codes[1];
    if (!isByte(index)) return [undefined, 2];
    if (index < 16) return [{ index }, 2];
    if (index >= 232) {
      const grey = 8 + (index - 232) * 10;
      return [{ exact: `rgb(${grey} ${grey} ${grey})` }, 2];
    }
    const part = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
    const rest = index - 16;
    return [{ exact: `rgb(${part(Math.floor(rest / 36))} ${part(Math.floor(rest / 6) % 6)} ${part(rest % 6)})` }, 2];
  }
  if (codes[0] === 2) {
    const [, red, green, blue] = codes;
    return isByte(red) && isByte(green) && isByte(blue) ? [{ exact: `rgb(${red} ${green} ${blue})` }, 4] : [undefined, 4];
  }
  return [undefined, 1];
}
