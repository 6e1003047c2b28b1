// An agent in this process that counts what an outside observer would see: how often each script really ran. It keeps the promises
// of the script service (idempotent by ticket, log by sequence, optionally a tombstone) and can be told how the script behaves.

import { Readable } from "node:stream";
import type { ScriptStatusResponseV2, StartScriptCommandV2 } from "@cuttle/contract/agent/script";
import type { AgentAddress, Agents, Answer, CallTerms } from "../../server/engine/agents/agents.ts";

interface Script {
  ticket: string;
  machine: string;
  body: string;
  until: () => boolean;
  hasEnded: boolean;
  lines: string[];
  /** How many status answers until it is complete. */
  questionsLeft: number;
  cancelled: boolean;
  exitCode: number;
}

export interface ScriptedAgent extends Agents {
  /** What an agent of the first generation does at its restart: it forgets what runs, and calls it a success. */
  restart(): void;
  /** The next answers are lost on their way back, though the call arrived. */
  loseAnswers(count: number): void;
  /** Real starts, in order. */
  readonly executions: { machine: string; body: string; ticket: string }[];
  readonly completed: string[];
  /** Tickets whose running script was ended by a cancel. */
  readonly cancelled: string[];
  /** What scripts left on the machine; the files go when the agent forgets the script. */
  readonly files: Map<string, Buffer>;
  /** Paths that were asked for, in order. */
  readonly downloads: string[];
  /** StartScript calls that arrived, first or repeated. */
  readonly startCalls: string[];
  /** Starts and ends of scripts, in order. */
  readonly marks: { what: "start" | "end"; machine: string; body: string }[];
  /** What a script prints and how it ends; asked once for each real start. With `until` it goes on until that holds. */
  behave: (body: string, machine: string) => { lines: string[]; exitCode: number; questions: number; until?: () => boolean };
}

/** What an agent on Linux runs. */
const bashOf = (command: Pick<StartScriptCommandV2, "ScriptBody" | "Scripts">): string => command.Scripts?.["Bash"] ?? command.ScriptBody;

const machineOf = (address: AgentAddress): string => ("host" in address ? address.host : address.subscription);

export function createScriptedAgent(options: { tombstones: boolean; generation?: 1 | 2 }): ScriptedAgent {
  const scripts = new Map<string, Script>();
  const tombstones = new Map<string, ScriptStatusResponseV2>();
  const executions: ScriptedAgent["executions"] = [];
  const completed: string[] = [];
  const cancelled: string[] = [];
  const startCalls: string[] = [];
  const files = new Map<string, Buffer>();
  const downloads: string[] = [];
  const marks: ScriptedAgent["marks"] = [];

  function begin(ticket: string, machine: string, body: string): Script {
    const { lines, exitCode, questions, until = () => true } = agent.behave(body, machine);
    const script: Script = { ticket, machine, body, lines, exitCode, questionsLeft: questions, cancelled: false, until, hasEnded: false };
    scripts.set(ticket, script);
    executions.push({ machine, body, ticket });
    marks.push({ what: "start", machine, body });
    return script;
  }

  function respond(script: Script, from: number): Answer<ScriptStatusResponseV2> & { ok: true } {
    const done = script.hasEnded || script.cancelled || (script.questionsLeft <= 0 && script.until());
    if (done && !script.hasEnded) marks.push({ what: "end", machine: script.machine, body: script.body });
    script.hasEnded = done;
    const shown = done ? script.lines : script.lines.slice(0, Math.max(0, script.lines.length - script.questionsLeft));
    const logs = shown.slice(from).map((text) => ({ Source: 0 as const, Occurred: new Date(0), Text: text }));
    const State = done ? (2 as const) : (1 as const);
    const ExitCode = script.cancelled ? -1 : done ? script.exitCode : 0;
    return { ok: true, reply: { Ticket: { TaskId: script.ticket }, Logs: logs, NextLogSequence: from + logs.length, State, ExitCode } };
  }

  function unknown(ticket: string): Answer<ScriptStatusResponseV2> & { ok: true } {
    return { ok: true, reply: { Ticket: { TaskId: ticket }, Logs: [], NextLogSequence: 0, State: 2, ExitCode: -45 } };
  }

  let answersToLose = 0;
  async function proven<R>(terms: CallTerms, work: () => Answer<R>): Promise<Answer<R>> {
    await terms.beforeSend();
    if (terms.signal.aborted) throw terms.signal.reason;
    const answer = work();
    if (answersToLose === 0) return answer;
    answersToLose -= 1;
    return { ok: false, failure: "interrupted", message: "The connection was lost." };
  }

  /** As the first generation answers for a ticket it does not know. */
  function successOf(ticket: string): Answer<ScriptStatusResponseV2> {
    return { ok: true, reply: { Ticket: { TaskId: ticket }, Logs: [], NextLogSequence: 0, State: 2, ExitCode: 0 } };
  }

  const agent: ScriptedAgent = {
    executions,
    completed,
    cancelled,
    startCalls,
    files,
    downloads,
    marks,
    restart: () => scripts.clear(),
    loseAnswers: (count) => (answersToLose = count),
    behave: () => ({ lines: ["one", "two", "three"], exitCode: 0, questions: 2 }),
    capabilities: (_agent, terms) =>
      proven(terms, () => ({
        ok: true,
        reply: ["IScriptService", "IFileTransferService", ...(options.generation === 1 ? [] : ["IScriptServiceV2"])],
      })),
    startScript: (address: AgentAddress, command: StartScriptCommandV2, terms) =>
      proven(terms, () => {
        const ticket = command.ScriptTicket.TaskId;
        startCalls.push(ticket);
        const tombstone = tombstones.get(ticket);
        if (tombstone !== undefined) return { ok: true, reply: tombstone };
        const script = scripts.get(ticket) ?? begin(ticket, machineOf(address), bashOf(command));
        return respond(script, 0);
      }),
    getStatus: (_address, request, terms) =>
      proven(terms, () => {
        const script = scripts.get(request.Ticket.TaskId);
        if (script === undefined) return unknown(request.Ticket.TaskId);
        script.questionsLeft -= 1;
        return respond(script, request.LastLogSequence);
      }),
    cancelScript: (_address, command, terms) =>
      proven(terms, () => {
        const script = scripts.get(command.Ticket.TaskId);
        if (script === undefined) {
          const answer = unknown(command.Ticket.TaskId);
          if (options.tombstones) tombstones.set(command.Ticket.TaskId, { ...answer.reply, ExitCode: -43 });
          return answer;
        }
        if (!script.hasEnded && !script.cancelled) {
          script.cancelled = true;
          cancelled.push(script.ticket);
        }
        return respond(script, command.LastLogSequence);
      }),
    completeScript: (_address, command, terms) =>
      proven(terms, () => {
        const ticket = command.Ticket.TaskId;
        const script = scripts.get(ticket);
        if (script !== undefined && options.tombstones) tombstones.set(ticket, respond(script, script.lines.length).reply);
        scripts.delete(ticket);
        files.clear();
        completed.push(ticket);
        return { ok: true, reply: null };
      }),
    // Its scripts need no files.
    uploadFile: async () => ({ ok: false, failure: "unsupported", message: "This agent takes no files." }),
    downloadFile: (_address, path, terms) =>
      proven(terms, () => {
        downloads.push(path);
        const content = files.get(path);
        if (content === undefined) return { ok: true, reply: null };
        return { ok: true, reply: { length: content.length, open: () => Readable.from([content]) } };
      }),
    firstGeneration: {
      startScript: (address, command, terms) =>
        proven(terms, () => {
          const ticket = `20260101000000-${executions.length + 1}`;
          startCalls.push(ticket);
          begin(ticket, machineOf(address), bashOf(command));
          return { ok: true, reply: { TaskId: ticket } };
        }),
      getStatus: (_address, request, terms) =>
        proven(terms, () => {
          const script = scripts.get(request.Ticket.TaskId);
          if (script === undefined) return successOf(request.Ticket.TaskId);
          script.questionsLeft -= 1;
          return respond(script, request.LastLogSequence);
        }),
      cancelScript: (_address, command, terms) =>
        proven(terms, () => {
          const script = scripts.get(command.Ticket.TaskId);
          if (script === undefined) return successOf(command.Ticket.TaskId);
          if (!script.hasEnded && !script.cancelled) {
            script.cancelled = true;
            cancelled.push(script.ticket);
          }
          return respond(script, command.LastLogSequence);
        }),
      completeScript: (_address, command, terms) =>
        proven(terms, () => {
          const script = scripts.get(command.Ticket.TaskId);
          scripts.delete(command.Ticket.TaskId);
          completed.push(command.Ticket.TaskId);
          return script === undefined ? successOf(command.Ticket.TaskId) : respond(script, command.LastLogSequence);
        }),
    },
    close: async () => {},
  };
  return agent;
}
