// Takes tasks from the queue and runs them under a lease. Authority is the row in task_queue: owner, epoch, lease_until.
//
//   queued --claim--> running(epoch n) --finish--> gone (the final state is in tasks)
//                        |  lease_until passed, claimed by any node
//                        +--> running(epoch n+1)
//                        |  waits for a person
//                        +--> nobody's, until it is answered or cancelled --claim--> running(epoch n+1)
//
// If this process dies or freezes, nothing needs to be told: the lease ends, another node claims with the next epoch and runs the
// same handler again, which goes on from what is stored. If this process wakes up later, its guarded writes match no row. A
// hint only wakes the claim loop, see queue-hints.ts; without any it looks twice a second.

import { randomUUID } from "node:crypto";
import { systemClock } from "../../base/clock.ts";
import type { Clock } from "../../base/clock.ts";
import { recordEvent, systemActor } from "../../platform/audit/audit.ts";
import type { Database, Transaction } from "../../platform/database/database.ts";
import { isConnectionLoss } from "../../platform/database/database.ts";
import { askedTogether } from "./asked-together.ts";
import type { Lease } from "./lease.ts";
import { createLease } from "./lease.ts";
import { chooseNextHint, decodeHint, encodeHint, isSameNode } from "./queue-hints.ts";
import { eventCategory } from "./task-events.ts";
import type { LogFolder } from "./task-log.ts";
import { createTaskLog, LogNotWritable } from "./task-log.ts";
import type { ClaimLimits, LeaseSettings } from "./task-store.ts";
import {
  claimTasks,
  finishOwnTask,
  insertPlan,
  lockOwnTask,
  lockTagOf,
  lookAtQueue,
  ownsTask,
  pauseOwnTask,
  promoteNext,
  readLeaseSettings,
  releaseLeases,
  renewLeases,
  sendHint,
  taskChannel,
} from "./task-store.ts";
import type { ClaimedTask, TaskHandler, TaskOutcome, TaskRun } from "./task.ts";
import { LeaseLost } from "./task.ts";

/** A dead node's task goes on after this. Short is safe: a false takeover only costs work, never a second run. */
const leaseMsDefault = 4_000;
/** Three renewals may fail before the lease is in danger. */
const renewalMsDefault = 1_000;
/** A second before others may take over, we stop by ourselves. */
const selfStopMsDefault = 3_000;
/** How often an idle node looks at the queue when no notification came and no lease is about to end. */
const idlePollMs = 400;
/** Tasks taken by one statement; a node's cap is usually lower, so that several nodes share a burst. */
const claimBatchMax = 16;
/**
 * Ended leases are looked for no oftener than this: with a long queue every claim leaves dead entries in that index, and walking them at each
 * further claim would cost more than the claim. The moment at which the next lease ends is known from the look before, and is not passed over.
 */
const expiredLookMs = 250;
/**
 * Tasks of dead nodes go on beyond a node's cap, as many as the cap once more: they have begun, and their scripts run on in any case. New ones
 * wait until the node is below its cap again. A cap of 0 takes nothing.
 */
const takeoversBeyondCap = (cap: number): number => cap;
/** Nodes that have free places look when the lease ends, and so take an orphaned task before one whose cap is full does. */
const takeoverBeyondCapAfterMs = 250;
/** So long after a lease has ended by the clock of the database it is looked for: the answer that named the moment was on its way, too. */
const takeoverLookAfterMs = 5;
/** Hints that wait for the next look; more need none, since that one takes all it has room for. */
const hintsMax = 100;
/**
 * What is said to all nodes reaches them at once, and the first one that looks gets the task. The others are spared the look that finds nothing
 * when they come a little later; the busier a node, the later it comes.
 */
const wakeSpreadMs = { idle: 8, perTask: 4, max: 40 };
/** Waiting after a failed look at the queue. */
const claimRetryMs = 500;
/** Waiting, at least and at most, before a task repeats a statement whose connection was lost. */
const connectionRetryMs = [100, 300] as const;
/** How often a process checks the age of its own leases. */
const ageCheckMs = 250;

/** Where the engine says what it does; levels and objects as in pino. */
export interface EngineLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface TaskEngineParts {
  database: Database;
  /** A pool of its own, so that slow statements elsewhere never starve a renewal. */
  renewals: Database;
  folder: LogFolder;
  handlers: readonly TaskHandler[];
  nodeName: string;
  /** Most tasks at once on this node, asked at each look; 0 takes none. */
  taskCap: () => number;
  /** Names of the other nodes that take tasks, as last known. A queued task that this node does not take is offered to one of them. */
  otherNodes?: () => readonly string[];
  /** False while this node lacks what every task needs; then a task that cannot write its log is let go of, not failed. */
  isAble?: () => boolean;
  log: EngineLog;
  /** Hears that the log of a task which runs here has grown. */
  onLogGrown?: (taskId: string) => void;
  /** Default: that of the process. */
  clock?: Clock;
}

export interface TaskEngine {
  start(): Promise<void>;
  /** Stops taking tasks, lets go of the running ones so that another node goes on at once, and waits for the handlers to return. */
  stop(): Promise<void>;
  /** Looks at the queue now. */
  wake(): void;
  running(): { taskId: string; epoch: number }[];
  /** Random text naming this process start; part of every lease. */
  readonly owner: string;
}

export function createTaskEngine(parts: TaskEngineParts): TaskEngine {
  const clock = parts.clock ?? systemClock;
  const owner = `${parts.nodeName}/${randomUUID()}`;
  const handlers = new Map(parts.handlers.map((handler) => [handler.name, handler]));
  const running = new Map<string, { lease: Lease; done: Promise<void> }>();
  const stopping = new AbortController();
  let settings: LeaseSettings = { leaseMs: leaseMsDefault, renewalMs: renewalMsDefault, selfStopMs: selfStopMsDefault };
  let wakeUp = (): void => {};
  let awake = false;
  /** Whether the next look takes all it has room for, or only as many tasks as were offered to this node. */
  let isWide = true;
  let expiredLookedAtMs = -Infinity;
  /** When the next lease ends unless it is renewed, as of the last look. */
  let nextTakeoverAtMs = Infinity;
  /** Tasks that are offered to this node, by itself or by another one, with how many had no place for it. The next look takes them. */
  const hints = new Map<string, number>();
  let loops: Promise<unknown>[] = [];
  let listener: { close(): Promise<void> } | undefined;
  let stopAgeChecks = (): void => {};

  function wake(): void {
    isWide = true;
    wakeForHint();
  }

  function wakeForHint(): void {
    awake = true;
    wakeUp();
  }

  /** Waits for a wake-up, but no longer than `ms`. */
  async function idle(ms: number): Promise<void> {
    if (awake || stopping.signal.aborted) {
      awake = false;
      return;
    }
    const woken = new AbortController();
    wakeUp = () => woken.abort();
    if (await clock.pause(ms, AbortSignal.any([woken.signal, stopping.signal]))) isWide = true;
    wakeUp = () => {};
    awake = false;
  }

  /** A transaction of this process has queued a task. True: it is taken here, or offered to another node. */
  function hearOwn(payload: string): boolean {
    const hint = decodeHint(payload);
    if (hint.kind !== "queued" || stopping.signal.aborted) return false;
    const others = parts.otherNodes?.() ?? [];
    const busy = running.size + hints.size;
    const isFull = busy >= parts.taskCap();
    // Several tasks at once are spread over the nodes: this one takes the first.
    if (!isFull && (busy === 0 || others.length === 0)) takeHint(hint.taskId, 0);
    else if (others.length === 0) return false;
    else passOn(hint.taskId, isFull ? 1 : 0);
    return true;
  }

  function hear(payload: string | null): void {
    const hint = payload === null ? undefined : decodeHint(payload);
    if (hint === undefined) return wake();
    if (hint.kind === "offered") {
      if (isSameNode(hint.node, parts.nodeName)) takeHint(hint.taskId, hint.full);
      return;
    }
    // A cancel of a running task is hinted on the same channel; the renewal sees the column at the latest a second later.
    const held = hint.kind === "changed" ? running.get(hint.taskId) : undefined;
    if (held !== undefined) return void lookForCancel(held.lease);
    const spreadMs = Math.min(wakeSpreadMs.max, wakeSpreadMs.idle + running.size * wakeSpreadMs.perTask);
    void clock.pauseBetween(0, spreadMs, stopping.signal).then(wake);
  }

  function takeHint(taskId: string, full: number): void {
    if (hints.size < hintsMax) hints.set(taskId, full);
    wakeForHint();
  }

  function passOn(taskId: string, full: number): void {
    const hint = chooseNextHint({ taskId, full }, parts.nodeName, parts.otherNodes?.() ?? []);
    // A lost hint costs as much as a lost notification.
    if (hint !== undefined) void sendHint(parts.database, encodeHint(hint)).catch(() => {});
  }

  /** This node has no place for what was hinted to it. */
  function passOnAll(): void {
    for (const [taskId, full] of hints) passOn(taskId, full + 1);
    hints.clear();
  }

  /** What may be taken now. For hints alone no more than they are, so that tasks queued at once spread over the nodes they are offered to. */
  function limitsNow(): ClaimLimits {
    const cap = parts.taskCap();
    const free = Math.max(0, cap - running.size);
    const nowMs = clock.monotonicMs();
    const isTime = nowMs - expiredLookedAtMs >= expiredLookMs || nowMs >= nextTakeoverAtMs;
    if (free > 0) {
      const fresh = Math.min(free, isWide || hints.size === 0 ? claimBatchMax : hints.size);
      return { fresh, takeovers: isTime ? fresh : 0, overdueMs: 0 };
    }
    const beyond = cap + takeoversBeyondCap(cap) - running.size;
    return { fresh: 0, takeovers: isTime ? Math.min(Math.max(0, beyond), claimBatchMax) : 0, overdueMs: takeoverBeyondCapAfterMs };
  }

  async function claimLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      const limits = limitsNow();
      // Looked for once: a lease that has ended but whose row somebody holds is found by the looks that follow at their usual distance.
      if (clock.monotonicMs() >= nextTakeoverAtMs) nextTakeoverAtMs = Infinity;
      const isAll = isWide;
      isWide = false;
      if (limits.fresh === 0) passOnAll();
      const hinted = [...hints.keys()];
      let claimed: ClaimedTask[] = [];
      let failed = false;
      if (limits.fresh + limits.takeovers > 0) {
        if (limits.takeovers > 0) expiredLookedAtMs = clock.monotonicMs();
        try {
          if (hinted.length > 0 || (await isAnyClaimable(limits))) claimed = await claim(limits);
        } catch (error) {
          failed = true;
          parts.log.warn({ err: error }, "The queue could not be read; trying again.");
        }
      }
      // Fewer than there was room for: nothing else is eligible, whatever was hinted. Else a hinted one may still be there.
      const isRest = limits.fresh > 0 && claimed.length >= limits.fresh;
      for (const taskId of hinted) if (!isRest || running.has(taskId)) hints.delete(taskId);
      if (isRest && isAll) isWide = true;
      if (isRest && (isAll || hints.size > 0)) continue;
      await idle(failed ? claimRetryMs : Math.max(0, Math.min(idlePollMs, nextTakeoverAtMs - clock.monotonicMs())));
    }
  }

  async function isAnyClaimable(limits: ClaimLimits): Promise<boolean> {
    const { found, nextTakeoverMs } = await lookAtQueue(parts.database, limits);
    if (limits.takeovers > 0)
      nextTakeoverAtMs = nextTakeoverMs === null ? Infinity : clock.monotonicMs() + nextTakeoverMs + takeoverLookAfterMs;
    return found;
  }

  async function claim(limits: ClaimLimits): Promise<ClaimedTask[]> {
    const claimedAtMs = clock.monotonicMs();
    const claimed = await parts.database.transaction(async (tx) => {
      const tasks = await claimTasks(tx, { ...limits, owner, nodeName: parts.nodeName, leaseMs: settings.leaseMs });
      for (const task of tasks) {
        if (!task.firstRun) continue;
        await recordEvent(tx, {
          spaceId: task.spaceId,
          category: eventCategory(task.name, "Started"),
          actor: systemActor,
          message: `${task.description} started on node ${parts.nodeName}`,
          relatedDocumentIds: [task.id, ...task.relatedDocumentIds],
        });
      }
      return tasks;
    });
    for (const task of claimed) begin(task, claimedAtMs);
    return claimed;
  }

  function begin(task: ClaimedTask, claimedAtMs: number): void {
    const lease = createLease({ taskId: task.id, owner, epoch: task.epoch, claimedAtMs, cancelRequested: task.cancelRequested }, clock);
    if (stopping.signal.aborted) lease.lose("the node is stopping");
    if (task.epoch > 1) parts.log.info({ task: task.id, epoch: task.epoch }, "Goes on with a task that another owner had before.");
    const former = running.get(task.id)?.lease;
    if (former?.epoch === task.epoch) {
      // A crash of the database has forgotten the claim, whose commit does not wait for the disk, and this process made it once more with
      // the same owner and epoch. No guard tells two such runs apart, so neither goes on: the lease ends, and the next epoch does.
      former.lose("the database has forgotten that this node took the task");
      return;
    }
    const done = runTask(task, lease).finally(() => {
      // A later run of the same task may stand there.
      if (running.get(task.id)?.lease === lease) running.delete(task.id);
      wake();
    });
    running.set(task.id, { lease, done });
  }

  async function runTask(task: ClaimedTask, lease: Lease): Promise<void> {
    const ours = { taskId: task.id, owner, epoch: task.epoch };

    const guarded: TaskRun["guarded"] = (work) => guardedUnder(null, work);

    /** A tag is locked before the task. */
    async function guardedUnder<T>(tag: string | null, work: (tx: Transaction) => Promise<T>): Promise<T> {
      for (;;) {
        lease.assertHeld();
        try {
          return await parts.database.transaction(async (tx) => {
            await lockTagOf(tx, tag);
            if (!(await lockOwnTask(tx, ours))) throw new LeaseLost("another node owns the task or it has ended");
            return work(tx);
          });
        } catch (error) {
          if (error instanceof LeaseLost) lease.lose(error.message);
          // An unknown commit is repeated too: everything a guarded transaction writes is harmless when written again.
          if (!isConnectionLoss(error)) throw error;
          await clock.pauseBetween(...connectionRetryMs, lease.lost);
        }
      }
    }

    // Commands to many agents at once share the look.
    const checkLease: TaskRun["checkLease"] = askedTogether(async () => {
      for (;;) {
        lease.assertHeld();
        try {
          if (await ownsTask(parts.database, ours)) return;
          lease.lose("another node owns the task or it has ended");
        } catch (error) {
          if (!isConnectionLoss(error)) throw error;
          await clock.pauseBetween(...connectionRetryMs, lease.lost);
        }
      }
    });

    const log = createTaskLog({
      taskId: task.id,
      epoch: task.epoch,
      folder: parts.folder,
      guarded,
      lost: lease.lost,
      clock,
      ...(parts.isAble === undefined ? {} : { isAble: parts.isAble }),
      onGrown: () => parts.onLogGrown?.(task.id),
    });
    const run: TaskRun = {
      task,
      lease: ours,
      lost: lease.lost,
      cancelRequested: lease.cancelRequested,
      guarded,
      checkLease,
      storePlan: (tx, plan) => insertPlan(tx, task.id, plan),
      log,
      clock,
    };

    try {
      let outcome: TaskOutcome;
      const handler = handlers.get(task.name);
      try {
        if (handler === undefined) throw new Error(`This version of the server has no handler for tasks of the type ${task.name}.`);
        outcome = await handler.run(run);
      } catch (error) {
        if (error instanceof LeaseLost || lease.lost.aborted) throw error;
        if (error instanceof LogNotWritable && parts.isAble?.() === false) {
          // The shared folder is gone from this node, which says nothing about the task: a node that has it goes on.
          lease.lose("this node cannot write to the shared folder");
          throw error;
        }
        parts.log.error({ err: error, task: task.id, epoch: task.epoch }, "A task ended by an unexpected error.");
        outcome = { state: "Failed", message: failureText(error) };
      }
      if (outcome.state === "Waiting") {
        const { isStill } = outcome;
        const given = outcome.letsOthersPass === true ? task.concurrencyTag : null;
        await guardedUnder(given, async (tx) => {
          if (!(await isStill(tx))) return await pauseOwnTask(tx, task.id, "answered");
          await pauseOwnTask(tx, task.id, given === null ? "holding" : "passing");
          // Nobody is notified: this node has a free place now and looks at once.
          await promoteNext(tx, given);
        });
        lease.lose("it waits for a person");
      } else await guardedFinish(task, lease, outcome, ours);
    } catch (error) {
      if (error instanceof LeaseLost || lease.lost.aborted) {
        parts.log.info({ task: task.id, epoch: task.epoch, why: String(lease.lost.reason ?? error) }, "Let go of a task.");
        return;
      }
      // The lease ends by itself and somebody tries again; nothing was half done.
      parts.log.error({ err: error, task: task.id, epoch: task.epoch }, "The result of a task could not be stored.");
    } finally {
      await log.close();
    }
  }

  async function guardedFinish(
    task: ClaimedTask,
    lease: Lease,
    outcome: Exclude<TaskOutcome, { state: "Waiting" }>,
    ours: { taskId: string; owner: string; epoch: number },
  ): Promise<void> {
    const message = outcome.state === "Failed" ? outcome.message : null;
    for (;;) {
      lease.assertHeld();
      try {
        await parts.database.transaction(async (tx) => {
          await lockTagOf(tx, task.concurrencyTag);
          if (!(await finishOwnTask(tx, ours, { state: outcome.state, errorMessage: message }))) {
            throw new LeaseLost("another node owns the task or it has ended");
          }
          // Nobody is notified: this node has a free place now and looks at once.
          await promoteNext(tx, task.concurrencyTag);
          await recordEvent(tx, {
            spaceId: task.spaceId,
            category: eventCategory(task.name, outcome.state === "Success" ? "Succeeded" : outcome.state),
            actor: systemActor,
            message: `${task.description} ${endings[outcome.state]}${message === null ? "" : `: ${message}`}`,
            relatedDocumentIds: [task.id, ...task.relatedDocumentIds],
          });
        });
        return;
      } catch (error) {
        if (!isConnectionLoss(error)) throw error;
        await clock.pauseBetween(...connectionRetryMs, lease.lost);
      }
    }
  }

  async function renewalLoop(): Promise<void> {
    while (await clock.pause(settings.renewalMs, stopping.signal)) {
      if (running.size === 0) continue;
      const sentAtMs = clock.monotonicMs();
      const held = [...running.values()].map((one) => one.lease).filter((lease) => !lease.lost.aborted);
      if (held.length === 0) continue;
      try {
        const kept = new Map(
          (await renewLeases(parts.renewals, { owner, leaseMs: settings.leaseMs, taskIds: held.map((lease) => lease.taskId) })).map(
            (row) => [row.taskId, row],
          ),
        );
        for (const lease of held) {
          const row = kept.get(lease.taskId);
          if (row === undefined || row.epoch !== lease.epoch) {
            // It may have ended a moment ago by our own hand; then nobody listens to this any more.
            lease.lose("another node owns the task or it has ended");
            continue;
          }
          lease.confirm(sentAtMs);
          if (row.cancelRequested) lease.requestCancel();
        }
      } catch (error) {
        parts.log.warn({ err: error }, "Leases could not be renewed; trying again.");
      }
    }
  }

  return {
    owner,
    wake,
    running: () => [...running.values()].map(({ lease }) => ({ taskId: lease.taskId, epoch: lease.epoch })),
    async start() {
      settings = { ...settings, ...(await readLeaseSettings(parts.database)) };
      listener = await parts.database.listen(taskChannel, hear, hearOwn);
      stopAgeChecks = clock.every(ageCheckMs, () => {
        for (const { lease } of running.values()) lease.checkAge(settings.selfStopMs);
      });
      loops = [claimLoop(), renewalLoop()];
    },
    async stop() {
      stopping.abort();
      stopAgeChecks();
      wake();
      const held = [...running.values()];
      for (const { lease } of held) lease.lose("the node is stopping");
      await Promise.all(held.map((one) => one.done));
      await Promise.all(loops);
      await listener?.close();
      await releaseLeases(parts.renewals, owner).catch((error: unknown) => {
        parts.log.warn({ err: error }, "Leases could not be handed back; others take them when they end.");
      });
    },
  };

  async function lookForCancel(lease: Lease): Promise<void> {
    try {
      const [row] = await renewLeases(parts.renewals, { owner, leaseMs: settings.leaseMs, taskIds: [lease.taskId] });
      if (row?.cancelRequested && row.epoch === lease.epoch) lease.requestCancel();
    } catch {
      // The next renewal sees it.
    }
  }
}

const endings = { Success: "succeeded", Failed: "failed", Canceled: "was canceled" } as const;

function failureText(error: unknown): string {
  if (error instanceof LogNotWritable) return error.message;
  return `The server met an unexpected error while running this task (${error instanceof Error ? error.message : "unknown"}). The server log of this node says more.`;
}
