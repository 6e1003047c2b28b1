// What holds for every route, checked over the route table itself: permissions, events, links, and bodies nobody would send.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Route } from "../platform/http/http.ts";
import { make, startApiNode } from "../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../test/support/api-node.ts";
import { fuzzedRoutes, sendMutatedRequests } from "../../test/support/mutated-requests.ts";
import { createSampleRequests, titleOf } from "../../test/support/sample-requests.ts";
import type { SampleRequests } from "../../test/support/sample-requests.ts";

let node: ApiNode;
let samples: SampleRequests;

before(async () => {
  node = await startApiNode(undefined);
  samples = await createSampleRequests(node);
});
after(() => node.close());

/** Answers a line for each table; made once, because the tables stay the same. */
let sumsOfTables: Promise<string> | undefined;

/** The content of every table, so that "nothing changed" means just that. */
async function wholeDatabase(): Promise<string> {
  sumsOfTables ??= node.database
    .query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
    )
    .then((tables) => {
      assert.ok(tables.length > 50, `there are only ${tables.length} tables`);
      const sums = tables.map(
        ({ name }) => `SELECT '${name} ' || md5(COALESCE(string_agg(t::text, '|' ORDER BY t::text), '')) AS line FROM ${name} t`,
      );
      return sums.join(" UNION ALL ");
    });
  return (await node.database.query<{ line: string }>(await sumsOfTables))
    .map(({ line }) => line)
    .sort()
    .join("\n");
}

async function countEvents(): Promise<number> {
  return (await node.database.query<{ n: number }>(`SELECT count(*) AS n FROM events`))[0]!.n;
}

describe("every route that changes something", () => {
  test("has a sample request in this test", () => {
    const missing = node.routes.filter((route) => route.changes && !(titleOf(route) in samples.changes)).map(titleOf);
    assert.deepEqual(missing, []);
  });

  test("is refused without a key and without permission, changes nothing then, and writes an event when allowed", async () => {
    // Signing in and out, and what a token in the body allows, have tests of their own: they need no key and change nothing for one.
    for (const route of node.routes.filter(
      (one) => one.changes && one.permission !== "anyone" && !/^\/users\/(logout|sign-in-links)$/.test(one.path),
    )) {
      const title = titleOf(route);
      const { path, body, headers } = await samples.changes[title]!();
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
  const ask = (route: Route, address: string, headers?: Record<string, string>) =>
    node.call(route.method, address, route.method === "GET" ? undefined : samples.questions[titleOf(route)], headers);

  /** Never ends by itself, and has tests of its own. */
  const isStream = (path: string): boolean => /\/(log\/events|events\/stream)$/.test(path);

  test("answers for what exists, refuses strangers, and says 404 for what does not exist", async () => {
    for (const route of node.routes.filter((one) => !one.changes && !isStream(one.path))) {
      const title = titleOf(route);
      const address = samples.addressOf(route);
      const answer = await ask(route, address);
      assert.equal(answer.status, 200, `${title}: ${answer.text}`);
      if (route.permission !== "anyone") {
        assert.equal((await ask(route, address, { "X-Octopus-ApiKey": "" })).status, 401, `${title} without a key`);
        const nobody = await ask(route, address, { "X-Octopus-ApiKey": node.nobodyKey });
        if (route.permission !== "signed-in") assert.equal(nobody.status, 403, `${title} without permission`);
      }
      if (route.path.includes("{")) {
        const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name!, "Nothing-999"]);
        const unknown = await ask(route, samples.addressOf(route, Object.fromEntries(names)));
        // A list of the tasks about an id that means nothing is an empty list.
        if (route.path !== "/machines/{id}/tasks") assert.equal(unknown.status, 404, `${title} for an unknown id: ${unknown.text}`);
      }
    }
    assert.deepEqual(node.faults, []);
  });

  /** Whether something is done at this address, and nothing read. */
  function isAction(address: string): boolean {
    const path = address.split("?")[0]!.replace(/^\/api\/(Spaces-\d+\/)?/, "/");
    const here = node.routes.filter((route) => new RegExp(`^${route.path.replace(/\{\w+\}/g, "[^/]+")}$`, "i").test(path));
    return here.length > 0 && here.every((route) => route.method !== "GET");
  }

  test("gives links that lead somewhere", async () => {
    const checked = new Set<string>();
    const notYet = /\/(spaces\/[^/]+\/(logo|search)|users\/[^/]+\/(permissions|teams))/;
    for (const route of node.routes.filter((one) => !one.changes && one.path !== "" && !isStream(one.path))) {
      const answer = await ask(route, samples.addressOf(route));
      for (const link of linksIn(answer.body)) {
        const address = link.replace(/\{[?/&][^}]*\}/g, "");
        if (checked.has(address) || !address.startsWith("/api") || address.includes("{") || notYet.test(address)) continue;
        // An artifact may be announced before its content is stored, and nobody may have taken on an interruption.
        if (isAction(address) || isStream(address) || /\/artifacts\/[^/]+\/content$|\/responsible$/.test(address)) continue;
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
    for (let n = 0; n < 7; n++) await make.environment(node, samples.fresh("Paged"));
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

/** Where in a schema a list may grow without end. */
function listsWithoutLimit(schema: Json, at = ""): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const own = schema.type === "array" && schema.maxItems === undefined ? [at || "the body"] : [];
  const inner = Object.entries(schema).flatMap(([name, one]) =>
    listsWithoutLimit(one, name === "properties" || name === "items" ? at : `${at}.${name}`),
  );
  return [...own, ...inner];
}

describe("bodies and addresses nobody would send", () => {
  test("S5: each list that a body may hold has a limit, and 100,000 entries are refused by name", async () => {
    const unlimited = node.routes.flatMap((route) => listsWithoutLimit(route.body).map((at) => `${titleOf(route)}: ${at}`));
    assert.deepEqual(unlimited, []);
    const long = Array.from({ length: 100_000 }, () => "x");
    const sent: [string, string, unknown, string][] = [
      ["PUT", "/api/environments/sortorder", long, "The body"],
      ["POST", "/api/machines", { Name: "m", Roles: long, EnvironmentIds: long }, "Roles"],
      ["POST", "/api/releases", { ProjectId: "Projects-1", SelectedPackages: long }, "SelectedPackages"],
    ];
    const before = await wholeDatabase();
    for (const [method, path, body, name] of sent) {
      const { status, body: answer } = await node.call(method, path, body);
      assert.equal(status, 400, name);
      assert.match(answer.Errors[0], new RegExp(`^${name} has more than the limit of \\d+ entries\\.$`));
    }
    assert.equal(await wholeDatabase(), before);
  });

  test("S5: never make a route fail for a fault of its own, and change nothing without an event in the same transaction", async (t) => {
    const seed = Number(process.env["CUTTLE_TEST_SEED"] ?? 20260131);
    const report = await sendMutatedRequests({
      node,
      samples,
      routes: fuzzedRoutes(node.routes),
      seed,
      rounds: 2,
      untilMs: Date.now() + 8_000,
    });
    t.diagnostic(`seed ${seed}: ${report.sent} requests, ${JSON.stringify(report.statuses)}`);
    assert.deepEqual(report.faults, []);
    assert.ok(report.sent > 50, `only ${report.sent} requests were sent`);
    // Requests that are all refused, or all carried out, would test little.
    assert.ok((report.statuses["400"] ?? 0) > 5 && (report.statuses["200"] ?? 0) > 5, JSON.stringify(report.statuses));
    assert.equal(({} as Json).polluted, undefined);
    assert.deepEqual(node.faults, []);
  });
});
