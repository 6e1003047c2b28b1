// A shared folder for log parts that lives in this process, for tests of who writes what; the real one has tests of its own.

import type { LogFolder } from "../../server/engine/tasks/tasks.ts";

export interface MemoryLogFolder extends LogFolder {
  readonly files: Map<string, Uint8Array>;
  /** The next append fails with this error after writing half of its bytes. */
  failNext(error: Error): void;
}

export function createMemoryLogFolder(): MemoryLogFolder {
  const files = new Map<string, Uint8Array>();
  let failure: Error | undefined;
  return {
    files,
    failNext: (error) => (failure = error),
    async createPart(file) {
      if (files.has(file)) throw new Error(`${file} exists already: two writers`);
      files.set(file, new Uint8Array());
      return {
        async append(bytes) {
          const error = failure;
          failure = undefined;
          const written = error === undefined ? bytes : bytes.subarray(0, bytes.length / 2);
          files.set(file, Buffer.concat([files.get(file)!, written]));
          if (error !== undefined) throw error;
          return files.get(file)!.length;
        },
        close: async () => {},
      };
    },
    async readPart(file, from, to) {
      const bytes = files.get(file);
      if (bytes === undefined || bytes.length < to) throw new Error(`${file} is missing or too short`);
      return bytes.subarray(from, to);
    },
  };
}
