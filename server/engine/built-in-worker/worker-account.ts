// Under which account of the operating system scripts run on the server: never one that can read what the server keeps, unless the operator
// says so. A server that runs as root lends them an account that nobody else has; it never creates one.

import { readFile } from "node:fs/promises";

export type WorkerMode = "auto" | "true" | "false";

export type WorkerAccount =
  | { kind: "own"; uid: number; gid: number }
  /** The server's: what the server can read, a script can. */
  | { kind: "same" }
  | { kind: "none"; why: string };

/** Used where it exists. */
const accountName = "cuttle-worker";
/** Else a number that no account has: above those of people, below those that systems give out by themselves. */
const uidMax = 59_713;
const uidsTriedMax = 100;

export async function chooseWorkerAccount(
  mode: WorkerMode,
  here: { platform: NodeJS.Platform; uid: number | undefined; passwd: () => Promise<string> } = thisMachine,
): Promise<WorkerAccount> {
  if (mode === "false") return { kind: "none", why: "its built-in worker is switched off there (--builtInWorker)" };
  if (here.platform !== "linux") return { kind: "none", why: `the built-in worker runs on Linux, and that is ${here.platform}` };
  if (here.uid !== 0) {
    if (mode === "true") return { kind: "same" };
    return {
      kind: "none",
      why: "the server does not run as root there, so a script would have the server's own account and could read its secrets (--builtInWorker true allows it)",
    };
  }
  const entries = (await here.passwd()).split("\n").map((line) => line.split(":"));
  const named = entries.find(([name]) => name === accountName);
  const [uid, gid] = [Number(named?.[2]), Number(named?.[3])];
  if (uid > 0 && gid > 0) return { kind: "own", uid, gid };
  const taken = new Set(entries.flatMap((fields) => [Number(fields[2]), Number(fields[3])]));
  for (let free = uidMax; free > uidMax - uidsTriedMax; free--) if (!taken.has(free)) return { kind: "own", uid: free, gid: free };
  return { kind: "none", why: `there is no account for it there. Make one named ${accountName}` };
}

const thisMachine = {
  platform: process.platform,
  uid: process.getuid?.(),
  passwd: () => readFile("/etc/passwd", "utf8").catch(() => ""),
};
