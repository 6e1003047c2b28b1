// Spaces, users, keys and what a new space holds, through the API.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startApiNode } from "../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../test/support/api-node.ts";
import { ensureAdministrator, ensureFirstSpace } from "../features.ts";

let node: ApiNode;
before(async () => {
  node = await startApiNode(undefined);
});
after(() => node.close());

test("a new space holds a group, a lifecycle, a default policy and a default pool", async () => {
  const space = await node.post("/api/spaces", { Name: "Fresh", SpaceManagersTeams: [], SpaceManagersTeamMembers: [] });
  const first = async (path: string): Promise<Json> => (await node.get(`/api/${space.Id}/${path}?take=1`)).Items[0];
  assert.equal((await first("projectgroups")).Name, "Default Project Group");
  assert.deepEqual([(await first("lifecycles")).Name, (await first("lifecycles")).Phases], ["Default Lifecycle", []]);
  assert.equal((await first("machinepolicies")).IsDefault, true);
  assert.equal((await first("workerpools")).IsDefault, true);
});

test("a space is deleted with everything in it, once its queue is stopped", async () => {
  const space = await node.post("/api/spaces", { Name: "Doomed" });
  await node.post(`/api/${space.Id}/environments`, { Name: "Dev" });
  assert.equal((await node.call("DELETE", space.Links.Self)).status, 400);
  await node.put(space.Links.Self, { ...space, TaskQueueStopped: true });
  assert.equal((await node.call("DELETE", space.Links.Self)).status, 200);
  assert.equal((await node.call("GET", `/api/${space.Id}`)).status, 404);
  assert.deepEqual(await node.database.query(`SELECT 1 FROM environments WHERE space_id = $1`, [space.Id]), []);
  assert.equal((await node.call("DELETE", "/api/spaces/Spaces-1")).status, 400);
});

test("spaces have short unique names, and exactly one is the default", async () => {
  assert.equal((await node.call("POST", "/api/spaces", { Name: "DEFAULT" })).status, 400);
  assert.equal((await node.call("POST", "/api/spaces", { Name: "x".repeat(21) })).status, 400);
  assert.equal((await node.call("POST", "/api/spaces", { Name: " " })).status, 400);
  const space = await node.post("/api/spaces", { Name: "Leader", IsDefault: true });
  assert.deepEqual(
    (await node.get("/api/spaces/all")).filter((one: Json) => one.IsDefault).map((one: Json) => one.Name),
    ["Leader"],
  );
  assert.match((await node.get("/api")).Links.Projects, new RegExp(`^/api/${space.Id}/`));
  await node.put("/api/spaces/Spaces-1", { IsDefault: true });
  assert.equal((await node.get("/api/spaces?partialName=lead&skip=0&take=2147483647")).Items[0].IsDefault, false);
});

test("a key is shown once, stored as a hash, and acts as its user", async () => {
  const key = await node.post("/api/users/me/apikeys", { Purpose: "build server" });
  assert.match(key.ApiKey, /^API-[A-Z0-9]{32}$/);
  assert.equal((await node.call("GET", "/api/users/me", undefined, { "X-Octopus-ApiKey": key.ApiKey })).body.Username, "admin");
  const listed = await node.get("/api/users/me/apikeys?take=1000");
  const shown = listed.Items.find((one: Json) => one.Id === key.Id);
  assert.deepEqual(shown.ApiKey, { HasValue: true, NewValue: null, Hint: key.ApiKey.slice(0, 8) });
  assert.ok(!JSON.stringify(listed).includes(key.ApiKey));
  const everything = await node.database.query(
    `SELECT k::text FROM api_keys k UNION ALL SELECT e::text FROM events e UNION ALL SELECT i::text FROM idempotency_keys i`,
  );
  assert.ok(!JSON.stringify(everything).includes(key.ApiKey), "the key's text is in the database");
  for (const body of [{}, { Purpose: "" }, { Purpose: "x", Expires: "2001-01-01T00:00:00Z" }, { Purpose: "x", Expires: "soon" }])
    assert.equal((await node.call("POST", "/api/users/me/apikeys", body)).status, 400);
});

test("a user without permission sees only themselves, and their list of spaces is a bare array", async () => {
  const as = { "X-Octopus-ApiKey": node.nobodyKey };
  const me = await node.call("GET", "/api/users/me", undefined, as);
  assert.deepEqual([me.body.Username, me.body.IsRequestor], ["nobody", true]);
  assert.equal((await node.call("GET", "/api/users/Users-1", undefined, as)).status, 404);
  assert.deepEqual((await node.call("GET", me.body.Links.Spaces, undefined, as)).body, []);
  const spaces: Json = await node.get((await node.get("/api/users/me")).Links.Spaces);
  assert.ok(Array.isArray(spaces) && spaces.some((one) => one.IsDefault && one.Links.SpaceHome === `/api/${one.Id}`));
});

test("starting again, on several nodes at once, changes nothing", async () => {
  const count = async () =>
    node.database.query(
      `SELECT (SELECT count(*) FROM spaces) AS spaces, (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM api_keys) AS keys, (SELECT count(*) FROM events) AS events`,
    );
  const before = await count();
  await Promise.all(
    Array.from({ length: 4 }, () =>
      node.database.transaction(async (tx) => {
        await ensureFirstSpace(tx);
        await ensureAdministrator(tx, { username: "ADMIN", passwordHash: null, email: null, apiKey: node.adminKey });
      }),
    ),
  );
  assert.deepEqual(await count(), before);
});

test("an administrator who was locked out is let in again by a start with their name, and the start says so in the audit", async () => {
  await node.database.execute(`UPDATE users SET is_active = false WHERE username = 'admin'`);
  assert.equal((await node.call("GET", "/api/users/me")).status, 401);
  await node.database.transaction((tx) => ensureAdministrator(tx, { username: "admin", passwordHash: null, email: null }));
  assert.equal((await node.call("GET", "/api/users/me")).status, 200);
  assert.match((await node.get("/api/events?take=1")).Items[0].Message, /active administrator at start/);
});
