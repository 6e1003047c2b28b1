// The shared folder of a simulation: appends take a moment, may fail half-way, and those of a process that is killed meanwhile may or
// may not have been written.

import type { LogFolder } from "../../server/engine/tasks/tasks.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

const writeMs = { min: 0.2, max: 12 };

export interface SimulatedFolder {
  connect(process: SimulatedProcess): LogFolder;
  /** Up to how many bytes a file can be read. */
  read(file: string): Uint8Array | undefined;
}

export function createSimulatedFolder(parts: {
  time: VirtualTime;
  random: () => number;
  /** Share of the appends that fail after writing half of their bytes. */
  failure: () => number;
}): SimulatedFolder {
  const { time, random } = parts;
  const files = new Map<string, Uint8Array>();
  const duration = (): number => writeMs.min + (writeMs.max - writeMs.min) * random() ** 4;

  function ask<T>(process: SimulatedProcess, name: string, serve: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      process.effect(`${name} sent`, () => {
        time.after(duration(), () => {
          let done: { result: T } | { error: Error };
          try {
            done = { result: serve() };
          } catch (error) {
            done = { error: error instanceof Error ? error : new Error(String(error)) };
          }
          process.effect(`${name} answered`, () => ("error" in done ? reject(done.error) : resolve(done.result)));
        });
      });
    });
  }

  return {
    read: (file) => files.get(file),
    connect: (process) => ({
      async createPart(file) {
        await ask(process, "log-create", () => {
          if (files.has(file)) throw Object.assign(new Error(`${file} exists already`), { code: "EEXIST" });
          files.set(file, new Uint8Array());
        });
        return {
          append: (bytes) =>
            ask(process, "log-append", () => {
              const isFailing = random() < parts.failure();
              const written = isFailing ? bytes.subarray(0, bytes.length >> 1) : bytes;
              const all = Buffer.concat([files.get(file)!, written]);
              files.set(file, all);
              if (isFailing) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
              return all.length;
            }),
          close: async () => {},
        };
      },
      async readPart(file, from, to) {
        const bytes = files.get(file);
        if (bytes === undefined || bytes.length < to) throw new Error(`${file} is missing or too short`);
        return bytes.subarray(from, to);
      },
    }),
  };
}
