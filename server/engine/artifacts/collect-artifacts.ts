// Fetches the files that a script announced as artifacts, once it has ended and before its agent is told to forget it. What was announced is
// a row that came with the announcing line; each file becomes its content in the guarded transaction that also says so in the log. So
// whatever dies, the next owner fetches exactly what is still due, and each artifact gets its content once.

import type { AgentAddress, Agents } from "../agents/agents.ts";
import type { LogCategory, TaskRun } from "../tasks/tasks.ts";
import type { Transaction } from "../../platform/database/database.ts";
import { isConnectionLoss } from "../../platform/database/database.ts";
import { ArtifactGone, ArtifactTooLarge, storeContent } from "./artifact-files.ts";
import type { ArtifactFilesParts } from "./artifact-files.ts";
import { listDue, markNotCollected } from "./artifact-store.ts";
import type { DueArtifact } from "./artifact-store.ts";

/** Largest artifact. More in one file wants another way than the log of a task. */
export const artifactBytesMax = 5 * 1024 ** 3;
/** Waiting before a file is asked for again. */
const retryMs = 1_000;

export interface Collection {
  run: TaskRun;
  stepRunId: number;
  agent: AgentAddress;
  machineName: string;
  /** An agent that cannot be reached for so long is given up. Milliseconds. */
  agentGoneMs: number;
  /** Says something in the log; `also` runs in the guarded transaction that makes it true. */
  say(category: LogCategory, text: string, also: (tx: Transaction) => Promise<void>): Promise<void>;
}

/** Returns when nothing is due any more. A file that cannot be had is said in the log and changes nothing about the script's result. */
export async function collectArtifacts(parts: ArtifactFilesParts & { agents: Agents }, collection: Collection): Promise<void> {
  const { run, say } = collection;
  for (const artifact of await run.guarded((tx) => listDue(tx, collection.stepRunId))) {
    if (run.cancelRequested.aborted) await giveUp(artifact, "the task was canceled");
    else await collect(artifact);
  }

  async function collect(artifact: DueArtifact): Promise<void> {
    const startedMs = run.clock.monotonicMs();
    for (;;) {
      const why = await fetch(artifact);
      if (why === undefined) return;
      if (run.cancelRequested.aborted) return await giveUp(artifact, "the task was canceled");
      if (why.final || run.clock.monotonicMs() - startedMs > collection.agentGoneMs) return await giveUp(artifact, why.message);
      await run.clock.pause(retryMs, AbortSignal.any([run.lost, run.cancelRequested]));
      if (run.lost.aborted) throw run.lost.reason;
    }
  }

  /** Undefined when it was done; else why not, and whether trying again is of no use. */
  async function fetch(artifact: DueArtifact): Promise<{ message: string; final: boolean } | undefined> {
    const answer = await parts.agents.downloadFile(collection.agent, artifact.machinePath, {
      beforeSend: run.checkLease,
      lease: run.lease,
      signal: run.lost,
    });
    if (!answer.ok) {
      return { message: answer.message, final: answer.failure !== "offline" && answer.failure !== "interrupted" };
    }
    const file = answer.reply;
    if (file === null) return { message: `there is no file ${artifact.machinePath}`, final: true };
    try {
      if (file.length > artifactBytesMax) throw new ArtifactTooLarge(`it has ${file.length} bytes, and ${artifactBytesMax} are the limit`);
      await storeContent(parts, artifact.id, file.open(), artifactBytesMax, (work) =>
        say(
          "Verbose",
          `Collected the artifact ${artifact.filename} (${file.length} bytes) from ${collection.machineName}.`,
          async (tx) => void (await work(tx)),
        ),
      );
      return undefined;
    } catch (error) {
      if (run.lost.aborted) throw run.lost.reason;
      // Somebody deleted it before it came.
      if (error instanceof ArtifactGone) return undefined;
      return { message: error instanceof Error ? error.message : String(error), final: !isConnectionLoss(error) };
    } finally {
      await file.dispose?.();
    }
  }

  async function giveUp(artifact: DueArtifact, why: string): Promise<void> {
    await say("Warning", `The artifact ${artifact.filename} was not collected from ${collection.machineName}: ${why}.`, (tx) =>
      markNotCollected(tx, artifact.id),
    );
  }
}
