// What holds for every route, checked over the route table itself: permissions, events, links, and bodies nobody would send.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Route } from "../platform/http/http.ts";
import { askPerson, manualChoices } from "./runs/interruptions/interruptions.ts";
import { make, startApiNode } from "../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../test/support/api-node.ts";
import { makeNupkg, makeTar } from "../../test/support/archives.ts";
import { makeDelta } from "../../test/support/octodiff.ts";

let node: ApiNode;
let seen: {
  environment: Json;
  machine: Json;
  worker: Json;
  proxy: Json;
  tagSet: Json;
  tenant: Json;
  project: Json;
  release: Json;
  librarySet: Json;
  deployment: Json;
  key: Json;
  build: Json;
  interruption: Json;
};

before(async () => {
  node = await startApiNode(undefined);
  const environment = await make.environment(node, "Development");
  const machine = await make.machine(node, "web01", [environment.Id]);
  const worker = await node.post("/api/workers", workerBody("worker01"));
  const proxy = await node.post("/api/proxies", { ...proxyBody, Name: "DMZ" });
  const tagSet = await node.post("/api/tagsets", { Name: "Region", Tags: [{ Name: "North" }] });
  const tenant = await node.post("/api/tenants", { Name: "Acme", TenantTags: ["Region/North"] });
  const project = await make.project(node, "Web");
  await make.process(node, project.Id);
  const release = await make.release(node, project.Id, "1.0.0");
  const librarySet = await node.post("/api/libraryvariablesets", { Name: "Shared" });
  const deployment = await node.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id });
  const key = await node.post("/api/users/me/apikeys", { Purpose: "test" });
  await pushPackage("Sample.1.0.0");
  await pushNupkg("Nuget");
  const build = await node.post("/api/build-information", buildBody("Sample"));
  const interruption = await askFor(deployment.TaskId);
  await node.put(interruption.Links.Responsible);
  seen = { build, interruption, environment, machine, worker, proxy, tagSet, tenant, project, release, librarySet, deployment, key };
});
after(() => node.close());

interface Change {
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

const fileHeaders = { "Content-Type": "application/octet-stream" };
const pushOf = (name: string): Change => ({
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

const workerBody = (name: string) => ({
  Name: name,
  WorkerPoolIds: ["WorkerPools-1"],
  Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://worker:10933/", Thumbprint: "ce".repeat(20) },
});

const proxyBody = { Host: "proxy.example", Port: 3128, Password: { HasValue: true, NewValue: "s3cret" } };

let made = 0;
const fresh = (word: string) => `${word} ${++made}`;

/** One valid request for each route that changes something. A new route fails the test until it has a line here. */
const changes: Record<string, () => Promise<Change> | Change> = {
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
  "DELETE /users/{id}": async () => ({
    path: `/api/users/${(await node.post("/api/users", { Username: fresh("user"), IsService: true })).Id}`,
  }),
  "POST /users/login": () => ({ path: "/api/users/login", body: { Username: fresh("nobody"), Password: "wrong" } }),
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
  "POST /workers": () => ({ path: "/api/workers", body: workerBody(fresh("Worker")) }),
  "PUT /workers/{id}": () => ({ path: `/api/workers/${seen.worker.Id}`, body: seen.worker }),
  "DELETE /workers/{id}": async () => ({
    path: `/api/workers/${(await node.post("/api/workers", workerBody(fresh("Worker")))).Id}`,
  }),
  "POST /workerpools": () => ({ path: "/api/workerpools", body: { Name: fresh("Pool") } }),
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
  "DELETE /releases/{id}": async () => ({ path: `/api/releases/${(await node.post("/api/releases", { ProjectId: seen.project.Id })).Id}` }),
  "POST /releases/{id}/snapshot-variables": () => ({ path: `/api/releases/${seen.release.Id}/snapshot-variables` }),
  "POST /libraryvariablesets": () => ({ path: "/api/libraryvariablesets", body: { Name: fresh("Library set"), ContentType: "Variables" } }),
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
        { Name: "Asked", Prompt: { Label: "Which?", Required: true, DisplaySettings: { "Octopus.ControlType": "SingleLineText" } } },
      ],
    },
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
  "POST /tasks": () => ({ path: "/api/tasks", body: { Name: "Health" } }),
  "PUT /interruptions/{id}/responsible": async () => ({ path: (await askFor(seen.deployment.TaskId)).Links.Responsible }),
  "POST /interruptions/{id}/submit": async () => {
    const { Links } = await askFor(seen.deployment.TaskId);
    await node.put(Links.Responsible);
    return { path: Links.Submit, body: { Result: "Proceed" } };
  },
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

const titleOf = (route: Route) => `${route.method} ${route.path}`;

/** The content of every table, so that "nothing changed" means just that. */
async function wholeDatabase(): Promise<string> {
  const tables = await node.database.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
  );
  const parts = await Promise.all(
    tables.map(async ({ name }) => {
      const [row] = await node.database.query<{ sum: string }>(
        `SELECT md5(COALESCE(string_agg(t::text, '|' ORDER BY t::text), '')) AS sum FROM ${name} t`,
      );
      return `${name} ${row!.sum}`;
    }),
  );
  return parts.join("\n");
}

async function countEvents(): Promise<number> {
  return (await node.database.query<{ n: number }>(`SELECT count(*) AS n FROM events`))[0]!.n;
}

describe("every route that changes something", () => {
  test("has a sample request in this test", () => {
    const missing = node.routes.filter((route) => route.changes && !(titleOf(route) in changes)).map(titleOf);
    assert.deepEqual(missing, []);
  });

  test("is refused without a key and without permission, changes nothing then, and writes an event when allowed", async () => {
    // Signing in and out has tests of its own: it needs no key and changes nothing for one.
    for (const route of node.routes.filter((one) => one.changes && !/^\/users\/log(in|out)$/.test(one.path))) {
      const title = titleOf(route);
      const { path, body, headers } = await changes[title]!();
      const before = await wholeDatabase();
      const anonymous = await node.call(route.method, path, body, { ...headers, "X-Octopus-ApiKey": "" });
      assert.equal(anonymous.status, 401, `${title} without a key: ${anonymous.text}`);
      const refused = await node.call(route.method, path, body, { ...headers, "X-Octopus-ApiKey": node.nobodyKey });
      // Somebody else's keys do not exist for a user without permission; everything else names the permission.
      if (route.permission === "signed-in") assert.equal(refused.status, 404, `${title} without permission: ${refused.text}`);
      else {
        assert.equal(refused.status, 403, `${title} without permission: ${refused.text}`);
        assert.ok(refused.body.ErrorMessage.includes(route.permission), `${title} names its permission`);
      }
      assert.equal(await wholeDatabase(), before, `${title} changed something although it was refused`);
      const events = await countEvents();
      const allowed = await node.call(route.method, path, body, headers);
      assert.ok(allowed.status === 200 || allowed.status === 201, `${title}: ${allowed.status} ${allowed.text}`);
      assert.ok((await countEvents()) > events, `${title} wrote no event`);
      if (route.method === "DELETE") {
        assert.equal(allowed.text, "", `${title} answers nothing`);
        assert.equal(allowed.headers.get("content-length"), "0", `${title} says that it answers nothing`);
      }
    }
    assert.deepEqual(node.faults, []);
  });
});

describe("every route that reads", () => {
  const idOf = (path: string): Record<string, string> =>
    path.startsWith("/feeds")
      ? { id: "feeds-builtin" }
      : path.startsWith("/nuget")
        ? { packageId: "Nuget", version: "1.0.0", leaf: "1.0.0.json", file: "nuget.1.0.0.nupkg" }
        : path.startsWith("/packages")
          ? { id: "packages-Sample.1.0.0", packageId: "Sample", version: "1.0.0" }
          : path.startsWith("/build-information")
            ? { id: seen.build.Id }
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
                        : path.startsWith("/projects")
                          ? { id: seen.project.Id, version: "1.0.0" }
                          : path.startsWith("/channels")
                            ? { id: "Channels-1" }
                            : path.startsWith("/interruptions")
                              ? { id: seen.interruption.Id }
                              : path.startsWith("/deploymentprocesses")
                                ? { id: `deploymentprocess-${seen.project.Id}` }
                                : path.startsWith("/libraryvariablesets")
                                  ? { id: seen.librarySet.Id }
                                  : path.startsWith("/variables")
                                    ? { id: `variableset-${seen.project.Id}` }
                                    : path.startsWith("/releases")
                                      ? { id: seen.release.Id }
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

  const queryOf = (path: string) => (/^\/variables\/(names|preview)$/.test(path) ? `?project=${seen.project.Id}` : "");
  const addressOf = (route: Route) =>
    `/api${route.path === "" && route.scope === "space" ? "/Spaces-1" : route.path}${queryOf(route.path)}`;

  test("answers for what exists, refuses strangers, and says 404 for what does not exist", async () => {
    for (const route of node.routes.filter((one) => !one.changes)) {
      const title = titleOf(route);
      const known = { ...idOf(route.path) };
      if (route.path === "/users/{userId}/apikeys/{id}") known["id"] = seen.key.Id;
      const fill = (values: Record<string, string>) =>
        addressOf(route).replace(/\{(\w+)\}/g, (_all, name: string) => values[name] ?? assert.fail(`${title}: no sample for ${name}`));
      const answer = await node.call("GET", fill(known));
      assert.equal(answer.status, 200, `${title}: ${answer.text}`);
      if (route.permission !== "anyone") {
        assert.equal((await node.call("GET", fill(known), undefined, { "X-Octopus-ApiKey": "" })).status, 401, `${title} without a key`);
        const nobody = await node.call("GET", fill(known), undefined, { "X-Octopus-ApiKey": node.nobodyKey });
        if (route.permission !== "signed-in") assert.equal(nobody.status, 403, `${title} without permission`);
      }
      if (route.path.includes("{")) {
        const unknown = await node.call("GET", fill(Object.fromEntries(Object.keys(known).map((name) => [name, "Nothing-999"]))));
        // A list of the tasks about an id that means nothing is an empty list.
        if (route.path !== "/machines/{id}/tasks") assert.equal(unknown.status, 404, `${title} for an unknown id: ${unknown.text}`);
      }
    }
    assert.deepEqual(node.faults, []);
  });

  test("gives links that lead somewhere", async () => {
    const checked = new Set<string>();
    const notYet = /\/(spaces\/[^/]+\/(logo|search)|users\/[^/]+\/(permissions|teams))/;
    for (const route of node.routes.filter((one) => !one.changes && one.path !== "")) {
      const known = { ...idOf(route.path) };
      if (route.path === "/users/{userId}/apikeys/{id}") known["id"] = seen.key.Id;
      const answer = await node.call(
        "GET",
        addressOf(route).replace(/\{(\w+)\}/g, (_all, name: string) => known[name]!),
      );
      for (const link of linksIn(answer.body)) {
        const address = link.replace(/\{[?/&][^}]*\}/g, "");
        if (
          checked.has(address) ||
          !address.startsWith("/api") ||
          address.includes("{") ||
          notYet.test(address) ||
          address.endsWith("/cancel") ||
          address.endsWith("/submit") ||
          address.endsWith("/snapshot-variables")
        )
          continue;
        checked.add(address);
        const followed = await node.call("GET", address);
        assert.equal(followed.status, 200, `${titleOf(route)} links to ${address}: ${followed.text}`);
      }
    }
    assert.ok(checked.size > 60, `only ${checked.size} links were checked`);
  });

  test("publishes every link name of the root documents, and each collection behind them answers", async () => {
    const root = await node.get("/api");
    const home = await node.get("/api/Spaces-1");
    for (const name of ["Self", "Spaces", "CurrentUser", "CertificateConfiguration", "SignIn", "SignOut", "SpaceHome", "Tasks", "Web"])
      assert.ok(root.Links[name], name);
    for (const name of ["Machines", "Workers", "WorkerPools", "Environments", "MachinePolicies", "Proxies", "Tenants", "TagSets"])
      assert.ok(home.Links[name], name);
    assert.match(home.Links.Machines, /thumbprint/);
    assert.equal(home.Version, undefined);
    const collections = [...Object.values(root.Links), ...Object.values(home.Links)]
      .map(String)
      .filter((link) => /^\/api[^{?]*\{\/id\}\{\?skip/.test(link));
    assert.ok(collections.length > 30);
    const without: string[] = [];
    for (const link of collections) {
      const answer = await node.call("GET", link.replace(/\{.*/, ""));
      if (answer.status !== 200 || !Array.isArray(answer.body?.Items)) without.push(`${link} ${answer.status}`);
    }
    assert.deepEqual(
      without.filter((one) => !/channels|deploymentprocesses/.test(one)),
      [],
    );
  });

  test("pages through a collection to its end", async () => {
    for (let n = 0; n < 7; n++) await make.environment(node, fresh("Paged"));
    const ids: string[] = [];
    let next: string | undefined = "/api/Spaces-1/environments?partialName=paged&take=3";
    for (let pages = 0; next !== undefined; pages++) {
      assert.ok(pages < 3, "Page.Next does not end");
      const answer: Json = await node.get(next);
      assert.equal(answer.TotalResults, 7);
      ids.push(...answer.Items.map((one: Json) => one.Id));
      next = answer.Links["Page.Next"];
    }
    assert.equal(new Set(ids).size, 7);
  });
});

function linksIn(value: Json): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = value.Links && typeof value.Links === "object" ? Object.values(value.Links).map(String) : [];
  return [...own, ...Object.entries(value).flatMap(([name, member]) => (name === "Links" ? [] : linksIn(member)))];
}

describe("bodies and addresses nobody would send", () => {
  /** A small generator with a seed, so that a failure can be repeated. */
  function createRandom(seed: number) {
    let state = seed;
    const next = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    return {
      next,
      below: (n: number) => Math.floor(next() * n),
      pick: <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!,
    };
  }

  const oddities: readonly unknown[] = [
    null,
    "",
    " ",
    "x",
    "\u0000",
    "\ud800",
    "a".repeat(5_000),
    "'; DROP TABLE spaces; --",
    "%00",
    "../..",
    "😀".repeat(300),
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    true,
    false,
    [],
    [[]],
    [null],
    {},
    { a: 1 },
    "Projects-1",
    "projects-1",
    "9999-99-99",
    "2026-01-31",
    { HasValue: true },
    { HasValue: true, NewValue: "s" },
    Array.from({ length: 300 }, () => "x"),
  ];

  test("never make a route fail for a fault of its own", async (t) => {
    const seed = Number(process.env["CUTTLE_TEST_SEED"] ?? 20260131);
    t.diagnostic(`seed ${seed}`);
    const random = createRandom(seed);
    const mutate = (value: Json, depth = 0): Json => {
      const roll = random.next();
      if (roll < 0.15 || depth > 6) return random.pick(oddities);
      if (Array.isArray(value))
        return value.length === 0 || roll < 0.3
          ? [random.pick(oddities)]
          : value.map((one) => (random.next() < 0.5 ? one : mutate(one, depth + 1)));
      if (typeof value === "object" && value !== null) {
        const entries = Object.entries(value).filter(() => random.next() > 0.1);
        const changed = entries.map(([name, member]) => [
          random.next() < 0.2 ? name.toUpperCase() : name,
          random.next() < 0.5 ? member : mutate(member, depth + 1),
        ]);
        return Object.fromEntries(
          random.next() < 0.2
            ? [...changed, ["__proto__", { polluted: true }], [random.pick(["constructor", "toString", "x"]), 1]]
            : changed,
        );
      }
      return random.next() < 0.5 ? random.pick(oddities) : value;
    };
    const routes = node.routes.filter((route) => route.method !== "DELETE" && !/nodes|spaces/.test(route.path));
    const deadline = Date.now() + 20_000;
    let sent = 0;
    for (let round = 0; round < 6; round++) {
      for (const route of routes) {
        if (Date.now() > deadline) break;
        const sample = route.changes
          ? await changes[titleOf(route)]!()
          : {
              path: `/api${route.path.replace(/\{\w+\}/g, () => encodeURIComponent(wellFormed(random.pick(["Projects-1", "x", "a\u0000b", "é", "1.0.0", "'", "all"]))))}`,
            };
        const query =
          random.next() < 0.5
            ? ""
            : `?${random.pick(["skip", "take", "ids", "name", "partialName", "from", "states", "tail"])}=${encodeURIComponent(random.pick(["-1", "abc", "0", "2147483647", "a,b", "\u0000", "99999999999", "2026-01-01"]))}`;
        const answer = await node.call(route.method, sample.path + query, route.changes ? mutate(sample.body ?? {}) : undefined);
        assert.ok(
          answer.status < 500,
          `seed ${seed}: ${titleOf(route)} ${query} answered ${answer.status}: ${answer.text} ${node.faults.map((one) => String(one.error)).join("\n")}`,
        );
        if (answer.status >= 400)
          assert.ok(Array.isArray(answer.body?.Errors) && answer.body.Errors.length > 0, `${titleOf(route)}: ${answer.text}`);
        sent++;
      }
    }
    assert.ok(sent > 100, `only ${sent} requests were sent`);
    assert.equal(({} as Json).polluted, undefined);
    assert.deepEqual(node.faults, []);
  });

  const wellFormed = (text: string) => text.toWellFormed();
});
