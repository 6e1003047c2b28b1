// Places in a task's log that mean the same on every node and for ever: a part, an offset in it between two entries, and how many lines
// come before. Parts are only appended to, and an earlier one never grows once a later one has bytes that count.

import type { LogPart } from "./task-log-store.ts";

export interface LogPosition {
  epoch: number;
  ordinal: number;
  /** Bytes of the part that lie before. */
  offset: number;
  /** Lines of the whole log that lie before; blocks and their states are not counted. */
  lines: number;
}

/** Before everything. */
export const logStart: LogPosition = { epoch: 0, ordinal: 0, offset: 0, lines: 0 };

/** As it goes to clients and comes back from them: `2-0-14032-117`. */
export function formatPosition(position: LogPosition): string {
  return `${position.epoch}-${position.ordinal}-${position.offset}-${position.lines}`;
}

/** Undefined when the text is no position. */
export function parsePosition(text: string): LogPosition | undefined {
  const found = /^(\d{1,10})-(\d{1,10})-(\d{1,15})-(\d{1,15})$/.exec(text);
  if (found === null) return undefined;
  const [, epoch, ordinal, offset, lines] = found;
  return { epoch: Number(epoch), ordinal: Number(ordinal), offset: Number(offset), lines: Number(lines) };
}

/** Where reading goes on: the part that holds the next byte and the offset in it; undefined when all that counts was read. */
export function nextPart(parts: readonly LogPart[], position: LogPosition): { part: LogPart; offset: number } | undefined {
  for (const part of parts) {
    const order = part.epoch - position.epoch || part.ordinal - position.ordinal;
    if (order < 0) continue;
    const offset = order === 0 ? position.offset : 0;
    if (offset < part.committedBytes) return { part, offset };
  }
  return undefined;
}
