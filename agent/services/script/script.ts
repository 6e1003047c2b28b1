// The script service of the wire on top of the agent's scripts: checks what a server sent, fills in what it left out, and
// puts answers into the contract's form. It decides nothing about running.
import {
  type CancelScriptCommandV2,
  type CompleteScriptCommandV2,
  isolationMutexNameDefault,
  isolationMutexTimeoutNoneMs,
  scriptIsolationLevel,
  scriptServiceV2,
  type ScriptStatusRequestV2,
  type ScriptStatusResponseV2,
  type ScriptTicket,
  type StartScriptCommandV2,
} from "@cuttle/contract/agent/script";
import type { ServiceImplementation } from "@cuttle/halibut";
import type { NewScript, Scripts, ScriptStatus } from "../../scripts/scripts.ts";

/** Longest mutex name; it stands in memory and on disk for every script. */
const mutexNameLengthMax = 200;

/** What a server may send: every member can be missing or null, whatever the contract's types promise. */
type Received<T> = { [member in keyof T]?: T[member] | null } | null | undefined;

/** The command makes no sense; the message says what is wrong with it. */
class CommandError extends Error {}

export function createScriptService(scripts: Scripts): ServiceImplementation {
  return {
    contract: scriptServiceV2,
    methods: {
      StartScript: async (params, { signal }) => {
        const command = params[0] as Received<StartScriptCommandV2>;
        const script = readStartCommand(command, signal);
        return respond(command!.ScriptTicket!, await scripts.start(script));
      },
      GetStatus: async (params) => {
        const request = params[0] as Received<ScriptStatusRequestV2>;
        const ticket = requireTicket(request?.Ticket);
        return respond(ticket, await scripts.status(ticket.TaskId, readSequence(request?.LastLogSequence)));
      },
      CancelScript: async (params) => {
        const command = params[0] as Received<CancelScriptCommandV2>;
        const ticket = requireTicket(command?.Ticket);
        return respond(ticket, await scripts.cancel(ticket.TaskId, readSequence(command?.LastLogSequence)));
      },
      CompleteScript: async (params) => {
        const command = params[0] as Received<CompleteScriptCommandV2>;
        await scripts.complete(requireTicket(command?.Ticket).TaskId);
        return null;
      },
    },
  };
}

function readStartCommand(command: Received<StartScriptCommandV2>, signal: AbortSignal): NewScript {
  const ticket = requireTicket(command?.ScriptTicket);
  const body = findBashVariant(command?.Scripts) ?? command?.ScriptBody;
  if (typeof body !== "string")
    throw new CommandError("StartScript came without a script: give it a ScriptBody, or a Bash entry in Scripts.");
  const isolation: unknown = command?.Isolation ?? scriptIsolationLevel.noIsolation;
  const exclusive = isolation === scriptIsolationLevel.fullIsolation;
  const timeoutMs = command?.ScriptIsolationMutexTimeout ?? 0;
  const mutexName = command?.IsolationMutexName ?? isolationMutexNameDefault;
  if (mutexName.length > mutexNameLengthMax)
    throw new CommandError(`The isolation mutex name has ${mutexName.length} characters; at most ${mutexNameLengthMax} are taken.`);
  const files = (command?.Files ?? []).map((file) => {
    if (file?.Contents === null || file?.Contents === undefined)
      throw new CommandError(`The attached file "${String(file?.Name)}" came without contents.`);
    return { name: file.Name, contents: file.Contents, password: file.EncryptionPassword ?? null };
  });
  let refusal: string | undefined;
  if (!exclusive && isolation !== scriptIsolationLevel.noIsolation)
    refusal = `The isolation level ${String(isolation)} is not known; 0 and 1 are.`;
  if (command?.TaskId === null || command?.TaskId === undefined) refusal = "StartScript came without a TaskId.";
  return {
    ticket: ticket.TaskId,
    taskId: command?.TaskId ?? null,
    body,
    exclusive,
    mutexName,
    mutexTimeoutMs: timeoutMs <= 0 || timeoutMs >= isolationMutexTimeoutNoneMs ? Infinity : timeoutMs,
    arguments: command?.Arguments ?? [],
    files,
    waitMs: command?.DurationToWaitForScriptToFinish ?? 0,
    signal,
    refusal,
  };
}

/** The bash script among the variants; its key matches ignoring case, and by the type's number. */
function findBashVariant(scripts: { readonly [type: string]: string } | null | undefined): string | undefined {
  return Object.entries(scripts ?? {}).find(([type]) => type.toLowerCase() === "bash" || type === "1")?.[1];
}

function requireTicket(ticket: ScriptTicket | null | undefined): ScriptTicket {
  if (typeof ticket?.TaskId !== "string") throw new CommandError("The command came without a ticket.");
  return ticket;
}

function readSequence(sequence: number | null | undefined): number {
  return typeof sequence === "number" && Number.isSafeInteger(sequence) ? sequence : 0;
}

function respond(ticket: ScriptTicket, status: ScriptStatus): ScriptStatusResponseV2 {
  return {
    Ticket: { TaskId: ticket.TaskId },
    Logs: status.lines,
    NextLogSequence: status.next,
    State: status.state,
    ExitCode: status.exitCode,
  };
}
