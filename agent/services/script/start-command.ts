// What a server sent with a script command, checked and filled in. Shared by both generations of the script service.
import {
  isolationMutexNameDefault,
  isolationMutexTimeoutNoneMs,
  scriptIsolationLevel,
  type ScriptStatusResponseV2,
  type ScriptTicket,
  type StartScriptCommandV2,
} from "@cuttle/contract/agent/script";
import type { NewScript, ScriptStatus } from "../../scripts/scripts.ts";

/** Longest mutex name; it stands in memory and on disk for every script. */
const mutexNameLengthMax = 200;

/** What a server may send: every member can be missing or null, whatever the contract's types promise. */
export type Received<T> = { [member in keyof T]?: T[member] | null } | null | undefined;

/** The command makes no sense; the message says what is wrong with it. */
class CommandError extends Error {}

/** The script that a start command describes. Throws when it makes no sense at all; what the stock agent ends with "fatal" becomes a `refusal`. */
export function readStartCommand(
  command: Received<Omit<StartScriptCommandV2, "ScriptTicket">>,
  ticket: ScriptTicket,
  signal: AbortSignal,
): NewScript {
  const { shell, body } = chooseScript(command?.Scripts, command?.ScriptBody);
  if (typeof body !== "string")
    throw new CommandError("StartScript came without a script: give it a ScriptBody, or a Bash or PowerShell entry in Scripts.");
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
    shell,
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

/** The entry for bash, else that for PowerShell, else the body, which is bash here: whoever has a PowerShell body only also says so. */
function chooseScript(
  scripts: { readonly [type: string]: string } | null | undefined,
  body: string | null | undefined,
): { shell: NewScript["shell"]; body: string | null | undefined } {
  const bash = findVariant(scripts, "bash", "1");
  if (bash !== undefined) return { shell: "bash", body: bash };
  const powerShell = findVariant(scripts, "powershell", "0");
  return powerShell === undefined ? { shell: "bash", body } : { shell: "powershell", body: powerShell };
}

/** Keys match ignoring case, and by the type's number. */
function findVariant(scripts: { readonly [type: string]: string } | null | undefined, name: string, number: string): string | undefined {
  return Object.entries(scripts ?? {}).find(([type]) => type.toLowerCase() === name || type === number)?.[1];
}

export function requireTicket(ticket: ScriptTicket | null | undefined): ScriptTicket {
  if (typeof ticket?.TaskId !== "string") throw new CommandError("The command came without a ticket.");
  return ticket;
}

export function readSequence(sequence: number | null | undefined): number {
  return typeof sequence === "number" && Number.isSafeInteger(sequence) ? sequence : 0;
}

export function respond(ticket: ScriptTicket, status: ScriptStatus): ScriptStatusResponseV2 {
  return {
    Ticket: { TaskId: ticket.TaskId },
    Logs: status.lines,
    NextLogSequence: status.next,
    State: status.state,
    ExitCode: status.exitCode,
  };
}
