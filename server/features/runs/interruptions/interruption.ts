// What a task asks a person, as the rest of the area hands it over.

import type { InterruptionType } from "./interruption-rules.ts";

export interface Question {
  spaceId: string;
  taskId: string;
  /** Of the task's log; with `attempt` it names the question, which a takeover asks again without harm. */
  block: string;
  attempt: number;
  type: InterruptionType;
  title: string;
  instructions: string;
  choices: readonly string[];
  responsibleTeamIds: readonly string[];
  relatedDocumentIds: readonly string[];
}
