// The log of one script: what it wrote and what the agent says about it, as numbered lines that keep their numbers for ever.
//
// The bytes stand in three files: `stdout` and `stderr`, which the script's wrapper writes whether an agent lives or not, and
// `messages`, the agent's own lines. The file `index` says in which order they became lines: one record of fixed size per stretch
// of one file, with the number of its first line. A line exists once its record is written; nobody is shown a line before that.
// So an agent that is killed at any point and started again finds the same lines under the same numbers, and goes on behind them.
// A torn or damaged end of the index is dropped; bytes that a power cut took away are replaced by a sentence, line for line.
//
// What is read and written here is small and lies in the system's memory, so it is done at once: handing each call to another thread costs many
// times what the call does. Only what waits for the disk, and what is large, goes to another thread.
import { closeSync, fstatSync, fsync, ftruncateSync, openSync, read, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { type ProcessOutput, type ProcessOutputSource, processOutputSource } from "@cuttle/contract/agent/script";
import { splitLines } from "./line-splitter.ts";

/** How much of a stream is looked at in one go. */
const stretchBytes = 256 * 1024;

/** Longer lines are cut into several. Far above what people read, and small enough to hold a few of them in memory. */
export const lineBytesMax = 1024 * 1024;

/** Text bytes of one page: an answer over the wire stays a few megabytes, however much a script prints. */
export const pageBytesMax = 2 * 1024 * 1024;

/** Lines of one page: each costs some 70 bytes on the wire beside its text. */
export const pageLinesMax = 20000;

/** Bytes that are read at once; more are left to another thread. */
const readAtOnceMax = 64 * 1024;
/** Records whose lines are read in one go, before others get their turn. */
const recordsPerGo = 256;

const recordBytes = 48;
const recordVersion = 1;
const files = ["stdout", "stderr", "messages"] as const;
const messagesFile = 2;
const flagEnd = 1;

const syncFile = promisify(fsync);
const readLater = promisify(read);
// A byte order mark in the middle of a script's output is text like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const lostLine = "(this line was lost when the machine stopped)";

interface IndexRecord {
  file: number;
  source: ProcessOutputSource;
  end: boolean;
  lines: number;
  from: number;
  to: number;
  /** Number of lines before the first of this record. */
  before: number;
  timeMs: number;
}

export interface LogPage {
  lines: ProcessOutput[];
  /** Sequence number of the last line given, or what was asked when there was none. */
  next: number;
  /** Nothing follows in the log as it is now. */
  atEnd: boolean;
}

export interface OutputLog {
  /** Lines so far; the sequence number of the last one. */
  readonly lineCount: number;
  /** The closing lines are written; nothing follows. */
  readonly ended: boolean;
  /** Adds lines of the agent's own. `end` marks them as the last ones of the log. Throws the system's error when the disk refuses. */
  append(lines: readonly { source: ProcessOutputSource; text: string }[], options?: { end?: boolean }): Promise<void>;
  /** Turns what the script has written since into lines. With `closed` a last line without line end counts too. Says whether there was anything. */
  collect(closed: boolean): Promise<boolean>;
  /** The lines after the sequence number `after`, up to the limits of a page. Beyond the end: none, and `next` is what was asked. Throws {@link LogClosedError}. */
  read(after: number): Promise<LogPage>;
  /** Makes everything so far durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The log was closed before the call. */
export class LogClosedError extends Error {
  constructor() {
    super("The log is closed.");
    this.name = "LogClosedError";
  }
}

/**
 * Opens (or begins) the log in a folder that exists. The files get mode 0600. With `finishedLines` it is opened for reading only,
 * as a log that is known to be whole and to have so many lines. Throws the system's error, ENOENT when a finished log is gone.
 */
export async function openOutputLog(folder: string, finishedLines?: number): Promise<OutputLog> {
  const open: number[] = [];
  try {
    for (const name of [...files, "index"]) open.push(openSync(join(folder, name), finishedLines === undefined ? "a+" : "r", 0o600));
    const log = new IndexedLog(open);
    if (finishedLines === undefined) log.recover();
    else log.trust(finishedLines);
    return log;
  } catch (error) {
    closeAll(open);
    throw error;
  }
}

class IndexedLog implements OutputLog {
  /** Descriptors. */
  #files: readonly number[];
  #index: number;
  #records = 0;
  #lineCount = 0;
  #ended = false;
  #lastTimeMs = 0;
  /** Per stream: the first byte that is not yet part of a line. */
  #position: [number, number] = [0, 0];
  #afterCarriageReturn: [boolean, boolean] = [false, false];
  /** Where the last page ended: the next question nearly always begins there. */
  #hint = { line: 0, record: 0 };
  /** Appending and collecting take turns. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** Of `stdout`, `stderr`, `messages` and the index, open. */
  constructor(open: readonly number[]) {
    this.#files = open.slice(0, files.length);
    this.#index = open[files.length]!;
  }

  get lineCount(): number {
    return this.#lineCount;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Reads the whole index once, drops what is damaged at its end, and finds where each stream was left. */
  recover(): void {
    const { size } = fstatSync(this.#index);
    const block = Buffer.alloc(Math.min(Math.max(size, recordBytes), recordBytes * 1024));
    let offset = 0;
    scan: while (offset + recordBytes <= size) {
      const bytesRead = readSync(this.#index, block, 0, block.length, offset);
      const whole = Math.floor(bytesRead / recordBytes);
      if (whole === 0) break;
      for (let i = 0; i < whole; i++) {
        const record = decodeRecord(block.subarray(i * recordBytes, (i + 1) * recordBytes));
        if (record === undefined || record.before !== this.#lineCount) break scan;
        this.#count(record);
        offset += recordBytes;
      }
    }
    if (offset < size) ftruncateSync(this.#index, offset);
    for (const stream of [0, 1] as const) {
      const before = Buffer.alloc(1);
      if (this.#position[stream] === 0) continue;
      const bytesRead = readSync(this.#files[stream]!, before, 0, 1, this.#position[stream] - 1);
      this.#afterCarriageReturn[stream] = bytesRead === 1 && before[0] === 13;
    }
  }

  /** Takes the index for whole, without reading it. */
  trust(lineCount: number): void {
    this.#records = Math.floor(fstatSync(this.#index).size / recordBytes);
    this.#lineCount = lineCount;
    this.#ended = true;
  }

  #count(record: IndexRecord): void {
    this.#records++;
    this.#lineCount = record.before + record.lines;
    this.#ended = record.end;
    this.#lastTimeMs = Math.max(this.#lastTimeMs, record.timeMs);
    if (record.file === 0 || record.file === 1) this.#position[record.file] = record.to;
  }

  append(lines: readonly { source: ProcessOutputSource; text: string }[], options: { end?: boolean } = {}): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#files[messagesFile]!;
      const texts = lines.map((line) => Buffer.from(line.text.replace(/[\r\n]+/g, " ").slice(0, 10_000)));
      let at = fstatSync(file).size;
      writeAll(file, Buffer.concat(texts));
      this.#record(
        texts.map((text, i) => ({
          file: messagesFile,
          source: lines[i]!.source,
          end: options.end === true && i === lines.length - 1,
          lines: 1,
          from: at,
          to: (at += text.length),
          before: this.#lineCount + i,
          timeMs: Date.now(),
        })),
      );
    });
  }

  async collect(closed: boolean): Promise<boolean> {
    for (let any = false; ; any = true) {
      if (any) await setImmediate();
      // One turn per stretch: readers need not wait until gigabytes are worked off.
      const more = await this.#inTurn(async () => {
        const stdout = await this.#collectStretch(0, closed);
        const stderr = await this.#collectStretch(1, closed);
        return stdout || stderr;
      });
      if (!more) return any;
    }
  }

  /** Takes the next stretch of a stream into the index. Says whether there were lines in it. */
  async #collectStretch(stream: 0 | 1, closed: boolean): Promise<boolean> {
    const file = this.#files[stream]!;
    const { size, mtimeMs } = fstatSync(file);
    let bytes = Buffer.allocUnsafe(Math.min(stretchBytes, Math.max(0, size - this.#position[stream])));
    for (;;) {
      if (bytes.length === 0) return false;
      const bytesRead = await readAt(file, bytes, this.#position[stream]);
      let from = 0;
      // The CR before has ended a line already; its LF belongs to it.
      if (this.#afterCarriageReturn[stream] && bytes[0] === 10 && bytesRead > 0) from = 1;
      const reachesEnd = this.#position[stream] + bytesRead >= size;
      const { lines, end } = splitLines(bytes, from, bytesRead, closed && reachesEnd, lineBytesMax);
      if (lines === 0) {
        const wanted = Math.min(lineBytesMax + 8, size - this.#position[stream]);
        if (bytesRead > 0 && bytes.length < wanted) {
          bytes = Buffer.allocUnsafe(wanted);
          continue;
        }
        return false;
      }
      const start = this.#position[stream];
      this.#record([
        {
          file: stream,
          source: stream === 0 ? processOutputSource.stdOut : processOutputSource.stdErr,
          end: false,
          lines,
          from: start + from,
          to: start + end,
          before: this.#lineCount,
          timeMs: Math.floor(mtimeMs),
        },
      ]);
      this.#afterCarriageReturn[stream] = bytes[end - 1] === 13;
      return true;
    }
  }

  /** Makes lines of them, all or none. */
  #record(records: readonly IndexRecord[]): void {
    // Times never run backwards in a log, whatever the clock does.
    let timeMs = this.#lastTimeMs;
    const ordered = records.map((record) => ({ ...record, timeMs: (timeMs = Math.max(record.timeMs, timeMs)) }));
    writeAll(this.#index, Buffer.concat(ordered.map(encodeRecord)));
    for (const record of ordered) this.#count(record);
  }

  read(after: number): Promise<LogPage> {
    return this.#inTurn(() => this.#readPage(after));
  }

  async #readPage(after: number): Promise<LogPage> {
    const lineCount = this.#lineCount;
    const lines: ProcessOutput[] = [];
    if (after >= lineCount) return { lines, next: after, atEnd: true };
    let next = Math.max(0, after);
    let textBytes = 0;
    let number = this.#recordOfLine(next);
    for (let seen = 1; next < lineCount && lines.length < pageLinesMax && textBytes < pageBytesMax; seen++) {
      if (seen % recordsPerGo === 0) await setImmediate();
      const record = this.#readRecord(number);
      if (record === undefined) break;
      const bytes = Buffer.allocUnsafe(record.to - record.from);
      const bytesRead = bytes.length === 0 ? 0 : await readAt(this.#files[record.file]!, bytes, record.from);
      const texts: string[] = [];
      let skip = next - record.before;
      const add = (text: string, length: number): boolean => {
        if (skip > 0) {
          skip--;
          return true;
        }
        texts.push(text);
        textBytes += length;
        return lines.length + texts.length < pageLinesMax && textBytes < pageBytesMax;
      };
      let found: number;
      if (record.file === messagesFile) {
        found = 1;
        add(bytes.toString("utf8", 0, bytesRead), bytesRead);
      } else {
        const room = splitLines(bytes, 0, bytesRead, true, lineBytesMax, (start, end) =>
          add(decoder.decode(bytes.subarray(start, end)), end - start),
        );
        found = room.lines;
      }
      if (bytesRead < bytes.length) {
        for (let missing = found; missing < record.lines; missing++) if (!add(lostLine, lostLine.length)) break;
      }
      const Occurred = new Date(record.timeMs);
      for (const Text of texts) lines.push({ Source: record.source, Occurred, Text });
      next += texts.length;
      if (next >= record.before + record.lines) number++;
      else if (texts.length === 0) break;
    }
    this.#hint = { line: next, record: number };
    return { lines, next, atEnd: next >= this.#lineCount };
  }

  /** Number of the record that holds the line after `line` lines. */
  #recordOfLine(line: number): number {
    if (line === 0) return 0;
    if (line === this.#hint.line) return this.#hint.record;
    let low = 0;
    let high = this.#records - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const record = this.#readRecord(middle);
      if (record !== undefined && record.before <= line) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #readRecord(number: number): IndexRecord | undefined {
    const bytes = Buffer.alloc(recordBytes);
    const bytesRead = readSync(this.#index, bytes, 0, recordBytes, number * recordBytes);
    return bytesRead === recordBytes ? decodeRecord(bytes) : undefined;
  }

  sync(): Promise<void> {
    return this.#inTurn(async () => {
      await Promise.all([...this.#files, this.#index].map((file) => syncFile(file)));
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#inTurn(async () => {
      this.#closed = true;
      closeAll([...this.#files, this.#index]);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      if (this.#closed) throw new LogClosedError();
      return work();
    });
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** Each of them, also when one cannot be closed. */
function closeAll(open: readonly number[]): void {
  for (const file of open) {
    try {
      closeSync(file);
    } catch {
      // What was written is in the file or was said to be missing before.
    }
  }
}

async function readAt(file: number, bytes: Buffer, from: number): Promise<number> {
  if (bytes.length <= readAtOnceMax) return readSync(file, bytes, 0, bytes.length, from);
  return (await readLater(file, bytes, 0, bytes.length, from)).bytesRead;
}

/** Writes all of it behind the end of the file; when the disk is full nothing of it stays behind. */
function writeAll(file: number, bytes: Buffer): void {
  if (bytes.length === 0) return;
  const { size } = fstatSync(file);
  try {
    let written = 0;
    while (written < bytes.length) written += writeSync(file, bytes, written);
  } catch (error) {
    try {
      ftruncateSync(file, size);
    } catch {
      // The first error says what is wrong; what stays behind belongs to no line.
    }
    throw error;
  }
}

function encodeRecord(record: IndexRecord): Buffer {
  const bytes = Buffer.alloc(recordBytes);
  bytes[0] = recordVersion;
  bytes[1] = record.file;
  bytes[2] = record.source;
  bytes[3] = record.end ? flagEnd : 0;
  bytes.writeUInt32LE(record.lines, 4);
  bytes.writeDoubleLE(record.from, 8);
  bytes.writeDoubleLE(record.to, 16);
  bytes.writeDoubleLE(record.before, 24);
  bytes.writeDoubleLE(record.timeMs, 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 40)), 40);
  return bytes;
}

/** The record in `bytes`, or undefined when they are damaged or were never written. */
function decodeRecord(bytes: Buffer): IndexRecord | undefined {
  if (bytes[0] !== recordVersion || bytes.readUInt32LE(40) !== crc32(bytes.subarray(0, 40))) return undefined;
  return {
    file: bytes[1]!,
    source: bytes[2] as ProcessOutputSource,
    end: bytes[3] === flagEnd,
    lines: bytes.readUInt32LE(4),
    from: bytes.readDoubleLE(8),
    to: bytes.readDoubleLE(16),
    before: bytes.readDoubleLE(24),
    timeMs: bytes.readDoubleLE(32),
  };
}
