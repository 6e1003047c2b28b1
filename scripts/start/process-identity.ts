// Tells whether a process noted earlier is still the same one, since its number alone may belong to somebody else by now; and ends it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { StartError } from "./start-error.ts";

export interface NotedProcess {
  name: string;
  processId: number;
  /** When the system says it began, in the system's own words; compared only for being equal. */
  began: string;
}

const endMsMax = 35_000; // a server gives its orderly stop half a minute

/** When a process began, or null when there is none (a dead one that nobody has asked about yet counts as none). */
export function processBegan(processId: number): string | null {
  if (existsSync("/proc/self/stat")) {
    try {
      // After the name in brackets, which may hold anything: state is the first field, the start time in ticks the twentieth.
      const fields = readFileSync(`/proc/${processId}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return fields[0] === "Z" ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  }
  const answer = spawnSync("ps", ["-o", "lstart=", "-p", String(processId)], { encoding: "utf8" });
  return answer.status === 0 ? answer.stdout.trim() : null;
}

export function noteProcess(name: string, processId: number): NotedProcess {
  return { name, processId, began: processBegan(processId) ?? "" };
}

export function isStillThere(noted: NotedProcess): boolean {
  return noted.began !== "" && processBegan(noted.processId) === noted.began;
}

/** Asks a process to end, waits, and insists. */
export async function endProcess(noted: NotedProcess): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      process.kill(noted.processId, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    const deadline = performance.now() + endMsMax;
    while (performance.now() < deadline) {
      if (!isStillThere(noted)) return;
      await pause(50);
    }
  }
  throw new StartError(`The process ${noted.processId} (${noted.name}) does not end. End it by hand and start again.`);
}
