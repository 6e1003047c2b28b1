// Where lines begin and end in a script's output. Pure; the log calls it once to count and again to read, and both times
// it must find the same lines, so every decision depends only on bytes inside the range that is consumed.

const lineFeed = 10;
const carriageReturn = 13;

/**
 * Finds the lines in `bytes[from, to)`. LF, CRLF and a lone CR end a line. A line of more than `lineBytesMax` bytes is cut into
 * pieces of at most that length, between characters; each piece counts as a line. With `closed` the rest without a line end is the last line.
 * Calls `onLine(start, end)` for each (the end is exclusive, without the line's terminator), stops early when it returns false.
 * Returns how many lines there were and the offset behind the last consumed byte; the rest stays for a later call.
 */
export function splitLines(
  bytes: Buffer,
  from: number,
  to: number,
  closed: boolean,
  lineBytesMax: number,
  onLine?: (start: number, end: number) => boolean,
): { lines: number; end: number } {
  let position = from;
  let lines = 0;
  let nextLineFeed = find(bytes, lineFeed, from, to);
  let nextCarriageReturn = find(bytes, carriageReturn, from, to);
  while (position < to) {
    if (nextLineFeed < position) nextLineFeed = find(bytes, lineFeed, position, to);
    if (nextCarriageReturn < position) nextCarriageReturn = find(bytes, carriageReturn, position, to);
    const terminator = Math.min(nextLineFeed, nextCarriageReturn);
    let end: number;
    let after: number;
    if (terminator - position > lineBytesMax && to - position > lineBytesMax) {
      end = characterBoundary(bytes, position + lineBytesMax);
      after = end;
    } else if (terminator < to) {
      end = terminator;
      after = terminator + 1;
      if (terminator === nextCarriageReturn && after < to && bytes[after] === lineFeed) after++;
    } else if (closed) {
      end = to;
      after = to;
    } else {
      break;
    }
    lines++;
    const start = position;
    position = after;
    if (onLine !== undefined && !onLine(start, end)) break;
  }
  return { lines, end: position };
}

/** Offset of `value` in `bytes[from, to)`, or `to` when it does not occur. */
function find(bytes: Buffer, value: number, from: number, to: number): number {
  const at = bytes.subarray(0, to).indexOf(value, from);
  return at === -1 ? to : at;
}

/** The nearest offset at or before `offset` that does not split a UTF-8 character; bytes that are no UTF-8 are cut where they are. */
function characterBoundary(bytes: Buffer, offset: number): number {
  for (let back = 0; back < 4; back++) {
    if (((bytes[offset - back] ?? 0) & 0xc0) !== 0x80) return offset - back;
  }
  return offset;
}
