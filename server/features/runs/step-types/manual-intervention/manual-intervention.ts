// The step type Octopus.Manual: asks a person and goes on only with the answer. The question is a row; while it has no answer the task waits for
// it without a node, and nothing that stands after the step is started.

import type { ActionContext, ActionOutcome, OutputValue, StepType } from "../../../../engine/execution/execution.ts";
import type { AnsweredBy } from "../../interruptions/interruptions.ts";
import { askPerson, findAnswer, manualChoices } from "../../interruptions/interruptions.ts";

const property = {
  instructions: "Octopus.Action.Manual.Instructions",
  teams: "Octopus.Action.Manual.ResponsibleTeamIds",
  blocks: "Octopus.Action.Manual.BlockConcurrentDeployments",
} as const;
/** Names of the effects as their rows have them. */
const part = { ask: "ask", take: "answer" } as const;

export const manualInterventionStepType: StepType = {
  name: "Octopus.Manual",
  runs: "once",
  isRepeatable: false,

  check({ name, properties }) {
    const instructions = properties[property.instructions];
    return instructions === undefined || instructions === ""
      ? [`Step '${name}' says nothing to the person it asks. Give it instructions (${property.instructions}).`]
      : [];
  },

  async run(context: ActionContext): Promise<ActionOutcome> {
    const { run } = context;
    const { spaceId } = run.task;
    if (spaceId === null) throw new Error(`The task ${run.task.id} belongs to no space, so nobody can be asked.`);
    const question = { taskId: run.task.id, block: context.block, attempt: 1 };
    const asked = await context.runEffect({
      part: part.ask,
      work: async () => {
        await context.log("Wait", "Waiting for a person to answer: Proceed or Abort.");
        return { outcome: "succeeded", exitCode: null, message: null };
      },
      also: (tx) =>
        askPerson(tx, {
          ...question,
          spaceId,
          type: "ManualIntervention",
          title: `Step ${context.step.number}: ${context.action.name}${context.target === undefined ? "" : ` on ${context.target.name}`}`,
          instructions: context.evaluate(property.instructions) ?? "",
          choices: manualChoices,
          responsibleTeamIds: namesIn(context.evaluate(property.teams)),
          relatedDocumentIds: run.task.relatedDocumentIds,
        }),
    });
    if (asked.outcome !== "succeeded") return { outcome: "canceled", message: asked.message ?? "Canceled before anybody was asked." };

    const answer = await run.guarded((tx) => findAnswer(tx, question));
    const answeredBy = answer?.answeredBy;
    if (answer === undefined || answer.result === null || !answeredBy) {
      if (run.cancelRequested.aborted) return { outcome: "canceled", message: "Canceled while it waited for an answer." };
      return {
        outcome: "waiting",
        isStill: async (tx) => (await findAnswer(tx, question))?.result === null,
        letsOthersPass: context.evaluate(property.blocks)?.trim().toLowerCase() !== "true",
      };
    }
    const taken = await context.runEffect({
      part: part.take,
      work: async () => {
        await context.log(
          "Info",
          `${answeredBy.displayName} answered with ${answer.result}.${answer.notes === null ? "" : ` ${answer.notes}`}`,
        );
        const isApproved = answer.result === "Proceed";
        return {
          outcome: isApproved ? "succeeded" : "failed",
          exitCode: null,
          message: isApproved ? null : `${answeredBy.displayName} answered with ${answer.result}.`,
          outputs: outputsOf({ isApproved, notes: answer.notes, answeredBy }),
        };
      },
    });
    return taken.outcome === "succeeded"
      ? { outcome: "succeeded" }
      : { outcome: taken.outcome, message: taken.message ?? "The answer could not be taken." };
  },
};

/** What later steps may ask for, as `Octopus.Action[name].Output.Manual.Notes` and so on. */
function outputsOf(answer: { isApproved: boolean; notes: string | null; answeredBy: AnsweredBy }): OutputValue[] {
  const { answeredBy } = answer;
  return Object.entries({
    "Manual.Notes": answer.notes ?? "",
    "Manual.Approved": answer.isApproved ? "True" : "False",
    "Manual.ResponsibleUser.Id": answeredBy.id ?? "",
    "Manual.ResponsibleUser.Username": answeredBy.username,
    "Manual.ResponsibleUser.DisplayName": answeredBy.displayName,
    "Manual.ResponsibleUser.EmailAddress": answeredBy.emailAddress,
  }).map(([name, value]) => ({ name, value, sensitive: false }));
}

function namesIn(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}
