// Brings examples/first-deployment into a server through its REST API: environment, machine, project with its steps, releases, deployments.
// Everything is found by its name first, so that a later start meets what an earlier one made.
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { RestClient } from "./rest-client.ts";

interface Named {
  Id: string;
  Name: string;
}
interface Page<T> {
  Items: T[];
}
interface Machine extends Named {
  HealthStatus: string;
  StatusSummary: string;
  Endpoint: { Uri?: string; Thumbprint?: string };
  Roles: string[];
  EnvironmentIds: string[];
}
interface Release {
  Id: string;
  Version: string;
}
interface Deployment {
  Id: string;
  ReleaseId: string;
  TaskId: string;
}

interface Example {
  environment: string;
  project: string;
  machines: { name: string; role: string; agent: "listening" | "polling" }[];
  firstRelease: string;
  steps: { name: string; role: string; script: string }[];
}

/** The two agents that are started, by the way they are reached. */
export interface AgentAddresses {
  listening: { port: number; thumbprint: string };
  polling: { subscription: string; thumbprint: string };
}

export interface FirstDeployment {
  /** Environment, machines and project are there. */
  prepare(agents: AgentAddresses): Promise<void>;
  /** Waits until the server has talked to each agent. */
  waitUntilHealthy(signal: AbortSignal): Promise<void>;
  /** The last release and its last deployment, if there is one. */
  findLast(): Promise<{ release: Release; taskId: string | null } | null>;
  /** Whether a task has ended. */
  isOver(taskId: string): Promise<boolean>;
  /** A release of the scripts as they are now, with the next version. */
  createRelease(after: string | null): Promise<Release>;
  /** Answers the id of the task that deploys. */
  deploy(release: Release): Promise<string>;
}

const healthMsMax = 60_000;
const healthPauseMs = 100;
const space = "/api/Spaces-1";

export function createFirstDeployment(rest: RestClient, folder: string): FirstDeployment {
  const example = JSON.parse(readFileSync(path.join(folder, "first-deployment.json"), "utf8")) as Example;
  let environment: Named | null = null;
  let project: Named | null = null;
  let machines: Machine[] | null = null;

  async function findByName<T extends Named>(collection: string, name: string): Promise<T | null> {
    const page = await rest.get<Page<T>>(`${space}/${collection}?partialName=${encodeURIComponent(name)}&take=100`);
    return page.Items.find((item) => item.Name === name) ?? null;
  }

  async function first(collection: string): Promise<Named> {
    const page = await rest.get<Page<Named>>(`${space}/${collection}?take=1`);
    const item = page.Items[0];
    if (item === undefined) throw new Error(`The space has no ${collection}; a new one begins with a default.`);
    return item;
  }

  async function findOrCreate(collection: string, name: string, body: () => object | Promise<object>): Promise<Named> {
    return (
      (await findByName<Named>(collection, name)) ??
      (await rest.send<Named>("POST", `${space}/${collection}`, { Name: name, ...(await body()) }))
    );
  }

  async function prepareMachine(wanted: Example["machines"][number], agents: AgentAddresses, environmentId: string): Promise<Machine> {
    const { listening, polling } = agents;
    const Endpoint =
      wanted.agent === "listening"
        ? { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${listening.port}/`, Thumbprint: listening.thumbprint }
        : { CommunicationStyle: "TentacleActive", Uri: polling.subscription, Thumbprint: polling.thumbprint };
    const present = await findByName<Machine>("machines", wanted.name);
    if (present === null) {
      const body = { Name: wanted.name, EnvironmentIds: [environmentId], Roles: [wanted.role], Endpoint };
      return await rest.send<Machine>("POST", `${space}/machines`, body);
    }
    if (present.Endpoint.Uri === Endpoint.Uri && present.Endpoint.Thumbprint === Endpoint.Thumbprint) return present;
    // The agent moved to another port or begins anew with another certificate.
    return await rest.send<Machine>("PUT", `${space}/machines/${present.Id}`, {
      ...present,
      Endpoint: { ...present.Endpoint, ...Endpoint },
    });
  }

  async function prepare(agents: AgentAddresses): Promise<void> {
    const created = await findOrCreate("environments", example.environment, () => ({}));
    environment = created;
    machines = await Promise.all(example.machines.map((wanted) => prepareMachine(wanted, agents, created.Id)));
    project = await findOrCreate("projects", example.project, async () => ({
      ProjectGroupId: (await first("projectgroups")).Id,
      LifecycleId: (await first("lifecycles")).Id,
    }));
  }

  async function waitUntilHealthy(signal: AbortSignal): Promise<void> {
    if (machines === null) throw new Error("prepare() comes first");
    const deadline = performance.now() + healthMsMax;
    for (const { Id } of machines) {
      for (;;) {
        const now = await rest.get<Machine>(`${space}/machines/${Id}`);
        if (now.HealthStatus === "Healthy" || now.HealthStatus === "HasWarnings") break;
        if (performance.now() > deadline) {
          throw new Error(`${now.Name} is not healthy after ${healthMsMax / 1000} s: ${now.HealthStatus}. ${now.StatusSummary}`);
        }
        await pause(healthPauseMs, undefined, { signal });
      }
    }
  }

  async function putProcess(projectId: string): Promise<void> {
    const address = `${space}/projects/${projectId}/deploymentprocesses`;
    const stored = await rest.get<{ Steps: { Name: string; Id: string; Actions: { Id: string; Name: string }[] }[] }>(address);
    const Steps = example.steps.map(({ name, role, script }) => {
      const before = stored.Steps.find((step) => step.Name === name);
      return {
        Id: before?.Id ?? "",
        Name: name,
        Condition: "Success",
        StartTrigger: "StartAfterPrevious",
        PackageRequirement: "LetOctopusDecide",
        Properties: { "Octopus.Action.TargetRoles": role },
        Actions: [
          {
            Id: before?.Actions[0]?.Id ?? "",
            Name: name,
            ActionType: "Octopus.Script",
            Properties: {
              "Octopus.Action.RunOnServer": "false",
              "Octopus.Action.Script.ScriptSource": "Inline",
              "Octopus.Action.Script.Syntax": "Bash",
              "Octopus.Action.Script.ScriptBody": readFileSync(path.join(folder, script), "utf8"),
            },
          },
        ],
      };
    });
    await rest.send("PUT", address, { ...stored, Steps });
  }

  async function findLast(): Promise<{ release: Release; taskId: string | null } | null> {
    if (project === null) throw new Error("prepare() comes first");
    const [release] = (await rest.get<Page<Release>>(`${space}/projects/${project.Id}/releases?take=1`)).Items;
    if (release === undefined) return null;
    const [deployment] = (await rest.get<Page<Deployment>>(`${space}/deployments?projects=${project.Id}&take=1`)).Items;
    return { release, taskId: deployment?.ReleaseId === release.Id ? deployment.TaskId : null };
  }

  async function createRelease(after: string | null): Promise<Release> {
    if (project === null) throw new Error("prepare() comes first");
    await putProcess(project.Id);
    const version = after === null ? example.firstRelease : nextVersion(after);
    const body = { projectName: project.Name, releaseVersion: version, ignoreIfAlreadyExists: true };
    const created = await rest.send<{ ReleaseId: string; ReleaseVersion: string }>("POST", `${space}/releases/create/v1`, body);
    return { Id: created.ReleaseId, Version: created.ReleaseVersion };
  }

  async function deploy(release: Release): Promise<string> {
    if (project === null || environment === null) throw new Error("prepare() comes first");
    const body = { projectName: project.Name, releaseVersion: release.Version, environmentNames: [environment.Name] };
    const created = await rest.send<{ DeploymentServerTasks: { ServerTaskId: string }[] }>(
      "POST",
      `${space}/deployments/create/untenanted/v1`,
      body,
    );
    const [task] = created.DeploymentServerTasks;
    if (task === undefined) throw new Error("The server accepted the deployment but named no task for it.");
    return task.ServerTaskId;
  }

  async function isOver(taskId: string): Promise<boolean> {
    return (await rest.get<{ IsCompleted: boolean }>(`/api/tasks/${taskId}`)).IsCompleted;
  }

  return { prepare, waitUntilHealthy, findLast, isOver, createRelease, deploy };
}

/** 1.0.0 → 1.1.0 */
export function nextVersion(version: string): string {
  const [major, minor] = version.split(".");
  return `${major}.${Number(minor ?? 0) + 1}.0`;
}
