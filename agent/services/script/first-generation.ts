// The first generation of the script service: the agent makes the ticket, so nobody can repeat a start, and the answer of
// CompleteScript carries what is left of the log. An unknown ticket is told as such, and not as the success that other agents claim.
import { agentExitCode } from "@cuttle/contract/agent/exit-codes";
import { type ProcessOutput, processState, type ScriptTicket } from "@cuttle/contract/agent/script";
import {
  scriptServiceV1,
  type ScriptStatusRequest,
  type ScriptStatusResponse,
  type StartScriptCommand,
} from "@cuttle/contract/agent/script-v1";
import type { ServiceImplementation } from "@cuttle/halibut";
import type { Scripts } from "../../scripts/scripts.ts";
import { readSequence, readStartCommand, type Received, requireTicket, respond } from "./start-command.ts";

/** Lines in the answer of CompleteScript, which cannot be asked for page by page. Some 15 MB; a server reads most of them with GetStatus before. */
const lastLinesMax = 100_000;

/** How often an end is looked for after a cancel. */
const lookMs = 20;

export function createFirstGeneration(scripts: Scripts): ServiceImplementation {
  let started = 0;
  return {
    contract: scriptServiceV1,
    methods: {
      StartScript: async (params, { signal }): Promise<ScriptTicket> => {
        const command = params[0] as Received<StartScriptCommand>;
        const task = (command?.TaskId ?? "")
          .replace(/^ServerTasks-/, "")
          .replace(/[^A-Za-z0-9-]/g, "-")
          .slice(0, 50);
        const time = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
        // Unique also when the agent was started again within the second.
        const ticket = { TaskId: `${time}-${task}-${process.pid}-${++started}` };
        await scripts.start(
          readStartCommand({ ...command, TaskId: command?.TaskId ?? "", DurationToWaitForScriptToFinish: null }, ticket, signal),
        );
        return ticket;
      },
      GetStatus: async (params): Promise<ScriptStatusResponse> => {
        const { ticket, after } = readRequest(params[0]);
        return respond(ticket, await scripts.status(ticket.TaskId, after));
      },
      CancelScript: async (params): Promise<ScriptStatusResponse> => {
        const { ticket, after } = readRequest(params[0]);
        return respond(ticket, await scripts.cancel(ticket.TaskId, after));
      },
      CompleteScript: async (params): Promise<ScriptStatusResponse> => {
        const { ticket, after } = readRequest(params[0]);
        let answer = await scripts.status(ticket.TaskId, after);
        const lines: ProcessOutput[] = [...answer.lines];
        if (answer.exitCode === agentExitCode.unknownScript && answer.state === processState.complete) return respond(ticket, answer);
        let cancelled = false;
        while (answer.state !== processState.complete && lines.length < lastLinesMax) {
          if (answer.lines.length === 0) {
            // Nobody would see it any more: it is cancelled first.
            if (!cancelled) await scripts.cancel(ticket.TaskId, answer.next);
            cancelled = true;
            await new Promise((resolve) => setTimeout(resolve, lookMs));
          }
          answer = await scripts.status(ticket.TaskId, answer.next);
          lines.push(...answer.lines);
        }
        await scripts.complete(ticket.TaskId);
        return respond(ticket, { ...answer, lines });
      },
    },
  };
}

function readRequest(param: unknown): { ticket: ScriptTicket; after: number } {
  const request = param as Received<ScriptStatusRequest>;
  return { ticket: requireTicket(request?.Ticket), after: readSequence(request?.LastLogSequence) };
}
