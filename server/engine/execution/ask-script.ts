// Runs a script that only asks, without a trace in the database: it changes nothing at the target, so whoever takes over may run it again.

import { randomUUID } from "node:crypto";
import type { ScriptStatusResponseV2 } from "@cuttle/contract/agent/script";
import { isolationMutexTimeoutNoneMs, processOutputSource, processState, scriptIsolationLevel } from "@cuttle/contract/agent/script";
import { monotonicMs, pause } from "../../base/clock.ts";
import type { AgentAddress, Agents, Answer, CallTerms } from "../agents/agents.ts";
import { startWaitMsOf } from "./script-conversation.ts";
import type { TaskRun } from "../tasks/tasks.ts";

/** What was printed, standard error included. `late`: it did not end in time and was cancelled. */
export type AskedScript = { exitCode: number; lines: string[] } | "late";

/** So long the answer to the start may wait for the end: nobody watches the lines of a question, and each look less is time of both sides. */
const askWaitMs = 2_000;
const statusPauseMs = { first: 40, factor: 1.5, max: 1_000 };
/** Enough for a question; the rest of a flood is dropped. */
const linesMax = 500;

/**
 * Over the second generation of the script service, beside other scripts of the machine. `taskId` is told to the agent. With a lock of its own
 * (`mutexName`) it does not even wait behind scripts that wait for their turn alone.
 */
export async function askByScript(
  agents: Agents,
  agent: AgentAddress,
  script: { taskId: string; bash: string; powerShell: string; timeoutMs: number; mutexName?: string },
  run: Pick<TaskRun, "lost" | "lease">,
): Promise<Answer<AskedScript>> {
  const signal = run.lost;
  const Ticket = { TaskId: randomUUID() };
  const terms: CallTerms = { beforeSend: async () => {}, lease: run.lease, signal };
  const startedMs = monotonicMs();
  const lines: string[] = [];
  let answer: Answer<ScriptStatusResponseV2> = await agents.startScript(
    agent,
    {
      ScriptTicket: Ticket,
      // What a Windows agent runs; others take the entry for their shell.
      ScriptBody: script.powerShell,
      TaskId: script.taskId,
      DurationToWaitForScriptToFinish: startWaitMsOf(agent, askWaitMs),
      Isolation: scriptIsolationLevel.noIsolation,
      ScriptIsolationMutexTimeout: isolationMutexTimeoutNoneMs,
      IsolationMutexName: script.mutexName ?? null,
      Scripts: { Bash: script.bash },
      Files: [],
      Arguments: [],
    },
    terms,
  );
  let pauseMs = statusPauseMs.first;
  for (;;) {
    if (!answer.ok) return answer;
    const { State, ExitCode, Logs, NextLogSequence } = answer.reply;
    for (const { Source, Text } of Logs) if (Source !== processOutputSource.debug && lines.length < linesMax) lines.push(Text);
    if (State === processState.complete) {
      // Nobody waits for that: an agent that does not hear of it forgets the script by itself.
      void agents.completeScript(agent, { Ticket }, terms).catch(() => {});
      return { ok: true, reply: { exitCode: ExitCode, lines } };
    }
    if (monotonicMs() - startedMs > script.timeoutMs) {
      await agents.cancelScript(agent, { Ticket, LastLogSequence: NextLogSequence }, terms);
      return { ok: true, reply: "late" };
    }
    if (!(await pause(pauseMs, signal))) throw signal.reason;
    pauseMs = Math.min(pauseMs * statusPauseMs.factor, statusPauseMs.max);
    answer = await agents.getStatus(agent, { Ticket, LastLogSequence: NextLogSequence }, terms);
  }
}
