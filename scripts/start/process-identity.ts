// Tells whether a process noted earlier is still the same one: its number alone may belong to somebody else by now.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

export interface NotedProcess {
  name: string;
  processId: number;
  /** When the system says it began, in the system's own words; compared only for being equal. */
  began: string;
}

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
