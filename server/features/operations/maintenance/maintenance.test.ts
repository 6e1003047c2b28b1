// Maintenance of the cluster through the API: who may still change things, and what status and health say meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startApiNode } from "../../../../test/support/api-node.ts";

test("while the server is in maintenance only administrators change anything, and every node says so", async (t) => {
  const node = await startApiNode(t);
  const asNobody = { "X-Octopus-ApiKey": node.nobodyKey };
  const own = () => node.call("POST", "/api/users/me/apikeys", { Purpose: "mine" }, asNobody);
  assert.equal((await own()).status, 201);
  const on = await node.put("/api/maintenanceconfiguration", { IsInMaintenanceMode: true });
  assert.deepEqual([on.Id, on.IsInMaintenanceMode], ["maintenance", true]);
  const refused = await own();
  assert.equal(refused.status, 503, refused.text);
  assert.equal(refused.headers.get("retry-after"), "60");
  assert.match(refused.body.ErrorMessage, /in maintenance/);
  assert.equal((await node.call("GET", "/api/users/me", undefined, asNobody)).status, 200);
  assert.equal((await node.call("PUT", "/api/maintenanceconfiguration", { IsInMaintenanceMode: false }, asNobody)).status, 403);
  await node.post("/api/environments", { Name: "Made by an administrator" });
  assert.equal((await node.get("/api/serverstatus")).IsInMaintenanceMode, true);
  const health = await node.get("/api/serverstatus/health");
  assert.deepEqual([health.IsEntireClusterReadOnly, health.IsOperatingNormally], [true, false]);
  const before = (await node.get("/api/events?take=0")).TotalResults;
  await node.put("/api/maintenanceconfiguration", { IsInMaintenanceMode: true });
  assert.equal((await node.get("/api/events?take=0")).TotalResults, before, "nothing changed, so there is no event");
  await node.put("/api/maintenanceconfiguration", { IsInMaintenanceMode: false });
  assert.equal((await own()).status, 201);
  assert.equal((await node.get("/api/serverstatus/health")).IsOperatingNormally, true);
  assert.deepEqual(node.faults, []);
});
