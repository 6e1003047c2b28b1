// Processes by number and start time, read from /proc: a number alone may by now belong to somebody else. Linux only.
import { readdirSync, readFileSync } from "node:fs";

/** One process for good: its number and when it started, in clock ticks since boot. */
export interface ProcessIdentity {
  pid: number;
  startTicks: string;
}

interface ProcessStatus extends ProcessIdentity {
  parent: number;
  group: number;
  session: number;
  dead: boolean;
}

/** Times a process tree is looked over while it is being stopped; each round catches the children that were born in the one before. */
const stopRoundsMax = 50;

/** Identity of this machine's current run; after a reboot no process of before lives. Throws where there is no /proc. */
export function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Who has this number now, or undefined. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const status = readStatus(pid);
  return status === undefined || status.dead ? undefined : { pid: status.pid, startTicks: status.startTicks };
}

/** Whether exactly this process still lives. A zombie does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTicks === identity.startTicks;
}

/** Reads `"<pid> <start>\n"` as the wrapper writes it; undefined when it is not (yet) complete. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^(\d+) (\d+)\n$/.exec(text);
  return match === null ? undefined : { pid: Number(match[1]), startTicks: match[2]! };
}

/**
 * Ends a script's main process, all its descendants, and everything in the session of `leader` but the leader's own process group, with
 * SIGKILL. They are stopped first, parents before children, so that nothing new is born meanwhile. A descendant that made its own
 * session and was re-parented before is not found.
 */
export function killTree(main: ProcessIdentity, leader: ProcessIdentity | undefined): void {
  const stopped = new Map<number, ProcessStatus>();
  for (let round = 0; round < stopRoundsMax; round++) {
    const found = [...treeOf(main, leader, stopped)].filter((process) => !stopped.has(process.pid));
    if (found.length === 0) break;
    for (const process of found) {
      stopped.set(process.pid, process);
      signal(process, "SIGSTOP");
    }
  }
  for (const process of stopped.values()) signal(process, "SIGKILL");
}

/** Sends a signal if the process still is the one that is meant. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch {
    // Gone meanwhile, or of another user: neither can be helped.
  }
}

function treeOf(main: ProcessIdentity, leader: ProcessIdentity | undefined, known: ReadonlyMap<number, ProcessStatus>): Set<ProcessStatus> {
  const all = readAll().filter((process) => !process.dead);
  const holdsNumber = leader === undefined ? undefined : all.find((process) => process.pid === leader.pid);
  // The number of a session stays taken while anybody is in it; only when all were gone can it mean somebody else's session.
  const session =
    leader !== undefined && (holdsNumber === undefined || holdsNumber.startTicks === leader.startTicks) ? leader.pid : undefined;
  const members = new Set<ProcessStatus>();
  const pids = new Set<number>(known.keys());
  for (const process of all) {
    const isMain = process.pid === main.pid && process.startTicks === main.startTicks;
    if (isMain || (session !== undefined && process.session === session && process.group !== session)) {
      members.add(process);
      pids.add(process.pid);
    }
  }
  for (let grown = true; grown;) {
    grown = false;
    for (const process of all) {
      if (!members.has(process) && pids.has(process.parent)) {
        members.add(process);
        pids.add(process.pid);
        grown = true;
      }
    }
  }
  return members;
}

function readAll(): ProcessStatus[] {
  const processes: ProcessStatus[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = readStatus(Number(name));
    if (status !== undefined) processes.push(status);
  }
  return processes;
}

function readStatus(pid: number): ProcessStatus | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The program's name stands in brackets and may contain anything, even brackets.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: fields[19] ?? "",
    dead: state === "Z" || state === "X",
  };
}
