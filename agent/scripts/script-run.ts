// One script of this agent from its acceptance to its end: waits for the isolation lock, launches the wrapper, turns output into
// log lines, and writes down how it ended. It only follows what the wrapper's files say, so it makes no difference whether this
// agent launched the script or one before it did.
//
// When the agent dies (the state on disk, then what the next agent does):
//   before `waiting`/`launching` is written     no ticket: the half-made folders are removed, the server's repetition starts afresh
//   waiting                                      never started; queues again as soon as the server asks for the ticket
//   launching, wrapper not spawned or not begun  the next agent takes `started-N` first, so attempt N can never begin; then as waiting
//   launching, wrapper began                     goes on without us; the next agent follows its files and takes its exit code
//   the machine was rebooted meanwhile           `exit` may be there: then it counts; else -46, nobody can know
import { existsSync, type FSWatcher, readFileSync, statSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { agentExitCode } from "@cuttle/contract/agent/exit-codes";
import {
  type ProcessOutput,
  type ProcessOutputSource,
  processOutputSource,
  type ProcessState,
  processState,
} from "@cuttle/contract/agent/script";
import { type HeldLock, type IsolationLocks, type LockRequest, stillRunningMessage, waitMessage } from "./isolation-locks.ts";
import { LogClosedError, type OutputLog } from "./output-log.ts";
import { isAlive, killTree, parseIdentity, type ProcessIdentity, signal } from "../processes/processes.ts";
import type { Nursery, PreparedWrapper } from "./nursery.ts";
import { shellName, shellPath } from "./shell.ts";
import { type TicketState, writeTicketState } from "./ticket-state.ts";

/** What the server is told about a script. */
export interface ScriptStatus {
  lines: ProcessOutput[];
  next: number;
  state: ProcessState;
  exitCode: number;
}

/** What a run needs from its agent. */
export interface RunParts {
  state: TicketState;
  statePath: string;
  workspace: string;
  record: string;
  log: OutputLog;
  locks: IsolationLocks;
  nursery: Nursery;
  /** Most bytes kept of each of the script's streams; the rest is dropped and the log says so. */
  streamBytesMax: number;
  /** How long a child may hold the output open after the script itself has ended. */
  backgroundOutputWaitMs: number;
  /** A wrapper that waits in the record folder for a script, if there is one. */
  spare?: PreparedWrapper | undefined;
  /** Tells the operator about something the server cannot see. */
  report(message: string): void;
}

/** The first word about a wait comes after this; shorter waits are not worth a line. */
const firstWaitMessageMs = 100;
const nextWaitMessageMs = 10 * 60_000;

/** Notifications of the file system may be lost or missing; this often the files are looked at without one. */
const lookMsMax = 1000;
/** While a script is being cancelled, its tree is looked for again this often. */
const lookWhileCancellingMs = 50;
/** Output that comes without a pause is taken in batches of at least this distance. */
const batchMs = 5;
/** After a cancel, what was re-parented and still holds the output is waited for no longer than this. */
const outputWaitAfterCancelMs = 2000;
/** The disk may be full when a result is to be written: the result waits, and is tried again this often. */
const retryMs = 1000;

/** A killed process is gone at once unless the disk holds it. */
const recorderEndMsMax = 1000;

const streams = ["stdout", "stderr"] as const;

type Line = { source: ProcessOutputSource; text: string };
const debug = (text: string): Line => ({ source: processOutputSource.debug, text });
const stdOut = (text: string): Line => ({ source: processOutputSource.stdOut, text });
const stdErr = (text: string): Line => ({ source: processOutputSource.stdErr, text });
const block = (level: string, text: string): Line[] => [
  stdOut(`##octopus[stdout-${level}]`),
  stdOut(text),
  stdOut("##octopus[stdout-default]"),
];

/** The agent stops; the script goes on without it. */
class DetachedError extends Error {}

export class ScriptRun {
  /** Settles when the script is over and its result is on the disk, or when the agent has let go of it. Never rejects. */
  readonly ended: Promise<void>;
  #parts: RunParts;
  #state: TicketState;
  #over = false;
  #lock: HeldLock | undefined;
  #wrapper: PreparedWrapper | undefined;
  #cancel = new AbortController();
  #detach = new AbortController();
  #saving: Promise<unknown> = Promise.resolve();
  #wakeUp: () => void = () => {};
  #dirty = false;
  #identities = new Map<string, ProcessIdentity>();
  #setEnded: () => void;

  /** `lock` is the isolation lock when it is held already. Nothing happens before `begin`, `follow` or `fail`. */
  constructor(parts: RunParts, lock: HeldLock | undefined) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#lock = lock;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#setEnded = resolve;
  }

  /** The script is over and its result is on the disk. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Waits for the lock, launches the script and follows it to its end. */
  begin(): void {
    void this.#live(async () => {
      const request = this.#lockRequest();
      await this.#keepTrying(() =>
        this.#parts.log.append(
          block(
            "verbose",
            `Acquiring isolation mutex ${request.name} with ${request.exclusive ? "FullIsolation" : "NoIsolation"} in ${request.taskId}`,
          ),
        ),
      );
      if (this.#state.cancelRequested) return this.#finish(agentExitCode.cancelledBeforeStart, [stdOut("Script execution canceled.")]);
      if (this.#lock === undefined && !(await this.#waitForLock(request))) return;
      if (this.#state.phase === "waiting") await this.#keepTrying(() => this.#save({ phase: "launching" }));
      if (this.#state.cancelRequested) return this.#finish(agentExitCode.cancelledBeforeStart, [stdOut("Script execution canceled.")]);
      await this.#launch();
    });
  }

  /** Follows a script that was launched before, by this agent or by one before it. */
  follow(): void {
    void this.#live(() => this.#follow());
  }

  /** Ends it without running anything: the reason goes into the log. */
  fail(exitCode: number, reason: string): void {
    void this.#live(() => this.#finish(exitCode, [stdErr(reason)]));
  }

  /** Takes what is in the output files, without launching or waiting, and ends with the code of the wrapper if there is one. After a reboot. */
  settle(exitCode: number, reason: string): void {
    void this.#live(async () => {
      await this.#keepTrying(() => this.#parts.log.collect(true));
      const known = this.#readExitCode();
      if (known === undefined) await this.#finish(exitCode, [stdErr(reason)]);
      else await this.#finish(known, []);
    });
  }

  /** Log from `after` on and state; undefined when it ended meanwhile and its files must be asked. */
  async status(after: number): Promise<ScriptStatus | undefined> {
    // Asked before the lines are read: once it is over, the log has all its lines.
    const over = this.#over;
    const running = this.#lock !== undefined;
    try {
      const page = await this.#parts.log.read(after);
      const complete = over && page.atEnd;
      const state = complete ? processState.complete : running || over ? processState.running : processState.pending;
      return { lines: page.lines, next: page.next, state, exitCode: complete ? (this.#state.exitCode ?? 0) : 0 };
    } catch (error) {
      if (error instanceof LogClosedError) return undefined;
      throw error;
    }
  }

  /** Lets output that is already there become lines before an answer, but never makes the answer wait for gigabytes. */
  async catchUp(msMax: number): Promise<void> {
    if (this.#over || this.#lock === undefined) return;
    const limit = new AbortController();
    const collected = this.#parts.log.collect(false).catch(() => false);
    await Promise.race([collected, delay(msMax, undefined, { signal: limit.signal, ref: false }).catch(() => {})]);
    limit.abort();
  }

  /** Cancels it; the wish is durable when this returns. A script that waits never starts, a running one is killed with all its processes. */
  async cancel(): Promise<void> {
    if (this.#over || this.#state.cancelRequested) return;
    await this.#save({ cancelRequested: true });
    this.#cancel.abort();
    this.#kill();
    this.#wake();
  }

  /** Lets go of the script, which goes on; the next agent follows it. */
  async detach(): Promise<void> {
    this.#detach.abort();
    this.#wake();
    await this.ended;
  }

  async #live(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof DetachedError)) {
        this.#parts.report(`Ticket ${this.#state.ticket}: ${String(error)}`);
        await this.#finish(agentExitCode.fatal, [stdErr(`The agent could not go on with this script: ${(error as Error).message}`)]).catch(
          () => {},
        );
      }
    } finally {
      (this.#wrapper ?? this.#parts.spare)?.dismiss();
      this.#lock?.release();
      await this.#parts.log.close().catch(() => {});
      this.#setEnded();
    }
  }

  #lockRequest(): LockRequest {
    return { name: this.#state.mutexName, exclusive: this.#state.exclusive, taskId: this.#state.taskId };
  }

  /** True when the lock is held; false when the script ended while it waited. */
  async #waitForLock(request: LockRequest): Promise<boolean> {
    const { log, locks } = this.#parts;
    const waiting = locks.wait(request);
    const startedMs = performance.now();
    const timeoutMs = this.#state.mutexTimeoutMs;
    let nextMessageMs = firstWaitMessageMs;
    const tellWhom = (): Promise<void> => this.#keepTrying(() => log.append(block("wait", waitMessage(request, waiting.holders()))));
    try {
      for (;;) {
        const elapsedMs = performance.now() - startedMs;
        const timer = new AbortController();
        const pauseMs = Math.max(0, Math.min(nextMessageMs, timeoutMs) - elapsedMs);
        const lock = await Promise.race([
          waiting.held,
          delay(pauseMs, undefined, { signal: AbortSignal.any([timer.signal, this.#cancel.signal, this.#detach.signal]) }).catch(
            () => undefined,
          ),
        ]);
        timer.abort();
        if (lock !== undefined) {
          this.#lock = lock;
          return true;
        }
        if (this.#detach.signal.aborted) throw new DetachedError();
        if (this.#state.cancelRequested) {
          await tellWhom();
          const still = `This task was canceled before it could start. ${stillRunningMessage(waiting.holders())}`;
          await this.#finish(agentExitCode.cancelledBeforeStart, [stdOut(still.trimEnd()), stdOut("Script execution canceled.")]);
          return false;
        }
        const waitedMs = performance.now() - startedMs;
        if (waitedMs >= timeoutMs) {
          await tellWhom();
          const still = `This task waited more than ${Math.floor(timeoutMs / 60_000)} minutes and timed out. ${stillRunningMessage(waiting.holders())}`;
          await this.#finish(agentExitCode.isolationTimeout, [stdOut(still.trimEnd()), stdOut("Script execution timed out.")]);
          return false;
        }
        if (waitedMs >= nextMessageMs) {
          await tellWhom();
          nextMessageMs = performance.now() - startedMs + nextWaitMessageMs;
        }
      }
    } finally {
      if (this.#lock === undefined) {
        waiting.abandon();
        // It may have been granted in the same moment.
        void waiting.held.then((lock) => lock.release());
      }
    }
  }

  async #launch(): Promise<void> {
    const { workspace, record, nursery, log } = this.#parts;
    const { shell } = this.#state;
    this.#throwIfDetached();
    await this.#keepTrying(() =>
      log.append([debug(`Starting ${shellName[shell]} in working directory '${workspace}' using 'Unicode (UTF-8)' encoding`)]),
    );
    try {
      this.#wrapper = this.#parts.spare ?? (await nursery.prepare(record, this.#state.attempt));
    } catch (error) {
      await this.#finish(agentExitCode.shellNotStarted, [stdErr(`${shellPath} could not be started: ${(error as Error).message}`)]);
      return;
    }
    const wrapper = this.#wrapper;
    wrapper.onEnd(() => this.#wake());
    await this.#keepTrying(() => wrapper.go(record, { shell, workspace, arguments: this.#state.arguments }));
    await this.#follow();
  }

  async #follow(): Promise<void> {
    const { log } = this.#parts;
    const watcher = this.#watch();
    try {
      for (;;) {
        this.#throwIfDetached();
        const loopStartedMs = performance.now();
        this.#dirty = false;
        // Asked before collecting: what was written before the end is then in the files.
        const closed = streams.every((stream) => existsSync(join(this.#parts.record, `${stream}.closed`)));
        const exitCode = this.#readExitCode();
        // Known from early on, it can be cancelled whatever becomes of the folder.
        this.#readIdentity("script");
        await this.#keepTrying(() => log.collect(closed && exitCode !== undefined));
        if (exitCode !== undefined) {
          if (closed) return await this.#finish(exitCode, this.#cutLines());
          if (this.#outputWaitIsOver()) return await this.#leaveOutput(exitCode);
        } else if (this.#wrapperIsGone()) {
          const settled = await this.#settleWithoutWrapper();
          if (settled) return;
        } else if (this.#state.cancelRequested) {
          this.#kill();
        }
        await this.#sleep(loopStartedMs, watcher === undefined || exitCode !== undefined);
      }
    } finally {
      watcher?.close();
    }
  }

  /** The wrapper ended without an exit code. Says whether that settles the matter. */
  async #settleWithoutWrapper(): Promise<boolean> {
    const { record, log } = this.#parts;
    const attempt = this.#state.attempt;
    if (!existsSync(record)) {
      const code = this.#state.cancelRequested ? agentExitCode.unreadable : agentExitCode.unknownResult;
      await this.#finish(code, [stdErr(`The folder ${record} was removed while the script ran. How the script ended is not known.`)]);
      return true;
    }
    if (!existsSync(join(record, `started-${attempt}`))) {
      if (!voidAttempt(record, attempt)) return false;
      await this.#finish(agentExitCode.shellNotStarted, [
        stdErr(`${shellPath} could not prepare the script (is the disk full?). It was not started.`),
      ]);
      return true;
    }
    const script = this.#readIdentity("script");
    if (script !== undefined && isAlive(script)) {
      // The wrapper was killed, its script was not: it goes on, but nobody will learn its exit code.
      if (this.#state.cancelRequested) this.#kill();
      return false;
    }
    // The wrapper may have written the code just before it ended.
    if (this.#readExitCode() !== undefined) return false;
    await this.#keepTrying(() => log.collect(true));
    if (this.#state.cancelRequested) await this.#finish(agentExitCode.unreadable, []);
    else
      await this.#finish(agentExitCode.unknownResult, [
        stdErr("The script's processes were ended from outside. How far it came is not known."),
      ]);
    return true;
  }

  /** Ends a script whose children still hold its output: they live on, what they print from now on is dropped. */
  async #leaveOutput(exitCode: number): Promise<void> {
    const { log, backgroundOutputWaitMs } = this.#parts;
    // What started the recorders goes on reading when they are gone, so that the children can still write.
    const recorders = streams.map((stream) => this.#readIdentity(`${stream}.recorder`)).filter((recorder) => recorder !== undefined);
    for (const recorder of recorders) signal(recorder, "SIGKILL");
    const deadlineMs = performance.now() + recorderEndMsMax;
    while (recorders.some(isAlive) && performance.now() < deadlineMs) await delay(5);
    await this.#keepTrying(() => log.collect(true));
    const lines = this.#state.cancelRequested
      ? []
      : [
          stdErr(
            `The script has ended, but a process it started still holds its output after ${backgroundOutputWaitMs / 1000} s. It is left running; its further output is not kept.`,
          ),
        ];
    await this.#finish(exitCode, lines);
  }

  /** Writes the last lines and the result, durably, and gives the lock back. */
  async #finish(code: number, lines: readonly Line[]): Promise<void> {
    const { log, workspace } = this.#parts;
    // A killed script reports 137 to its parent; that it was cancelled is what the server is told.
    const exitCode = code === 137 && this.#state.cancelRequested ? agentExitCode.unreadable : code;
    if (!log.ended) {
      for (const line of lines) await this.#keepTrying(() => log.append([line]));
      const last = debug(`Process ${shellName[this.#state.shell]} in ${workspace} exited with code ${exitCode}`);
      await this.#keepTrying(() => log.append([last], { end: true }));
    }
    await this.#keepTrying(() => log.sync());
    await this.#keepTrying(() =>
      this.#save({ phase: "finished", exitCode, finishedAt: new Date().toISOString(), logLines: log.lineCount }),
    );
    this.#over = true;
    this.#lock?.release();
  }

  #cutLines(): Line[] {
    return streams
      .filter((stream) => existsSync(join(this.#parts.record, `${stream}.cut`)))
      .map((stream) =>
        stdErr(
          `The rest of the script's ${stream} was dropped: the disk refused it, or it had more than ${this.#parts.streamBytesMax} bytes.`,
        ),
      );
  }

  #kill(): void {
    const script = this.#readIdentity("script");
    if (script !== undefined) killTree(script, this.#readIdentity(`wrapper-${this.#state.attempt}`));
  }

  #outputWaitIsOver(): boolean {
    const waitMs = this.#state.cancelRequested ? outputWaitAfterCancelMs : this.#parts.backgroundOutputWaitMs;
    try {
      return Date.now() - statSync(join(this.#parts.record, "exit")).mtimeMs >= waitMs;
    } catch {
      return false;
    }
  }

  #wrapperIsGone(): boolean {
    const wrapper = this.#readIdentity(`wrapper-${this.#state.attempt}`);
    if (wrapper !== undefined) return !isAlive(wrapper);
    // It has not written its number yet: only when we launched it ourselves do we know whether it lives.
    return this.#wrapper === undefined || this.#wrapper.hasEnded();
  }

  #readExitCode(): number | undefined {
    const text = readIfThere(join(this.#parts.record, "exit"));
    return text !== undefined && /^\d{1,3}\n$/.test(text) ? Number(text) : undefined;
  }

  /** Written once, so read once: the processes stay known when somebody removes the folder. */
  #readIdentity(file: string): ProcessIdentity | undefined {
    const identity = this.#identities.get(file) ?? parseIdentity(readIfThere(join(this.#parts.record, file)) ?? "");
    if (identity !== undefined) this.#identities.set(file, identity);
    return identity;
  }

  #watch(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#parts.record, { persistent: false }, () => this.#wake());
      watcher.on("error", () => this.#wake());
      return watcher;
    } catch {
      // The system's number of watches is limited; then the files are looked at on a clock.
      return undefined;
    }
  }

  #wake(): void {
    this.#dirty = true;
    this.#wakeUp();
  }

  async #sleep(loopStartedMs: number, onTheClock: boolean): Promise<void> {
    const sinceMs = performance.now() - loopStartedMs;
    if (this.#dirty) {
      if (sinceMs < batchMs) await delay(batchMs - sinceMs);
      return;
    }
    const pauseMs = onTheClock || this.#state.cancelRequested ? lookWhileCancellingMs : lookMsMax;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, pauseMs);
    this.#wakeUp = resolve;
    await promise;
    clearTimeout(timer);
    this.#wakeUp = () => {};
  }

  #throwIfDetached(): void {
    if (this.#detach.signal.aborted) throw new DetachedError();
  }

  /** State changes are written one after the other, each on top of the one before. */
  #save(change: Partial<TicketState>): Promise<void> {
    const saved = this.#saving.then(async () => {
      const next = { ...this.#state, ...change };
      await writeTicketState(this.#parts.statePath, next);
      this.#state = next;
    });
    this.#saving = saved.catch(() => {});
    return saved;
  }

  /** A disk that is full now may have room later; what must be written is tried until it is, or until the agent stops. */
  async #keepTrying<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EMFILE" && code !== "ENFILE") throw error;
        if (attempt === 0) this.#parts.report(`Ticket ${this.#state.ticket}: ${String(error)}; trying again until it works.`);
        await delay(retryMs, undefined, { signal: this.#detach.signal }).catch(() => {});
        this.#throwIfDetached();
      }
    }
  }
}

/** Makes it impossible that an attempt begins. False when it began before. */
export function voidAttempt(record: string, attempt: number): boolean {
  try {
    writeFileSync(join(record, `started-${attempt}`), "void\n", { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return readIfThere(join(record, `started-${attempt}`)) === "void\n";
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
