// Deployments from the API to the agents: a node that only answers requests, nodes with the production engine and planner that may die at
// any effect, and an agent that counts from outside what really ran.

import assert from "node:assert/strict";
import { createDeployTask, createStepTypes } from "../../server/features/runs/runs.ts";
import { closeAll } from "./close-all.ts";
import { eventually } from "./eventually.ts";
import { make, startApiNode } from "./api-node.ts";
import type { ApiNode, Json } from "./api-node.ts";
import { createMemoryLogFolder } from "./memory-log-folder.ts";
import type { MortalNode, StopPoint } from "./mortal-node.ts";
import { noPackages } from "./no-packages.ts";
import { startMortalNode } from "./mortal-node.ts";
import { createScriptedAgent } from "./scripted-agent.ts";
import type { ScriptedAgent } from "./scripted-agent.ts";

const quickLease = { leaseMs: 400, renewalMs: 100, selfStopMs: 300 };

export interface DeployStage {
  api: ApiNode;
  agent: ScriptedAgent;
  environment: Json;
  node(name: string, stopAt?: StopPoint): Promise<MortalNode>;
  /** Makes a project of these steps and deploys its first release, with `more` in the request; answers the task's id. */
  deploy(steps: readonly object[], more?: object): Promise<string>;
  task(taskId: string): Promise<Json>;
  /** The task once it has ended. */
  ended(taskId: string): Promise<Json>;
  /** The question of the task that waits for an answer, once there are as many. */
  questions(taskId: string, count?: number): Promise<Json[]>;
  answer(question: Json, result: string, notes?: string): Promise<void>;
  /** Texts of the task's log. */
  log(taskId: string): Promise<string>;
  /** Which scripts began and ended on which machines, in order: "start a machine-1". A script is named by its word after "run". */
  marks(): string[];
  close(): Promise<void>;
}

/** Machines are named machine-1, machine-2 … and have the target tag "web". */
export async function startDeployStage(
  options: { machines?: number; portalFolder?: string; lease?: typeof quickLease } = {},
): Promise<DeployStage> {
  const folder = createMemoryLogFolder();
  const api = await startApiNode(undefined, {
    logFolder: folder,
    ...(options.portalFolder === undefined ? {} : { portalFolder: options.portalFolder }),
  });
  await api.database.execute(`INSERT INTO cluster_settings (name, value) VALUES ('lease', $1)`, [
    JSON.stringify(options.lease ?? quickLease),
  ]);
  const agent = createScriptedAgent({ tombstones: true });
  const nodes: MortalNode[] = [];
  const environment = await make.environment(api, "Production");
  for (let n = 1; n <= (options.machines ?? 1); n++)
    await api.post("/api/machines", {
      Name: `machine-${n}`,
      EnvironmentIds: [environment.Id],
      Roles: ["web"],
      Endpoint: { CommunicationStyle: "TentaclePassive", Uri: `https://machine-${n}:10933/`, Thumbprint: "cd".repeat(20) },
    });
  let projects = 0;

  const stage: DeployStage = {
    api,
    agent,
    environment,
    async node(name, stopAt) {
      const node = await startMortalNode({
        name,
        connection: api.connection,
        folder,
        agents: agent,
        handler: (agents) =>
          createDeployTask({
            agents,
            stepTypes: createStepTypes({ packages: noPackages }),
            outputCipher: api.secrets,
            webUrl: api.url,
            readSecrets: async () => new Map(),
            prepareMasking: () => ({ createMasker: () => ({ push: (line) => [line], flush: () => [] }) }),
          }),
        ...(stopAt ? { stopAt } : {}),
      });
      nodes.push(node);
      return node;
    },
    async deploy(steps, more) {
      const project = await make.project(api, `Shop ${++projects}`);
      await api.put(`/api/projects/${project.Id}/deploymentprocesses`, { Steps: steps });
      const release = await make.release(api, project.Id, "1.0.0");
      return (await api.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id, ...more })).TaskId;
    },
    task: (taskId) => api.get(`/api/tasks/${taskId}`),
    ended: (taskId) =>
      eventually("the task ends", async () => {
        const task = await stage.task(taskId);
        return task.IsCompleted ? task : undefined;
      }),
    questions: (taskId, count = 1) =>
      eventually(`${count} questions wait for an answer`, async () => {
        const { Items } = await api.get(`/api/interruptions?regarding=${taskId}&pendingOnly=true`);
        return Items.length === count ? Items : undefined;
      }),
    async answer(question, result, notes) {
      await api.put(question.Links.Responsible);
      const answered = await api.post(question.Links.Submit, { Instructions: null, Notes: notes ?? null, Result: result });
      assert.equal(answered.IsPending, false);
    },
    log: async (taskId) => (await api.call("GET", `/api/tasks/${taskId}/raw`)).text,
    marks: () => agent.marks.map(({ what, body, machine }) => `${what} ${/run (\w+)/.exec(body)?.[1]} ${machine}`),
    async close() {
      await closeAll(...nodes.map((node) => () => node.close()), () => api.close());
    },
  };
  return stage;
}

/** A step that runs one script on all machines. */
export function scriptStep(word: string, more: { step?: object; properties?: object; action?: object } = {}): object {
  return {
    Name: word,
    ...more.step,
    Properties: { "Octopus.Action.TargetRoles": "web", ...more.properties },
    Actions: [scriptAction(word, more.action)],
  };
}

export function scriptAction(word: string, properties: object = {}): object {
  return {
    Name: word,
    ActionType: "Octopus.Script",
    Properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": `run ${word}`, ...properties },
  };
}

export function manualAction(name: string, properties: object = {}): object {
  return { Name: name, ActionType: "Octopus.Manual", Properties: { "Octopus.Action.Manual.Instructions": "Look at it", ...properties } };
}

export function manualStep(name: string, more: { step?: object; action?: object } = {}): object {
  return { Name: name, ...more.step, Properties: {}, Actions: [manualAction(name, more.action)] };
}
