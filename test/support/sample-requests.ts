// What tests of the whole route table need: one thing of each kind in the database, one valid request for every route that changes
// something, and ids that fill the placeholders of every route that reads.

import assert from "node:assert/strict";
import { askPerson, manualChoices } from "../../server/features/runs/interruptions/interruptions.ts";
import type { Route } from "../../server/platform/http/http.ts";
import { make } from "./api-node.ts";
import type { ApiNode, Json } from "./api-node.ts";
import { makeNupkg, makeTar } from "./archives.ts";
import { makeDelta } from "./octodiff.ts";

export interface SampleRequest {
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface SampleRequests {
  /** A valid request for each route that changes something, by "METHOD /path". Each call makes what the request needs. */
  changes: Record<string, () => Promise<SampleRequest> | SampleRequest>;
  /** The body of each question that is too long for an address, by "POST /path". */
  questions: Record<string, unknown>;
  /** The address of a route that reads, filled with ids that exist; `overrides` replace some of them. */
  addressOf(route: Route, overrides?: Record<string, string>): string;
  /** A name nothing has yet. */
  fresh(word: string): string;
}

export const titleOf = (route: Pick<Route, "method" | "path">): string => `${route.method} ${route.path}`;

/** Makes one thing of each kind in an empty node. */
export async function createSampleRequests(node: ApiNode): Promise<SampleRequests> {
  let made = 0;
  const fresh = (word: string): string => `${word} ${++made}`;
  const fileHeaders = { "Content-Type": "application/octet-stream" };
  const pushOf = (name: string): SampleRequest => ({
    path: `/api/packages/raw?fileName=${name}.tar`,
    body: makeTar("a.txt", name),
    headers: fileHeaders,
  });
  async function pushPackage(name: string): Promise<void> {
    const { path, body, headers } = pushOf(name);
    const answer = await node.call("POST", path, body, headers);
    assert.equal(answer.status, 201, answer.text);
  }
  async function pushNupkg(id: string): Promise<void> {
    const answer = await fetch(`${node.url}/nuget/packages`, {
      method: "PUT",
      headers: { "X-NuGet-ApiKey": node.adminKey, ...fileHeaders },
      body: new Uint8Array(makeNupkg(id, "1.0.0")),
    });
    assert.equal(answer.status, 201, await answer.text());
  }
  const buildBody = (packageId: string) => ({
    PackageId: packageId,
    Version: "1.0.0",
    OctopusBuildInformation: { Branch: "main", Commits: [{ Id: "abc", Comment: "a change" }] },
  });

  const workerBody = (name: string) => ({
    Name: name,
    WorkerPoolIds: ["WorkerPools-1"],
    Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://worker:10933/", Thumbprint: "ce".repeat(20) },
  });

  const proxyBody = { Host: "proxy.example", Port: 3128, Password: { HasValue: true, NewValue: "s3cret" } };

  const environment = await make.environment(node, "Development");
  const machine = await make.machine(node, "web01", [environment.Id]);
  const worker = await node.post("/api/workers", workerBody("worker01"));
  const proxy = await node.post("/api/proxies", { ...proxyBody, Name: "DMZ" });
  const tagSet = await node.post("/api/tagsets", { Name: "Region", Tags: [{ Name: "North" }] });
  const project = await make.project(node, "Web");
  await make.process(node, project.Id);
  const release = await make.release(node, project.Id, "1.0.0");
  const librarySet = await node.post("/api/libraryvariablesets", { Name: "Shared" });
  const deployment = await node.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id });
  const hosted = await make.project(node, "Hosted");
  const Templates = [{ Id: "color", Name: "Color", DefaultValue: "red", DisplaySettings: { "Octopus.ControlType": "SingleLineText" } }];
  await node.put(`/api/projects/${hosted.Id}`, { TenantedDeploymentMode: "TenantedOrUntenanted", Templates });
  await make.process(node, hosted.Id);
  const hostedRelease = await make.release(node, hosted.Id, "1.0.0");
  const tenant = await node.post("/api/tenants", {
    Name: "Acme",
    TenantTags: ["Region/North"],
    ProjectEnvironments: { [hosted.Id]: [environment.Id] },
  });
  const tenantValues = () => ({
    LibraryVariables: {},
    ProjectVariables: { [hosted.Id]: { Variables: { [environment.Id]: { color: fresh("Color") } } } },
  });
  /** A question that a task asks, as a step of its process would. */
  async function askFor(taskId: string): Promise<Json> {
    const title = fresh("Question");
    await node.database.transaction((tx) =>
      askPerson(tx, {
        spaceId: "Spaces-1",
        taskId,
        block: title,
        attempt: 1,
        type: "ManualIntervention",
        title,
        instructions: "Look at it",
        choices: manualChoices,
        responsibleTeamIds: [],
        relatedDocumentIds: [],
      }),
    );
    const { Items } = await node.get(`/api/interruptions?regarding=${taskId}`);
    return Items.find((one: Json) => one.Title === title);
  }
  const interruption = await askFor(deployment.TaskId);
  await node.put(interruption.Links.Responsible);
  const artifactBody = (name: string) => ({ Filename: name, ServerTaskId: deployment.TaskId });
  const artifact = await node.post("/api/artifacts", artifactBody("report.txt"));
  await node.call("PUT", `/api/artifacts/${artifact.Id}/content`, new Uint8Array(Buffer.from("a report")), fileHeaders);
  const key = await node.post("/api/users/me/apikeys", { Purpose: "test" });
  await pushPackage("Sample.1.0.0");
  await pushNupkg("Nuget");
  const build = await node.post("/api/build-information", buildBody("Sample"));
  const seen = {
    build,
    environment,
    machine,
    worker,
    proxy,
    tagSet,
    tenant,
    project,
    release,
    hostedRelease,
    librarySet,
    deployment,
    interruption,
    artifact,
    key,
  };
  const tokenBody = { EnvironmentIds: [seen.environment.Id], Roles: ["web"] };
  const installToken = await node.post("/api/machines/install-tokens", tokenBody);
  /** One valid request for each route that changes something. A new route fails the test until it has a line here. */
  const changes: SampleRequests["changes"] = {
    "POST /spaces": () => ({ path: "/api/spaces", body: { Name: fresh("Space") } }),
    "PUT /spaces/{id}": async () => ({
      path: `/api/spaces/${(await node.post("/api/spaces", { Name: fresh("Space") })).Id}`,
      body: { Description: "changed" },
    }),
    "DELETE /spaces/{id}": async () => {
      const space = await node.post("/api/spaces", { Name: fresh("Space") });
      await node.put(`/api/spaces/${space.Id}`, { TaskQueueStopped: true });
      return { path: `/api/spaces/${space.Id}` };
    },
    "POST /users": () => ({ path: "/api/users", body: { Username: fresh("user"), Password: "long enough" } }),
    "PUT /users/{id}": async () => ({
      path: `/api/users/${(await node.post("/api/users", { Username: fresh("user"), IsService: true })).Id}`,
      body: { DisplayName: fresh("Name") },
    }),
    "PUT /users/{id}/revoke-sessions": async () => ({
      path: `/api/users/${(await node.post("/api/users", { Username: fresh("user"), IsService: true })).Id}/revoke-sessions`,
    }),
    "DELETE /users/{id}": async () => ({
      path: `/api/users/${(await node.post("/api/users", { Username: fresh("user"), IsService: true })).Id}`,
    }),
    "POST /users/login": () => ({ path: "/api/users/login", body: { Username: fresh("nobody"), Password: "wrong" } }),
    "POST /users/sign-in-links": () => ({ path: "/api/users/sign-in-links" }),
    "GET /users/sign-in": async () => ({ path: new URL((await node.post("/api/users/sign-in-links")).Address).href.replace(node.url, "") }),
    "POST /users/logout": () => ({ path: "/api/users/logout" }),
    "POST /users/{userId}/apikeys": () => ({ path: "/api/users/Users-1/apikeys", body: { Purpose: "another" } }),
    "DELETE /users/{userId}/apikeys/{id}": async () => ({
      path: `/api/users/Users-1/apikeys/${(await node.post("/api/users/me/apikeys", { Purpose: "short" })).Id}`,
    }),
    "POST /environments": () => ({ path: "/api/environments", body: { Name: fresh("Environment") } }),
    "PUT /environments/{id}": () => ({
      path: `/api/environments/${seen.environment.Id}`,
      body: { Name: "Development", Description: fresh("text") },
    }),
    "DELETE /environments/{id}": async () => ({ path: `/api/environments/${(await make.environment(node, fresh("Environment"))).Id}` }),
    "PUT /environments/sortorder": () => ({ path: "/api/environments/sortorder", body: [seen.environment.Id] }),
    "POST /machinepolicies": () => ({ path: "/api/machinepolicies", body: { Name: fresh("Policy") } }),
    "PUT /machinepolicies/{id}": () => ({ path: "/api/machinepolicies/MachinePolicies-1", body: { Description: fresh("text") } }),
    "DELETE /machinepolicies/{id}": async () => ({
      path: `/api/machinepolicies/${(await node.post("/api/machinepolicies", { Name: fresh("Policy") })).Id}`,
    }),
    "POST /machines": () => ({ path: "/api/machines", body: { ...seen.machine, Id: undefined, Name: fresh("Machine") } }),
    "PUT /machines/{id}": () => ({ path: `/api/machines/${seen.machine.Id}`, body: seen.machine }),
    "DELETE /machines/{id}": async () => ({
      path: `/api/machines/${(await make.machine(node, fresh("Machine"), [seen.environment.Id])).Id}`,
    }),
    "POST /machines/install-tokens": () => ({ path: "/api/machines/install-tokens", body: tokenBody }),
    "DELETE /machines/install-tokens/{id}": async () => ({
      path: `/api/machines/install-tokens/${(await node.post("/api/machines/install-tokens", tokenBody)).Id}`,
    }),
    "POST /agent/install/stages": async () => ({
      path: "/api/agent/install/stages",
      body: { Token: (await node.post("/api/machines/install-tokens", tokenBody)).Token, Stage: "Started" },
    }),
    "POST /agent/install/register": async () => ({
      path: "/api/agent/install/register",
      body: {
        Token: (await node.post("/api/machines/install-tokens", tokenBody)).Token,
        Thumbprint: "ef".repeat(20),
        Uri: "https://localhost:10933/",
        MachineName: fresh("Machine"),
      },
    }),
    "POST /workers": () => ({ path: "/api/workers", body: workerBody(fresh("Worker")) }),
    "PUT /workers/{id}": () => ({ path: `/api/workers/${seen.worker.Id}`, body: seen.worker }),
    "DELETE /workers/{id}": async () => ({
      path: `/api/workers/${(await node.post("/api/workers", workerBody(fresh("Worker")))).Id}`,
    }),
    "POST /workerpools": () => ({ path: "/api/workerpools", body: { Name: fresh("Pool") } }),
    "PUT /workerpools/sortorder": () => ({ path: "/api/workerpools/sortorder", body: ["WorkerPools-1"] }),
    "PUT /workerpools/{id}": () => ({ path: "/api/workerpools/WorkerPools-1", body: { Description: fresh("text") } }),
    "DELETE /workerpools/{id}": async () => ({
      path: `/api/workerpools/${(await node.post("/api/workerpools", { Name: fresh("Pool") })).Id}`,
    }),
    "POST /proxies": () => ({ path: "/api/proxies", body: { ...proxyBody, Name: fresh("Proxy") } }),
    "PUT /proxies/{id}": () => ({ path: `/api/proxies/${seen.proxy.Id}`, body: { Username: fresh("user") } }),
    "DELETE /proxies/{id}": async () => ({
      path: `/api/proxies/${(await node.post("/api/proxies", { ...proxyBody, Name: fresh("Proxy") })).Id}`,
    }),
    "POST /tagsets": () => ({ path: "/api/tagsets", body: { Name: fresh("Set"), Tags: [{ Name: "a" }] } }),
    "PUT /tagsets/{id}": () => ({ path: `/api/tagsets/${seen.tagSet.Id}`, body: { Description: fresh("text") } }),
    "PUT /tagsets/sortorder": () => ({ path: "/api/tagsets/sortorder", body: [seen.tagSet.Id] }),
    "DELETE /tagsets/{id}": async () => ({ path: `/api/tagsets/${(await node.post("/api/tagsets", { Name: fresh("Set") })).Id}` }),
    "POST /tenants": () => ({ path: "/api/tenants", body: { Name: fresh("Tenant"), TenantTags: ["Region/North"] } }),
    "PUT /tenants/{id}": () => ({ path: `/api/tenants/${seen.tenant.Id}`, body: { Description: fresh("text") } }),
    "POST /tenants/{id}/variables": () => ({ path: `/api/tenants/${seen.tenant.Id}/variables`, body: tenantValues() }),
    "PUT /tenants/{id}/variables": () => ({ path: `/api/tenants/${seen.tenant.Id}/variables`, body: tenantValues() }),
    "DELETE /tenants/{id}": async () => ({ path: `/api/tenants/${(await node.post("/api/tenants", { Name: fresh("Tenant") })).Id}` }),
    "POST /lifecycles": () => ({ path: "/api/lifecycles", body: { Name: fresh("Lifecycle") } }),
    "PUT /lifecycles/{id}": () => ({ path: "/api/lifecycles/Lifecycles-1", body: { Description: fresh("text") } }),
    "DELETE /lifecycles/{id}": async () => ({
      path: `/api/lifecycles/${(await node.post("/api/lifecycles", { Name: fresh("Lifecycle") })).Id}`,
    }),
    "POST /projectgroups": () => ({ path: "/api/projectgroups", body: { Name: fresh("Group") } }),
    "PUT /projectgroups/{id}": () => ({ path: "/api/projectgroups/ProjectGroups-1", body: { Description: fresh("text") } }),
    "DELETE /projectgroups/{id}": async () => ({
      path: `/api/projectgroups/${(await node.post("/api/projectgroups", { Name: fresh("Group") })).Id}`,
    }),
    "POST /projects": () => ({
      path: "/api/projects",
      body: { Name: fresh("Project"), ProjectGroupId: "ProjectGroups-1", LifecycleId: "Lifecycles-1" },
    }),
    "PUT /projects/{id}": () => ({ path: `/api/projects/${seen.project.Id}`, body: { Description: fresh("text") } }),
    "DELETE /projects/{id}": async () => ({ path: `/api/projects/${(await make.project(node, fresh("Project"))).Id}` }),
    "PUT /projects/{id}/deploymentsettings": () => ({
      path: `/api/projects/${seen.project.Id}/deploymentsettings`,
      body: { DefaultGuidedFailureMode: "Off" },
    }),
    "POST /channels": () => ({ path: "/api/channels", body: { Name: fresh("Channel"), ProjectId: seen.project.Id } }),
    "PUT /channels/{id}": () => ({ path: "/api/channels/Channels-1", body: { Description: fresh("text") } }),
    "DELETE /channels/{id}": async () => ({
      path: `/api/channels/${(await node.post("/api/channels", { Name: fresh("Channel"), ProjectId: seen.project.Id })).Id}`,
    }),
    "PUT /deploymentprocesses/{id}": () => ({ path: `/api/deploymentprocesses/deploymentprocess-${seen.project.Id}`, body: { Steps: [] } }),
    "PUT /projects/{id}/deploymentprocesses": () => ({ path: `/api/projects/${seen.project.Id}/deploymentprocesses`, body: { Steps: [] } }),
    "PUT /feeds/{id}": () => ({ path: "/api/feeds/feeds-builtin", body: { DeleteUnreleasedPackagesAfterDays: 30 } }),
    "POST /packages/raw": () => pushOf(`Fresh${++made}.1.0.0`),
    "PUT /nuget/packages": () => ({
      path: "/nuget/packages",
      body: new Uint8Array(makeNupkg(`Fresh${++made}`, "1.0.0")),
      headers: fileHeaders,
    }),
    "DELETE /nuget/packages/{packageId}/{version}": async () => {
      const name = `Fresh${++made}`;
      await pushNupkg(name);
      return { path: `/nuget/packages/${name}/1.0.0` };
    },
    "DELETE /packages/{id}": async () => {
      const name = `Fresh${++made}.1.0.0`;
      await pushPackage(name);
      return { path: `/api/packages/${name}` };
    },
    "POST /packages/{packageId}/{baseVersion}/delta": () => {
      const wanted = Buffer.from(makeTar("a.txt", fresh("delta")), "latin1");
      return {
        path: `/api/packages/Sample/1.0.0/delta?fileName=Sample.1.0.${++made}.tar`,
        body: new Uint8Array(makeDelta(wanted, [wanted])),
        headers: fileHeaders,
      };
    },
    "DELETE /packages/bulk": async () => {
      const name = `Fresh${++made}.1.0.0`;
      await pushPackage(name);
      return { path: `/api/packages/bulk?ids=${name}` };
    },
    "POST /build-information": () => ({ path: "/api/build-information", body: buildBody(fresh("Package")) }),
    "DELETE /build-information/{id}": async () => ({
      path: `/api/build-information/${(await node.post("/api/build-information", buildBody(fresh("Package")))).Id}`,
    }),
    "DELETE /build-information/bulk": async () => ({
      path: `/api/build-information/bulk?ids=${(await node.post("/api/build-information", buildBody(fresh("Package")))).Id}`,
    }),
    "POST /releases": () => ({ path: "/api/releases", body: { ProjectId: seen.project.Id } }),
    "POST /releases/create/v1": () => ({ path: "/api/releases/create/v1", body: { ProjectName: "Web" } }),
    "PUT /releases/{id}": () => ({ path: `/api/releases/${seen.release.Id}`, body: { ReleaseNotes: fresh("notes") } }),
    "DELETE /releases/{id}": async () => ({
      path: `/api/releases/${(await node.post("/api/releases", { ProjectId: seen.project.Id })).Id}`,
    }),
    "POST /releases/{id}/snapshot-variables": () => ({ path: `/api/releases/${seen.release.Id}/snapshot-variables` }),
    "POST /libraryvariablesets": () => ({
      path: "/api/libraryvariablesets",
      body: { Name: fresh("Library set"), ContentType: "Variables" },
    }),
    "PUT /libraryvariablesets/{id}": () => ({
      path: `/api/libraryvariablesets/${seen.librarySet.Id}`,
      body: { Description: fresh("text"), Templates: [{ Name: "a" }] },
    }),
    "DELETE /libraryvariablesets/{id}": async () => ({
      path: `/api/libraryvariablesets/${(await node.post("/api/libraryvariablesets", { Name: fresh("Library set") })).Id}`,
    }),
    "PUT /variables/{id}": () => ({
      path: `/api/variables/variableset-${seen.project.Id}`,
      body: {
        Variables: [
          { Id: "", Name: fresh("Plain"), Value: "a", Scope: { Environment: [seen.environment.Id], Role: ["web"] }, Type: "String" },
          { Name: fresh("Secret"), Value: "b", IsSensitive: true, Description: "text" },
          // Not required: the deployments of other samples give no values.
          { Name: "Asked", Prompt: { Label: "Which?", Required: false, DisplaySettings: { "Octopus.ControlType": "SingleLineText" } } },
        ],
      },
    }),
    "PUT /interruptions/{id}/responsible": async () => ({ path: (await askFor(seen.deployment.TaskId)).Links.Responsible }),
    "POST /interruptions/{id}/submit": async () => {
      const { Links } = await askFor(seen.deployment.TaskId);
      await node.put(Links.Responsible);
      return { path: Links.Submit, body: { Result: "Proceed" } };
    },
    "POST /artifacts": () => ({ path: "/api/artifacts", body: artifactBody(fresh("file")) }),
    "PUT /artifacts/{id}": () => ({ path: `/api/artifacts/${seen.artifact.Id}`, body: { Filename: fresh("file") } }),
    "DELETE /artifacts/{id}": async () => ({
      path: `/api/artifacts/${(await node.post("/api/artifacts", artifactBody(fresh("file")))).Id}`,
    }),
    "PUT /artifacts/{id}/content": async () => ({
      path: `/api/artifacts/${(await node.post("/api/artifacts", artifactBody(fresh("file")))).Id}/content`,
      body: new Uint8Array(Buffer.from(fresh("content"))),
      headers: fileHeaders,
    }),
    "POST /deployments": () => ({ path: "/api/deployments", body: { ReleaseId: seen.release.Id, EnvironmentId: seen.environment.Id } }),
    "POST /deployments/create/untenanted/v1": () => ({
      path: "/api/deployments/create/untenanted/v1",
      body: { ProjectName: "Web", ReleaseVersion: "1.0.0", EnvironmentNames: ["Development"] },
    }),
    "DELETE /deployments/{id}": async () => {
      const deployment = await node.post("/api/deployments", { ReleaseId: seen.release.Id, EnvironmentId: seen.environment.Id });
      await node.post(`/api/tasks/${deployment.TaskId}/cancel`);
      return { path: `/api/deployments/${deployment.Id}` };
    },
    "POST /tasks/rerun/{id}": async () => {
      const task = await node.post("/api/tasks", { Name: "Health" });
      await node.post(`/api/tasks/${task.Id}/cancel`);
      return { path: `/api/tasks/rerun/${task.Id}` };
    },
    "POST /deployments/create/tenanted/v1": () => ({
      path: "/api/deployments/create/tenanted/v1",
      body: {
        ProjectName: "Hosted",
        ReleaseVersion: "1.0.0",
        EnvironmentName: "Development",
        Tenants: ["Acme"],
        TenantTags: ["Region/North"],
      },
    }),
    "POST /releases/{id}/defects": async () => ({
      path: `/api/releases/${(await node.post("/api/releases", { ProjectId: seen.project.Id })).Id}/defects`,
      body: { Description: "Does not start" },
    }),
    "POST /releases/{id}/defects/resolve": async () => {
      const release = await node.post("/api/releases", { ProjectId: seen.project.Id });
      await node.post(`/api/releases/${release.Id}/defects`, { Description: "Does not start" });
      return { path: `/api/releases/${release.Id}/defects/resolve` };
    },
    "PUT /maintenanceconfiguration": async () => ({
      path: "/api/maintenanceconfiguration",
      body: { IsInMaintenanceMode: !(await node.get("/api/maintenanceconfiguration")).IsInMaintenanceMode },
    }),
    "POST /tasks": () => ({ path: "/api/tasks", body: { Name: "Health" } }),
    "POST /tasks/{id}/cancel": async () => ({ path: `/api/tasks/${(await node.post("/api/tasks", { Name: "Health" })).Id}/cancel` }),
    "PUT /octopusservernodes/{id}": () => ({ path: "/api/octopusservernodes/OctopusServerNodes-test", body: { MaxConcurrentTasks: 7 } }),
    "DELETE /octopusservernodes/{id}": async () => {
      const name = fresh("node").replace(" ", "-");
      await node.database.execute(
        `INSERT INTO server_nodes (id, name, task_cap, instance, version, stopped_at) VALUES ($1, $2, 1, 'i', '0', now())`,
        [`OctopusServerNodes-${name}`, name],
      );
      return { path: `/api/octopusservernodes/OctopusServerNodes-${name}` };
    },
  };

  const idOf = (path: string): Record<string, string> =>
    path.startsWith("/feeds")
      ? { id: "feeds-builtin" }
      : path.startsWith("/nuget")
        ? { packageId: "Nuget", version: "1.0.0", leaf: "1.0.0.json", file: "nuget.1.0.0.nupkg" }
        : path.startsWith("/packages")
          ? { id: "packages-Sample.1.0.0", packageId: "Sample", version: "1.0.0" }
          : path.startsWith("/build-information")
            ? { id: seen.build.Id }
            : path.startsWith("/libraryvariablesets")
              ? { id: seen.librarySet.Id }
              : path.startsWith("/variables")
                ? { id: `variableset-${seen.project.Id}` }
                : path.startsWith("/interruptions")
                  ? { id: seen.interruption.Id }
                  : path.startsWith("/artifacts")
                    ? { id: seen.artifact.Id }
                    : idOfOthers(path);
  const idOfOthers = (path: string): Record<string, string> =>
    path.startsWith("/environments")
      ? { id: seen.environment.Id }
      : path.startsWith("/machinepolicies")
        ? { id: "MachinePolicies-1" }
        : path.startsWith("/machines")
          ? { id: seen.machine.Id }
          : path.startsWith("/workers")
            ? { id: seen.worker.Id }
            : path.startsWith("/proxies")
              ? { id: seen.proxy.Id }
              : path.startsWith("/tagsets")
                ? { id: seen.tagSet.Id }
                : path.startsWith("/tenants")
                  ? { id: seen.tenant.Id }
                  : path.startsWith("/workerpools")
                    ? { id: "WorkerPools-1" }
                    : path.startsWith("/lifecycles")
                      ? { id: "Lifecycles-1" }
                      : path.startsWith("/projectgroups")
                        ? { id: "ProjectGroups-1" }
                        : path.startsWith("/projects") || path.startsWith("/progression")
                          ? { id: seen.project.Id, version: "1.0.0" }
                          : path.startsWith("/channels")
                            ? { id: "Channels-1" }
                            : path.startsWith("/deploymentprocesses")
                              ? { id: `deploymentprocess-${seen.project.Id}` }
                              : path.startsWith("/releases")
                                ? {
                                    id: path.endsWith("{tenant}") ? seen.hostedRelease.Id : seen.release.Id,
                                    environment: seen.environment.Id,
                                    tenant: seen.tenant.Id,
                                  }
                                : path.startsWith("/deployments")
                                  ? { id: seen.deployment.Id }
                                  : path.startsWith("/tasks")
                                    ? { id: seen.deployment.TaskId }
                                    : path.startsWith("/events")
                                      ? { id: "Events-1" }
                                      : path.startsWith("/octopusservernodes")
                                        ? { id: "OctopusServerNodes-test" }
                                        : path.startsWith("/spaces")
                                          ? { id: "Spaces-1" }
                                          : path.startsWith("/users")
                                            ? { id: "Users-1", userId: "Users-1" }
                                            : path.startsWith("/configuration/certificates") || path.startsWith("/certificates")
                                              ? { id: "certificate-global" }
                                              : {};

  const questions: SampleRequests["questions"] = {
    "POST /channels/rule-test": { Version: "1.2.0-beta", VersionRange: "[1.0,2.0)", PreReleaseTag: "^beta" },
    "POST /agent/install/state": { Token: installToken.Token },
    "POST /releases/{id}/deployments/previews": {
      DeploymentPreviews: [{ EnvironmentId: seen.environment.Id }],
      IncludeDisabledSteps: true,
    },
  };

  const queryOf = (path: string): string => {
    if (path.endsWith("/discover")) return "?host=localhost";
    if (path.endsWith("/log/search")) return "?text=a";
    return /^\/variables\/(names|preview)$/.test(path) ? `?project=${seen.project.Id}` : "";
  };

  function addressOf(route: Route, overrides: Record<string, string> = {}): string {
    const known: Record<string, string> = {
      ...idOf(route.path),
      ...(route.path === "/users/{userId}/apikeys/{id}" ? { id: seen.key.Id } : {}),
      ...(route.path === "/machines/install-tokens/{id}" ? { id: installToken.Id } : {}),
      ...(route.path === "/projects/{id}/channels/{channel}/releases" ? { channel: seen.release.ChannelId } : {}),
      ...(route.path === "/channels/{id}/releases/{version}" ? { id: seen.release.ChannelId, version: seen.release.Version } : {}),
      ...(route.path === "/agent/download/{file}" ? { file: "cuttle-agent-0.0.0-linux-x64.tar.gz" } : {}),
      ...overrides,
    };
    const query = queryOf(route.path);
    const path = route.path === "" && route.scope === "space" ? "/Spaces-1" : route.path;
    const valueOf = (name: string): string => known[name] ?? assert.fail(`${titleOf(route)}: no sample for ${name}`);
    return `/api${path.replace(/\{(\w+)\}/g, (_all, name: string) => valueOf(name))}${query}`;
  }
  return { changes, questions, addressOf, fresh };
}
