// What our server never sends to an agent, because agents that are in place do harm with it. Whoever trips over it has found a bug of ours.

import assert from "node:assert/strict";
import type { ScriptTicket } from "@cuttle/contract/agent/script";

/** What agents may be made to block for; each such start holds one of their threads and the connection. */
export const startWaitMsMax = 5_000;

/**
 * A ticket that names one folder and nothing else. To stock agents an empty one means the folder of all workspaces, which CompleteScript
 * then deletes, and `..` leads out of it; two spellings of one ticket leave a second folder behind.
 */
export function assertSoundTicket({ TaskId }: ScriptTicket): void {
  assert.match(TaskId, /^[a-z0-9-]{1,100}$/, "A ticket must have lower-case letters, digits and hyphens.");
}

/** Without the task's id a stock agent never gives back the isolation lock, until it is restarted. */
export function assertSoundStart(command: { TaskId: string | null; DurationToWaitForScriptToFinish?: number | null }): void {
  assert.ok(command.TaskId, "A StartScript must name its task.");
  assert.ok((command.DurationToWaitForScriptToFinish ?? 0) <= startWaitMsMax, `A StartScript may wait for ${startWaitMsMax} ms at most.`);
}
