// The scripts of one agent, by ticket: start, status, cancel, complete, and taking up again what an agent before this one began.
//
// On disk below the agent's home, each folder 0700 and each file 0600:
//   Tickets/<ticket>.json   what is known of the ticket; after CompleteScript its tombstone. Authoritative.
//   Runs/<ticket>/          what the wrapper writes and the log; gone after CompleteScript
//   Work/<ticket>/          the script's workspace; gone after CompleteScript
//   Spares/                 folders of wrappers that wait for a script; one is renamed into Runs when it comes
// A ticket's folder in Runs is made first and its file in Tickets last, so a folder without file is half made and is removed.
//
// Rules: one ticket is never run twice, not even after CompleteScript (for as long as its tombstone stands), after any kill of the agent, or
// after a reboot; one that was cancelled before its start came is never run at all; a script that waited when the agent stopped runs only
// once the server asks for its ticket again; what cannot be known ends as "unknown result".
import { existsSync, mkdirSync, renameSync, statfsSync } from "node:fs";
import { mkdir, opendir, readdir, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { agentExitCode } from "@cuttle/contract/agent/exit-codes";
import { processState, type ProcessState } from "@cuttle/contract/agent/script";
import { syncDirectory } from "../durable-file/durable-file.ts";
import { createIsolationLocks } from "./isolation-locks.ts";
import { openOutputLog, type OutputLog } from "./output-log.ts";
import { readBootId } from "../processes/processes.ts";
import { ScriptRun, type ScriptStatus, voidAttempt } from "./script-run.ts";
import { createNursery, type PreparedWrapper } from "./nursery.ts";
import { findArgumentProblem, findMissingProgram, hasShell, shellName, splitArguments } from "./shell.ts";
import {
  readTicketState,
  type ScriptShell,
  ticketKey,
  ticketLengthMax,
  type TicketState,
  TicketStateError,
  tombstone,
  writeTicketState,
} from "./ticket-state.ts";
import { type AttachedFile, createWorkspace, removeWorkspace } from "./workspace.ts";

export type { AttachedFile } from "./workspace.ts";
export type { ScriptStatus } from "./script-run.ts";

export interface ScriptLimits {
  /** A script is refused when less is free under the home: it would fill the disk for everybody. Default 550 MB, what other agents ask for. */
  freeDiskBytesMin: number;
  /** Kept of each of a script's two streams. Default 10 GiB. */
  streamBytesMax: number;
  /** How long a child may hold the output after the script has ended. Default 60 s: a slow shutdown fits, a forgotten daemon does not block for ever. */
  backgroundOutputWaitMs: number;
  /** Scripts that run or wait at the same time. Each holds four files open; default 200, under the usual limit of 1,024. */
  liveScriptsMax: number;
  /** How long a completed ticket is remembered. Default 7 days: longer than any server may be paused and still send it. */
  tombstoneMs: number;
  /** Tombstones kept at most, the oldest go first. Default 100,000, some 50 MB. */
  tombstonesMax: number;
  /** A finished script that no server completed loses log and workspace after this; its result stays known. Default 3 days. */
  unclaimedMs: number;
}

export const scriptLimitsDefault: ScriptLimits = {
  freeDiskBytesMin: 550 * 1024 * 1024,
  streamBytesMax: 10 * 1024 * 1024 * 1024,
  backgroundOutputWaitMs: 60_000,
  liveScriptsMax: 200,
  tombstoneMs: 7 * 24 * 3_600_000,
  tombstonesMax: 100_000,
  unclaimedMs: 3 * 24 * 3_600_000,
};

/** A start may ask to wait for the end; no longer than this, because the connection's own deadline is near 5 minutes. */
const waitMsMax = 4 * 60_000;

/** CompleteScript of a running script cancels it; this long it waits for the end before it says that it cannot. */
const completeWaitMs = 10_000;

/** Before an answer, output that is already written becomes lines; this long at most. */
const catchUpMs = 50;

/** Wrappers that are ready for the next scripts. Each takes some 10 MB, most of it shared. */
const sparesMax = 2;
/** After a script has taken a spare wrapper it gets this head start before the next is made. */
const spareDelayMs = 10;

/** A script to start, as the server sent it. */
export interface NewScript {
  ticket: unknown;
  taskId: string | null;
  body: string;
  shell: ScriptShell;
  exclusive: boolean;
  mutexName: string;
  /** `Infinity` waits for ever. */
  mutexTimeoutMs: number;
  /** Quoted by .NET rules. */
  arguments: readonly string[];
  files: readonly AttachedFile[];
  /** Wait so long for the end before answering. */
  waitMs: number;
  /** Stops that wait, not the script. */
  signal: AbortSignal;
  /** Accept it, run nothing, and end it with this: the command makes no sense. */
  refusal?: string | undefined;
}

export interface ScriptsParts {
  home: string;
  /** Environment of the scripts. */
  environment: NodeJS.ProcessEnv;
  limits?: Partial<ScriptLimits>;
  /** Tells the operator about something the server cannot see. */
  report(message: string): void;
}

export interface Scripts {
  /** Makes the folders and takes up the scripts of the agent before. Once, before anything else. */
  takeUp(): Promise<void>;
  /** Starts a script or joins the one of the same ticket. Throws {@link ScriptRefusedError}; then nothing was started and nothing is left. */
  start(script: NewScript): Promise<ScriptStatus>;
  /** Log after `after`, and state. An unknown ticket is complete with exit code -45. */
  status(ticket: unknown, after: number): Promise<ScriptStatus>;
  /** As `status`. The wish is durable: a ticket that is not known yet gets a tombstone, and its start may come as late as it likes. */
  cancel(ticket: unknown, after: number): Promise<ScriptStatus>;
  /**
   * Deletes workspace and log and leaves the tombstone, also for a ticket that was not known. A script that still runs is cancelled
   * first; throws when it does not end.
   */
  complete(ticket: unknown): Promise<void>;
  /** Removes what has outlived its time. */
  sweep(): Promise<void>;
  /** Lets go of all scripts, which go on. */
  stop(): Promise<void>;
}

/** A script that was not accepted; the message says why and what to do. */
export class ScriptRefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ScriptRefusedError";
  }
}

export function createScripts(parts: ScriptsParts): Scripts {
  const limits = { ...scriptLimitsDefault, ...parts.limits };
  const folders = {
    tickets: join(parts.home, "Tickets"),
    runs: join(parts.home, "Runs"),
    work: join(parts.home, "Work"),
    spares: join(parts.home, "Spares"),
  };
  const locks = createIsolationLocks();
  const live = new Map<string, ScriptRun>();
  const turns = new Map<string, Promise<unknown>>();
  const umask = process.umask();
  const bootId = readBootId();
  let starting = 0;
  let stopping = false;

  const statePath = (key: string): string => join(folders.tickets, `${key}.json`);
  const record = (key: string): string => join(folders.runs, key);
  const workspace = (key: string): string => join(folders.work, key);

  /** Starting, taking up from disk and completing one ticket go one after the other. */
  const inTurn = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const result = (turns.get(key) ?? Promise.resolve()).then(work);
    const settled = result.then(
      () => {},
      () => {},
    );
    turns.set(key, settled);
    void settled.then(() => {
      if (turns.get(key) === settled) turns.delete(key);
    });
    return result;
  };

  const nursery = createNursery({ environment: parts.environment, umask, streamBytesMax: limits.streamBytesMax });
  const spares: PreparedWrapper[] = [];
  let sparesMade = 0;
  let sparesUnderWay = 0;

  /** Has wrappers ready for the next scripts. */
  const prepareSpares = async (): Promise<void> => {
    while (!stopping && spares.length + sparesUnderWay < sparesMax) {
      const folder = join(folders.spares, String(++sparesMade));
      sparesUnderWay++;
      try {
        await mkdir(folder, { mode: 0o700 });
        spares.push(await nursery.prepare(folder, 1));
      } catch {
        // Without a spare a script starts some milliseconds later; what is wrong is said when it cannot start at all.
        await rm(folder, { recursive: true, force: true }).catch(() => {});
        return;
      } finally {
        sparesUnderWay--;
      }
    }
    if (stopping) await dismissSpares();
  };
  const takeSpare = async (): Promise<PreparedWrapper | undefined> => {
    for (let spare = spares.shift(); spare !== undefined; spare = spares.shift()) {
      setTimeout(() => void prepareSpares(), spareDelayMs).unref();
      if (!spare.hasEnded()) return spare;
      await rm(spare.record, { recursive: true, force: true });
    }
    return undefined;
  };
  const dismissSpares = async (): Promise<void> => {
    for (const unused of spares.splice(0)) {
      unused.dismiss();
      await rm(unused.record, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
    }
  };

  const makeRun = (
    key: string,
    state: TicketState,
    log: OutputLog,
    lock: ConstructorParameters<typeof ScriptRun>[1],
    own?: PreparedWrapper,
  ): ScriptRun => {
    const run = new ScriptRun(
      {
        state,
        statePath: statePath(key),
        workspace: workspace(key),
        record: record(key),
        log,
        locks,
        nursery,
        streamBytesMax: limits.streamBytesMax,
        spare: own,
        backgroundOutputWaitMs: limits.backgroundOutputWaitMs,
        report: parts.report,
      },
      lock,
    );
    live.set(key, run);
    void run.ended.then(() => {
      if (live.get(key) === run) live.delete(key);
    });
    return run;
  };

  const removeLeftovers = async (key: string): Promise<void> => {
    // A spare wrapper that was just dismissed may still close its files while its folder goes.
    const removed = rm(record(key), { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    const results = await Promise.allSettled([removed, removeWorkspace(workspace(key))]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  };

  const requireFreeDisk = (wantedBytes: number): void => {
    const { bavail, bsize } = statfsSync(parts.home);
    const free = bavail * bsize;
    const needed = limits.freeDiskBytesMin + wantedBytes;
    if (free >= needed) return;
    const megabytes = (bytes: number): string => `${Math.floor(bytes / 1_000_000)} MB`;
    throw new ScriptRefusedError(
      `The script was not started: ${parts.home} has ${megabytes(free)} of free disk space, and ${megabytes(needed)} are needed. Free some space on the machine and try again.`,
    );
  };

  /** Takes a new ticket: folders, then state, durably. Returns a run that has not begun. */
  const accept = async (key: string, script: NewScript): Promise<ScriptRun> => {
    if (stopping) throw new ScriptRefusedError("The agent is stopping.");
    if (live.size + starting >= limits.liveScriptsMax) {
      throw new ScriptRefusedError(
        `The script was not started: ${limits.liveScriptsMax} scripts run or wait on this machine already. Try again when some have ended.`,
      );
    }
    const scriptArguments = splitArguments(script.arguments.join(" "));
    const argumentProblem = findArgumentProblem(scriptArguments);
    if (argumentProblem !== undefined) throw new ScriptRefusedError(`The script was not started: ${argumentProblem}`);
    const state: TicketState = {
      ticket: String(script.ticket),
      phase: "waiting",
      shell: script.shell,
      taskId: script.taskId ?? "",
      bootId,
      attempt: 1,
      mutexName: script.mutexName,
      exclusive: script.exclusive,
      mutexTimeoutMs: Math.min(script.mutexTimeoutMs, Number.MAX_SAFE_INTEGER),
      arguments: scriptArguments,
      createdAt: new Date().toISOString(),
      cancelRequested: false,
      exitCode: null,
      finishedAt: null,
      logLines: null,
    };
    starting++;
    let log: OutputLog | undefined;
    let own: PreparedWrapper | undefined;
    const lock =
      script.refusal === undefined ? locks.tryTake({ name: state.mutexName, exclusive: state.exclusive, taskId: state.taskId }) : undefined;
    // With the lock in hand one durable write is enough.
    if (lock !== undefined) state.phase = "launching";
    try {
      requireFreeDisk(script.files.reduce((sum, file) => sum + file.contents.length, Buffer.byteLength(script.body)));
      if (existsSync(record(key))) await rm(record(key), { recursive: true, force: true });
      if (lock !== undefined) own = await takeSpare();
      if (own !== undefined) renameSync(own.record, record(key));
      else mkdirSync(record(key), { mode: 0o700 });
      await createWorkspace(workspace(key), script, script.files);
      log = await openOutputLog(record(key));
      await writeTicketState(statePath(key), state);
      return makeRun(key, state, log, lock, own);
    } catch (error) {
      own?.dismiss();
      lock?.release();
      await log?.close().catch(() => {});
      // The state may stand although making it durable failed: without it the folders are half made, whoever finds them.
      await unlink(statePath(key)).catch(() => {});
      await removeLeftovers(key).catch(() => {});
      if (error instanceof Error && (error.name === "WorkspaceError" || error instanceof ScriptRefusedError))
        throw new ScriptRefusedError(error.message);
      if (isDiskFull(error)) {
        throw new ScriptRefusedError(
          `The script was not started: the disk of ${parts.home} is full. Free some space on the machine and try again.`,
        );
      }
      throw error;
    } finally {
      starting--;
    }
  };

  /** The run of a ticket that waited when the agent before this one stopped, in the queue again. */
  const revive = async (key: string, state: TicketState): Promise<ScriptRun> => {
    const log = await openOutputLog(record(key));
    // Begun without the lock even when it is free: `launching` must be on the disk before the spawn.
    const run = makeRun(key, state, log, undefined);
    run.begin();
    return run;
  };

  const unknown = (after: number): ScriptStatus => ({
    lines: [],
    next: Math.max(0, after),
    state: processState.complete,
    exitCode: agentExitCode.unknownScript,
  });

  /** Answer for a ticket that does not run in this agent, from its file. Takes up a script that waited. */
  const answerFromDisk = async (key: string, after: number, tombstoneCounts: boolean): Promise<ScriptStatus> => {
    const running = live.get(key);
    if (running !== undefined) {
      const status = await running.status(after);
      if (status !== undefined) return status;
      await running.ended;
    }
    const state = await readKnown(key);
    if (state === undefined) return unknown(after);
    if (state === "damaged") return { ...unknown(after), exitCode: agentExitCode.unknownResult };
    if (state.phase === "completed") {
      return tombstoneCounts
        ? { lines: [], next: Math.max(0, after), state: processState.complete, exitCode: state.exitCode ?? 0 }
        : unknown(after);
    }
    if (state.phase === "finished") {
      const log = await openOutputLog(record(key), state.logLines ?? 0).catch(ignoreMissing);
      // Somebody removed the log; the result is known all the same.
      if (log === undefined) return { ...unknown(after), exitCode: state.exitCode ?? 0 };
      try {
        const page = await log.read(after);
        const complete: ProcessState = page.atEnd ? processState.complete : processState.running;
        return { lines: page.lines, next: page.next, state: complete, exitCode: page.atEnd ? (state.exitCode ?? 0) : 0 };
      } finally {
        await log.close();
      }
    }
    if (stopping) throw new ScriptRefusedError("The agent is stopping.");
    if (state.phase === "launching") {
      if ((await stat(record(key)).catch(ignoreMissing)) !== undefined)
        throw new Error(`Ticket ${key} was being launched and could not be taken up; see the agent's log. Restart the agent.`);
      // With its folder everything is gone that could tell what became of it.
      const lost = { phase: "finished", exitCode: agentExitCode.unknownResult, finishedAt: new Date().toISOString(), logLines: 0 } as const;
      await writeTicketState(statePath(key), { ...state, ...lost });
      return { ...unknown(after), exitCode: agentExitCode.unknownResult };
    }
    const run = await revive(key, state);
    return (await run.status(after)) ?? unknown(after);
  };

  const answer = async (key: string, after: number): Promise<ScriptStatus> => {
    const run = live.get(key);
    if (run !== undefined) {
      await run.catchUp(catchUpMs);
      const status = await run.status(after);
      if (status !== undefined) return status;
    }
    return inTurn(key, () => answerFromDisk(key, after, false));
  };

  const takeUpTicket = async (key: string): Promise<void> => {
    let state = await readTicketState(statePath(key));
    if (state === undefined || state.phase === "completed") return removeLeftovers(key);
    if (state.phase === "finished") return;
    if (state.bootId !== bootId) {
      const began = state.phase === "launching";
      const run = makeRun(key, state, await openOutputLog(record(key)), undefined);
      const reason = began ? "How far the script came is not known." : "The script had not been started.";
      run.settle(agentExitCode.unknownResult, `The machine was restarted before the script had ended. ${reason}`);
      return;
    }
    if (state.phase === "launching" && voidAttempt(record(key), state.attempt)) {
      // It was about to start and now never can under this number.
      state = { ...state, phase: "waiting", attempt: state.attempt + 1 };
      await writeTicketState(statePath(key), state);
    }
    if (state.phase === "launching") {
      const lock = locks.takeAnyway({ name: state.mutexName, exclusive: state.exclusive, taskId: state.taskId });
      makeRun(key, state, await openOutputLog(record(key)), lock).follow();
    }
  };

  return {
    async takeUp() {
      const missing = findMissingProgram(parts.environment);
      if (missing !== undefined)
        throw new Error(`This machine has no ${missing}, which the agent needs to run scripts. Install it, or correct PATH.`);
      await mkdir(parts.home, { recursive: true });
      await rm(folders.spares, { recursive: true, force: true });
      for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
      await syncDirectory(parts.home);
      for (const name of await readdir(folders.runs)) {
        const key = ticketKey(name);
        if (key !== name) continue;
        try {
          await takeUpTicket(key);
        } catch (error) {
          // One ticket that cannot be used must not keep the others from being served.
          parts.report(`Ticket ${key} could not be taken up: ${(error as Error).message}`);
        }
      }
      void prepareSpares();
    },

    async start(script) {
      const key = ticketKey(script.ticket);
      if (key === undefined) {
        throw new ScriptRefusedError(
          `The script was not started: its ticket must have 1 to ${ticketLengthMax} letters, digits and hyphens.`,
        );
      }
      const run = await inTurn(key, async () => {
        const running = live.get(key);
        if (running !== undefined) return running;
        const known = await readKnown(key);
        if (known === "damaged") return undefined;
        if (known !== undefined) return known.phase === "waiting" && known.bootId === bootId ? revive(key, known) : undefined;
        const isMissing = !hasShell(script.shell, parts.environment);
        const refusal = script.refusal ?? (isMissing ? missingShell(script.shell) : undefined);
        const accepted = await accept(key, { ...script, refusal });
        if (refusal === undefined) accepted.begin();
        else accepted.fail(script.refusal === undefined ? agentExitCode.shellNotStarted : agentExitCode.fatal, refusal);
        return accepted;
      });
      if (run === undefined) return inTurn(key, () => answerFromDisk(key, 0, true));
      const waitMs = Math.min(Math.max(0, script.waitMs), waitMsMax);
      if (waitMs > 0 && !script.signal.aborted) {
        const timer = new AbortController();
        await Promise.race([
          run.ended,
          delay(waitMs, undefined, { signal: AbortSignal.any([timer.signal, script.signal]) }).catch(() => {}),
        ]);
        timer.abort();
      }
      return (await run.status(0)) ?? inTurn(key, () => answerFromDisk(key, 0, true));
    },

    async status(ticket, after) {
      const key = ticketKey(ticket);
      return key === undefined ? unknown(after) : answer(key, after);
    },

    async cancel(ticket, after) {
      const key = ticketKey(ticket);
      if (key === undefined) return unknown(after);
      // A script that waits on disk only is taken up first, and then cancelled before it can start.
      if (!live.has(key)) await inTurn(key, () => cancelOnDisk(key));
      await live.get(key)?.cancel();
      return answer(key, after);
    },

    async complete(ticket) {
      const key = ticketKey(ticket);
      if (key === undefined) return;
      await inTurn(key, async () => {
        if (!live.has(key)) await cancelOnDisk(key);
        const run = live.get(key);
        if (run !== undefined) {
          if (!run.isOver) await run.cancel();
          const timer = new AbortController();
          await Promise.race([run.ended, delay(completeWaitMs, undefined, { signal: timer.signal }).catch(() => {})]);
          timer.abort();
          if (!run.isOver)
            throw new Error(
              `Ticket ${key} still runs although it was cancelled; ask for its status until it is complete, then complete it again.`,
            );
        }
        const state = await readKnown(key);
        if (state === undefined) return leaveTombstone(key, agentExitCode.cancelledBeforeStart);
        if (state === "damaged") await leaveTombstone(key, agentExitCode.unknownResult);
        else if (state.phase !== "completed") await writeTicketState(statePath(key), { ...state, phase: "completed" });
        await removeLeftovers(key).catch((error: unknown) =>
          parts.report(`Ticket ${key}: leftovers stay until the next start: ${String(error)}`),
        );
      });
    },

    async sweep() {
      const now = Date.now();
      const tombstones: { key: string; mtimeMs: number }[] = [];
      for await (const entry of await opendir(folders.tickets)) {
        const key = entry.name.endsWith(".json") ? ticketKey(entry.name.slice(0, -".json".length)) : undefined;
        if (key === undefined || live.has(key)) continue;
        const path = statePath(key);
        const mtimeMs = (await stat(path).catch(() => undefined))?.mtimeMs;
        if (mtimeMs === undefined) continue;
        // A young file needs no look inside, unless there are too many.
        if (now - mtimeMs < Math.min(limits.unclaimedMs, limits.tombstoneMs)) {
          tombstones.push({ key, mtimeMs });
          continue;
        }
        await inTurn(key, async () => {
          const state = await readKnown(key).catch(() => undefined);
          if (state === undefined) return;
          if (state === "damaged") {
            await leaveTombstone(key, agentExitCode.unknownResult);
            await removeLeftovers(key);
          } else if (state.phase === "finished" && now - mtimeMs >= limits.unclaimedMs) {
            await writeTicketState(path, { ...state, phase: "completed" });
            await removeLeftovers(key);
          } else if (state.phase === "completed") {
            if (now - mtimeMs >= limits.tombstoneMs) await unlink(path);
            else tombstones.push({ key, mtimeMs });
          }
        });
      }
      if (tombstones.length <= limits.tombstonesMax) return;
      tombstones.sort((a, b) => a.mtimeMs - b.mtimeMs);
      for (const { key } of tombstones.slice(0, tombstones.length - limits.tombstonesMax)) {
        await inTurn(key, async () => {
          const state = await readTicketState(statePath(key)).catch(() => undefined);
          if (state?.phase === "completed") await unlink(statePath(key));
        });
      }
    },

    async stop() {
      stopping = true;
      await Promise.all([...live.values()].map((run) => run.detach()));
      await Promise.all(turns.values());
      await dismissSpares();
      nursery.close();
    },
  };

  /**
   * Cancels a ticket that does not run in this agent. One that waited when the agent before this one stopped is marked on disk, then taken
   * up to end as cancelled. One that nobody knows gets its tombstone before its start has come: who sent that start may have been frozen with
   * it half out, while another took over and cancelled.
   */
  async function cancelOnDisk(key: string): Promise<void> {
    if (live.has(key)) return;
    const state = await readKnown(key);
    if (state === undefined) return leaveTombstone(key, agentExitCode.cancelledBeforeStart);
    if (state === "damaged" || state.phase !== "waiting" || state.bootId !== bootId) return;
    const cancelled = { ...state, cancelRequested: true };
    await writeTicketState(statePath(key), cancelled);
    await (
      await revive(key, cancelled)
    ).ended;
  }

  async function leaveTombstone(key: string, exitCode: number): Promise<void> {
    try {
      await writeTicketState(statePath(key), tombstone(key, bootId, exitCode));
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      const wish = `That ticket ${key} must never run could not be written down`;
      throw new ScriptRefusedError(`${wish}: the disk of ${parts.home} is full. Free some space on the machine and try again.`);
    }
  }

  /** What became of a damaged ticket nobody can say; it is never run again. Throws for the file of a newer agent. */
  async function readKnown(key: string): Promise<TicketState | "damaged" | undefined> {
    try {
      return await readTicketState(statePath(key));
    } catch (error) {
      if (error instanceof TicketStateError && error.kind === "damaged") return "damaged";
      throw error;
    }
  }
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function missingShell(shell: ScriptShell): string {
  return `The script was not started: this machine has no ${shellName[shell]}. Install it, or send the script for another shell.`;
}
