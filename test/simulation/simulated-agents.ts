// The agents of a simulation with the network to them, and the truth about each script. Three kinds: our own (keeps its tickets over a
// restart and after CompleteScript), the original (forgets at CompleteScript; after a restart it cannot say how a script ended), and
// one that offers only the first script service (makes the ticket itself, calls everything a success after a restart).

import { agentExitCode } from "@cuttle/contract/agent/exit-codes";
import { processState } from "@cuttle/contract/agent/script";
import type { ScriptStatusResponseV2 } from "@cuttle/contract/agent/script";
import type { AgentAddress, Agents, Answer, CallTerms } from "../../server/engine/agents/agents.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type AgentKind = "own" | "original" | "first-generation";
export type AgentCall = "capabilities" | "start" | "status" | "cancel" | "complete";

/** What really happened on a machine. */
export interface Execution {
  /** The script's text, which names task, step and machine. */
  script: string;
  machine: string;
  kind: AgentKind;
  ticket: string;
  startedMs: number;
  endsMs: number;
  exitCode: number;
  lines: readonly { atMs: number; text: string }[];
  cancelledMs: number | undefined;
  /** The agent lost sight of it at a restart: it runs on, and nobody learns how it ends. */
  orphan: boolean;
}

export interface AgentFaults {
  /** Of each call: nothing of it arrives. */
  offline: number;
  /** Of each call: it arrives, its answer does not. */
  answerLoss: number;
  /** Of each call: the caller hears of a lost connection, and the call arrives up to `lateMsMax` later. */
  late: number;
  lateMsMax: number;
}

export interface SimulatedAgents {
  connect(process: SimulatedProcess): Agents;
  restart(machine: string, downMs: number): void;
  readonly executions: readonly Execution[];
  readonly kinds: ReadonlyMap<string, AgentKind>;
  /** Tickets that some agent still keeps a workspace for. */
  kept(): string[];
}

interface Held {
  execution: Execution | undefined;
  /** Stored final answer: after a restart, or a cancel before the start. */
  exitCode: number | undefined;
  /** Lines that were in the log at the restart; what an orphan prints is lost. */
  knownLines: number;
}

interface Machine {
  name: string;
  kind: AgentKind;
  scripts: Map<string, Held>;
  tombstones: Map<string, number>;
  upAtMs: number;
  /** Grows with each restart: connections of before are gone. */
  incarnation: number;
  firstTickets: number;
}

const latencyMs = { min: 0.5, max: 25 };
const failureMsMax = 3_000;
/** As the wire library connects: a short restart costs the caller only time. */
const connectAttempts = { max: 5, pauseMs: 1_000 };
/** What our own agent sends of a log at once; small here, so that several answers are needed. The others send all there is. */
const linesPerAnswer = 4;
const secondGeneration = ["IScriptService", "IFileTransferService", "IScriptServiceV2"];

/** How a script sets its output variable. */
export function outputMessage(text: string): string {
  return `##octopus[setVariable name='${Buffer.from(outputName).toString("base64")}' value='${Buffer.from(text).toString("base64")}']`;
}
export const outputName = "Line";

export function createSimulatedAgents(parts: {
  time: VirtualTime;
  random: () => number;
  machines: ReadonlyMap<string, AgentKind>;
  faults: () => AgentFaults;
  /** How a script behaves, drawn at each real start. */
  behave: () => { durationMs: number; lines: number; exitCode: number };
  /** A call has begun; later, its first byte leaves the process. Questions need no proof of the lease. */
  onCall: (process: SimulatedProcess, call: AgentCall, ticket: string, terms: CallTerms) => () => void;
  onStart: (execution: Execution) => void;
  trace: (text: string) => void;
}): SimulatedAgents {
  const { time, random } = parts;
  const executions: Execution[] = [];
  const machines = new Map<string, Machine>();
  for (const [name, kind] of parts.machines) {
    machines.set(name, { name, kind, scripts: new Map(), tombstones: new Map(), upAtMs: 0, incarnation: 0, firstTickets: 0 });
  }
  const latency = (): number => latencyMs.min + (latencyMs.max - latencyMs.min) * random() ** 4;

  function begin(machine: Machine, ticket: string, named: string): Held {
    const script = `${named}/${machine.name}`;
    const { durationMs, lines, exitCode } = parts.behave();
    const startedMs = time.nowMs();
    const execution: Execution = {
      script,
      machine: machine.name,
      kind: machine.kind,
      ticket,
      startedMs,
      endsMs: startedMs + durationMs,
      exitCode,
      lines: Array.from({ length: lines }, (_, n) => ({
        atMs: startedMs + (durationMs * (n + 1)) / (lines + 1),
        text: n % 3 === 2 ? outputMessage(`${script} line ${n + 1}`) : `${script} line ${n + 1}`,
      })),
      cancelledMs: undefined,
      orphan: false,
    };
    executions.push(execution);
    parts.trace(`${machine.name} starts ${script} (${Math.round(durationMs)} ms, ${lines} lines, exit code ${exitCode})`);
    parts.onStart(execution);
    const held: Held = { execution, exitCode: undefined, knownLines: Infinity };
    machine.scripts.set(ticket, held);
    return held;
  }

  function respond(kind: AgentKind, ticket: string, held: Held, from: number): ScriptStatusResponseV2 {
    const { execution } = held;
    const now = time.nowMs();
    const endedMs = execution === undefined ? 0 : Math.min(execution.endsMs, execution.cancelledMs ?? Infinity);
    const isOver = held.exitCode !== undefined || endedMs <= now;
    const shownUntil = isOver && held.exitCode === undefined ? endedMs : now;
    const all =
      execution === undefined ? [] : execution.lines.slice(0, held.knownLines).filter((line) => line.atMs <= Math.min(shownUntil, endedMs));
    const logs = all
      .slice(from, kind === "own" ? from + linesPerAnswer : undefined)
      .map(({ text }) => ({ Source: 0 as const, Occurred: new Date(0), Text: text }));
    const next = from + logs.length;
    const isComplete = isOver && next >= all.length;
    const code =
      held.exitCode ??
      (execution !== undefined && execution.cancelledMs !== undefined && execution.cancelledMs < execution.endsMs
        ? agentExitCode.unreadable
        : (execution?.exitCode ?? 0));
    return {
      Ticket: { TaskId: ticket },
      Logs: logs,
      NextLogSequence: next,
      State: isComplete ? processState.complete : processState.running,
      ExitCode: isComplete ? code : 0,
    };
  }

  /** An answer without a script behind it. */
  function said(ticket: string, exitCode: number): ScriptStatusResponseV2 {
    return { Ticket: { TaskId: ticket }, Logs: [], NextLogSequence: 0, State: processState.complete, ExitCode: exitCode };
  }

  /** What the first service says of a ticket it has no process for: a success. */
  const unknownOf = (machine: Machine): number => (machine.kind === "first-generation" ? 0 : agentExitCode.unknownScript);

  function status(machine: Machine, ticket: string, from: number): ScriptStatusResponseV2 {
    const held = machine.scripts.get(ticket);
    const tombstone = machine.tombstones.get(ticket);
    if (held === undefined) return said(ticket, tombstone ?? unknownOf(machine));
    return respond(machine.kind, ticket, held, from);
  }

  function cancel(machine: Machine, ticket: string, from: number): ScriptStatusResponseV2 {
    const held = machine.scripts.get(ticket);
    if (held === undefined) {
      if (machine.kind === "own" && !machine.tombstones.has(ticket)) {
        machine.tombstones.set(ticket, agentExitCode.cancelledBeforeStart);
        return said(ticket, agentExitCode.unknownScript);
      }
      return status(machine, ticket, from);
    }
    const { execution } = held;
    if (execution !== undefined && !execution.orphan && execution.endsMs > time.nowMs()) execution.cancelledMs ??= time.nowMs();
    return respond(machine.kind, ticket, held, from);
  }

  function complete(machine: Machine, ticket: string): void {
    const held = machine.scripts.get(ticket);
    if (held !== undefined && machine.kind === "own")
      machine.tombstones.set(ticket, respond(machine.kind, ticket, held, Infinity).ExitCode);
    machine.scripts.delete(ticket);
    parts.trace(`${machine.name} forgets ${ticket}`);
  }

  interface Connection {
    incarnation: number;
    lostMs: number | undefined;
  }
  const connections = new Map<SimulatedProcess, Map<string, Connection>>();

  function connectionOf(process: SimulatedProcess, machine: Machine): Connection {
    const own = connections.get(process) ?? new Map<string, Connection>();
    connections.set(process, own);
    const connection = own.get(machine.name) ?? { incarnation: machine.incarnation, lostMs: undefined };
    own.set(machine.name, connection);
    return connection;
  }

  async function call<R>(
    process: SimulatedProcess,
    address: AgentAddress,
    terms: CallTerms,
    kind: AgentCall,
    ticket: string,
    serve: (machine: Machine) => R,
    generation: 1 | 2 = 1,
  ): Promise<Answer<R>> {
    const machine = machines.get("host" in address ? address.host : "");
    if (machine === undefined) return { ok: false, failure: "offline", message: "There is no such machine." };
    const leaves = parts.onCall(process, kind, ticket, terms);
    const connection = connectionOf(process, machine);
    const noteLoss = (): void => void (connection.lostMs = process.clock.monotonicMs());
    for (let attempts = 1; time.nowMs() < machine.upAtMs; attempts++) {
      noteLoss();
      if (attempts === connectAttempts.max) return { ok: false, failure: "offline", message: "Connection refused." };
      await process.clock.pause(connectAttempts.pauseMs, terms.signal);
      if (terms.signal.aborted) throw terms.signal.reason;
    }
    await terms.beforeSend();
    // The worst moment to be killed or to fall asleep: the lease is proven, the first byte is not out.
    await process.turn(`${kind} about to leave`);
    if (terms.signal.aborted) throw terms.signal.reason;
    leaves();
    return new Promise<Answer<R>>((resolve, reject) => {
      function settle(afterMs: number, what: string, done: Answer<R>): void {
        time.after(afterMs, () => process.effect(`${kind} ${what}`, () => resolve(done)));
      }
      terms.signal.addEventListener("abort", () => reject(terms.signal.reason as Error), { once: true });
      const lost = { ok: false, failure: "interrupted", message: "The connection was lost." } as const;
      const { offline, answerLoss, late, lateMsMax } = parts.faults();
      const fate = random();
      if (fate < offline + answerLoss + late) noteLoss();
      if (fate < offline)
        return settle(failureMsMax * random(), "offline", { ok: false, failure: "offline", message: "Connection refused." });
      const isLate = fate >= offline + answerLoss && fate < offline + answerLoss + late;
      const isAnswerLost = fate >= offline && fate < offline + answerLoss;
      if (isLate) settle(failureMsMax * random(), "interrupted", lost);
      time.after(isLate ? lateMsMax * random() : latency(), () => {
        if (machine.incarnation !== connection.incarnation) {
          connection.incarnation = machine.incarnation;
          noteLoss();
        }
        if (time.nowMs() < machine.upAtMs) {
          if (!isLate) settle(latency(), "offline", { ok: false, failure: "offline", message: "Connection refused." });
          return;
        }
        if (isLate) parts.trace(`${machine.name} gets a late ${kind}`);
        if (generation === 2 && machine.kind === "first-generation") {
          if (!isLate) settle(latency(), "refused", { ok: false, failure: "unsupported", message: "There is no such service." });
          return;
        }
        const reply = serve(machine);
        if (isAnswerLost) settle(failureMsMax * random(), "interrupted", lost);
        else if (!isLate)
          settle(
            latency(),
            "answered",
            connection.lostMs === undefined ? { ok: true, reply } : { ok: true, reply, lostMs: connection.lostMs },
          );
      });
    });
  }

  return {
    executions,
    kinds: parts.machines,
    kept: () => [...machines.values()].flatMap((machine) => [...machine.scripts.keys()]),
    restart(name, downMs) {
      const machine = machines.get(name)!;
      parts.trace(`the agent on ${name} restarts, down for ${Math.round(downMs)} ms`);
      machine.upAtMs = time.nowMs() + downMs;
      machine.incarnation += 1;
      if (machine.kind === "own") return;
      for (const held of machine.scripts.values()) {
        const { execution } = held;
        if (execution === undefined || held.exitCode !== undefined) continue;
        const isOver = Math.min(execution.endsMs, execution.cancelledMs ?? Infinity) <= time.nowMs();
        if (isOver && machine.kind === "original") continue;
        if (!isOver) execution.orphan = true;
        held.exitCode = machine.kind === "original" ? agentExitCode.unknownResult : 0;
        held.knownLines = execution.lines.filter((line) => line.atMs <= time.nowMs()).length;
      }
    },
    connect(process) {
      return {
        capabilities: (address, terms) =>
          call(process, address, terms, "capabilities", "", (machine) =>
            machine.kind === "first-generation" ? secondGeneration.slice(0, 2) : secondGeneration,
          ),
        startScript: (address, command, terms) => {
          const ticket = command.ScriptTicket.TaskId;
          return call(
            process,
            address,
            terms,
            "start",
            ticket,
            (machine) => {
              const tombstone = machine.tombstones.get(ticket);
              if (tombstone !== undefined) return said(ticket, tombstone);
              return respond(
                machine.kind,
                ticket,
                machine.scripts.get(ticket) ?? begin(machine, ticket, scriptOf(command.Scripts?.["Bash"])),
                0,
              );
            },
            2,
          );
        },
        getStatus: (address, { Ticket, LastLogSequence }, terms) =>
          call(process, address, terms, "status", Ticket.TaskId, (machine) => status(machine, Ticket.TaskId, LastLogSequence), 2),
        cancelScript: (address, { Ticket, LastLogSequence }, terms) =>
          call(process, address, terms, "cancel", Ticket.TaskId, (machine) => cancel(machine, Ticket.TaskId, LastLogSequence), 2),
        completeScript: (address, { Ticket }, terms) =>
          call(
            process,
            address,
            terms,
            "complete",
            Ticket.TaskId,
            (machine) => {
              complete(machine, Ticket.TaskId);
              return null;
            },
            2,
          ),
        // No script of the simulation needs files.
        uploadFile: () => Promise.reject(new Error("The simulation passes no files.")),
        downloadFile: () => Promise.reject(new Error("The simulation passes no files.")),
        firstGeneration: {
          startScript: (address, command, terms) =>
            call(process, address, terms, "start", "", (machine) => {
              const ticket = `${machine.name}-${++machine.firstTickets}`;
              begin(machine, ticket, scriptOf(command.Scripts?.["Bash"]));
              return { TaskId: ticket };
            }),
          getStatus: (address, { Ticket, LastLogSequence }, terms) =>
            call(process, address, terms, "status", Ticket.TaskId, (machine) => status(machine, Ticket.TaskId, LastLogSequence)),
          cancelScript: (address, { Ticket, LastLogSequence }, terms) =>
            call(process, address, terms, "cancel", Ticket.TaskId, (machine) => cancel(machine, Ticket.TaskId, LastLogSequence)),
          completeScript: (address, { Ticket, LastLogSequence }, terms) =>
            call(process, address, terms, "complete", Ticket.TaskId, (machine) => {
              const last = status(machine, Ticket.TaskId, LastLogSequence);
              complete(machine, Ticket.TaskId);
              return last;
            }),
        },
        close: async () => {},
      };
    },
  };
}

/** The line of a body that names the script; the rest is what the server puts before it. */
function scriptOf(body: string | undefined): string {
  const line = body?.trimEnd().split("\n").at(-1);
  if (line === undefined) throw new Error("A script without a body.");
  return line;
}
