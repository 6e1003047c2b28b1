// Runs one script on one target to its one result. First run and takeover are the same path: the row says which ticket, the agent
// says how far it is. Any call may be repeated, since the agent answers a known ticket from its own state.
//
//   intended --StartScript answered--> started --Complete seen, lines and result committed--> done --CompleteScript--> forgotten
//
// Dies before StartScript: the next owner sends it. Dies after it: the next owner sends it again with the same ticket and joins.
// Dies after the result: the row is done, nothing is sent. CompleteScript makes an agent forget the ticket, so it goes out only
// while no former owner can still have a StartScript under way; else the late completer sends it after a quarantine.

import { agentExitCode } from "@cuttle/contract/agent/exit-codes";
import { isolationMutexTimeoutNoneMs, processState, scriptIsolationLevel } from "@cuttle/contract/agent/script";
import type { ScriptFile, ScriptStatusResponseV2, StartScriptCommandV2 } from "@cuttle/contract/agent/script";
import type { Transaction } from "../../platform/database/database.ts";
import { describeAgentAddress } from "../agents/agents.ts";
import type { AgentAddress, Agents, Answer, CallTerms } from "../agents/agents.ts";
import type { LogEntry, TaskRun } from "../tasks/tasks.ts";
import type { Forgetting } from "./forgetting.ts";
import { line, status } from "./plan-log.ts";
import type { ScriptForAgents } from "./powershell-body.ts";
import type { ScriptMessages } from "./script-messages.ts";
import type { OutputState, ReadLine } from "./script-output.ts";
import { readLine, restoreOutputState, showLine } from "./script-output.ts";
import type { StepOutcome, StepRun } from "./step-run-store.ts";
import { keepAgentTicket, markDone, markFirstGenerationStart, markProgress } from "./step-run-store.ts";
import { chooseGeneration, startWaitMsOf, talkFirstGeneration, talkSecondGeneration } from "./script-conversation.ts";
import type { ScriptConversation, ScriptGeneration } from "./script-conversation.ts";
import type { PlacedMessage } from "./service-messages.ts";
import type { PartResult } from "./step-type.ts";

/** Replaces secrets in lines. Each line pushed comes out once, in order, perhaps later when it may be part of a longer secret. */
export interface LineMasker {
  push(line: string): string[];
  flush(): string[];
}

export interface ScriptRunParts {
  agents: Agents;
  /** An agent that cannot be reached for so long is given up. Milliseconds. */
  agentGoneMs: number;
  /** A cancelled script that does not end within this is left behind. Milliseconds. */
  cancelGraceMs: number;
  forgetting: Forgetting;
}

/** After this a script is ended as by a cancel, and has failed. */
export interface TimeLimit {
  passed: AbortSignal;
  minutes: number;
}

export interface ScriptOnTarget {
  taskId: string;
  /** Of the log, for its lines. */
  block: string;
  /** Its result is that of the block too. */
  endsBlock: boolean;
  machineName: string;
  agent: AgentAddress;
  /** The whole script. Asked for only when it goes out. */
  body: () => Promise<ScriptForAgents>;
  files: readonly ScriptFile[];
  arguments: readonly string[];
  isolation: "full" | "none";
  /** So long the answer to its start may wait for its end. */
  quietMs?: number | undefined;
  /** Of all secrets known by now: asked for once the body is made, and again when a line has made a secret. */
  masker: () => LineMasker;
  timeLimit?: TimeLimit | undefined;
  messages: ScriptMessages;
}

/**
 * Pauses between questions about a running script: quick at first, then calmer; new output makes it quick again. Of one that has printed
 * lately somebody may be waiting for the next line, so its pauses stay shorter.
 */
const statusPauseMs = { first: 40, factor: 1.3, max: 500, maxLively: 150 };
/** So long after its last line a script is still asked often. */
const livelyMs = 10_000;
const retryPauseMs = { first: 100, factor: 1.7, max: 2_000 };
/** How long a ticket rests before it is forgotten when its task has had more than one owner. */
export const completionQuarantineMs = 60 * 60_000;

export async function runScript(run: TaskRun, row: StepRun, script: ScriptOnTarget, parts: ScriptRunParts): Promise<PartResult> {
  if (row.state === "done") return { outcome: row.outcome ?? "unknown", exitCode: row.exitCode, message: row.message };

  const terms: CallTerms = { beforeSend: run.checkLease, lease: run.lease, signal: run.lost };
  // Questions change nothing at the agent: they may go out without proof.
  const asking: CallTerms = { beforeSend: async () => {}, lease: run.lease, signal: run.lost };
  const ticket = { TaskId: row.ticket };
  let output: OutputState = restoreOutputState(row.logState);
  let cursor = row.logNext;
  let read = cursor;
  /** Read from the agent, not yet given out by the masker. */
  const heldOutput: ReadLine[] = [];
  /** Of lines given out and not yet committed. */
  const dueMessages: PlacedMessage[] = [];
  /** A former owner may have heard messages whose effects on the ended script are still due. */
  let hasAftermath = row.logNext > 0 && script.messages.hasAftermath();
  /** Whether any StartScript of ours, now or by a former owner, may have reached the agent. */
  let mayHaveStarted = row.state === "started" || row.firstEpoch !== run.task.epoch;
  let unansweredStart = false;
  let conversation: ScriptConversation | undefined;
  let ownMasker: LineMasker | undefined;
  // Only output asks for it, so the body is made by then.
  const masker = (): LineMasker => (ownMasker ??= script.masker());
  let generation: ScriptGeneration | undefined = row.generation;

  /** Lines that may be shown now, in log form; moves `cursor` and `output` to what they stand for. */
  function release(response: ScriptStatusResponseV2): LogEntry[] {
    const entries: LogEntry[] = [];
    // A cursor behind ours would show lines twice: take only what is new.
    const firstSequence = response.NextLogSequence - response.Logs.length;
    const fresh = response.Logs.slice(Math.max(0, read - firstSequence));
    for (const one of fresh) {
      const next = readLine(one);
      if (next.message !== undefined && script.messages.secretOf(next.message) !== undefined) {
        entries.push(...show(masker().flush()));
        ownMasker = undefined;
      }
      heldOutput.push(next);
      entries.push(...show(masker().push(next.text)));
    }
    read = Math.max(read, response.NextLogSequence);
    return entries;
  }

  function show(texts: readonly string[]): LogEntry[] {
    const entries: LogEntry[] = [];
    for (const text of texts) {
      const next = heldOutput.shift();
      if (next === undefined) throw new Error("The masker gave out more lines than went in.");
      const { state, line: shown } = showLine(output, { ...next, text });
      output = state;
      cursor += 1;
      if (shown !== undefined) entries.push({ kind: "line", block: script.block, ...shown });
      if (next.message === undefined) continue;
      dueMessages.push({ message: next.message, stepRunId: row.id, sequence: cursor });
      hasAftermath ||= script.messages.hasAftermath(next.message);
      entries.push(...script.messages.entriesOf(next.message, next.at));
      const refusal = script.messages.refuse(next.message);
      if (refusal !== undefined) entries.push(line(script.block, "Error", refusal));
    }
    return entries;
  }

  const storeProgress = (tx: Transaction): Promise<void> => markProgress(tx, row.id, { logNext: cursor, logState: output });

  /** Makes lines true, with all that they said. */
  async function commit(entries: readonly LogEntry[], mark: (tx: Transaction) => Promise<void>): Promise<void> {
    const messages = dueMessages.splice(0);
    await run.log.append(entries, async (tx) => {
      if (messages.length > 0) await script.messages.apply(tx, messages);
      await mark(tx);
    });
    script.messages.applied(messages);
  }

  /** Asks until the agent answers, it is clear that it will not, or the lease is gone. */
  async function ask<R>(
    call: () => Promise<Answer<R>>,
    o: { onTry?: (answer: Answer<R>) => void; repeatable?: boolean } = {},
  ): Promise<Answer<R>> {
    const startedMs = run.clock.monotonicMs();
    let pauseMs = retryPauseMs.first;
    let said = false;
    for (;;) {
      const answer = await call();
      o.onTry?.(answer);
      if (o.repeatable === false && !answer.ok && answer.failure === "interrupted") return answer;
      if (answer.ok || answer.failure === "untrusted" || answer.failure === "refused" || answer.failure === "unsupported") return answer;
      if (run.clock.monotonicMs() - startedMs > parts.agentGoneMs) return answer;
      if (!said && run.clock.monotonicMs() - startedMs > 1_000) {
        said = true;
        await run.log.append([
          line(
            script.block,
            "Wait",
            `${script.machineName} cannot be reached (${answer.message}). Trying again for ${Math.round(parts.agentGoneMs / 1000)} s.`,
          ),
        ]);
      }
      if (!(await run.clock.pause(pauseMs, run.lost))) throw run.lost.reason;
      pauseMs = Math.min(pauseMs * retryPauseMs.factor, retryPauseMs.max);
    }
  }

  async function finish(
    result: { outcome: StepOutcome; exitCode: number | null; message: string | null },
    entries: LogEntry[],
    mayForget: boolean,
  ): Promise<PartResult> {
    if (result.message !== null) entries.push(line(script.block, result.outcome === "canceled" ? "Warning" : "Error", result.message));
    if (script.endsBlock) entries.push(status(script.block, blockStatus[result.outcome]));
    // A ticket of the first generation is never started again, so forgetting it harms nobody, and the agent's cleaner does it too.
    const completeAfterMs = mayHaveStarted && generation === 2 ? completionQuarantineMs : null;
    await commit(entries, (tx) => markDone(tx, row.id, { ...result, logNext: cursor, logState: output, completeAfterMs }));
    const talked = conversation;
    if (mayForget && talked !== undefined && (generation === 1 || (row.firstEpoch === run.task.epoch && !unansweredStart)))
      parts.forgetting.begin(row.id, async () => (await talked.complete(read)).ok && generation === 2);
    return result;
  }

  const endSignals = [run.cancelRequested, ...(script.timeLimit === undefined ? [] : [script.timeLimit.passed])];
  /** Somebody asked to cancel, or the time limit has passed. */
  const mustEnd = (): boolean => endSignals.some((signal) => signal.aborted);
  const endedBeforeStart = (): typeof canceledBeforeStart | { outcome: "failed"; exitCode: null; message: string } =>
    run.cancelRequested.aborted
      ? canceledBeforeStart
      : { outcome: "failed", exitCode: null, message: `${limitText(script)} passed before the script was started.` };

  if (mustEnd() && !mayHaveStarted) {
    return finish(endedBeforeStart(), [], false);
  }

  const capabilities = await ask(() => parts.agents.capabilities(script.agent, asking));
  if (!capabilities.ok && !mayHaveStarted) {
    return finish({ outcome: "failed", exitCode: null, message: unreachable(script, capabilities) }, [], false);
  }
  // What has gone out over one generation is brought to its end over it.
  generation = row.state === "started" ? row.generation : capabilities.ok ? chooseGeneration(capabilities.reply) : row.generation;
  if (generation === undefined) {
    const message = `The agent on ${script.machineName} offers no script service. Is it of a kind that runs scripts elsewhere?`;
    return finish({ outcome: "failed", exitCode: null, message }, [], false);
  }

  // Over the first generation the intent to start is stored before the start goes out: without it nothing has.
  if (generation === 1 && row.state === "intended") {
    mayHaveStarted = false;
    if (mustEnd()) return finish(endedBeforeStart(), [], false);
  }

  const body = await script.body();
  const command: StartScriptCommandV2 = {
    ScriptTicket: ticket,
    // What a Windows agent runs; others take the entry for their shell.
    ScriptBody: body.powerShell,
    TaskId: script.taskId,
    DurationToWaitForScriptToFinish: startWaitMsOf(script.agent, script.quietMs),
    Isolation: script.isolation === "full" ? scriptIsolationLevel.fullIsolation : scriptIsolationLevel.noIsolation,
    ScriptIsolationMutexTimeout: isolationMutexTimeoutNoneMs,
    IsolationMutexName: null,
    Scripts: { Bash: body.bash },
    Files: [...script.files, ...(body.files ?? [])],
    Arguments: script.arguments,
  };
  const conversationParts = { agents: parts.agents, agent: script.agent, command, terms, asking, clock: run.clock };
  const talk = (conversation =
    generation === 2
      ? talkSecondGeneration(conversationParts)
      : talkFirstGeneration(conversationParts, {
          mayHaveStarted: row.state === "started",
          agentTicket: row.agentTicket,
          intend: () => run.log.append([], (tx) => markFirstGenerationStart(tx, row.id)),
          keepTicket: (agentTicket) => run.log.append([], (tx) => keepAgentTicket(tx, row.id, agentTicket)),
        }));
  let cancelSentMs: number | undefined;
  let answer: Answer<ScriptStatusResponseV2>;
  if (mustEnd()) {
    // A former owner may have started it, or not: asking to cancel can only end it, a start could begin it.
    cancelSentMs = run.clock.monotonicMs();
    answer = await ask(() => talk.cancel(read), { repeatable: talk.repeatable });
  } else {
    answer = await ask(() => talk.start(), {
      repeatable: talk.repeatable,
      onTry: (one) => {
        // For good: a later answer says nothing of the one that was lost, which another node may hold and send when it wakes up.
        if (!one.ok && one.failure === "interrupted") {
          unansweredStart = true;
          mayHaveStarted = true;
        }
      },
    });
  }
  if (!answer.ok) {
    if (answer.failure === "refused") {
      return finish(
        { outcome: "failed", exitCode: null, message: `The agent on ${script.machineName} refused to start the script: ${answer.message}` },
        [],
        false,
      );
    }
    if (!mayHaveStarted) return finish({ outcome: "failed", exitCode: null, message: unreachable(script, answer) }, [], false);
    return finish({ outcome: "unknown", exitCode: null, message: unknownOutcome(script, answer.message) }, [], false);
  }
  mayHaveStarted = true;

  let pauseMs = statusPauseMs.first;
  let printedAtMs = run.clock.monotonicMs();
  for (;;) {
    const told = answer.reply;
    const entries = release(told);
    if (told.State === processState.complete) {
      entries.push(...show(masker().flush()));
      const doubt = talk.doubtOfSuccess();
      if (hasAftermath) {
        // Before the result is stored: whoever goes on after a takeover comes here again, and does what is still due.
        await commit(entries.splice(0), storeProgress);
        await script.messages.afterScript(row.id);
      }
      // What is in doubt may still run: its workspace stays.
      const judged = judge(told.ExitCode, cancelSentMs !== undefined && run.cancelRequested.aborted, script, doubt);
      // Ended by us because it took too long, and known to have ended: a failure, which may be tried again.
      if (cancelSentMs !== undefined && judged.outcome === "failed")
        judged.message = `The script on ${script.machineName} was ended: ${limitText(script)} has passed.`;
      return finish(judged, entries, doubt === undefined);
    }
    const hasPrinted = entries.length > 0 || dueMessages.length > 0;
    if (hasPrinted || row.state === "intended") {
      if (row.state === "intended") row.state = "started";
      await commit(entries, storeProgress);
      if (hasPrinted) {
        pauseMs = statusPauseMs.first;
        printedAtMs = run.clock.monotonicMs();
      }
    }
    if (mustEnd() && cancelSentMs === undefined) {
      cancelSentMs = run.clock.monotonicMs();
      const why = run.cancelRequested.aborted ? "Cancellation was requested" : `${limitText(script)} has passed`;
      await run.log.append([line(script.block, "Warning", `${why}; telling the agent to end the script.`)]);
      answer = await ask(() => talk.cancel(read));
    } else {
      if (cancelSentMs !== undefined && run.clock.monotonicMs() - cancelSentMs > parts.cancelGraceMs) {
        const message = `The script on ${script.machineName} did not end within ${Math.round(parts.cancelGraceMs / 1000)} s of being cancelled and was left behind. Check the machine.`;
        // After a time limit nobody asked to forget it: whether it still runs is not known, so it is not tried again.
        const outcome = run.cancelRequested.aborted ? "canceled" : "unknown";
        return finish({ outcome, exitCode: null, message }, [...show(masker().flush())], false);
      }
      // A cancel ends the pause at once; a lost lease ends everything.
      await run.clock.pause(pauseMs, AbortSignal.any(cancelSentMs === undefined ? [run.lost, ...endSignals] : [run.lost]));
      if (run.lost.aborted) throw run.lost.reason;
      const isLively = run.clock.monotonicMs() - printedAtMs < livelyMs;
      pauseMs = Math.min(pauseMs * statusPauseMs.factor, isLively ? statusPauseMs.maxLively : statusPauseMs.max);
      if (mustEnd() && cancelSentMs === undefined) continue;
      answer = await ask(() => talk.status(read));
    }
    if (!answer.ok) {
      const message = unknownOutcome(script, answer.message);
      return finish({ outcome: "unknown", exitCode: null, message }, [...show(masker().flush())], false);
    }
  }
}

const canceledBeforeStart = { outcome: "canceled", exitCode: null, message: "Canceled before the script was started." } as const;
const blockStatus = { succeeded: "Success", failed: "Failed", canceled: "Canceled", unknown: "Failed" } as const;

/** What an exit code means. "Cancelled" comes from our own record, never from a code. */
function judge(
  exitCode: number,
  cancelled: boolean,
  script: ScriptOnTarget,
  doubt: string | undefined,
): { outcome: StepOutcome; exitCode: number; message: string | null } {
  if (exitCode === 0 && doubt !== undefined && cancelled) return { outcome: "canceled", exitCode, message: "The script was canceled." };
  if (exitCode === 0 && doubt !== undefined) return { outcome: "unknown", exitCode, message: unknownOutcome(script, doubt) };
  if (exitCode === 0) return { outcome: "succeeded", exitCode, message: null };
  if (cancelled) return { outcome: "canceled", exitCode, message: "The script was canceled." };
  switch (exitCode) {
    case agentExitCode.unknownResult:
    case agentExitCode.unknownScript:
      return {
        outcome: "unknown",
        exitCode,
        message: unknownOutcome(script, "its agent was restarted or lost its records while the script ran"),
      };
    case agentExitCode.isolationTimeout:
      return {
        outcome: "failed",
        exitCode,
        message: `The script on ${script.machineName} waited too long for other scripts on that machine.`,
      };
    case agentExitCode.fatal:
    case agentExitCode.shellNotStarted:
      return {
        outcome: "failed",
        exitCode,
        message: `The agent on ${script.machineName} could not run the script (code ${exitCode}). Check its disk, permissions and /bin/bash.`,
      };
    default:
      return { outcome: "failed", exitCode, message: `The script on ${script.machineName} ended with exit code ${exitCode}.` };
  }
}

function limitText({ timeLimit }: ScriptOnTarget): string {
  return `The time limit of ${timeLimit?.minutes ?? 0} ${timeLimit?.minutes === 1 ? "minute" : "minutes"}`;
}

function unknownOutcome(script: ScriptOnTarget, why: string): string {
  return (
    `The outcome of the script on ${script.machineName} is unknown: ${why}. It was started at most once and will not be run again by itself. ` +
    `Check on ${script.machineName} what it did and whether it still runs, then deploy again.`
  );
}

function unreachable(script: ScriptOnTarget, answer: Answer<unknown> & { ok: false }): string {
  const at = describeAgentAddress(script.agent);
  if (answer.failure === "untrusted") {
    return `The agent at ${at} is not the one registered as ${script.machineName}: ${answer.message}. Nothing was sent.`;
  }
  return `${script.machineName} at ${at} could not be reached: ${answer.message}. The script was not started.`;
}
