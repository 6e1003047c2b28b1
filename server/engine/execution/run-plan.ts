// Walks a stored plan: steps in order, the targets of a step in parallel up to its limit. Everything already done is passed over by
// its row, so the walk after a takeover is this same walk.

import { randomUUID } from "node:crypto";
import type { Agents } from "../agents/agents.ts";
import type { LogEntry, TaskOutcome, TaskRun } from "../tasks/tasks.ts";
import type { Plan, PlannedStep, PlannedTarget, PlannedVariable } from "./plan.ts";
import type { LineMasker, ScriptResult } from "./run-script.ts";
import { runScript } from "./run-script.ts";
import type { ScriptVariable } from "./script-body.ts";
import { composeBashScript, scriptBytesMax } from "./script-body.ts";
import { intendStepRuns, listBegunSteps } from "./step-run-store.ts";

export interface PlanParts {
  agents: Agents;
  /** The secret's text. Fails when it cannot be decrypted. */
  readSecret: (secretId: string) => Promise<string>;
  createMasker: (secrets: readonly string[]) => LineMasker;
  agentGoneMs?: number;
  cancelGraceMs?: number;
}

/** An agent that is restarted, or a network that comes back within this, costs nothing. */
const agentGoneMsDefault = 2 * 60_000;
/** As long as people expect a script to need for ending. */
const cancelGraceMsDefault = 2 * 60_000;
/** A user-visible retry would be attempt 2; there is none yet. */
const firstAttempt = 1;

export const rootBlock = "task";

export async function runPlan(plan: Plan, run: TaskRun, parts: PlanParts): Promise<TaskOutcome> {
  await run.log.append([{ kind: "block", id: rootBlock, parent: null, name: plan.title, at: now() }, status(rootBlock, "Running")]);
  const begun = run.task.epoch === 1 ? new Set<string>() : await run.guarded((tx) => listBegunSteps(tx, run.task.id));
  const failures: string[] = [];
  for (const step of plan.steps) {
    const block = stepBlock(step);
    const passOver = run.cancelRequested.aborted || !wanted(step, failures.length > 0);
    if (passOver && !begun.has(step.id)) {
      await run.log.append([opened(step, block), status(block, run.cancelRequested.aborted ? "Canceled" : "Skipped")]);
      continue;
    }
    const failure = await runStep(plan, step, block, run, parts);
    if (failure !== undefined) failures.push(failure);
  }
  if (run.cancelRequested.aborted) {
    await run.log.append([status(rootBlock, "Canceled")]);
    return { state: "Canceled" };
  }
  if (failures.length > 0) {
    const message = failures.join(" ");
    await run.log.append([{ kind: "line", block: rootBlock, category: "Fatal", at: now(), text: message }, status(rootBlock, "Failed")]);
    return { state: "Failed", message };
  }
  await run.log.append([status(rootBlock, "Success")]);
  return { state: "Success" };
}

function wanted(step: PlannedStep, failed: boolean): boolean {
  return step.condition === "Always" || (step.condition === "Success") === !failed;
}

/** Runs one step on all its targets. Answers what went wrong, in one sentence, or undefined. */
async function runStep(plan: Plan, step: PlannedStep, block: string, run: TaskRun, parts: PlanParts): Promise<string | undefined> {
  const entries: LogEntry[] = [opened(step, block), status(block, "Running")];
  if (step.targets.length === 0) {
    entries.push({
      kind: "line",
      block,
      category: "Warning",
      at: now(),
      text: "No deployment target of this environment has a role of this step; it was skipped.",
    });
    entries.push(status(block, "Skipped"));
    await run.log.append(entries);
    return undefined;
  }

  // The intent of the whole step is stored before the first script goes out.
  const rows = await run.guarded((tx) =>
    intendStepRuns(tx, {
      taskId: run.task.id,
      step: step.id,
      epoch: run.task.epoch,
      attempt: firstAttempt,
      runs: step.targets.map((target) => ({ machineId: target.machineId, ticket: randomUUID() })),
    }),
  );
  const rowOf = new Map(rows.map((row) => [row.machineId, row]));
  if (rows.some((row) => row.state !== "done")) await run.log.append(entries);

  const secrets = await secretsOf(plan, step, parts);
  const results: ScriptResult[] = [];
  await inParallel(step.targets, step.parallelMax, async (target) => {
    const row = rowOf.get(target.machineId);
    if (row === undefined) throw new Error(`Step ${step.id} has no row for ${target.machineId}.`);
    const targetBlock = `${block}/${target.machineId}`;
    if (row.state !== "done") {
      await run.log.append([
        { kind: "block", id: targetBlock, parent: block, name: target.name, at: now() },
        status(targetBlock, "Running"),
      ]);
    }
    results.push(
      await runScript(
        run,
        row,
        {
          taskId: run.task.id,
          block: targetBlock,
          machineName: target.name,
          agent: target.agent,
          body: async () => bodyFor(plan, step, target, secrets),
          isolation: step.isolation,
          masker: parts.createMasker([...secrets.values()]),
        },
        {
          agents: parts.agents,
          agentGoneMs: parts.agentGoneMs ?? agentGoneMsDefault,
          cancelGraceMs: parts.cancelGraceMs ?? cancelGraceMsDefault,
        },
      ),
    );
  });

  const bad = results.filter((result) => result.outcome !== "succeeded");
  const outcome = bad.length === 0 ? "Success" : bad.some((result) => result.outcome !== "canceled") ? "Failed" : "Canceled";
  await run.log.append([status(block, outcome)]);
  if (outcome !== "Failed") return undefined;
  const messages = bad.map((result) => result.message).filter((message) => message !== null);
  return `Step ${step.number} (${step.name}) failed. ${messages.slice(0, 3).join(" ")}${messages.length > 3 ? ` And ${messages.length - 3} more.` : ""}`;
}

async function secretsOf(plan: Plan, step: PlannedStep, parts: PlanParts): Promise<Map<string, string>> {
  const ids = [...plan.variables, ...step.variables].flatMap((variable) => ("secretId" in variable ? [variable.secretId] : []));
  return new Map(await Promise.all([...new Set(ids)].map(async (id) => [id, await parts.readSecret(id)] as const)));
}

function bodyFor(plan: Plan, step: PlannedStep, target: PlannedTarget, secrets: ReadonlyMap<string, string>): string {
  const wantedVariables: PlannedVariable[] = [
    ...plan.variables,
    ...step.variables,
    { name: "Octopus.Machine.Id", value: target.machineId },
    { name: "Octopus.Machine.Name", value: target.name },
  ];
  // A later one of the same name wins.
  const byName = new Map<string, ScriptVariable>();
  for (const variable of wantedVariables) {
    const value = "secretId" in variable ? secrets.get(variable.secretId) : variable.value;
    if (value === undefined) throw new Error(`The secret of the variable ${variable.name} was not read.`);
    byName.set(variable.name.toLowerCase(), { name: variable.name, value });
  }
  const body = composeBashScript([...byName.values()], step.script.body);
  if (Buffer.byteLength(body) > scriptBytesMax) {
    throw new Error(`The script of step ${step.number} (${step.name}) with its variables is larger than ${scriptBytesMax} bytes.`);
  }
  return body;
}

/** Runs `work` for each item, at most `max` at once. Waits for all that began, then throws the first error. */
async function inParallel<T>(items: readonly T[], max: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let failed: { error: unknown } | undefined;
  async function worker(): Promise<void> {
    for (const item of waiting) {
      if (failed !== undefined) return;
      try {
        await work(item);
      } catch (error) {
        failed ??= { error };
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(max, items.length)) }, worker));
  if (failed !== undefined) throw failed.error;
}

function stepBlock(step: PlannedStep): string {
  return `step-${step.id}`;
}

function opened(step: PlannedStep, block: string): LogEntry {
  return { kind: "block", id: block, parent: rootBlock, name: `Step ${step.number}: ${step.name}`, at: now() };
}

function status(id: string, to: (LogEntry & { kind: "status" })["status"]): LogEntry {
  return { kind: "status", id, status: to, at: now() };
}

/** Shown to people only; nothing is decided by it. */
function now(): string {
  return new Date().toISOString();
}
