// Guided failure: an action that failed becomes an interruption, and its answer says what becomes of the action.

import type { GuidedFailure } from "../../../engine/execution/execution.ts";
import { guidances } from "../../../engine/execution/execution.ts";
import { guidedChoicesFor } from "./interruption-rules.ts";
import type { Question } from "./interruption.ts";
import { findAnswer } from "./interruption-store.ts";

export function createGuidedFailure(ask: (tx: Parameters<GuidedFailure["ask"]>[0], question: Question) => Promise<void>): GuidedFailure {
  return {
    async ask(tx, { run, taskId, block, attempt, title, message, isRequired, hasTarget }) {
      if (run.task.spaceId === null) throw new Error(`The task ${taskId} belongs to no space, so nobody can be asked.`);
      await ask(tx, {
        spaceId: run.task.spaceId,
        taskId,
        block,
        attempt,
        type: "GuidedFailure",
        title,
        instructions: message,
        choices: guidedChoicesFor({ isRequired, hasTarget }),
        responsibleTeamIds: [],
        relatedDocumentIds: run.task.relatedDocumentIds,
      });
    },
    async find(tx, question) {
      const answer = await findAnswer(tx, question);
      return (
        answer && {
          guidance: guidances.find((one) => one === answer.result),
          answeredBy: answer.answeredBy?.displayName ?? "Somebody",
        }
      );
    },
  };
}
