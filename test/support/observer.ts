// The outside observer of trials. Each script appends one line to a file of its own deployment, step and machine; the driver tells
// which deployments were acknowledged; the check joins these files with what the API says. It never looks into a server's tables.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { eventually } from "./eventually.ts";
import type { ClusterApi, Document } from "./cluster-api.ts";

/** What a step's script does besides its one line in the observer's file: it prints numbered lines with pauses between them. */
export interface ObservedStep {
  lines: number;
  pauseMs: number;
}

/** A project whose steps are observed, with an environment for each deployment that shall run at the same time. */
export interface ObservedProject {
  id: string;
  releaseId: string;
  environmentIds: string[];
  steps: readonly ObservedStep[];
}

/** A deployment that the API has acknowledged. */
export interface Acknowledged {
  id: string;
  taskId: string;
  project: ObservedProject;
  machineIds: readonly string[];
}

/** What the script of a step wrote about itself. */
export interface Trace {
  /** When it began, in ms since 1970 by this machine's clock. */
  atMs: number;
  /** Process id of the script. */
  pid: number;
}

export interface Observer {
  readonly acknowledged: readonly Acknowledged[];
  /** A script for a step of an observed project; `rest` runs after its own lines. */
  scriptFor(step: number, what: ObservedStep, rest?: string): string;
  /** Creates environment(s), machine and project, and a release of it. */
  prepare(parts: {
    name: string;
    environments: number;
    /** Listening agents have a port, polling ones a subscription. */
    machines: readonly ({ name: string; thumbprint: string } & ({ port: number } | { subscription: string }))[];
    steps: readonly ObservedStep[];
    /** Instead of the observed scripts, by step. */
    scripts?: readonly string[];
  }): Promise<ObservedProject>;
  /** Returns when the API has acknowledged it. */
  /** `more`: further members of the request. */
  deploy(project: ObservedProject, environment?: number, more?: object): Promise<Acknowledged>;
  /** Empty as long as the script has not begun. */
  traces(deployment: Acknowledged, step: number, machine?: number): Trace[];
  began(deployment: Acknowledged, step: number, deadlineMs?: number): Promise<Trace>;
  /** The task's final state, as any node tells it. */
  final(deployment: Acknowledged, deadlineMs?: number): Promise<Document>;
  /** Everything that is not as it must be after success, one sentence each. */
  faultsOf(deployment: Acknowledged): Promise<string[]>;
  /** Deployments, files and events that nobody asked for. */
  faultsOverall(): Promise<string[]>;
}

const role = "observed";
/** A deployment that has not ended by then never will. */
const finalMsMax = 90_000;

export function createObserver(parts: { folder: string; api: ClusterApi }): Observer {
  const { api, folder } = parts;
  mkdirSync(folder, { recursive: true });
  const acknowledged: Acknowledged[] = [];
  const finals = new Map<string, string>();

  function fileOf(deployment: Acknowledged, step: number, machineId: string): string {
    return path.join(folder, `${deployment.id}.${step}.${machineId}`);
  }

  function linesOf(file: string): string[] {
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  }

  const observer: Observer = {
    acknowledged,
    scriptFor(step, { lines, pauseMs }, rest = "") {
      return [
        `machine=$(get_octopusvariable Octopus.Machine.Id)`,
        // One write in append mode: two runs of this script leave two lines, whatever they do to each other.
        `echo "$(date +%s%3N) $$" >> "${folder}/$(get_octopusvariable Octopus.Deployment.Id).${step}.$machine"`,
        // A pause that starts no process: dozens of such scripts at once are not what a trial wants to measure.
        `exec {quiet}<> <(:)`,
        `for ((line = 1; line <= ${lines}; line++)); do echo "$machine step ${step} line $line"; read -rt ${(pauseMs / 1000).toFixed(3)} -u "$quiet" || :; done`,
        rest,
      ].join("\n");
    },
    async prepare({ name, environments, machines, steps, scripts }) {
      const environmentIds: string[] = [];
      for (let n = 1; n <= environments; n++) environmentIds.push((await api.create("/api/environments", { Name: `${name} ${n}` })).Id);
      for (const machine of machines) {
        await api.create("/api/machines", {
          Name: `${machine.name} of ${name}`,
          EnvironmentIds: environmentIds,
          Roles: [`${role}-${name}`],
          Endpoint: {
            ...("port" in machine
              ? { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${machine.port}/` }
              : { CommunicationStyle: "TentacleActive", Uri: machine.subscription }),
            Thumbprint: machine.thumbprint,
          },
        });
      }
      const [group] = await api.get("/api/projectgroups/all");
      const lifecycle = await api.create("/api/lifecycles", {
        Name: name,
        // One phase, so that any environment may be the first.
        Phases: [
          { Name: "All", OptionalDeploymentTargets: environmentIds, AutomaticDeploymentTargets: [], MinimumEnvironmentsBeforePromotion: 0 },
        ],
      });
      const project = await api.create("/api/projects", { Name: name, ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
      await api.put(`/api/projects/${project.Id}/deploymentprocesses`, {
        Steps: steps.map((step, index) => ({
          Name: `Step ${index + 1}`,
          Properties: { "Octopus.Action.TargetRoles": `${role}-${name}` },
          Actions: [
            {
              Name: `Step ${index + 1}`,
              ActionType: "Octopus.Script",
              Properties: {
                "Octopus.Action.Script.ScriptSource": "Inline",
                "Octopus.Action.Script.Syntax": "Bash",
                "Octopus.Action.Script.ScriptBody": scripts?.[index] ?? observer.scriptFor(index + 1, step),
                // Deployments to several environments share the machine and shall run at the same time.
                OctopusBypassDeploymentMutex: "True",
              },
            },
          ],
        })),
      });
      const release = await api.create("/api/releases", { ProjectId: project.Id, Version: "1.0.0" });
      return { id: project.Id, releaseId: release.Id, environmentIds, steps };
    },
    async deploy(project, environment = 0, more = {}) {
      const created = await api.create("/api/deployments", {
        ReleaseId: project.releaseId,
        EnvironmentId: project.environmentIds[environment],
        ...more,
      });
      const machines = await api.get(`/api/machines/all`);
      const machineIds = machines
        .filter((machine: Document) => machine.EnvironmentIds.includes(project.environmentIds[environment]))
        .map((machine: Document) => machine.Id);
      const one = { id: created.Id, taskId: created.TaskId, project, machineIds };
      acknowledged.push(one);
      return one;
    },
    traces(deployment, step, machine = 0) {
      return linesOf(fileOf(deployment, step, deployment.machineIds[machine]!)).map((line) => {
        const [atMs, pid] = line.split(" ").map(Number);
        return { atMs: atMs!, pid: pid! };
      });
    },
    began: (deployment, step, deadlineMs = 30_000) =>
      eventually(`step ${step} of ${deployment.id} begins`, () => observer.traces(deployment, step)[0], deadlineMs),
    async final(deployment, deadlineMs = finalMsMax) {
      return eventually(
        `${deployment.taskId} reaches a final state`,
        async () => {
          const task = await api.get(`/api/tasks/${deployment.taskId}`);
          if (!task.IsCompleted) return undefined;
          finals.set(deployment.taskId, finals.get(deployment.taskId) ?? `${task.State} ${task.CompletedTime}`);
          return task;
        },
        deadlineMs,
      );
    },
    async faultsOf(deployment) {
      const faults: string[] = [];
      const say = (fault: string): void => void faults.push(`${deployment.id} (${deployment.taskId}): ${fault}`);
      const task = await observer.final(deployment);
      const seen = `${task.State} ${task.CompletedTime}`;
      if (task.State !== "Success") say(`ended as ${task.State}: ${task.ErrorMessage}`);
      if (finals.get(deployment.taskId) !== seen) say(`was final as ${finals.get(deployment.taskId)} and is now ${seen}`);

      for (const machineId of deployment.machineIds) {
        for (let step = 1; step <= deployment.project.steps.length; step++) {
          const runs = linesOf(fileOf(deployment, step, machineId)).length;
          if (runs !== 1) say(`step ${step} ran ${runs} times on ${machineId}`);
        }
      }
      const expected = new Map(
        deployment.machineIds.flatMap((machineId) =>
          deployment.project.steps.map(({ lines }, index): [string, string] => [`${machineId} step ${index + 1}`, numbers(lines)]),
        ),
      );
      const raw = await api.getText(`/api/tasks/${deployment.taskId}/raw`);
      compareLog("raw log", raw.split("\n"), expected, say);
      const details = await api.get(`/api/tasks/${deployment.taskId}/details?verbose=true`);
      compareLog("log of the details", details.ActivityLogs.flatMap(textsOf), expected, say);
      for (const node of details.ActivityLogs.flatMap(withChildren)) {
        if (node.Status !== "Success") say(`"${node.Name}" in the details is ${node.Status}`);
      }

      const events = await api.get(`/api/events?regarding=${deployment.taskId}&take=100`);
      const categories = events.Items.map((event: Document) => event.Category)
        .sort()
        .join(" ");
      if (categories !== "DeploymentQueued DeploymentStarted DeploymentSucceeded") say(`its events are: ${categories}`);
      return faults;
    },
    async faultsOverall() {
      const faults: string[] = [];
      const wanted = new Set(
        acknowledged.flatMap((one) =>
          one.machineIds.flatMap((machineId) => one.project.steps.map((_, index) => path.basename(fileOf(one, index + 1, machineId)))),
        ),
      );
      for (const file of readdirSync(folder)) if (!wanted.has(file)) faults.push(`${file}: nobody asked for this script`);
      const listed = await api.get("/api/deployments?take=10000");
      const ids = new Set(acknowledged.map((one) => one.id));
      for (const item of listed.Items) if (!ids.has(item.Id)) faults.push(`${item.Id}: made twice by a repeated create`);
      if (listed.TotalResults !== ids.size) faults.push(`${ids.size} deployments were acknowledged, the API has ${listed.TotalResults}`);
      return faults;
    },
  };
  return observer;
}

function numbers(count: number): string {
  return Array.from({ length: count }, (_, index) => index + 1).join(" ");
}

function compareLog(what: string, texts: readonly string[], expected: ReadonlyMap<string, string>, say: (fault: string) => void): void {
  const found = new Map<string, number[]>();
  for (const text of texts) {
    const parts = /(Machines-\d+ step \d+) line (\d+)$/.exec(text);
    if (parts === null) continue;
    const numbersSoFar = found.get(parts[1]!) ?? [];
    numbersSoFar.push(Number(parts[2]));
    found.set(parts[1]!, numbersSoFar);
  }
  for (const [script, lines] of expected) {
    const shown = (found.get(script) ?? []).join(" ");
    if (shown !== lines) say(`${what} of ${script}: ${shown === "" ? "empty" : shown}`);
  }
  for (const script of found.keys()) if (!expected.has(script)) say(`${what} has lines of ${script}, which is none of its scripts`);
}

function withChildren(node: Document): Document[] {
  return [node, ...node.Children.flatMap(withChildren)];
}

function textsOf(node: Document): string[] {
  return withChildren(node).flatMap((one) => one.LogElements.map((element: Document) => element.MessageText));
}
