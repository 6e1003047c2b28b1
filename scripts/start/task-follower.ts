// Follows a task through the REST API until it ends, and prints steps and log lines as they come, each once; a server that is down
// in between is waited for. What it prints is what the server has made durable.
import { setTimeout as pause } from "node:timers/promises";
import { type RestClient, Unreachable } from "./rest-client.ts";

export interface TaskEnd {
  state: string;
  succeeded: boolean;
  message: string;
  elapsedMs: number;
}

interface ActivityLog {
  Id: string;
  Name: string;
  Status: string;
  Children: ActivityLog[] | null;
  LogElements: { Category: string; MessageText: string }[] | null;
}
interface TaskDetails {
  Task: { State: string; IsCompleted: boolean; FinishedSuccessfully: boolean; ErrorMessage: string | null };
  ActivityLogs: ActivityLog[];
}

const pollMs = 250;
/** A server that is away for so long will not come back by itself. */
const serverGoneMsMax = 120_000;

/** Throws Unreachable when the server stays away, and the signal's reason when told to stop. */
export async function followTask(
  rest: RestClient,
  taskId: string,
  parts: { say: (line: string) => void; signal: AbortSignal },
): Promise<TaskEnd> {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
  const say = (line: string) => parts.say(`${seconds()} s  ${line}`);
  const printedLines = new Map<string, number>();
  const printedStatus = new Map<string, string>();
  let goneSince: number | null = null;

  function print(node: ActivityLog, depth: number): void {
    const indent = "  ".repeat(Math.max(0, depth - 1));
    const isBegun = node.Status !== "Pending";
    if (depth > 0 && isBegun && !printedStatus.has(node.Id)) {
      say(`${indent}${node.Name}`);
      printedStatus.set(node.Id, "Running");
    }
    const lines = node.LogElements ?? [];
    for (const line of lines.slice(printedLines.get(node.Id) ?? 0)) {
      const mark = line.Category === "Error" || line.Category === "Fatal" ? "! " : "";
      for (const row of line.MessageText.split("\n")) say(`${indent}  | ${mark}${row}`);
    }
    printedLines.set(node.Id, lines.length);
    for (const child of node.Children ?? []) print(child, depth + 1);
    if (depth === 1 && isBegun && node.Status !== "Running" && printedStatus.get(node.Id) !== node.Status) {
      say(`${indent}${node.Name}: ${node.Status}`);
      printedStatus.set(node.Id, node.Status);
    }
  }

  for (;;) {
    parts.signal.throwIfAborted();
    try {
      const details = await rest.get<TaskDetails>(`/api/tasks/${taskId}/details?verbose=false`);
      if (goneSince !== null) say(`The server answers again after ${((performance.now() - goneSince) / 1000).toFixed(1)} s`);
      goneSince = null;
      for (const node of details.ActivityLogs) print(node, 0);
      const { State, IsCompleted, FinishedSuccessfully, ErrorMessage } = details.Task;
      if (IsCompleted)
        return { state: State, succeeded: FinishedSuccessfully, message: ErrorMessage ?? "", elapsedMs: performance.now() - startedAt };
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (goneSince === null) {
        goneSince = performance.now();
        say("The server does not answer; waiting for it");
      }
      if (performance.now() - goneSince > serverGoneMsMax) throw error;
    }
    await pause(pollMs, undefined, { signal: parts.signal });
  }
}
