// Asks agents whether they are there and stores what came of it. A question changes nothing at the agent, so it may be asked again by
// any node.

import { capability } from "@cuttle/contract/agent/capabilities";
import { pause, monotonicMs } from "../../../base/clock.ts";
import { describeAgentAddress } from "../../../engine/agents/agents.ts";
import type { AgentAddress, Agents } from "../../../engine/agents/agents.ts";
import { askByScript } from "../../../engine/execution/execution.ts";
import type { LogEntry, TaskHandler, TaskRun } from "../../../engine/tasks/tasks.ts";
import { findMachineAddress, readAgentAddress, recordMachineHealth } from "../../infrastructure/infrastructure.ts";
import type { MachineAddress, MachineHealth } from "../../infrastructure/infrastructure.ts";
import { healthScript, readHealth } from "./health-script.ts";

/** A machine that cannot print a few lines in this time is not well. */
const scriptTimeoutMs = 60_000;
/** An agent that is just starting gets this long. */
const patienceMs = 10_000;
const retryMs = 500;
/** Machines of one task that are asked at the same time, so that those that are away do not hold up the others. */
const machinesAtOnceMax = 10;
const rootBlock = "task";

const categories = { Healthy: "Info", HasWarnings: "Warning", Unhealthy: "Error", Unavailable: "Error", Unknown: "Error" } as const;

export { healthArgumentsVersion } from "./health-arguments.ts";
export { healthSchedule } from "./health-schedule.ts";

export function createHealthTask(parts: { agents: Agents }): TaskHandler {
  return {
    name: "Health",
    async run(run) {
      const { arguments: given } = run.task;
      const named = typeof given === "object" && given !== null && !Array.isArray(given) ? given : {};
      // Ours says machineIds; a task that a client queued says MachineIds.
      const ids = named["machineIds"] ?? named["MachineIds"];
      if (!Array.isArray(ids) || ids.length === 0)
        return { state: "Failed", message: "The task names no machines. Name them in MachineIds." };
      await run.log.append([
        { kind: "block", id: rootBlock, parent: null, name: run.task.description, at: now() },
        status(rootBlock, "Running"),
      ]);
      let bad = 0;
      const waiting = ids.filter((id) => typeof id === "string");
      async function checkNext(): Promise<void> {
        for (let id = waiting.shift(); id !== undefined && !run.cancelRequested.aborted; id = waiting.shift())
          if (!(await checkMachine(id, run, parts.agents).catch(giveUp))) bad += 1;
      }
      function giveUp(error: unknown): never {
        waiting.length = 0;
        throw error;
      }
      const ended = await Promise.allSettled(Array.from({ length: machinesAtOnceMax }, checkNext));
      for (const one of ended) if (one.status === "rejected") throw one.reason;
      if (run.cancelRequested.aborted) return { state: "Canceled" };
      await run.log.append([status(rootBlock, bad === 0 ? "Success" : "Failed")]);
      return bad === 0
        ? { state: "Success" }
        : { state: "Failed", message: `${bad} of ${ids.length} machines are not healthy. The task log says which and why.` };
    },
  };
}

/** Asks one machine and stores what came of it. False: it is not well. One that is gone meanwhile is no fault. */
async function checkMachine(id: string, run: TaskRun, agents: Agents): Promise<boolean> {
  const machine = await run.guarded((tx) => findMachineAddress(tx, id));
  if (machine === undefined) return true;
  const { lines = [], ...health } = await examine(machine, run, agents);
  const isUsable = health.healthStatus === "Healthy" || health.healthStatus === "HasWarnings";
  const block = `machine-${machine.id}`;
  await run.log.append(
    [
      { kind: "block", id: block, parent: rootBlock, name: machine.name, at: now() },
      ...lines.map((text): LogEntry => ({ kind: "line", block, category: "Info", at: now(), text })),
      { kind: "line", block, category: categories[health.healthStatus], at: now(), text: health.statusSummary },
      status(block, isUsable ? "Success" : "Failed"),
    ],
    async (tx) => void (await recordMachineHealth(tx, machine.id, health)),
  );
  return isUsable;
}

/** What was found, and what the machine printed. */
type Examination = MachineHealth & { lines?: readonly string[] };

async function examine(machine: MachineAddress, run: TaskRun, agents: Agents): Promise<Examination> {
  const agent = readAgentAddress(machine);
  if (agent === undefined) return { healthStatus: "Unknown", statusSummary: "This machine has no agent that could be asked." };
  const at = describeAgentAddress(agent);
  const startedMs = monotonicMs();
  for (;;) {
    const answer = await agents.capabilities(agent, { beforeSend: async () => {}, lease: run.lease, signal: run.lost });
    if (answer.ok) {
      if (answer.reply.includes(capability.scriptServiceV2)) return await examineByScript(agent, run, agents);
      if (!answer.reply.includes(capability.scriptServiceV1))
        return { healthStatus: "Unhealthy", statusSummary: "The agent answered, but it offers no script service." };
      return {
        healthStatus: "HasWarnings",
        statusSummary:
          "The agent answered and can run scripts, but only over its first script service, which cannot tell what became of a script when the connection is lost. Upgrade it.",
      };
    }
    if (answer.failure === "untrusted") {
      return {
        healthStatus: "Unavailable",
        statusSummary: `Another certificate than the registered one is at ${at}. ${answer.message}`,
      };
    }
    if (run.cancelRequested.aborted || monotonicMs() - startedMs > patienceMs) {
      return { healthStatus: "Unavailable", statusSummary: `${at} could not be reached. ${answer.message}` };
    }
    if (!(await pause(retryMs, run.lost))) throw run.lost.reason;
  }
}

async function examineByScript(agent: AgentAddress, run: TaskRun, agents: Agents): Promise<Examination> {
  const script = { ...healthScript, taskId: run.task.id, timeoutMs: scriptTimeoutMs };
  const asked = await askByScript(agents, agent, script, run);
  if (!asked.ok) return { healthStatus: "Unhealthy", statusSummary: `The agent answered, but its script failed. ${asked.message}` };
  if (asked.reply === "late") {
    const statusSummary = `The agent answered, but a script of the health check did not end within ${scriptTimeoutMs / 1000} s and was cancelled.`;
    return { healthStatus: "Unhealthy", statusSummary };
  }
  return { ...readHealth(asked.reply.exitCode, asked.reply.lines), lines: asked.reply.lines };
}

function status(id: string, to: (LogEntry & { kind: "status" })["status"]): LogEntry {
  return { kind: "status", id, status: to, at: now() };
}

function now(): string {
  return new Date().toISOString();
}
