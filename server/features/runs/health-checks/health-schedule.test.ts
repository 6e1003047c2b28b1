// D10: health checks at the intervals of machine policies, set and seen through the API.

import assert from "node:assert/strict";
import { test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import { createScheduler } from "../../../engine/schedules/schedules.ts";
import { healthSchedule } from "./health-checks.ts";

test("D10: a policy's machines are checked at its interval by one task, and a changed policy counts at once", async (t) => {
  const node = await startApiNode(t);
  const scheduler = createScheduler({
    database: node.database,
    sources: [healthSchedule],
    upToDateMs: 0,
    log: { warn: (_fields, message) => assert.fail(message) },
  });
  /** As if so much time had passed. */
  const pass = async (minutes: number) => {
    await node.database.execute(
      `UPDATE schedules SET next_due = next_due - $1 * interval '1 minute', last_due = last_due - $1 * interval '1 minute',
              created_at = created_at - $1 * interval '1 minute'`,
      [minutes],
    );
    await node.database.execute(`UPDATE schedule_firings SET due_at = due_at - $1 * interval '1 minute'`, [minutes]);
  };
  const endTasks = () =>
    node.database.execute(`WITH gone AS (DELETE FROM task_queue) UPDATE tasks SET state = 'Success', completed_at = now()`);
  const intervalOf = async (policy: { Id: string; MachineHealthCheckPolicy: object }, HealthCheckInterval: string | null) =>
    node.put(`/api/machinepolicies/${policy.Id}`, {
      ...policy,
      MachineHealthCheckPolicy: { ...policy.MachineHealthCheckPolicy, HealthCheckInterval },
    });

  const environment = await make.environment(node, "Production");
  const own = await node.post("/api/machinepolicies", {
    Name: "Often",
    MachineHealthCheckPolicy: { HealthCheckInterval: "00:10:00" },
  });
  const machine = (Name: string, more: object = {}) =>
    node.post("/api/machines", {
      Name,
      EnvironmentIds: [environment.Id],
      Roles: ["web"],
      MachinePolicyId: own.Id,
      Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://localhost:10933/", Thumbprint: "cd".repeat(20) },
      ...more,
    });
  const web = await machine("web");
  await machine("disabled", { IsDisabled: true });
  await machine("no agent", { Endpoint: { CommunicationStyle: "None" } });
  const usual = await make.machine(node, "of the default policy", [environment.Id]);

  assert.deepEqual(await scheduler.look(), []);
  await pass(10);
  assert.equal((await scheduler.look()).length, 1);
  const [task] = (await node.get("/api/tasks?name=Health")).Items;
  assert.deepEqual(
    [task.Name, task.Description, task.SpaceId, task.Arguments.MachineIds, task.Arguments.PolicyId],
    ["Health", "Check the health of the machines of Often", "Spaces-1", [web.Id], own.Id],
  );
  assert.ok(Math.abs(Date.parse(task.QueueTime) - Date.parse(task.Arguments.DueAt)) < 60_000);
  assert.equal((await node.get(`/api/machines/${web.Id}/tasks`)).Items[0].Id, task.Id);
  const [event] = (await node.get(`/api/events?regarding=${task.Id}`)).Items;
  assert.deepEqual([event.Category, event.Username], ["TaskQueued", "system"]);
  assert.equal((await node.call("GET", `/api/tasks/${task.Id}`, undefined, { "X-Octopus-ApiKey": node.nobodyKey })).status, 403);

  await endTasks();
  const changed = await intervalOf(own, "2.00:00:00");
  await scheduler.look();
  await pass(50);
  const [hourly] = await scheduler.look();
  assert.deepEqual((await node.get(`/api/tasks/${hourly}`)).Arguments.MachineIds, [usual.Id], "the default policy's hour is over");
  await endTasks();
  await intervalOf(changed, "00:05:00");
  const [often] = await scheduler.look();
  assert.deepEqual(
    (await node.get(`/api/tasks/${often}`)).Arguments.MachineIds,
    [web.Id],
    "the last check is longer ago than the new interval",
  );

  await endTasks();
  await intervalOf(changed, null);
  await pass(30);
  assert.deepEqual(await scheduler.look(), []);
  const space = await node.get("/api/spaces/Spaces-1");
  await node.put("/api/spaces/Spaces-1", { ...space, TaskQueueStopped: true });
  await pass(120);
  assert.deepEqual(await scheduler.look(), [], "a space that takes no tasks gets none");
});
