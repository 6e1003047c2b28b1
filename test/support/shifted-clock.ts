// Environment with which a process sees a wall clock that is wrong, by libfaketime (Debian's package faketime). Its monotonic clock stays
// right, as on a machine whose time was set wrongly.

import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

const libraries = "/usr/lib";

function findLibrary(): string | undefined {
  if (process.platform !== "linux") return undefined;
  return readdirSync(libraries)
    .map((name) => path.join(libraries, name, "faketime", "libfaketimeMT.so.1"))
    .find((file) => existsSync(file));
}

/** Undefined where there is no libfaketime. */
export function shiftedClock(hours: number): NodeJS.ProcessEnv | undefined {
  const library = findLibrary();
  if (library === undefined) return undefined;
  return { LD_PRELOAD: library, FAKETIME: `${hours < 0 ? "" : "+"}${hours}h`, DONT_FAKE_MONOTONIC: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}
