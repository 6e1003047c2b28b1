// One agent per home: two would run the same tickets. The lock is a file that names its holder by process number, start time and
// boot, so that what a killed agent left behind is recognised and taken over. It guards one machine, not a home shared by several.
import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { identifyProcess, isAlive, readBootId } from "../processes/processes.ts";

interface Holder {
  pid: number;
  startTicks: string;
  bootId: string;
}

/** Tries to take over what dead agents left; more only fail when agents start and die all the time. */
const takeOverAttemptsMax = 5;

/** Another agent uses the home. The message names it. */
export class HomeInUseError extends Error {
  constructor(home: string, holder: Holder) {
    super(`Another agent (process ${holder.pid}) already uses ${home}. Stop it first, or give this one another folder with --home.`);
    this.name = "HomeInUseError";
  }
}

/** Takes the lock of an existing home and returns how to give it back. Throws {@link HomeInUseError}. */
export async function takeHomeLock(home: string): Promise<() => Promise<void>> {
  const path = join(home, "agent.lock");
  const mine: Holder = { pid: process.pid, startTicks: identifyProcess(process.pid)?.startTicks ?? "", bootId: readBootId() };
  const text = `${JSON.stringify(mine)}\n`;
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, text, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < takeOverAttemptsMax; attempt++) {
      try {
        // A link is made whole or not at all, and only when the name is free.
        await link(temporary, path);
        return async () => {
          if ((await readFile(path, "utf8").catch(() => "")) === text) await unlink(path);
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const found = await readFile(path, "utf8").catch(() => undefined);
      if (found === undefined) continue;
      const holder = parseHolder(found);
      if (holder !== undefined && holder.bootId === mine.bootId && isAlive(holder)) throw new HomeInUseError(home, holder);
      await removeStale(path, found);
    }
    throw new Error(`The lock ${path} could not be taken. Look which agents start in this home, and try again.`);
  } finally {
    await unlink(temporary).catch(() => {});
  }
}

/** Removes a dead agent's lock, but not one that another agent put in its place meanwhile. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.stale.${process.pid}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const taken = await readFile(aside, "utf8").catch(() => stale);
  // It was not the stale one: give it back to its owner.
  if (taken !== stale) await link(aside, path).catch(() => {});
  await unlink(aside).catch(() => {});
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, startTicks, bootId } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === "number" && typeof startTicks === "string" && typeof bootId === "string"
      ? { pid, startTicks, bootId }
      : undefined;
  } catch {
    return undefined;
  }
}
