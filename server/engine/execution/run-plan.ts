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
import type { ScriptForAgents } from "./powershell-body.ts";
import { composePowerShellScript, refusalOfBash, runPowerShellFromBash } from "./powershell-body.ts";
import type { StepRun } from "./step-run-store.ts";
import { intendStepRuns, listStepRuns } from "./step-run-store.ts";

export interface PlanParts {
  agents: Agents;
  /** The secret's text. Fails when it cannot be decrypted. */
  readSecret: (secretId: string) => Promise<string>;
  /** Prepares the masking of these values once; each script's output gets a masker of its own. */
  prepareMasking: (secrets: readonly string[]) => { createMasker(): LineMasker };
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
  const known = run.task.epoch === 1 ? [] : await run.guarded((tx) => listStepRuns(tx, run.task.id));
  // Goes out with the first step's lines; nobody waits for it.
  let opening: LogEntry[] = [{ kind: "block", id: rootBlock, parent: null, name: plan.title, at: now() }, status(rootBlock, "Running")];
  const failures: string[] = [];
  for (const step of plan.steps) {
    const before = known.filter((row) => row.step === step.id);
    const passOver = run.cancelRequested.aborted || !wanted(step, failures.length > 0);
    // What was begun must be brought to its end even in a task that is being cancelled.
    if (passOver && before.length === 0) {
      const to = run.cancelRequested.aborted ? "Canceled" : "Skipped";
      await run.log.append([...opening, opened(step), status(stepBlock(step), to)]);
    } else {
      const failure = await runStep(plan, step, { opening, before }, run, parts);
      if (failure !== undefined) failures.push(failure);
    }
    opening = [];
  }
  if (run.cancelRequested.aborted) {
    await run.log.append([...opening, status(rootBlock, "Canceled")]);
    return { state: "Canceled" };
  }
  if (failures.length > 0) {
    const message = failures.join(" ");
    await run.log.append([{ kind: "line", block: rootBlock, category: "Fatal", at: now(), text: message }, status(rootBlock, "Failed")]);
    return { state: "Failed", message };
  }
  await run.log.append([...opening, status(rootBlock, "Success")]);
  return { state: "Success" };
}

function wanted(step: PlannedStep, failed: boolean): boolean {
  return step.condition === "Always" || (step.condition === "Success") === !failed;
}

/**
 * Runs one step on all its targets; `opening` is said first, `before` is what a former owner began. Answers what went wrong, in one
 * sentence, or undefined.
 */
async function runStep(
  plan: Plan,
  step: PlannedStep,
  from: { opening: readonly LogEntry[]; before: readonly StepRun[] },
  run: TaskRun,
  parts: PlanParts,
): Promise<string | undefined> {
  const block = stepBlock(step);
  if (step.targets.length === 0) {
    const text = "No deployment target of this environment has a role of this step; it was skipped.";
    const line: LogEntry = { kind: "line", block, category: "Warning", at: now(), text };
    await run.log.append([...from.opening, opened(step), line, status(block, "Skipped")]);
    return undefined;
  }

  const done = new Set(from.before.filter((row) => row.state === "done").map((row) => row.machineId));
  const entries: LogEntry[] = [...from.opening];
  if (done.size < step.targets.length) entries.push(opened(step), status(block, "Running"));
  for (const target of step.targets) {
    if (done.has(target.machineId)) continue;
    const id = targetBlock(step, target);
    entries.push({ kind: "block", id, parent: block, name: target.name, at: now() }, status(id, "Running"));
  }
  // The intent of the whole step is stored, with the lines that announce it, before the first script goes out.
  let rows: StepRun[] = [];
  await run.log.append(entries, async (tx) => {
    rows = await intendStepRuns(tx, {
      taskId: run.task.id,
      step: step.id,
      epoch: run.task.epoch,
      attempt: firstAttempt,
      runs: step.targets.map((target) => ({ machineId: target.machineId, ticket: randomUUID() })),
    });
  });
  const rowOf = new Map(rows.map((row) => [row.machineId, row]));

  const secrets = await secretsOf(plan, step, parts);
  const masking = parts.prepareMasking([...secrets.values()]);
  const results: ScriptResult[] = [];
  await inParallel(step.targets, step.parallelMax, async (target) => {
    const row = rowOf.get(target.machineId);
    if (row === undefined) throw new Error(`Step ${step.id} has no row for ${target.machineId}.`);
    const result = await runScript(
      run,
      row,
      {
        taskId: run.task.id,
        block: targetBlock(step, target),
        machineName: target.name,
        agent: target.agent,
        body: async () => bodyFor(plan, step, target, secrets),
        isolation: step.isolation,
        masker: masking.createMasker(),
      },
      {
        agents: parts.agents,
        agentGoneMs: parts.agentGoneMs ?? agentGoneMsDefault,
        cancelGraceMs: parts.cancelGraceMs ?? cancelGraceMsDefault,
      },
    );
    results.push(result);
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

function bodyFor(plan: Plan, step: PlannedStep, target: PlannedTarget, secrets: ReadonlyMap<string, string>): ScriptForAgents {
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
  const variables = [...byName.values()];
  const isBash = step.script.syntax === "Bash";
  const body = isBash ? composeBashScript(variables, step.script.body) : composePowerShellScript(variables, step.script.body);
  if (Buffer.byteLength(body) > scriptBytesMax) {
    throw new Error(`The script of step ${step.number} (${step.name}) with its variables is larger than ${scriptBytesMax} bytes.`);
  }
  return isBash ? { bash: body, powerShell: refusalOfBash } : { bash: runPowerShellFromBash(body), powerShell: body };
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

function targetBlock(step: PlannedStep, target: PlannedTarget): string {
  return `${stepBlock(step)}/${target.machineId}`;
}

function opened(step: PlannedStep): LogEntry {
  return { kind: "block", id: stepBlock(step), parent: rootBlock, name: `Step ${step.number}: ${step.name}`, at: now() };
}

function status(id: string, to: (LogEntry & { kind: "status" })["status"]): LogEntry {
  return { kind: "status", id, status: to, at: now() };
}

/** Shown to people only; nothing is decided by it. */
function now(): string {
  return new Date().toISOString();
}
