// Reads whose rows come in the statement that says who is calling: the same answers and refusals as any other read, at once and for everybody.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../test/support/api-node.ts";
import { DatabaseUnavailable, openDatabase } from "../platform/database/database.ts";
import { createHttpServer } from "../platform/http/http.ts";
import { hashPassword } from "../platform/secrets/secrets.ts";

const password = "Correct horse 1!";
let node: ApiNode;
let ids: string[];
let statements: string[] = [];
/** What a statement passes before its answer is given out; it has run by then. */
let afterEach: (() => Promise<void>) | undefined;
before(async () => {
  node = await startApiNode(undefined);
  ids = [];
  for (const name of ["Dev", "Test", "Prod"]) ids.push((await make.environment(node, name)).Id);
  const { query } = node.database;
  node.database.query = ((...given: Parameters<typeof query>) => {
    statements.push(given[0]);
    const passing = afterEach;
    return query.apply(node.database, given).then(async (rows) => {
      await passing?.();
      return rows;
    });
  }) as typeof query;
});
after(() => node.close());

async function counted(path: string, headers: Record<string, string> = {}) {
  statements = [];
  const answer = await node.call("GET", path, undefined, headers);
  return { ...answer, statements: statements.length };
}
const namesOf = (body: Json): string[] => body.Items.map((one: Json) => one.Name);

test("one resource and a page of them are one statement each, in their order and with their total", async () => {
  const one = await counted(`/api/Spaces-1/environments/${ids[1]}`);
  assert.deepEqual([one.status, one.body.Id, one.body.Name, one.statements], [200, ids[1], "Test", 1]);
  const page = await counted("/api/environments?take=2&skip=1");
  assert.deepEqual([namesOf(page.body), page.body.TotalResults, page.statements], [["Test", "Prod"], 3, 1]);
  const filtered = await counted(`/api/environments?partialName=e&ids=${ids[0]},${ids[2]}`);
  assert.deepEqual([namesOf(filtered.body), filtered.body.TotalResults], [["Dev"], 1]);
  const beyond = await counted("/api/environments?skip=50");
  assert.deepEqual([beyond.body.Items, beyond.body.TotalResults], [[], 3]);
  for (const spelling of [ids[1]!.toUpperCase(), "test", "TEST"])
    assert.equal((await counted(`/api/environments/${spelling}`)).body.Id, ids[1], spelling);
});

test("what is not there, or in another space, is not found, and what cannot be read is refused", async () => {
  const other = await node.post("/api/spaces", { Name: "Other", SpaceManagersTeamMembers: ["Users-1"] });
  assert.equal((await counted(`/api/${other.Id}/environments/${ids[0]}`)).status, 404);
  assert.deepEqual((await counted(`/api/${other.Id}/environments`)).body.Items, []);
  assert.equal((await counted("/api/Spaces-404/environments")).status, 404);
  assert.equal((await counted("/api/environments/Environments-404")).status, 404);
  assert.equal((await counted("/api/environments/%00")).status, 400);
  assert.equal((await counted("/api/environments?take=many")).status, 400);
});

test("whoever may not see it is refused, at the very next request, with the official body", async () => {
  const at = `/api/environments/${ids[0]}`;
  for (const path of [at, "/api/environments"]) {
    assert.equal((await counted(path, { "X-Octopus-ApiKey": "" })).status, 401);
    assert.equal((await counted(path, { "X-Octopus-ApiKey": "API-WRONG" })).status, 401);
    const refused = await counted(path, { "X-Octopus-ApiKey": node.nobodyKey });
    assert.equal(refused.status, 403);
    assert.match(refused.body.ErrorMessage, /EnvironmentView/);
    assert.doesNotMatch(refused.text, /Dev/);
    // A changed permission and a disabled user count at once, in both directions.
    await node.database.execute(`UPDATE users SET is_administrator = true WHERE username = 'nobody'`);
    assert.equal((await counted(path, { "X-Octopus-ApiKey": node.nobodyKey })).status, 200);
    await node.database.execute(`UPDATE users SET is_active = false WHERE username = 'nobody'`);
    assert.equal((await counted(path, { "X-Octopus-ApiKey": node.nobodyKey })).status, 401);
    await node.database.execute(`UPDATE users SET is_active = true, is_administrator = false WHERE username = 'nobody'`);
  }
});

test("a session reads them too", async () => {
  await node.database.execute(`UPDATE users SET password_hash = $1 WHERE username = 'admin'`, [await hashPassword(password)]);
  const body = { Username: "admin", Password: password, RememberMe: false, State: { UsingSecureConnection: false } };
  const signedIn = await node.call("POST", "/api/users/login", body, { "X-Octopus-ApiKey": "" });
  const cookie = signedIn.headers
    .getSetCookie()
    .map((one) => one.split(";")[0]!)
    .join("; ");
  const read = await counted(`/api/environments/${ids[2]}`, { "X-Octopus-ApiKey": "", cookie });
  assert.deepEqual([read.status, read.body.Name, read.statements], [200, "Prod", 1]);
  await node.database.execute("DELETE FROM sessions");
  assert.equal((await counted(`/api/environments/${ids[2]}`, { "X-Octopus-ApiKey": "", cookie })).status, 401);
});

/** Statements that are sent from now on have run when `ran` resolves, and say so to nobody before `giveOut`. */
function holdStatements(): { ran: Promise<void>; giveOut: () => void } {
  const ran = Promise.withResolvers<void>();
  const out = Promise.withResolvers<void>();
  afterEach = () => {
    ran.resolve();
    return out.promise;
  };
  return {
    ran: ran.promise,
    giveOut: () => {
      afterEach = undefined;
      out.resolve();
    },
  };
}
const withKey = (key: string) => ({ "X-Octopus-ApiKey": key });
async function newKey(purpose: string): Promise<{ Id: string; ApiKey: string }> {
  return node.post("/api/users/Users-1/apikeys", { Purpose: purpose });
}

test("S1, S2: of what comes at once, and shares statements, each gets its own answer or refusal", async () => {
  const other = await node.post("/api/spaces", { Name: "Beside", SpaceManagersTeamMembers: ["Users-1"] });
  const { ApiKey: second } = await newKey("second");
  const asked: [string, string, number, string?][] = [
    [`/api/environments/${ids[0]}`, node.adminKey, 200, "Dev"],
    [`/api/environments/${ids[0]}`, second, 200, "Dev"],
    [`/api/Spaces-1/environments/test`, second, 200, "Test"],
    [`/api/environments/${ids[2]}`, node.adminKey, 200, "Prod"],
    [`/api/environments/${ids[2]}`, node.nobodyKey, 403],
    [`/api/environments/${ids[2]}`, "API-WRONG", 401],
    [`/api/environments/${ids[2]}`, "", 401],
    [`/api/${other.Id}/environments/${ids[2]}`, node.adminKey, 404],
    [`/api/Spaces-404/environments/${ids[2]}`, node.adminKey, 404],
    ["/api/environments/Environments-404", node.adminKey, 404],
  ];
  // Each way round, so that who is nobody also comes first: then the row is not read for those beside it, and each of them asks for itself.
  for (const order of [asked, asked.toReversed()]) {
    // While two are held, everything else waits for them and goes together.
    const held = holdStatements();
    const first = node.call("GET", `/api/environments/${ids[0]}`);
    await held.ran;
    const before = node.call("GET", `/api/environments/${ids[1]}`);
    const answers = Promise.all(order.map(([path, key]) => node.call("GET", path, undefined, withKey(key))));
    held.giveOut();
    for (const [n, answer] of (await answers).entries()) {
      const [path, key, status, name] = order[n]!;
      assert.deepEqual([answer.status, answer.body.Name], [status, name], `${path} with ${key}: ${answer.text}`);
    }
    assert.deepEqual([(await first).body.Name, (await before).body.Name], ["Dev", "Test"]);
  }
});

test("S1, S2: pages that are asked for at once by several callers are right for each of them", async () => {
  const other = await node.post("/api/spaces", { Name: "Third", SpaceManagersTeamMembers: ["Users-1"] });
  const { ApiKey: third } = await newKey("third");
  const asked: [string, string, number, string[]?][] = [
    ["/api/environments?take=2", node.adminKey, 200, ["Dev", "Test"]],
    ["/api/environments?take=2", third, 200, ["Dev", "Test"]],
    ["/api/environments?take=2", node.nobodyKey, 403],
    ["/api/environments?take=2", "API-WRONG", 401],
    ["/api/Spaces-1/environments?take=2", third, 200, ["Dev", "Test"]],
    ["/api/environments?take=2&skip=2", third, 200, ["Prod"]],
    [`/api/${other.Id}/environments?take=2`, node.adminKey, 200, []],
    ["/api/environments?partialName=est", third, 200, ["Test"]],
  ];
  for (let round = 0; round < 2 * asked.length; round++) {
    // Each comes first once: also who is nobody, and for whom the rows of all are then not read.
    asked.push(asked.shift()!);
    const answers = await Promise.all(asked.map(([path, key]) => node.call("GET", path, undefined, withKey(key))));
    for (const [n, answer] of answers.entries()) {
      const [path, key, status, names] = asked[n]!;
      assert.deepEqual([answer.status, names && namesOf(answer.body)], [status, names], `${path} with ${key}: ${answer.text}`);
      if (names?.length === 2) assert.match(answer.body.Links["Page.Next"], /environments\?skip=2&take=2$/);
    }
  }
});

test("S1: a key that another node deleted, and a row it changed, count for whatever is asked after the answer, whatever is under way", async (t) => {
  const elsewhere = openDatabase({ connection: node.connection, applicationName: "cuttle-test-other", connectionsMax: 2 });
  const server = createHttpServer({ database: elsewhere, routes: node.routes, nodeName: "other", reportFault: () => {} });
  const [address] = await server.listen("http://127.0.0.1:0");
  t.after(() => server.close(1_000));
  t.after(() => elsewhere.close());
  const change = async (method: string, path: string, body?: object): Promise<void> => {
    const headers = { ...withKey(node.adminKey), ...(body && { "content-type": "application/json" }) };
    const url = `http://127.0.0.1:${address!.port}${path}`;
    assert.equal((await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) })).status, 200);
  };
  const at = `/api/environments/${ids[0]}`;
  for (const [path, name] of [
    [at, (body: Json) => body.Name],
    ["/api/environments?take=1", (body: Json) => body.Items[0].Name],
    ["/api/users/me", (body: Json) => body.Username],
  ] as const) {
    const key = await newKey("to be deleted");
    const held = holdStatements();
    const earlier = node.call("GET", path, undefined, withKey(key.ApiKey));
    await held.ran;
    // It says the same as the one under way, but is asked after the change.
    await change("DELETE", `/api/users/Users-1/apikeys/${key.Id}`);
    const later = node.call("GET", path, undefined, withKey(key.ApiKey));
    const rowBefore = node.call("GET", path);
    await change("PUT", at, { Name: "Renamed" });
    const rowAfter = node.call("GET", path);
    held.giveOut();
    assert.deepEqual([(await earlier).status, (await later).status], [200, 401], path);
    await rowBefore;
    assert.equal(name((await rowAfter).body), path === "/api/users/me" ? "admin" : "Renamed");
    await change("PUT", at, { Name: "Dev" });
  }
});

test("a statement that fails fails all who share it, as their own would have, and nobody after them", async () => {
  const paths = [`/api/environments/${ids[0]}`, `/api/environments/${ids[1]}`, "/api/environments", "/api/users/me"];
  const held = holdStatements();
  const under = node.call("GET", paths[0]!);
  await held.ran;
  afterEach = () => Promise.reject(new DatabaseUnavailable("a test", undefined));
  const answers = Promise.all([...paths, ...paths].map((path) => node.call("GET", path)));
  for (const answer of await answers) {
    assert.equal(answer.status, 503, answer.text);
    assert.equal(answer.headers.get("retry-after"), "2");
  }
  held.giveOut();
  assert.equal((await under).status, 200);
  for (const path of paths) assert.equal((await node.call("GET", path)).status, 200);
});
