// The world of the golden deployments: real nodes, real agents and the REST API, and a file of marks that the deployed scripts write in the
// order in which they run, which is the outside observer. It says nothing of what a deployment should do; that is each golden's matter.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { create } from "tar";
import { createClusterApi } from "./cluster-api.ts";
import type { ClusterApi, Document } from "./cluster-api.ts";
import { clusterApiKey, createCluster } from "./cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "./cluster.ts";
import { eventually } from "./eventually.ts";

/** A variable; the scope by names of environments, machines, roles, steps. */
export interface GoldenVariable {
  name: string;
  value: string;
  sensitive?: boolean;
  environment?: string;
  machine?: string;
  role?: string;
  step?: string;
  /** The question that is asked when a deployment is created. */
  prompt?: { label: string; required?: boolean };
}

export interface GoldenAction {
  name: string;
  type?: string;
  /** Bash; `mark` is there, and what the server gives. */
  script?: string;
  properties?: { [name: string]: string };
  packages?: { name?: string; id: string }[];
  environments?: string[];
  disabled?: boolean;
  /** Id of the pool whose worker runs it. */
  workerPool?: string;
}

export interface GoldenStep extends GoldenAction {
  role?: string;
  condition?: "Success" | "Failure" | "Always" | "Variable";
  trigger?: "StartWithPrevious";
  stepProperties?: { [name: string]: string };
  /** Instead of one action of the step's own. */
  actions?: GoldenAction[];
}

export interface Golden {
  name: string;
  steps: GoldenStep[];
  variables?: GoldenVariable[];
}

export interface GoldenProject {
  id: string;
  /** Makes a release of what the project holds now; `packages` by id. */
  release(version: string, packages?: { [id: string]: string }): Promise<void>;
  /** Replaces the process. */
  change(golden: Pick<Golden, "steps" | "variables">): Promise<void>;
  deploy(version: string, environment: string, more?: object): Promise<Deployed>;
}

/** A deployment under way. */
export interface Deployed {
  id: string;
  taskId: string;
  /** The marks so far, in order. */
  marks(): string[];
  /** Resolves when this mark is there. */
  marked(text: string): Promise<void>;
  /** The task when it has ended. */
  ended(): Promise<Document>;
  /** The raw log. */
  log(): Promise<string>;
  /** The node that runs it now. */
  owner(): Promise<ServerProcess>;
}

export interface World {
  readonly cluster: Cluster;
  readonly api: ClusterApi;
  readonly nodes: readonly ServerProcess[];
  /** By name: web-1, web-2 (both listening, role web; web-1 is also first), db-1 (polling, role db). */
  readonly agents: { readonly [name: string]: AgentProcess };
  readonly machineIds: { readonly [name: string]: string };
  readonly environmentIds: { readonly [name: string]: string };
  project(golden: Golden): Promise<GoldenProject>;
  /** One that was not asked for by `deploy`. */
  deployment(id: string, taskId: string): Deployed;
  /** Packs files (path to content) as a tar.gz and pushes it. */
  push(id: string, version: string, files: { [file: string]: string }): Promise<void>;
  close(): Promise<void>;
}

const space = "/api/Spaces-1";
const endMsMax = 120_000;
export const environments = ["Test", "Production"] as const;

export async function createWorld(parts: { nodes: number }): Promise<World> {
  const cluster = await createCluster();
  try {
    return await createWorldIn(cluster, parts);
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

async function createWorldIn(cluster: Cluster, parts: { nodes: number }): Promise<World> {
  const marksFolder = path.join(cluster.root, "marks");
  mkdirSync(marksFolder, { mode: 0o777 });
  const nodes: ServerProcess[] = [];
  const postgres = parts.nodes > 1 ? await cluster.postgres() : undefined;
  const connectionString = postgres === undefined ? undefined : (await postgres.start()).connectionString;
  for (let n = 1; n <= parts.nodes; n++) {
    const first = nodes[0];
    const node = await cluster.server({
      name: `node-${n}`,
      ...(connectionString === undefined ? {} : { connectionString }),
      ...(first === undefined ? {} : { masterKey: await cluster.masterKeyOf(first) }),
    });
    await node.start();
    nodes.push(node);
  }
  const api = createClusterApi(() => nodes.filter((node) => node.isRunning()).map((node) => node.ready.url));
  const trust = nodes[0]!.ready.thumbprint;
  const agents: { [name: string]: AgentProcess } = {
    "web-1": await cluster.agent({ name: "web-1", trust }),
    "web-2": await cluster.agent({ name: "web-2", trust }),
    "db-1": await cluster.agent({
      name: "db-1",
      trust,
      poll: { port: nodes.map((node) => node.ready.commsPort), subscription: "poll://db1/" },
    }),
  };
  await Promise.all(Object.values(agents).map((agent) => agent.start()));

  const environmentIds: { [name: string]: string } = {};
  for (const name of environments) environmentIds[name] = (await api.create(`${space}/environments`, { Name: name })).Id;
  const machineIds: { [name: string]: string } = {};
  const roles: { [name: string]: string[] } = { "web-1": ["web", "first"], "web-2": ["web"], "db-1": ["db"] };
  for (const [name, agent] of Object.entries(agents)) {
    const { thumbprint } = agent.ready;
    const Endpoint =
      name === "db-1"
        ? { CommunicationStyle: "TentacleActive", Uri: "poll://db1/", Thumbprint: thumbprint }
        : { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${agent.port}/`, Thumbprint: thumbprint };
    const body = { Name: name, EnvironmentIds: Object.values(environmentIds), Roles: roles[name], Endpoint };
    machineIds[name] = (await api.create(`${space}/machines`, body)).Id;
  }
  const [group] = (await api.get(`${space}/projectgroups`)).Items;
  const [lifecycle] = (await api.get(`${space}/lifecycles`)).Items;

  /** What each script begins with: a mark is one line of one write, so that those of several machines stay whole and in order. */
  const marking = `mark() { printf '%s\\n' "$*" >>"${marksFolder}/$(get_octopusvariable Octopus.Deployment.Id)"; }\n`;

  const actionOf = (action: GoldenAction): object => ({
    Id: "",
    Name: action.name,
    ActionType: action.type ?? "Octopus.Script",
    IsDisabled: action.disabled ?? false,
    ...(action.workerPool === undefined ? {} : { WorkerPoolId: action.workerPool }),
    Environments: (action.environments ?? []).map((name) => environmentIds[name]),
    Packages: (action.packages ?? []).map(({ name = "", id }) => ({
      Id: "",
      Name: name,
      PackageId: id,
      FeedId: "feeds-builtin",
      AcquisitionLocation: "Server",
      Properties: name === "" ? {} : { Extract: "True", SelectionMode: "immediate" },
    })),
    Properties: {
      ...(action.script === undefined
        ? {}
        : {
            "Octopus.Action.Script.ScriptSource": "Inline",
            "Octopus.Action.Script.Syntax": "Bash",
            "Octopus.Action.Script.ScriptBody": marking + action.script,
          }),
      ...action.properties,
    },
  });

  const stepOf = (step: GoldenStep): object => ({
    Id: "",
    Name: step.name,
    Condition: step.condition ?? "Success",
    StartTrigger: step.trigger ?? "StartAfterPrevious",
    Properties: { ...(step.role === undefined ? {} : { "Octopus.Action.TargetRoles": step.role }), ...step.stepProperties },
    Actions: (step.actions ?? [step]).map(actionOf),
  });

  async function fill(projectId: string, golden: Pick<Golden, "steps" | "variables">): Promise<void> {
    const address = `${space}/projects/${projectId}/deploymentprocesses`;
    const stored = await api.get(address);
    const process = await api.put(address, { ...stored, Steps: golden.steps.map(stepOf) });
    const actionIds = new Map<string, string>(
      (process.Steps as Document[]).flatMap((step) => (step.Actions as Document[]).map((action) => [action.Name, action.Id] as const)),
    );
    const set = await api.get(`${space}/variables/variableset-${projectId}`);
    const Variables = (golden.variables ?? []).map((variable) => ({
      Name: variable.name,
      Value: variable.value,
      Type: variable.sensitive === true ? "Sensitive" : "String",
      IsSensitive: variable.sensitive ?? false,
      Prompt:
        variable.prompt === undefined
          ? null
          : { Label: variable.prompt.label, Description: null, Required: variable.prompt.required ?? false, DisplaySettings: {} },
      Scope: {
        ...(variable.environment === undefined ? {} : { Environment: [environmentIds[variable.environment]] }),
        ...(variable.machine === undefined ? {} : { Machine: [machineIds[variable.machine]] }),
        ...(variable.role === undefined ? {} : { Role: [variable.role] }),
        ...(variable.step === undefined ? {} : { Action: [actionIds.get(variable.step)] }),
      },
    }));
    await api.put(`${space}/variables/${set.Id}`, { ...set, Variables });
  }

  const deployed = (id: string, taskId: string): Deployed => {
    const file = path.join(marksFolder, id);
    const marks = (): string[] => (existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : []);
    return {
      id,
      taskId,
      marks,
      marked: async (text) => void (await eventually(`the mark "${text}"`, () => marks().includes(text), endMsMax)),
      ended: async () =>
        await eventually(
          `${taskId} ends`,
          async () => {
            const task = await api.get(`/api/tasks/${taskId}`);
            return task.IsCompleted === true ? task : undefined;
          },
          endMsMax,
        ),
      log: () => api.getText(`/api/tasks/${taskId}/raw`),
      owner: async () => {
        const name = String((await api.get(`/api/tasks/${taskId}`)).ServerNode).replace("OctopusServerNodes-", "");
        return nodes.find((node) => node.name === name)!;
      },
    };
  };

  return {
    cluster,
    api,
    nodes,
    agents,
    machineIds,
    environmentIds,
    deployment: deployed,
    async project(golden) {
      const made = await api.create(`${space}/projects`, { Name: golden.name, ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
      await fill(made.Id, golden);
      return {
        id: made.Id,
        change: (next) => fill(made.Id, next),
        async release(version, packages = {}) {
          const body = {
            projectName: golden.name,
            releaseVersion: version,
            packages: Object.entries(packages).map(([id, each]) => `${id}:${each}`),
          };
          await api.create(`${space}/releases/create/v1`, body);
        },
        async deploy(version, environment, more = {}) {
          const body = { projectName: golden.name, releaseVersion: version, environmentNames: [environment], ...more };
          const answer = await api.create(`${space}/deployments/create/untenanted/v1`, body);
          const [task] = answer.DeploymentServerTasks;
          return deployed(task.DeploymentId, task.ServerTaskId);
        },
      };
    },
    async push(id, version, files) {
      const folder = path.join(cluster.root, "packages", `${id}.${version}`);
      for (const [file, content] of Object.entries(files)) {
        mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
        writeFileSync(path.join(folder, file), content.replaceAll("#!mark\n", marking));
      }
      const archive = `${folder}.tar.gz`;
      await create({ gzip: true, file: archive, cwd: folder, portable: true }, ["."]);
      const form = new FormData();
      form.append("file", new Blob([readFileSync(archive)]), path.basename(archive));
      const answer = await fetch(`${nodes[0]!.ready.url}${space}/packages/raw`, {
        method: "POST",
        headers: { "X-Octopus-ApiKey": clusterApiKey },
        body: form,
      });
      if (!answer.ok) throw new Error(`Pushing ${path.basename(archive)} was answered with ${answer.status}: ${await answer.text()}`);
    },
    close: () => cluster.close(),
  };
}
