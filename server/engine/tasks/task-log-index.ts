// Finds lines of a log by their number. Remembers where every thousandth line lies; what was counted once stays true, since logs only
// grow. A cache: without it, or on another node, the same answers only take longer.

import type { Queryable } from "../../platform/database/database.ts";
import type { PlacedEntry } from "./task-log-pieces.ts";
import { isLine, siftOf } from "./log-entry.ts";
import type { LogSift } from "./log-entry.ts";
import { readPiece, readPieceBytes } from "./task-log-pieces.ts";
import { logStart } from "./task-log-position.ts";
import type { LogPosition } from "./task-log-position.ts";
import { listParts } from "./task-log-store.ts";
import type { LogPart } from "./task-log-store.ts";
import type { LogFolder } from "./task-log.ts";

/** Lines between two remembered places: at most so many are read for nothing. */
const linesBetween = 1_000;
/** Logs remembered at once; the one used longest ago is forgotten first. A log of a million lines takes a thousand places. */
const logsMax = 200;
const lineFeed = 10;
/** Bytes read at once when lines are only counted. */
const countPieceBytes = 1024 * 1024;
/** Read at once when a few lines are wanted. */
const rangePieceBytes = 64 * 1024;
/** Read at once when few of many lines are wanted. */
const siftPieceBytes = 1024 * 1024;

/** A line and its number, the first of a log being 1. */
export interface NumberedLine {
  number: number;
  block: string;
  category: string;
  at: string;
  text: string;
}

export interface PlacedLine {
  line: NumberedLine;
  after: LogPosition;
}

export interface LogLines {
  /** All lines of the log as it is now. */
  count(): Promise<number>;
  /**
   * Lines from a number on, in pieces of a few hundred, with the place after each piece and the bytes that were read for it. With a sift, lines
   * that cannot be among what is looked for may be missing.
   */
  from(number: number, sift?: LogSift): AsyncGenerator<{ lines: PlacedLine[]; after: LogPosition; bytes: number }>;
  /** The place behind everything. */
  end(): Promise<LogPosition>;
}

export interface TaskLogIndex {
  open(database: Queryable, taskId: string): Promise<LogLines>;
}

interface Places {
  /** The places right behind each thousandth line, in order, and the beginning. */
  known: LogPosition[];
  /** Up to here was counted. */
  counted: LogPosition;
  counting: Promise<void>;
}

export function createTaskLogIndex(parts: { folder: LogFolder }): TaskLogIndex {
  const logs = new Map<string, Places>();

  function placesOf(taskId: string): Places {
    const places = logs.get(taskId) ?? { known: [logStart], counted: logStart, counting: Promise.resolve() };
    logs.delete(taskId);
    logs.set(taskId, places);
    if (logs.size > logsMax) logs.delete(logs.keys().next().value!);
    return places;
  }

  /** Counts what is not counted yet; several requests at once count one after the other, and the later ones find it done. */
  async function count(places: Places, committed: readonly LogPart[]): Promise<LogPosition> {
    const run = places.counting.then(async () => {
      for (;;) {
        const read = await readPieceBytes(parts.folder, committed, places.counted, countPieceBytes);
        if (read === undefined) return;
        const place = { epoch: read.part.epoch, ordinal: read.part.ordinal };
        let { lines } = places.counted;
        let start = 0;
        for (let end = read.bytes.indexOf(lineFeed); end !== -1; end = read.bytes.indexOf(lineFeed, start)) {
          const counts = isLine(read.bytes, start);
          start = end + 1;
          if (!counts) continue;
          lines += 1;
          if (lines % linesBetween === 0) places.known.push({ ...place, offset: read.offset + start, lines });
        }
        places.counted = { ...place, offset: read.offset + read.bytes.length, lines };
      }
    });
    places.counting = run.catch(() => {});
    await run;
    return places.counted;
  }

  return {
    async open(database, taskId) {
      const committed = await listParts(database, taskId);
      const places = placesOf(taskId);
      return {
        count: async () => (await count(places, committed)).lines,
        end: () => count(places, committed),
        async *from(number, sift) {
          const mayFit = sift && siftOf(sift);
          const pieceBytes = mayFit === undefined ? rangePieceBytes : siftPieceBytes;
          await count(places, committed);
          const before = places.known.findLast((one) => one.lines < Math.max(1, number)) ?? logStart;
          let position = before;
          for (;;) {
            const piece = await readPiece(parts.folder, committed, position, pieceBytes, mayFit);
            if (piece === undefined) return;
            const bytes = piece.after.offset - (piece.after.epoch === position.epoch ? position.offset : 0);
            position = piece.after;
            yield { lines: piece.entries.flatMap(numbered).filter(({ line }) => line.number >= number), after: piece.after, bytes };
          }
        },
      };
    },
  };
}

function numbered({ entry, after }: PlacedEntry): PlacedLine[] {
  if (entry.kind !== "line") return [];
  return [{ line: { number: after.lines, block: entry.block, category: entry.category, at: entry.at, text: entry.text }, after }];
}
