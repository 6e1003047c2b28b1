// The whole life of a project as a script that uses `@octopusdeploy/api-client` sees it: from an empty server to deployments, a promotion, a
// cancel, and everything deleted again. Every call is the client's own, with its own paths, bodies and waiting.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "../support/eventually.ts";
import { loadApiClient } from "./npm-client.ts";
import type { Any } from "./npm-client.ts";

/** Where the project lives: a server, or several behind one address, and an agent that trusts them. */
export interface Place {
  url: string;
  apiKey: string;
  agent: { port: number; thumbprint: string };
  close(): Promise<void>;
}

/** How often the client's own waiter looks, and when it gives up: longer than anything here takes on a busy machine. */
const lookEveryMs = 100;
const waitMsMax = 60_000;

export function describeProjectLife(name: string, options: { skip: string | undefined }, bringUp: () => Promise<Place>): void {
  describe(`@octopusdeploy/api-client with ${name}`, { ...options, timeout: 200_000 }, () => {
    let place: Place;
    let api: Any;
    let client: Any;
    let folder: string;
    let space: Any;
    let project: Any;
    const environments: Any[] = [];
    const made: { group?: Any; lifecycle?: Any; machine?: Any } = {};

    before(async () => {
      api = await loadApiClient();
      place = await bringUp();
      folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-client-"));
    });
    after(async () => {
      await place?.close();
      if (folder !== undefined) await fs.rm(folder, { recursive: true });
    });

    const connect = (apiKey: string) => api.Client.create({ userAgentApp: "cuttle-compatibility", instanceURL: place.url, apiKey });
    const repository = (kind: string): Any => new api[kind](client, space.Name);
    /** What the package has no repository for goes through its generic calls, as its users do it. */
    const address = (at: string): string => `${api.spaceScopedRoutePrefix}/${at}`;
    const read = (at: string, args: object = {}): Promise<Any> => client.request(address(at), { spaceName: space.Name, ...args });
    const create = (at: string, body: object): Promise<Any> => client.doCreate(address(at), { spaceName: space.Name, ...body });
    const remove = (at: string): Promise<Any> => client.del(address(at), { spaceName: space.Name });

    async function ended(taskIds: string[]): Promise<Any[]> {
      const waiter = new api.ServerTaskWaiter(client, space.Name);
      const tasks: Any[] = await waiter.waitForServerTasksToComplete(taskIds, lookEveryMs, waitMsMax);
      assert.equal(tasks.length, taskIds.length, "all of them ended in time");
      return tasks;
    }
    async function succeeded(taskId: string): Promise<string> {
      const [task] = await ended([taskId]);
      const log: string = await repository("SpaceServerTaskRepository").getRaw(taskId);
      assert.equal(task.State, "Success", log);
      assert.equal(task.FinishedSuccessfully, true);
      return log;
    }

    /** What a call answers; undefined, and the test skipped, where the server says that it has no such thing. */
    async function orSkip(t: TestContext, what: string, call: Promise<Any>): Promise<Any> {
      try {
        return await call;
      } catch (error) {
        const { StatusCode: status, message } = error as Error & { StatusCode?: number };
        if (status !== 404 && status !== 405 && !(status === 400 && message.includes("not supported"))) throw error;
        t.skip(`this server has no ${what}`);
        return undefined;
      }
    }

    /** True, and the test skipped, where the deployment failed because the server does not know the kind of step. */
    async function skippedAsUnknown(t: TestContext, taskId: string): Promise<boolean> {
      await ended([taskId]);
      const log: string = await repository("SpaceServerTaskRepository").getRaw(taskId);
      if (!log.includes("cannot run yet")) return false;
      t.skip("this server does not know this kind of step");
      return true;
    }

    function scriptStep(stepName: string, body: string, more: object = {}): object {
      return {
        Condition: api.RunCondition.Success,
        PackageRequirement: api.PackageRequirement.LetOctopusDecide,
        StartTrigger: api.StartTrigger.StartAfterPrevious,
        Id: "",
        Name: stepName,
        Properties: { "Octopus.Action.TargetRoles": "web" },
        Actions: [
          {
            Id: "",
            Name: stepName,
            ActionType: "Octopus.Script",
            Notes: null,
            IsDisabled: false,
            CanBeUsedForProjectVersioning: false,
            IsRequired: false,
            WorkerPoolId: null,
            Container: { Image: null, FeedId: null },
            WorkerPoolVariable: "",
            Environments: [],
            ExcludedEnvironments: [],
            Channels: [],
            TenantTags: [],
            Packages: [],
            Condition: api.RunConditionForAction.Success,
            Properties: {
              "Octopus.Action.RunOnServer": "false",
              "Octopus.Action.Script.ScriptSource": "Inline",
              "Octopus.Action.Script.Syntax": "Bash",
              "Octopus.Action.Script.ScriptBody": body,
            },
            ...more,
          },
        ],
      };
    }
    async function setSteps(steps: object[]): Promise<Any> {
      const processes = repository("DeploymentProcessRepository");
      const process = await processes.get(project);
      process.Steps = steps;
      return await processes.update(project, process);
    }
    async function release(version: string, more: object = {}): Promise<Any> {
      return await repository("ReleaseRepository").create({
        spaceName: space.Name,
        ProjectName: project.Name,
        ReleaseVersion: version,
        ...more,
      });
    }
    async function deploy(version: string, environment: Any, more: object = {}): Promise<string> {
      const { DeploymentServerTasks: tasks } = await repository("DeploymentRepository").create({
        spaceName: space.Name,
        ProjectName: project.Name,
        ReleaseVersion: version,
        EnvironmentNames: [environment.Name],
        ...more,
      });
      assert.equal(tasks.length, 1);
      return tasks[0].ServerTaskId;
    }

    test("connects, is told apart by its key, and asks what the server can", async () => {
      client = await connect(place.apiKey);
      const { version, installationId } = await client.getServerInformation();
      assert.match(version, /^\d+\.\d+\.\d+$/);
      assert.match(installationId, /^[0-9a-f-]{36}$/);
      assert.equal((await api.userGetCurrent(client)).Username, "admin");
      await assert.rejects(
        connect("API-NOSUCHKEY").then((other: Any) => api.userGetCurrent(other)),
        { StatusCode: 401 },
      );
      assert.equal(await api.checkForCapability(client, "CreateReleaseCommandV1", "2022.3"), null);
      assert.match(await api.checkForCapability(client, "SomeMadeUpRequest", "2023.1"), /does not support SomeMadeUpRequest/);
    });

    test("makes a space, which holds what every space holds", async () => {
      const spaces = new api.SpaceRepository(client);
      const user = await api.userGetCurrent(client);
      const spaceName = randomUUID().slice(0, 20);
      space = await spaces.create({ Name: spaceName, SpaceManagersTeams: [], SpaceManagersTeamMembers: [user.Id], IsDefault: false });
      assert.equal(space.Name, spaceName);
      assert.equal((await spaces.get(space.Id)).Id, space.Id);
      assert.equal((await repository("ProjectGroupRepository").list({ take: 1 })).Items.length, 1);
      assert.equal((await repository("LifecycleRepository").list({ take: 1 })).Items.length, 1);
      assert.equal((await repository("FeedRepository").list({ take: 1 })).Items[0].FeedType, api.FeedType.BuiltIn);
      await assert.rejects(api.resolveSpaceId(client, "no such space"), /No spaces exist/);
      await assert.rejects(spaces.create({ Name: spaceName, SpaceManagersTeams: [], SpaceManagersTeamMembers: [], IsDefault: false }), {
        StatusCode: 400,
      });
    });

    test("makes environments and finds them again", async () => {
      const own = repository("EnvironmentRepository");
      for (const environment of ["Test", "Production"]) environments.push(await own.create({ Name: environment }));
      assert.deepEqual(
        (await own.list({ partialName: "prod" })).Items.map((one: Any) => one.Id),
        [environments[1].Id],
      );
      assert.equal((await own.list({ ids: environments.map((one) => one.Id), take: 1 })).TotalResults, 2);
      assert.equal((await own.getEnvironmentByName("production")).Id, environments[1].Id);
      assert.equal(await own.getEnvironmentByName("Nowhere"), null);
      assert.equal((await repository("EnvironmentV2Repository").list({ skip: 0, take: 10 })).TotalResults, 2);
      await own.sort([environments[1].Id, environments[0].Id]);
      assert.deepEqual(
        (await own.list()).Items.map((one: Any) => one.Name),
        ["Production", "Test"],
      );
      await own.sort(environments.map((one) => one.Id));
      const changed = await own.modify({ ...environments[0], Description: "Where it is tried" });
      assert.equal((await own.get(changed.Id)).Description, "Where it is tried");
    });

    test("makes a lifecycle, a project group and a project", async () => {
      made.lifecycle = await repository("LifecycleRepository").create({
        Name: "Test first",
        Phases: environments.map((one) => ({
          Name: one.Name,
          AutomaticDeploymentTargets: [],
          OptionalDeploymentTargets: [one.Id],
          MinimumEnvironmentsBeforePromotion: 1,
          IsOptionalPhase: false,
        })),
      });
      made.group = await repository("ProjectGroupRepository").create({ Name: "Shops" });
      const projects = repository("ProjectRepository");
      project = await projects.create(api.NewProject("Web shop", made.group, made.lifecycle));
      project = await projects.modify({ ...project, Description: "Sells things" });
      const { Items: found } = await projects.list({ partialName: "shop" });
      assert.deepEqual(
        found.map((one: Any) => [one.Id, one.Description, one.LifecycleId, one.ProjectGroupId]),
        [[project.Id, "Sells things", made.lifecycle.Id, made.group.Id]],
      );
    });

    test("makes a deployment target, whose first health check it waits for", async () => {
      made.machine = await create("machines", {
        Name: "web-1",
        EnvironmentIds: environments.map((one) => one.Id),
        Roles: ["web"],
        Endpoint: {
          CommunicationStyle: "TentaclePassive",
          Uri: `https://127.0.0.1:${place.agent.port}/`,
          Thumbprint: place.agent.thumbprint,
        },
      });
      const { Items: tasks } = await read("tasks{?name}", { name: "Health" });
      assert.equal(tasks.length, 1);
      await ended([tasks[0].Id]);
      assert.equal((await read(`machines/${made.machine.Id}`)).HealthStatus, "Healthy");
    });

    test("writes a process with a script step and reads the same again", async () => {
      const process = await setSteps([scriptStep("Say hello", `echo "hello from $(get_octopusvariable Octopus.Environment.Name)"`)]);
      assert.match(process.Steps[0].Id, /./);
      assert.match(process.Steps[0].Actions[0].Id, /./);
      assert.deepEqual((await repository("DeploymentProcessRepository").get(project)).Steps, process.Steps);
    });

    test("packs and pushes packages, and what it knows about their build", async () => {
      const content = path.join(folder, "content");
      await fs.mkdir(content);
      await fs.writeFile(path.join(content, "readme.txt"), "inner content of the file");
      const logger = { info() {}, warn() {}, error() {}, debug() {} };
      const packing = { basePath: content, inputFilePatterns: ["**/*"], outputFolder: folder, version: "1.2.0", overwrite: true, logger };
      await new api.ZipPackageBuilder().pack({ ...packing, packageId: "Acme.Web" });
      await new api.NuGetPackageBuilder().pack({
        ...packing,
        packageId: "Acme.Base",
        nuspecArgs: { description: "What the others need", authors: ["Acme"] },
      });
      const files = ["Acme.Web.1.2.0.zip", "Acme.Base.1.2.0.nupkg"].map((file) => path.join(folder, file));
      const packages = repository("PackageRepository");
      await packages.push(files);
      assert.deepEqual((await packages.list()).Items.map((one: Any) => [one.PackageId, one.Version]).sort(), [
        ["Acme.Base", "1.2.0"],
        ["Acme.Web", "1.2.0"],
      ]);
      await assert.rejects(packages.push(files, api.OverwriteMode.FailIfExists), /A package with the same name and version already exists/);
      await packages.push(files, api.OverwriteMode.IgnoreIfExists);
      await packages.push(files, api.OverwriteMode.OverwriteExisting);

      const builds = repository("BuildInformationRepository");
      const build = {
        spaceName: space.Name,
        BuildEnvironment: "Elsewhere",
        Branch: "main",
        BuildNumber: "288",
        BuildUrl: "https://build.example/288",
        VcsType: "Git",
        VcsRoot: "https://code.example/acme",
        VcsCommitNumber: "314cf2c3ee916c92a384c2796a6abe332d678e4f",
        Packages: [{ Id: "Acme.Web", Version: "1.2.0" }],
        Commits: [{ Id: "314cf2c3ee916c92a384c2796a6abe332d678e4f", Comment: "As it should be" }],
      };
      await builds.push(build);
      await assert.rejects(builds.push(build), /Metadata for the specified Package ID and version already exists\./);
      const { Items: found } = await packages.list({ filter: "web" });
      assert.equal((await packages.get(found[0].Id)).PackageVersionBuildInformation.VcsCommitNumber, build.VcsCommitNumber);
    });

    test("creates a release and deploys it by the executions API", async () => {
      const created = await release("1.0.0", { ReleaseNotes: "The first" });
      assert.equal(created.ReleaseVersion, "1.0.0");
      const releases = repository("ReleaseRepository");
      assert.equal((await releases.get(created.ReleaseId)).ReleaseNotes, "The first");
      assert.equal((await releases.list({ take: 5 })).Items[0].Id, created.ReleaseId);
      assert.equal((await releases.listForProject(project.Id, { searchByVersion: "1.0" })).TotalResults, 1);
      await assert.rejects(release("1.0.0"), { StatusCode: 400 });

      const { DeploymentServerTasks: tasks } = await repository("DeploymentRepository").create({
        spaceName: space.Name,
        ProjectName: project.Name,
        ReleaseVersion: "1.0.0",
        EnvironmentNames: ["Test"],
      });
      const deployments = repository("DeploymentRepository");
      const { Items: listed } = await deployments.list({ ids: tasks.map((one: Any) => one.DeploymentId) });
      assert.deepEqual(
        listed.map((one: Any) => [one.Id, one.TaskId, one.EnvironmentId]),
        [[tasks[0].DeploymentId, tasks[0].ServerTaskId, environments[0].Id]],
      );
      assert.match(await succeeded(tasks[0].ServerTaskId), /hello from Test/);

      const details = await repository("SpaceServerTaskRepository").getDetails(tasks[0].ServerTaskId);
      assert.equal(details.Task.IsCompleted, true);
      const lines = (node: Any): string[] => [
        ...node.LogElements.map((one: Any) => one.MessageText as string),
        ...node.Children.flatMap((child: Any) => lines(child)),
      ];
      assert.ok(details.ActivityLogs.flatMap((node: Any) => lines(node)).includes("hello from Test"));
      const { TotalResults: successes } = await deployments.list({ taskState: api.TaskState.Success, projects: [project.Id] });
      assert.equal(successes, 1);
    });

    test("keeps to the lifecycle, promotes, and deploys once more", async () => {
      await release("1.1.0");
      await assert.rejects(deploy("1.1.0", environments[1]), { StatusCode: 400 });
      assert.match(await succeeded(await deploy("1.0.0", environments[1])), /hello from Production/);
      assert.match(await succeeded(await deploy("1.0.0", environments[0])), /hello from Test/);
      const { TotalResults: all } = await repository("DeploymentRepository").list({ projects: [project.Id] });
      assert.equal(all, 3);
    });

    test("creates and deploys by the older resources", async () => {
      const older = await create("releases", { ProjectId: project.Id, Version: "2.0.0" });
      const template = await read(`releases/${older.Id}/deployments/template`);
      assert.deepEqual(
        template.PromoteTo.map((one: Any) => one.Name),
        ["Test"],
      );
      const deployment = await create("deployments", { ReleaseId: older.Id, EnvironmentId: environments[0].Id });
      await succeeded(deployment.TaskId);
      const { Phases: phases } = await read(`releases/${older.Id}/progression`);
      assert.deepEqual(
        phases.map((one: Any) => one.Progress),
        ["Complete", "Current"],
      );
      assert.equal((await repository("DeploymentRepository").get(deployment.Id)).ReleaseId, older.Id);
    });

    test("cancels a deployment that runs, and one that its own waiter waited for in vain", async () => {
      const marks = [1, 2].map((n) => path.join(folder, `began-${n}`));
      await setSteps([
        scriptStep("Wait", `touch "${folder}/began-$(get_octopusvariable Octopus.Release.Number | cut -d. -f3)"; sleep 600`),
      ]);
      await release("3.0.1");
      const first = await deploy("3.0.1", environments[0]);
      await eventually("the script has begun", () => existsSync(marks[0]!), waitMsMax);
      await new api.ServerTaskRepository(client).cancel(first);
      assert.equal((await ended([first]))[0].State, "Canceled");

      await release("3.0.2");
      const second = await deploy("3.0.2", environments[0]);
      await eventually("the script has begun", () => existsSync(marks[1]!), waitMsMax);
      const waiter = new api.ServerTaskWaiter(client, space.Name);
      await assert.rejects(
        waiter.waitForServerTaskToComplete(second, lookEveryMs, 3 * lookEveryMs, undefined, true),
        /Tasks were cancelled/,
      );
      assert.equal((await ended([second]))[0].State, "Canceled");
    });

    test("tells a failed deployment from a successful one", async () => {
      await setSteps([scriptStep("Fail", `echo "it went wrong" >&2; exit 3`)]);
      await release("4.0.0");
      const [task] = await ended([await deploy("4.0.0", environments[0])]);
      assert.equal(task.State, "Failed");
      assert.equal(task.FinishedSuccessfully, false);
      assert.match(await repository("SpaceServerTaskRepository").getRaw(task.Id), /it went wrong/);
    });

    test("sets variables, which scripts read by their scope", async (t) => {
      const set = await orSkip(t, "variables", read(`variables/variableset-${project.Id}`));
      if (set === undefined) return;
      const own = (value: string, scope: object): object => ({
        Name: "Greeting",
        Value: value,
        Type: "String",
        IsEditable: true,
        Scope: scope,
      });
      const hidden = { Name: "Password", Value: "open sesame", Type: "Sensitive", IsSensitive: true, IsEditable: true, Scope: {} };
      const wanted = { ...set, Variables: [own("good day", {}), own("hi there", { Environment: [environments[0].Id] }), hidden] };
      const saved = await client.doUpdate(address(`variables/${set.Id}`), { spaceName: space.Name, ...wanted });
      assert.equal(saved.Variables.length, 3);
      assert.equal(saved.Variables.find((one: Any) => one.Name === "Password").Value, null);
      await assert.rejects(client.doUpdate(address(`variables/${set.Id}`), { spaceName: space.Name, ...wanted }), { StatusCode: 409 });
      await setSteps([scriptStep("Greet", `echo "Greeting: $(get_octopusvariable Greeting), $(get_octopusvariable Password)"`)]);
      await release("5.0.0");
      const log = await succeeded(await deploy("5.0.0", environments[0]));
      if (log.includes("Greeting: , \n")) return t.skip("this server keeps variables and gives scripts none of them yet");
      assert.match(log, /hi there, \*+/);
      assert.match(await succeeded(await deploy("5.0.0", environments[1])), /good day, \*+/);
    });

    test("deploys a package that was pushed", async (t) => {
      const [feed] = (await repository("FeedRepository").list({ take: 1 })).Items;
      const installed = path.join(folder, "installed");
      const step = scriptStep("Install", "", {
        ActionType: "Octopus.TentaclePackage",
        Packages: [
          {
            Id: "",
            Name: "",
            PackageId: "Acme.Web",
            FeedId: feed.Id,
            AcquisitionLocation: "Server",
            Properties: { SelectionMode: "immediate" },
          },
        ],
        Properties: {
          "Octopus.Action.Package.PackageId": "Acme.Web",
          "Octopus.Action.Package.FeedId": feed.Id,
          "Octopus.Action.Package.DownloadOnTentacle": "False",
          "Octopus.Action.EnabledFeatures": "Octopus.Features.CustomDirectory",
          "Octopus.Action.Package.CustomInstallationDirectory": installed,
        },
      });
      await setSteps([step]);
      if ((await orSkip(t, "steps that deploy a package", release("6.0.0", { Packages: ["Install:1.2.0"] }))) === undefined) return;
      const taskId = await deploy("6.0.0", environments[0]);
      if (await skippedAsUnknown(t, taskId)) return;
      await succeeded(taskId);
      assert.equal(await fs.readFile(path.join(installed, "readme.txt"), "utf8"), "inner content of the file");
    });

    test("collects an artifact that a script left", async (t) => {
      if ((await orSkip(t, "artifacts", create("artifacts", { Filename: "of nothing.txt" }))) === undefined) return;
      await setSteps([scriptStep("Report", `echo "all is well" > report.txt; new_octopusartifact "$PWD/report.txt" report.txt`)]);
      await release("7.0.0");
      const taskId = await deploy("7.0.0", environments[0]);
      await ended([taskId]);
      if ((await repository("SpaceServerTaskRepository").getRaw(taskId)).includes("new_octopusartifact: command not found"))
        return t.skip("this server keeps artifacts and scripts cannot leave any yet");
      await succeeded(taskId);
      const { Items: found } = await read("artifacts{?regarding}", { regarding: taskId });
      assert.deepEqual(
        found.map((one: Any) => one.Filename),
        ["report.txt"],
      );
      assert.match(await client.getRaw(found[0].Links.Content), /all is well/);
    });

    test("waits for a person and goes on when one answers", async (t) => {
      const manual = scriptStep("Ask", "", {
        ActionType: "Octopus.Manual",
        Properties: { "Octopus.Action.Manual.Instructions": "Look at it", "Octopus.Action.RunOnServer": "true" },
      });
      await setSteps([{ ...manual, Properties: {} }, scriptStep("Go on", "echo went on")]);
      await release("8.0.0");
      const taskId = await deploy("8.0.0", environments[0]);
      const tasks = repository("SpaceServerTaskRepository");
      const asked = await eventually(
        "somebody is asked",
        async () => {
          const { Items: pending } = await read("interruptions{?regarding,pendingOnly}", { regarding: taskId, pendingOnly: true });
          return (pending[0] as Any) ?? ((await tasks.getById(taskId)).IsCompleted && "nobody");
        },
        waitMsMax,
      );
      if (asked === "nobody" && (await skippedAsUnknown(t, taskId))) return;
      assert.equal((await tasks.getById(taskId)).HasPendingInterruptions, true);
      await client.doUpdate(address(`interruptions/${asked.Id}/responsible`), { spaceName: space.Name });
      await create(`interruptions/${asked.Id}/submit`, { Instructions: null, Notes: "Looks good", Result: "Proceed" });
      assert.match(await succeeded(taskId), /went on/);
    });

    test("deletes everything again", async () => {
      for (const one of (await repository("ReleaseRepository").listForProject(project.Id)).Items) await remove(`releases/${one.Id}`);
      assert.equal((await repository("DeploymentRepository").list({ projects: [project.Id] })).TotalResults, 0);
      for (const one of (await repository("PackageRepository").list()).Items) await remove(`packages/${one.Id}`);
      await repository("ProjectRepository").del(project);
      await repository("ProjectGroupRepository").del(made.group);
      await repository("LifecycleRepository").del(made.lifecycle);
      await remove(`machines/${made.machine.Id}`);
      for (const environment of environments) await repository("EnvironmentRepository").del(environment);
      await assert.rejects(repository("ProjectRepository").get(project.Id), { StatusCode: 404 });
      assert.equal((await repository("EnvironmentRepository").list()).TotalResults, 0);
      const spaces = new api.SpaceRepository(client);
      await spaces.modify({ ...space, TaskQueueStopped: true });
      await spaces.del(space);
      await assert.rejects(spaces.get(space.Id), { StatusCode: 404 });
    });
  });
}
