// What can be learnt about a PostgreSQL server process from outside: its postmaster.pid file, whether the process lives (a zombie
// does not), and whether any process still works in a data folder. It starts and ends nothing.
import fs from "node:fs/promises";
import path from "node:path";

/** The lines of postmaster.pid that matter. `socketFolder` and `listenAddress` are empty when not used. */
export interface PostmasterFile {
  pid: number;
  port: number;
  socketFolder: string;
  listenAddress: string;
  status: string;
}

export function postmasterFilePath(dataFolder: string): string {
  return path.join(dataFolder, "postmaster.pid");
}

/** Reads postmaster.pid; undefined when there is none or it is not complete yet. */
export async function readPostmasterFile(dataFolder: string): Promise<PostmasterFile | undefined> {
  let text: string;
  try {
    text = await fs.readFile(postmasterFilePath(dataFolder), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return {
    pid,
    port: Number(lines[3] ?? "") || 0,
    socketFolder: lines[4] ?? "",
    listenAddress: lines[5] ?? "",
    status: (lines[7] ?? "").trim(),
  };
}

/** Whether a process with this id runs. A process that ended but was not collected by its parent (a zombie) does not. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  if (process.platform !== "linux") return true;
  const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
  return stat !== "" && state !== "Z" && state !== "X";
}

/**
 * Ids of living processes whose working folder is the data folder: every process of a PostgreSQL server is one of them.
 * Undefined where the operating system does not tell (not Linux): then nothing may be concluded.
 */
export async function processesIn(dataFolder: string): Promise<number[] | undefined> {
  if (process.platform !== "linux") return undefined;
  const real = await fs.realpath(dataFolder);
  const found: number[] = [];
  for (const name of await fs.readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const folder = await fs.readlink(`/proc/${name}/cwd`).catch(() => undefined);
    if (folder === real && (await isAlive(Number(name)))) found.push(Number(name));
  }
  return found;
}
