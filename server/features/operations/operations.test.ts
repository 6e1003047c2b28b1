// Nodes and the health of the cluster, through the API.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startApiNode } from "../../../test/support/api-node.ts";
import type { ApiNode } from "../../../test/support/api-node.ts";

let node: ApiNode;
let told = 0;
before(async () => {
  node = await startApiNode(undefined, { nodeChanged: () => void told++ });
});
after(() => node.close());

const own = "/api/octopusservernodes/OctopusServerNodes-test";
const ping = () => node.call("GET", "/api/octopusservernodes/ping", undefined, { "X-Octopus-ApiKey": "" });

test("a drained node answers the ping with 418, takes its cap at once, and the cluster says that all drain", async () => {
  assert.equal((await ping()).status, 200);
  const changed = await node.put(own, { IsInMaintenanceMode: true, MaxConcurrentTasks: 3 });
  assert.deepEqual([changed.IsInMaintenanceMode, changed.MaxConcurrentTasks, told], [true, 3, 1]);
  const answer = await ping();
  assert.deepEqual([answer.status, answer.body.Name, answer.body.IsInMaintenanceMode], [418, "test", true]);
  const health = await node.get("/api/serverstatus/health");
  assert.deepEqual([health.IsEntireClusterDrainingTasks, health.IsOperatingNormally], [true, false]);
  await node.put(own, { IsInMaintenanceMode: false });
  assert.equal((await ping()).status, 200);
  assert.equal((await node.get("/api/serverstatus/health")).IsOperatingNormally, true);
});

test("a running node cannot be deleted, one that is away can", async () => {
  assert.match((await node.call("DELETE", own)).body.ErrorMessage, /is running/);
  await node.database.execute(`UPDATE server_nodes SET last_seen_at = now() - interval '1 minute'`);
  assert.equal((await node.get("/api/octopusservernodes/summary")).Nodes[0].IsOffline, true);
  // It still answers, so it still takes work.
  assert.equal((await ping()).status, 200);
  assert.equal((await node.call("DELETE", own)).status, 200);
  assert.equal((await node.call("GET", own)).status, 404);
  assert.equal((await ping()).status, 503);
});

test("a cap that no machine could run is refused", async () => {
  await node.database.execute(
    `INSERT INTO server_nodes (id, name, task_cap, instance, version) VALUES ('OctopusServerNodes-test', 'test', 5, 'i', '0')`,
  );
  for (const MaxConcurrentTasks of [-1, 10_001, 1.5, "many"])
    assert.equal((await node.call("PUT", own, { MaxConcurrentTasks })).status, 400);
  assert.equal((await node.get(own)).MaxConcurrentTasks, 5);
});
