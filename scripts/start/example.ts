// Brings an example of examples/ into a server through its REST API: environments, machines, project with variables and steps, its package,
// releases, deployments. Everything is found by its name first, so that a later start meets what an earlier one made.
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Stats } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { create } from "tar";
import type { RestClient } from "./rest-client.ts";
import { isAsWanted } from "./stored-document.ts";
import { amountText, sizeText } from "./terminal.ts";
import type { Terminal } from "./terminal.ts";

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
  EnvironmentId: string;
  TaskId: string;
}

interface VariableSet {
  Variables: { Id: string; Name: string; Value: string | null; Type: string; IsSensitive: boolean; Scope: { Environment?: string[] } }[];
}

/** What stands in an example's JSON file. `{name}` in the value of a variable is filled in from the settings of this start. */
interface ExampleFile {
  project: string;
  /** In the order in which a release goes through them. */
  environments: string[];
  machines: { name: string; role: string; agent: "listening" | "polling" }[];
  firstRelease: string;
  package?: { id: string; folder: string };
  variables?: { name: string; value: string; environment?: string; sensitive?: boolean }[];
  steps: { name: string; role: string; script?: string; properties?: { [name: string]: string } }[];
}

/** The two agents that are started, by the way they are reached. */
export interface AgentAddresses {
  listening: { port: number; thumbprint: string };
  polling: { subscription: string; thumbprint: string };
}

export interface Example {
  readonly project: string;
  readonly environments: readonly string[];
  /** Environments, machines and project are there. */
  prepare(agents: AgentAddresses): Promise<void>;
  /** Waits until the server has talked to each agent. */
  waitUntilHealthy(signal: AbortSignal): Promise<void>;
  /** The last release and its last deployment, if there is one; `environment` is where that went. */
  findLast(): Promise<{ release: Release; taskId: string | null; environment: string | null } | null>;
  /** The release that was deployed well to each environment last; null where there is none. */
  findPresent(): Promise<{ environment: string; release: Release | null }[]>;
  /** Whether a task has ended. */
  isOver(taskId: string): Promise<boolean>;
  /** A release of variables, scripts and package as they are now, with the next version. */
  createRelease(after: string | null): Promise<Release>;
  /** The same with a damaged file in its package, so that it fails when it is opened. Null where the example has no package. */
  createBrokenRelease(after: string | null): Promise<Release | null>;
  /** Where the last deployment is of another release than the last one that went well before it, and that one; in the order of environments. */
  findWaysBack(): Promise<{ environment: string; from: string; to: Release }[]>;
  /** Answers the id of the task that deploys. */
  deploy(release: Release, environment: string): Promise<string>;
}

const healthMsMax = 60_000;
const healthPauseMs = 100;
const space = "/api/Spaces-1";
/** What the shop cannot do without, and how much of it a broken release holds. */
const brokenFile = "products.json";
const brokenBytesKept = 60;
/** Deployments of an environment among which the last good one is looked for. */
const deploymentsLookedAt = 30;

export interface ExampleParts {
  /** What `{name}` in values of the example's variables stands for. */
  settings: { [name: string]: string };
  /** A file that remembers a hash of the secrets that were stored: the server never tells them, so nothing else says whether they differ. */
  secretsNote: string;
  terminal: Terminal;
}

export function createExample(rest: RestClient, folder: string, { settings, secretsNote, terminal }: ExampleParts): Example {
  const example = JSON.parse(readFileSync(path.join(folder, `${path.basename(folder)}.json`), "utf8")) as ExampleFile;
  /** By name. */
  let environments = new Map<string, Named>();
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

  async function prepareMachine(
    wanted: ExampleFile["machines"][number],
    agents: AgentAddresses,
    environmentIds: string[],
  ): Promise<Machine> {
    const { listening, polling } = agents;
    const Endpoint =
      wanted.agent === "listening"
        ? { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${listening.port}/`, Thumbprint: listening.thumbprint }
        : { CommunicationStyle: "TentacleActive", Uri: polling.subscription, Thumbprint: polling.thumbprint };
    const present = await findByName<Machine>("machines", wanted.name);
    if (present === null) {
      const body = { Name: wanted.name, EnvironmentIds: environmentIds, Roles: [wanted.role], Endpoint };
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
    const made: Named[] = [];
    // One after the other: their order is the order in which releases are promoted.
    for (const name of example.environments) made.push(await findOrCreate("environments", name, () => ({})));
    environments = new Map(made.map((each) => [each.Name, each]));
    const ids = made.map(({ Id }) => Id);
    machines = await Promise.all(example.machines.map((wanted) => prepareMachine(wanted, agents, ids)));
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
    const Steps = example.steps.map(({ name, role, script, properties }) => {
      const before = stored.Steps.find((step) => step.Name === name);
      const action =
        script === undefined
          ? packageAction(properties ?? {})
          : {
              ActionType: "Octopus.Script",
              Properties: {
                "Octopus.Action.RunOnServer": "false",
                "Octopus.Action.Script.ScriptSource": "Inline",
                "Octopus.Action.Script.Syntax": "Bash",
                "Octopus.Action.Script.ScriptBody": readFileSync(path.join(folder, script), "utf8"),
              },
            };
      return {
        ...(before === undefined ? {} : { Id: before.Id }),
        Name: name,
        Condition: "Success",
        StartTrigger: "StartAfterPrevious",
        PackageRequirement: "LetOctopusDecide",
        Properties: { "Octopus.Action.TargetRoles": role },
        Actions: [{ ...(before?.Actions[0] === undefined ? {} : { Id: before.Actions[0].Id }), Name: name, ...action }],
      };
    });
    if (!isAsWanted(stored.Steps, Steps)) await rest.send("PUT", address, { ...stored, Steps });
  }

  function packageAction(properties: { [name: string]: string }): object {
    if (example.package === undefined) throw new Error(`${folder}: a step without a script deploys the package, and there is none.`);
    const reference = { PackageId: example.package.id, FeedId: "feeds-builtin" };
    return {
      ActionType: "Octopus.TentaclePackage",
      Packages: [{ Name: "", ...reference, AcquisitionLocation: "Server", Properties: {} }],
      Properties: {
        "Octopus.Action.Package.PackageId": reference.PackageId,
        "Octopus.Action.Package.FeedId": reference.FeedId,
        "Octopus.Action.Package.DownloadOnTentacle": "False",
        ...properties,
      },
    };
  }

  async function putVariables(setId: string): Promise<void> {
    if (example.variables === undefined) return;
    const address = `${space}/variables/${setId}`;
    const stored = await rest.get<VariableSet>(address);
    const Variables = example.variables.map(({ name, value, environment, sensitive }) => ({
      Name: name,
      Value: value.replace(/\{(\w+)\}/g, (whole, setting: string) => settings[setting] ?? whole),
      Type: sensitive === true ? "Sensitive" : "String",
      IsSensitive: sensitive === true,
      Scope: environment === undefined ? {} : { Environment: [environments.get(environment)!.Id] },
    }));
    const secrets = createHash("sha256")
      .update(JSON.stringify(Variables.filter(({ IsSensitive }) => IsSensitive)))
      .digest("hex");
    const areSecretsStored = existsSync(secretsNote) && readFileSync(secretsNote, "utf8") === secrets;
    const placeOf = (one: { Name: string; Scope: object }) => JSON.stringify([one.Name, one.Scope]);
    const before = new Map(stored.Variables.map((one) => [placeOf(one), one]));
    // A row keeps its id, and a secret that is stored already is not sent: without a value it stays as it is.
    const rows = Variables.map((one) => {
      const same = before.get(placeOf(one));
      return same === undefined ? one : { ...one, Id: same.Id, ...(one.IsSensitive && areSecretsStored ? { Value: null } : {}) };
    });
    const present = rows.map((row) => before.get(placeOf(row)));
    if (stored.Variables.length === rows.length && isAsWanted(present, rows)) return;
    await rest.send("PUT", address, { ...stored, Variables: rows });
    writeFileSync(secretsNote, secrets);
  }

  /** Packs the example's folder as it is now. */
  async function pushPackage(version: string, isBroken: boolean): Promise<void> {
    if (example.package === undefined) return;
    const source = path.join(folder, example.package.folder);
    const place = mkdtempSync(path.join(tmpdir(), "cuttle-package-"));
    try {
      const name = `${example.package.id}.${version}.tar.gz`;
      const file = path.join(place, name);
      let cwd = source;
      if (isBroken) {
        cwd = path.join(place, "content");
        cpSync(source, cwd, { recursive: true });
        // As an editor leaves it that was interrupted.
        const damaged = path.join(cwd, brokenFile);
        writeFileSync(damaged, readFileSync(damaged).subarray(0, brokenBytesKept));
      }
      await terminal.during(`Packing ${name}`, async (tell) => {
        let total = 0;
        let done = 0;
        for (const one of readdirSync(cwd, { recursive: true, withFileTypes: true }))
          if (one.isFile()) total += statSync(path.join(one.parentPath, one.name)).size;
        const onWriteEntry = ({ stat }: { stat?: Stats | undefined }): void => {
          if (stat?.isFile() !== true) return;
          done += stat.size;
          tell(amountText(done, total, sizeText));
        };
        await create({ gzip: true, file, cwd, portable: true, onWriteEntry }, ["."]);
      });
      const content = readFileSync(file);
      await terminal.during(`Sending ${name}, ${sizeText(content.length)}`, async (tell) => {
        const startedAt = performance.now();
        await rest.upload(`${space}/packages/raw?overwriteMode=OverwriteExisting`, name, content, (sent) =>
          tell(amountText(sent, content.length, sizeText, performance.now() - startedAt)),
        );
      });
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  }

  async function findLast(): Promise<{ release: Release; taskId: string | null; environment: string | null } | null> {
    if (project === null) throw new Error("prepare() comes first");
    const [release] = (await rest.get<Page<Release>>(`${space}/projects/${project.Id}/releases?take=1`)).Items;
    if (release === undefined) return null;
    const [deployment] = (await rest.get<Page<Deployment>>(`${space}/deployments?projects=${project.Id}&take=1`)).Items;
    if (deployment?.ReleaseId !== release.Id) return { release, taskId: null, environment: null };
    const where = [...environments.values()].find(({ Id }) => Id === deployment.EnvironmentId)?.Name ?? null;
    return { release, taskId: deployment.TaskId, environment: where };
  }

  async function createRelease(after: string | null): Promise<Release> {
    return await releaseAfter(after, false);
  }

  async function createBrokenRelease(after: string | null): Promise<Release | null> {
    return example.package === undefined ? null : await releaseAfter(after, true);
  }

  async function findWaysBack(): Promise<{ environment: string; from: string; to: Release }[]> {
    if (project === null) throw new Error("prepare() comes first");
    const found: { environment: string; from: string; to: Release }[] = [];
    for (const { Id, Name } of environments.values()) {
      const query = `projects=${project.Id}&environments=${Id}&take=${deploymentsLookedAt}`;
      const [last, ...before] = (await rest.get<Page<Deployment>>(`${space}/deployments?${query}`)).Items;
      if (last === undefined) continue;
      const from = (await rest.get<Release>(`${space}/releases/${last.ReleaseId}`)).Version;
      for (const deployment of before) {
        if (deployment.ReleaseId === last.ReleaseId) continue;
        const task = await rest.get<{ FinishedSuccessfully: boolean }>(`/api/tasks/${deployment.TaskId}`);
        if (!task.FinishedSuccessfully) continue;
        found.push({ environment: Name, from, to: await rest.get<Release>(`${space}/releases/${deployment.ReleaseId}`) });
        break;
      }
    }
    return found;
  }

  async function findPresent(): Promise<{ environment: string; release: Release | null }[]> {
    if (project === null) throw new Error("prepare() comes first");
    const found: { environment: string; release: Release | null }[] = [];
    for (const { Id, Name } of environments.values()) {
      const query = `projects=${project.Id}&environments=${Id}&take=${deploymentsLookedAt}`;
      let release: Release | null = null;
      for (const deployment of (await rest.get<Page<Deployment>>(`${space}/deployments?${query}`)).Items) {
        if (!(await rest.get<{ FinishedSuccessfully: boolean }>(`/api/tasks/${deployment.TaskId}`)).FinishedSuccessfully) continue;
        release = await rest.get<Release>(`${space}/releases/${deployment.ReleaseId}`);
        break;
      }
      found.push({ environment: Name, release });
    }
    return found;
  }

  async function releaseAfter(after: string | null, isBroken: boolean): Promise<Release> {
    if (project === null) throw new Error("prepare() comes first");
    await putProcess(project.Id);
    await putVariables(`variableset-${project.Id}`);
    const version = after === null ? example.firstRelease : nextVersion(after);
    await pushPackage(version, isBroken);
    const body = {
      projectName: project.Name,
      releaseVersion: version,
      ...(example.package === undefined ? {} : { packageVersion: version }),
      ignoreIfAlreadyExists: true,
    };
    const created = await rest.send<{ ReleaseId: string; ReleaseVersion: string }>("POST", `${space}/releases/create/v1`, body);
    return { Id: created.ReleaseId, Version: created.ReleaseVersion };
  }

  async function deploy(release: Release, environment: string): Promise<string> {
    if (project === null) throw new Error("prepare() comes first");
    const body = { projectName: project.Name, releaseVersion: release.Version, environmentNames: [environment] };
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

  return {
    project: example.project,
    environments: example.environments,
    prepare,
    waitUntilHealthy,
    findLast,
    findPresent,
    isOver,
    createRelease,
    createBrokenRelease,
    findWaysBack,
    deploy,
  };
}

/** 1.0.0 → 1.1.0 */
export function nextVersion(version: string): string {
  const [major, minor] = version.split(".");
  return `${major}.${Number(minor ?? 0) + 1}.0`;
}
