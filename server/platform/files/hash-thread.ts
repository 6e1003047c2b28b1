// Hashes of large files on a thread of their own, beside the thread that takes the files in: both together take as long as the slower one.
// The memory that the bytes lie in goes to that thread and comes back, so nothing is copied. Small files are hashed where they are.

import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";

export type HashAlgorithm = "sha256" | "sha1";
/** Lower-case hex. */
export type Digests = Record<HashAlgorithm, string>;

/** Up to this many pieces of a file are in memory: one comes in, one is written, and the rest wait for this thread. */
export const hashedPiecesMax = 6;
/** A file of no more pieces is not worth a thread. They wait for their end, so it has to be less than may be in memory. */
const smallPiecesMax = 3;
/** The thread takes memory; after this long without a large file it ends. */
const idleMs = 30_000;
/** A piece takes a millisecond or two, and those of all files wait for one thread. */
const pieceTimeoutMs = 60_000;
/** Nothing but two hashes lives there. */
const threadMemoryMb = 32;

/** As text, because a bundled server is one file. */
const threadCode = `
const { parentPort } = require("node:worker_threads");
const { createHash } = require("node:crypto");
const files = new Map();
parentPort.on("message", ({ file, algorithms, memory, length, wanted }) => {
  if (algorithms !== undefined) return void files.set(file, algorithms.map((name) => createHash(name)));
  const hashes = files.get(file);
  if (memory !== undefined) {
    for (const hash of hashes) hash.update(new Uint8Array(memory, 0, length));
    return parentPort.postMessage({ file, memory }, [memory]);
  }
  files.delete(file);
  if (wanted) parentPort.postMessage({ file, digests: hashes.map((hash) => hash.digest("hex")) });
});`;

/** One file. The pieces come in order, each at the beginning of its memory. */
export interface FileHash {
  /** Takes the memory of the piece away, and answers it when it may be used again. */
  update(memory: ArrayBuffer, length: number): Promise<ArrayBuffer>;
  /** The digests, once all pieces were hashed. */
  digest(): Promise<Partial<Digests>>;
  /** For a file that is given up. */
  drop(): void;
}

export interface HashThread {
  begin(algorithms: readonly HashAlgorithm[]): FileHash;
}

interface Answer {
  file: number;
  memory?: ArrayBuffer;
  digests?: string[];
}

export function createHashThread(): HashThread {
  let thread: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let files = 0;
  /** What each file waits for, in the order in which the thread answers. */
  const waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }[]>();

  function fail(failed: Worker, why: string): void {
    if (thread !== failed) return;
    thread = undefined;
    const all = [...waiting.values()].flat();
    waiting.clear();
    void failed.terminate();
    for (const { reject } of all) reject(new Error(`The thread for hashes of files ended: ${why}.`));
  }

  function started(): Worker {
    clearTimeout(idle);
    if (thread !== undefined) return thread;
    const own = new Worker(threadCode, { eval: true, execArgv: [], env: {}, resourceLimits: { maxOldGenerationSizeMb: threadMemoryMb } });
    own.on("message", (answer: Answer) => waiting.get(answer.file)?.shift()?.resolve(answer));
    own.unref(); // after the listener, which holds the process again
    own.on("error", (error) => fail(own, error instanceof Error ? error.message : String(error)));
    own.on("exit", () => fail(own, "it stopped"));
    return (thread = own);
  }

  function letGo(file: number): void {
    // Of a file that is given up some pieces are on their way; nobody waits for them any more, and the thread is not late with them.
    for (const { reject } of waiting.get(file) ?? []) reject(new Error("The file was given up."));
    waiting.delete(file);
    if (waiting.size > 0 || thread === undefined) return;
    const own = thread;
    idle = setTimeout(() => {
      if (thread !== own || waiting.size > 0) return;
      thread = undefined;
      void own.terminate();
    }, idleMs);
    idle.unref();
  }

  function onThread(algorithms: readonly HashAlgorithm[]) {
    const file = ++files;
    const own = started();
    waiting.set(file, []);
    own.postMessage({ file, algorithms });
    const ask = (question: object, given: ArrayBuffer[] = []): Promise<Answer> => {
      const asked = waiting.get(file);
      if (asked === undefined || thread !== own) return Promise.reject(new Error("The thread for hashes of files is gone."));
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => fail(own, `it said nothing for ${pieceTimeoutMs / 1000} s`), pieceTimeoutMs);
        const end = (): void => clearTimeout(late);
        asked.push({
          resolve: (answer) => (end(), resolve(answer)),
          reject: (error) => (end(), reject(error)),
        });
        own.postMessage({ file, ...question }, given);
      });
    };
    return {
      update: async (memory: ArrayBuffer, length: number) => (await ask({ memory, length }, [memory])).memory!,
      digest: async () => (await ask({ wanted: true }).finally(() => letGo(file))).digests!,
      drop: () => {
        if (thread === own) own.postMessage({ file, wanted: false });
        letGo(file);
      },
    };
  }

  return {
    begin(algorithms) {
      /** Of a file that may still turn out to be small. */
      let held: { memory: ArrayBuffer; length: number; hashed: (memory: ArrayBuffer | Promise<ArrayBuffer>) => void }[] = [];
      let far: ReturnType<typeof onThread> | undefined;
      const named = (digests: readonly string[]): Partial<Digests> =>
        Object.fromEntries(algorithms.map((name, n) => [name, digests[n]!])) as Partial<Digests>;
      return {
        async update(memory, length) {
          if (far === undefined && held.length < smallPiecesMax) return new Promise((hashed) => held.push({ memory, length, hashed }));
          if (far === undefined) {
            far = onThread(algorithms);
            for (const one of held) one.hashed(far.update(one.memory, one.length));
            held = [];
          }
          return await far.update(memory, length);
        },
        async digest() {
          if (far !== undefined) return named(await far.digest());
          const hashes = algorithms.map((name) => createHash(name));
          for (const { memory, length, hashed } of held) {
            for (const hash of hashes) hash.update(new Uint8Array(memory, 0, length));
            hashed(memory);
          }
          return named(hashes.map((hash) => hash.digest("hex")));
        },
        drop() {
          held = [];
          far?.drop();
        },
      };
    },
  };
}
