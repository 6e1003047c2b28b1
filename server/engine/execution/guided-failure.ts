// The extension point by which a person decides what becomes of an action that failed: the engine asks, waits and does what was answered; who may
// answer, and how, is decided above.

import type { Transaction } from "../../platform/database/database.ts";
import type { TaskRun } from "../tasks/tasks.ts";

/** `Retry`: a further attempt. `Ignore`: as if it had succeeded. `Exclude`: nothing more runs on that machine. */
export const guidances = ["Fail", "Retry", "Ignore", "Exclude"] as const;
export type Guidance = (typeof guidances)[number];

/** Names the question: the block of the action in the log, and the attempt that failed. */
export interface FailedAttempt {
  taskId: string;
  block: string;
  attempt: number;
}

export interface GuidedFailure {
  /** Stores the question once, however often it is asked. Inside a guarded transaction. */
  ask(
    tx: Transaction,
    failed: FailedAttempt & { run: TaskRun; title: string; message: string; isRequired: boolean; hasTarget: boolean },
  ): Promise<void>;
  /** Undefined: not asked yet. */
  find(tx: Transaction, failed: FailedAttempt): Promise<{ guidance: Guidance | undefined; answeredBy: string } | undefined>;
}
