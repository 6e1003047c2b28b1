// Asks agents whether they are there and stores what came of it. A question changes nothing at the agent, so it may be asked again by
// any node.

import { capability } from "@cuttle/contract/agent/capabilities";
import { pause, monotonicMs } from "../../../base/clock.ts";
import { describeAgentAddress } from "../../../engine/agents/agents.ts";
import type { Agents } from "../../../engine/agents/agents.ts";
import type { LogEntry, TaskHandler, TaskRun } from "../../../engine/tasks/tasks.ts";
import { findMachineAddress, readAgentAddress, recordMachineHealth } from "../../infrastructure/infrastructure.ts";
import type { MachineAddress, MachineHealth } from "../../infrastructure/infrastructure.ts";

/** Version of the arguments `{ machineIds }` this program writes and reads. */
export const healthArgumentsVersion = 1;
/** An agent that is just starting gets this long. */
const patienceMs = 10_000;
const retryMs = 500;
const rootBlock = "task";

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
      for (const id of ids) {
        if (run.cancelRequested.aborted) return { state: "Canceled" };
        if (typeof id !== "string") continue;
        const machine = await run.guarded((tx) => findMachineAddress(tx, id));
        if (machine === undefined) continue;
        const health = await examine(machine, run, parts.agents);
        if (health.healthStatus !== "Healthy") bad += 1;
        const block = `machine-${machine.id}`;
        await run.log.append(
          [
            { kind: "block", id: block, parent: rootBlock, name: machine.name, at: now() },
            { kind: "line", block, category: health.healthStatus === "Healthy" ? "Info" : "Error", at: now(), text: health.statusSummary },
            status(block, health.healthStatus === "Healthy" ? "Success" : "Failed"),
          ],
          async (tx) => void (await recordMachineHealth(tx, machine.id, health)),
        );
      }
      await run.log.append([status(rootBlock, bad === 0 ? "Success" : "Failed")]);
      return bad === 0
        ? { state: "Success" }
        : { state: "Failed", message: `${bad} of ${ids.length} machines are not healthy. The task log says which and why.` };
    },
  };
}

async function examine(machine: MachineAddress, run: TaskRun, agents: Agents): Promise<MachineHealth> {
  const agent = readAgentAddress(machine);
  if (agent === undefined) return { healthStatus: "Unknown", statusSummary: "This machine has no agent that could be asked." };
  const at = describeAgentAddress(agent);
  const startedMs = monotonicMs();
  for (;;) {
    const answer = await agents.capabilities(agent, { beforeSend: async () => {}, signal: run.lost });
    if (answer.ok) {
      if (answer.reply.includes(capability.scriptServiceV2))
        return { healthStatus: "Healthy", statusSummary: "The agent answered and can run scripts." };
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

function status(id: string, to: (LogEntry & { kind: "status" })["status"]): LogEntry {
  return { kind: "status", id, status: to, at: now() };
}

function now(): string {
  return new Date().toISOString();
}
