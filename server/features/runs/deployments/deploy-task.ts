// Runs a deployment: makes the plan from the frozen snapshot once, stores it, and follows the stored one. After a takeover the plan
// is there already and is followed from where the step runs stand.

import type { Agents } from "../../../engine/agents/agents.ts";
import type { LineMasker, OutputCipher } from "../../../engine/execution/execution.ts";
import { decodePlan, encodePlan, rootBlock, runPlan } from "../../../engine/execution/execution.ts";
import type { Plan, ServiceMessageHandler, StepType } from "../../../engine/execution/execution.ts";
import type { TaskHandler, TaskOutcome, TaskRun } from "../../../engine/tasks/tasks.ts";
import { deployOnwards } from "./automatic-deployments.ts";
import { guidedFailure } from "../interruptions/interruptions.ts";
import type { BuiltInChoice } from "./choose-worker.ts";
import { loadDeploymentSnapshot } from "./deployment-snapshot.ts";
import { planDeployment } from "./plan-deployment.ts";

export interface DeployTaskParts {
  agents: Agents;
  stepTypes: readonly StepType[];
  outputCipher: OutputCipher;
  /** For service messages of scripts that other parts of the server act on. */
  messageHandlers?: readonly ServiceMessageHandler[];
  webUrl: string;
  readSecrets: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  prepareMasking: (secrets: readonly string[]) => { createMasker(): LineMasker };
  /** What runs scripts on the server itself. */
  builtInWorker?: { find(): Promise<BuiltInChoice> };
}

/** Version of the arguments that create-deployment stores with the task. */
const argumentsVersionKnown = 1;

export function createDeployTask(parts: DeployTaskParts): TaskHandler {
  return {
    name: "Deploy",
    async run(run) {
      const stored = run.task.plan === null ? await makePlan(run, parts) : { ok: true as const, plan: decodePlan(run.task.plan) };
      if (!stored.ok) return refuse(run, stored.faults);
      const outcome = await runPlan(stored.plan, run, { ...parts, guidedFailure });
      if (outcome.state !== "Success") return outcome;
      const unanswered = await run.guarded((tx) => deployOnwards(tx, deploymentIdOf(run)));
      const at = new Date().toISOString();
      if (unanswered.length > 0)
        await run.log.append(
          unanswered.map((text) => ({ kind: "line" as const, block: rootBlock, category: "Warning" as const, at, text })),
        );
      return outcome;
    },
  };
}

async function makePlan(
  run: TaskRun,
  parts: Pick<DeployTaskParts, "stepTypes" | "webUrl" | "builtInWorker">,
): Promise<{ ok: true; plan: Plan } | { ok: false; faults: readonly string[] }> {
  const { argumentsVersion, id } = run.task;
  if (argumentsVersion !== argumentsVersionKnown) {
    return {
      ok: false,
      faults: [
        `The arguments of ${id} have version ${argumentsVersion}; this node reads up to ${argumentsVersionKnown}. A newer node must run it.`,
      ],
    };
  }
  const deploymentId = deploymentIdOf(run);
  const plan = (builtIn?: BuiltInChoice) =>
    run.guarded(async (tx) => {
      const snapshot = await loadDeploymentSnapshot(tx, deploymentId);
      if (snapshot === undefined) return { ok: false, faults: [`The deployment ${deploymentId} was deleted before it ran.`] } as const;
      const { stepTypes, webUrl } = parts;
      const result = planDeployment(snapshot, { taskId: id, nowMs: Date.now(), stepTypes, webUrl, ...(builtIn && { builtIn }) });
      if (result === "needsBuiltInWorker" || !result.ok) return result;
      return { ok: true, plan: decodePlan(await run.storePlan(tx, encodePlan(result.plan))) } as const;
    });
  const planned = await plan();
  if (planned !== "needsBuiltInWorker") return planned;
  // It may have to be started first, which no transaction waits for.
  const again = await plan((await parts.builtInWorker?.find()) ?? { refusal: "this server runs none" });
  if (again === "needsBuiltInWorker") throw new Error("A plan asked for the built-in worker twice.");
  return again;
}

function deploymentIdOf({ task }: TaskRun): string {
  const given = task.arguments;
  const deploymentId = typeof given === "object" && given !== null && !Array.isArray(given) ? given["deploymentId"] : undefined;
  if (typeof deploymentId !== "string") throw new Error(`The task ${task.id} names no deployment.`);
  return deploymentId;
}

/** Nothing can be run: the task log says why, one line for each fault. */
async function refuse(run: TaskRun, faults: readonly string[]): Promise<TaskOutcome> {
  const at = new Date().toISOString();
  await run.log.append([
    { kind: "block", id: rootBlock, parent: null, name: run.task.description, at },
    ...faults.map((text) => ({ kind: "line" as const, block: rootBlock, category: "Fatal" as const, at, text })),
    { kind: "status", id: rootBlock, status: "Failed", at },
  ]);
  return { state: "Failed", message: faults.join(" ") };
}
