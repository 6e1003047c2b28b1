// Environment with which a process sees a wall clock that is wrong, too fast or stepped, by libfaketime (Debian's package faketime). Its monotonic
// clock stays right, as on a machine whose time was set wrongly.

import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

const libraries = "/usr/lib";

function findLibrary(): string | undefined {
  if (process.platform !== "linux") return undefined;
  return readdirSync(libraries)
    .map((name) => path.join(libraries, name, "faketime", "libfaketimeMT.so.1"))
    .find((file) => existsSync(file));
}

/** Its monotonic clock, with which it waits, stays right. Undefined where there is no libfaketime. */
function wrongClock(settings: NodeJS.ProcessEnv): NodeJS.ProcessEnv | undefined {
  const library = findLibrary();
  if (library === undefined) return undefined;
  return { LD_PRELOAD: library, ...settings, DONT_FAKE_MONOTONIC: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}

function offset(hours: number): string {
  return `${hours < 0 ? "" : "+"}${hours}h`;
}

/** Undefined where there is no libfaketime. */
export function shiftedClock(hours: number): NodeJS.ProcessEnv | undefined {
  return wrongClock({ FAKETIME: offset(hours) });
}

/** Right when the process starts, and from then on that many times as fast. Undefined where there is no libfaketime. */
export function fastClock(rate: number): NodeJS.ProcessEnv | undefined {
  return wrongClock({ FAKETIME: `+0 x${rate}` });
}

export interface SteppedClock {
  environment: NodeJS.ProcessEnv;
  /** From the next second on the clock is so many hours off. */
  stepTo(hours: number): void;
}

/** A clock that is right until it is stepped, which the process sees while it runs; `file` says where it stands. Undefined as above. */
export function steppedClock(file: string): SteppedClock | undefined {
  const environment = wrongClock({ FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: "1" });
  if (environment === undefined) return undefined;
  function stepTo(hours: number): void {
    // The process may read it at any time: it is never half written.
    writeFileSync(`${file}.new`, `${offset(hours)}\n`);
    renameSync(`${file}.new`, file);
  }
  stepTo(0);
  return { environment, stepTo };
}
