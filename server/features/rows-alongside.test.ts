// Reads whose rows come in the statement that says who is calling: the same answers and refusals as any other read, at once and for everybody.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../test/support/api-node.ts";
import { hashPassword } from "../platform/secrets/secrets.ts";

const password = "Correct horse 1!";
let node: ApiNode;
let ids: string[];
let statements: string[] = [];
before(async () => {
  node = await startApiNode(undefined);
  ids = [];
  for (const name of ["Dev", "Test", "Prod"]) ids.push((await make.environment(node, name)).Id);
  const { query } = node.database;
  node.database.query = ((...given: Parameters<typeof query>) => {
    statements.push(given[0]);
    return query.apply(node.database, given);
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
