// What the agent remembers of a ticket on disk: one small file, written durably before anything happens that it speaks of.
// It outlives the agent and its updates, so it carries a version; a file of a newer agent is never touched and never guessed at.
import { readFileSync } from "node:fs";
import { writeDurably } from "../durable-file/durable-file.ts";

/**
 * The newest version this agent reads and writes. 1 knows bash only; 2 names the shell. A file is written in the oldest version that says all
 * of it, so that an agent can be set back.
 */
export const ticketStateVersion = 2;
const versionWithBashOnly = 1;

/** Longest ticket. A UUID has 36; folder names may have 255 bytes. */
export const ticketLengthMax = 100;

/**
 * - `waiting`: accepted, waits for its isolation lock; certainly never started.
 * - `launching`: written before the wrapper is spawned. Whether the script began is said by the wrapper's own file, not here.
 * - `finished`: over, with its exit code; log and workspace are kept for the server.
 * - `completed`: the server needs nothing more. This is the tombstone: a late start of the same ticket is answered from it.
 */
export type TicketPhase = "waiting" | "launching" | "finished" | "completed";

/** What runs a script. */
export type ScriptShell = "bash" | "powershell";

export interface TicketState {
  ticket: string;
  phase: TicketPhase;
  shell: ScriptShell;
  taskId: string;
  /** Boot in which the script was accepted: no process survives a reboot. */
  bootId: string;
  /** Number of the launch. A new one is only begun after the one before was made impossible. */
  attempt: number;
  mutexName: string;
  exclusive: boolean;
  mutexTimeoutMs: number;
  /** Arguments of the script, already split. */
  arguments: string[];
  createdAt: string;
  cancelRequested: boolean;
  /** Set from `finished` on. */
  exitCode: number | null;
  finishedAt: string | null;
  /** Lines of the finished log. */
  logLines: number | null;
}

/** The ticket's file cannot be used: of a newer agent, or damaged. */
export class TicketStateError extends Error {
  readonly kind: "newer-version" | "damaged";
  constructor(kind: "newer-version" | "damaged", message: string) {
    super(message);
    this.name = "TicketStateError";
    this.kind = kind;
  }
}

/**
 * The name under which a ticket is kept: lower case, because tickets that differ only in letter case are the same.
 * Undefined when it is no ticket: empty, too long, or with anything but letters, digits and hyphens, so that it can never lead out of its folder.
 */
export function ticketKey(ticket: unknown): string | undefined {
  if (typeof ticket !== "string" || ticket.length === 0 || ticket.length > ticketLengthMax || !/^[A-Za-z0-9-]+$/.test(ticket))
    return undefined;
  return ticket.toLowerCase();
}

/** The tombstone of a ticket of which nothing else is known: it answers a late start with this exit code. */
export function tombstone(ticket: string, bootId: string, exitCode: number): TicketState {
  const now = new Date().toISOString();
  return {
    ticket,
    phase: "completed",
    shell: "bash",
    taskId: "",
    bootId,
    attempt: 0,
    mutexName: "",
    exclusive: false,
    mutexTimeoutMs: 0,
    arguments: [],
    createdAt: now,
    cancelRequested: true,
    exitCode,
    finishedAt: now,
    logLines: 0,
  };
}

/** Writes the state and returns when it is on the disk. Throws the system's error; the state before then still stands. */
export async function writeTicketState(path: string, state: TicketState): Promise<void> {
  const { shell, ...rest } = state;
  const content = shell === "bash" ? { version: versionWithBashOnly, ...rest } : { version: ticketStateVersion, ...state };
  await writeDurably(path, `${JSON.stringify(content)}\n`);
}

/** The state, or undefined when there is none. Throws {@link TicketStateError} when there is one that cannot be used. */
export async function readTicketState(path: string): Promise<TicketState | undefined> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return parseTicketState(text, path);
}

/** Readers by version: each returns the state as the current version means it, or undefined when the content does not fit. */
const readers: { readonly [version: number]: (content: Record<string, unknown>) => TicketState | undefined } = {
  1: (content) => readVersion2({ ...content, shell: "bash" }),
  2: readVersion2,
};

export function parseTicketState(text: string, path: string): TicketState {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = undefined;
  }
  if (typeof content !== "object" || content === null)
    throw new TicketStateError("damaged", `The ticket file ${path} is damaged (no JSON object).`);
  const version = (content as { version?: unknown }).version;
  if (typeof version === "number" && version > ticketStateVersion) {
    const message = `The ticket file ${path} was written by a newer agent (version ${version}; this agent reads up to ${ticketStateVersion}). Start that agent again.`;
    throw new TicketStateError("newer-version", message);
  }
  const state = typeof version === "number" ? readers[version]?.(content as Record<string, unknown>) : undefined;
  if (state === undefined)
    throw new TicketStateError("damaged", `The ticket file ${path} is damaged (its content does not fit version ${String(version)}).`);
  return state;
}

function readVersion2(content: Record<string, unknown>): TicketState | undefined {
  const {
    ticket,
    phase,
    shell,
    taskId,
    bootId,
    attempt,
    mutexName,
    exclusive,
    mutexTimeoutMs,
    createdAt,
    cancelRequested,
    exitCode,
    finishedAt,
    logLines,
  } = content;
  const scriptArguments = content["arguments"];
  if (
    typeof ticket !== "string" ||
    (phase !== "waiting" && phase !== "launching" && phase !== "finished" && phase !== "completed") ||
    (shell !== "bash" && shell !== "powershell") ||
    typeof taskId !== "string" ||
    typeof bootId !== "string" ||
    typeof attempt !== "number" ||
    typeof mutexName !== "string" ||
    typeof exclusive !== "boolean" ||
    typeof mutexTimeoutMs !== "number" ||
    !Array.isArray(scriptArguments) ||
    !scriptArguments.every((argument) => typeof argument === "string") ||
    typeof createdAt !== "string" ||
    typeof cancelRequested !== "boolean" ||
    !(exitCode === null || typeof exitCode === "number") ||
    !(finishedAt === null || typeof finishedAt === "string") ||
    !(logLines === null || typeof logLines === "number") ||
    ((phase === "finished" || phase === "completed") && exitCode === null)
  ) {
    return undefined;
  }
  return {
    ticket,
    phase,
    shell,
    taskId,
    bootId,
    attempt,
    mutexName,
    exclusive,
    mutexTimeoutMs,
    arguments: scriptArguments,
    createdAt,
    cancelRequested,
    exitCode,
    finishedAt,
    logLines,
  };
}
