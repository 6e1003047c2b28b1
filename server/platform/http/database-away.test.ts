// What callers see while PostgreSQL is gone and when it is back: 503 with a time to come again, never a hang and never a 500.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../database/database.ts";
import { startApiNode } from "../../../test/support/api-node.ts";
import { startPostgres } from "../../../test/support/postgres.ts";

test("a probe that does not answer counts as failing after two seconds", async (t) => {
  const node = await startApiNode(t, { probes: [{ name: "shared folder", check: () => new Promise(() => {}) }] });
  const startedMs = performance.now();
  const ready = await node.call("GET", "/api/health/ready");
  assert.equal(ready.status, 503);
  assert.deepEqual(ready.body.Checks, [{ Name: "shared folder", Status: "failing", Message: "No answer within 2 s." }]);
  assert.ok(performance.now() - startedMs < 4_000);
});

test("without its database a node is alive but not ready, and answers 503 to everything else", async (t) => {
  const node = await startApiNode(undefined);
  t.after(() => node.close().catch(() => {}));
  assert.equal((await node.call("GET", "/api/health/ready")).status, 200);
  const { adminConnection } = await startPostgres();
  const admin = openDatabase({ connection: adminConnection, applicationName: "test-support", connectionsMax: 1 });
  t.after(() => admin.close());
  const { database: name } = node.database.connection;
  await admin.execute(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
  await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, [name]);
  const requests = [
    ["GET", "/api/users/me"],
    ["GET", "/api"],
    ["POST", "/api/environments", { Name: "Lost" }],
    ["GET", "/api/octopusservernodes/ping"],
  ] as const;
  for (const [method, path, body] of requests) {
    const answer = await node.call(method, path, body);
    assert.equal(answer.status, 503, `${method} ${path}: ${answer.text}`);
    assert.equal(answer.headers.get("retry-after"), "2");
    assert.ok(answer.body.Errors.length > 0);
    assert.ok(!/ECONN|socket|\/tmp/i.test(answer.text), answer.text);
  }
  assert.equal((await node.call("GET", "/api/health/live")).status, 200);
  const ready = await node.call("GET", "/api/health/ready");
  assert.deepEqual([ready.status, ready.body.Status], [503, "failing"]);
  await admin.execute(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS true`);
  assert.equal((await node.call("POST", "/api/environments", { Name: "Back" })).status, 201);
  assert.equal((await node.get("/api/environments?name=Lost")).TotalResults, 0);
});
