// How a script is started, asked about, cancelled and forgotten over each generation of the agents' script service, behind one form.
//
// Second generation: the ticket is ours, a start may be repeated, and the agent knows after its own restart what it does not know.
// First generation: the agent makes the ticket, so a start whose answer is lost can never be repeated; and after a restart it calls a
// script that was cut off a success. So the start is stored before it goes out, and a success counts only from an agent that was seen
// following the script since the last lost connection, also one that the call itself has replaced without a word.

import { capability } from "@cuttle/contract/agent/capabilities";
import type { ScriptStatusResponseV2, ScriptTicket, StartScriptCommandV2 } from "@cuttle/contract/agent/script";
import { processState } from "@cuttle/contract/agent/script";
import type { Clock } from "../../base/clock.ts";
import type { AgentAddress, Agents, Answer, CallTerms } from "../agents/agents.ts";

export type ScriptGeneration = 1 | 2;

/**
 * So long the answer to a start may wait for the end of the script: that of most is a matter of some ten milliseconds, and each look less is time of
 * both sides. Agents may block a thread meanwhile, and nothing of a longer script is seen before, so it is short.
 */
const startWaitMs = 250;

/** Null for an agent that collects its calls: it does so one after the other, and a call that waits keeps all others from it. */
export function startWaitMsOf(agent: AgentAddress, waitMs = startWaitMs): number | null {
  return "subscription" in agent ? null : waitMs;
}

export interface ScriptConversation {
  /** Whether a call that may have arrived can be sent again now. */
  readonly repeatable: boolean;
  /** Starts the script, or joins it when it was started. */
  start(): Promise<Answer<ScriptStatusResponseV2>>;
  status(lastLogSequence: number): Promise<Answer<ScriptStatusResponseV2>>;
  cancel(lastLogSequence: number): Promise<Answer<ScriptStatusResponseV2>>;
  /** Lets the agent forget the script, when all its lines up to there have been read. */
  complete(lastLogSequence: number): Promise<Answer<unknown>>;
  /** Why an exit code of 0 must not be believed, or undefined. */
  doubtOfSuccess(): string | undefined;
}

interface ConversationParts {
  agents: Agents;
  agent: AgentAddress;
  command: StartScriptCommandV2;
  /** For what changes something at the agent. */
  terms: CallTerms;
  /** For questions. */
  asking: CallTerms;
  clock: Clock;
}

/** The newest generation that an agent offers; undefined when it runs no scripts at all. */
export function chooseGeneration(capabilities: readonly string[]): ScriptGeneration | undefined {
  if (capabilities.includes(capability.scriptServiceV2)) return 2;
  return capabilities.includes(capability.scriptServiceV1) ? 1 : undefined;
}

export function talkSecondGeneration({ agents, agent, command, terms, asking }: ConversationParts): ScriptConversation {
  const Ticket = command.ScriptTicket;
  return {
    repeatable: true,
    start: () => agents.startScript(agent, command, terms),
    status: (LastLogSequence) => agents.getStatus(agent, { Ticket, LastLogSequence }, asking),
    cancel: (LastLogSequence) => agents.cancelScript(agent, { Ticket, LastLogSequence }, terms),
    complete: () => agents.completeScript(agent, { Ticket }, terms),
    doubtOfSuccess: () => undefined,
  };
}

/**
 * `agentTicket` is what a former owner was answered; null when the answer to its start was lost. `intend` commits that the start is about
 * to go out, `keepTicket` the agent's answer to it.
 */
export function talkFirstGeneration(
  { agents, agent, command, terms, asking, clock }: ConversationParts,
  stored: {
    mayHaveStarted: boolean;
    agentTicket: string | null;
    intend: () => Promise<void>;
    keepTicket: (ticket: string) => Promise<void>;
  },
): ScriptConversation {
  let ticket: ScriptTicket | undefined = stored.agentTicket === null ? undefined : { TaskId: stored.agentTicket };
  let intended = false;
  /** Since the connection was last lost, or the task changed owner, the agent has shown that it follows the script. */
  let isFollowing = false;
  let followedMs = 0;

  function follow(): void {
    isFollowing = true;
    followedMs = clock.monotonicMs();
  }

  function followed(answer: Answer<ScriptStatusResponseV2>): Answer<ScriptStatusResponseV2> {
    if (!answer.ok) isFollowing = false;
    else if (answer.reply.State !== processState.complete) follow();
    else if (answer.lostMs !== undefined && answer.lostMs >= followedMs) isFollowing = false;
    return answer;
  }

  function lost(): Answer<never> {
    const message = "the answer to its start was lost, and its agent's first script service cannot be asked for it; upgrade that agent";
    return { ok: false, failure: "interrupted", message };
  }

  return {
    get repeatable() {
      return ticket !== undefined;
    },
    async start() {
      if (ticket !== undefined)
        return followed(await agents.firstGeneration.getStatus(agent, { Ticket: ticket, LastLogSequence: 0 }, asking));
      if (stored.mayHaveStarted) return lost();
      if (!intended) await stored.intend();
      intended = true;
      const { ScriptBody, Isolation, Scripts, Files, Arguments, TaskId, ScriptIsolationMutexTimeout, IsolationMutexName } = command;
      const answer = await agents.firstGeneration.startScript(
        agent,
        { ScriptBody, Isolation, Scripts, Files, Arguments, TaskId, ScriptIsolationMutexTimeout, IsolationMutexName },
        terms,
      );
      if (!answer.ok) return answer;
      ticket = answer.reply;
      follow();
      await stored.keepTicket(ticket.TaskId);
      return { ok: true, reply: { Ticket: ticket, Logs: [], NextLogSequence: 0, State: processState.pending, ExitCode: 0 } };
    },
    async status(LastLogSequence) {
      if (ticket === undefined) return lost();
      return followed(await agents.firstGeneration.getStatus(agent, { Ticket: ticket, LastLogSequence }, asking));
    },
    async cancel(LastLogSequence) {
      if (ticket === undefined) return lost();
      return followed(await agents.firstGeneration.cancelScript(agent, { Ticket: ticket, LastLogSequence }, terms));
    },
    async complete(LastLogSequence) {
      if (ticket === undefined) return lost();
      return await agents.firstGeneration.completeScript(agent, { Ticket: ticket, LastLogSequence }, terms);
    },
    doubtOfSuccess: () =>
      isFollowing
        ? undefined
        : "the connection was lost or another node took over while it ran, and after a restart its agent's first script service calls everything a success; upgrade that agent",
  };
}
