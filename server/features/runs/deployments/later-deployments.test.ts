// Deployments that are asked for at a later time, or only until a time, through the API; time passes by moving what is due. Holds D1, D3, D10.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { createTaskTimers } from "../../../engine/tasks/tasks.ts";

let node: ApiNode;
let place: Json;
let release: Json;
before(async () => {
  node = await startApiNode(undefined);
  place = await make.environment(node, "Test");
  const project = await make.project(node, "Web Shop");
  await make.process(node, project.Id);
  release = await make.release(node, project.Id, "1.0.0");
});
after(() => node.close());

const hourMs = 3_600_000;
/** As the API writes times. */
const inHours = (hours: number): string => new Date(Date.now() + hours * hourMs).toISOString().replace("Z", "+00:00");
/** As sentences write them. */
const said = (time: string): string => new Date(time).toISOString();
const deploy = (more: object = {}): Promise<Json> =>
  node.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: place.Id, ...more });
const timers = () => createTaskTimers({ database: node.database, log: { warn: (fields) => assert.fail(JSON.stringify(fields)) } });
const passHours = (taskId: string, hours: number) =>
  node.database.execute(`UPDATE task_timers SET due_at = due_at - $2 * interval '1 hour' WHERE task_id = $1`, [taskId, hours]);
const queue = async (): Promise<[string, boolean][]> =>
  (await node.database.query<{ task_id: string; is_head: boolean }>(`SELECT task_id, is_head FROM task_queue ORDER BY position`)).map(
    (row) => [row.task_id, row.is_head],
  );
const clear = () =>
  node.database.execute(
    `WITH gone AS (DELETE FROM task_queue) UPDATE tasks SET state = 'Success', started_at = now(), completed_at = now() WHERE completed_at IS NULL`,
  );
const reasonsOf = async (taskId: string): Promise<[string, string][]> =>
  (await node.get(`/api/tasks/${taskId}/waiting`)).Reasons.map((one: Json) => [one.Kind, one.Message]);

test("a deployment for later waits outside the queue, says until when, and joins it once when it is due", async () => {
  const at = inHours(2);
  const later = await deploy({ QueueTime: at });
  assert.deepEqual([later.QueueTime, later.QueueTimeExpiry], [at, null]);
  assert.deepEqual(await queue(), []);
  const task = await node.get(later.Links.Task);
  assert.deepEqual([task.State, task.QueueTime, task.QueueTimeExpiry, task.StartTime], ["Queued", at, null, null]);
  assert.ok(Date.parse(task.LastUpdatedTime) <= Date.now());
  assert.deepEqual(await reasonsOf(task.Id), [["Scheduled", `It was asked to start at ${said(at)}.`]]);
  const [event] = (await node.get(`/api/events?regarding=${later.Id}`)).Items;
  assert.match(event.Message, new RegExp(`was queued, to start at ${said(at)}$`));

  // Nobody waits for it: a deployment to the same place goes first.
  const now = await deploy();
  assert.deepEqual(await queue(), [[now.TaskId, true]]);
  assert.deepEqual(await timers().look(), []);

  await passHours(task.Id, 2);
  const looks = await Promise.all([timers().look(), timers().look(), timers().look()]);
  assert.deepEqual(looks.flat(), [task.Id]);
  assert.deepEqual(await queue(), [
    [now.TaskId, true],
    [task.Id, false],
  ]);
  assert.equal((await reasonsOf(task.Id))[0]![0], "TasksAhead");
  assert.deepEqual(await timers().look(), []);
  await clear();
});

test("one that is cancelled before its time never starts", async () => {
  const later = await deploy({ QueueTime: inHours(1), QueueTimeExpiry: inHours(2) });
  const cancelled = await node.post(`/api/tasks/${later.TaskId}/cancel`, {});
  assert.equal(cancelled.State, "Canceled");
  await passHours(later.TaskId, 3);
  assert.deepEqual(await timers().look(), []);
  assert.deepEqual(await queue(), []);
  assert.deepEqual(await node.database.query(`SELECT 1 FROM task_timers`), []);
});

test("one that no node has started by its expiry times out, and the next of its place may start", async () => {
  const first = await deploy({ QueueTimeExpiry: inHours(1) });
  const second = await deploy();
  assert.deepEqual(await queue(), [
    [first.TaskId, true],
    [second.TaskId, false],
  ]);
  await passHours(first.TaskId, 1);
  assert.deepEqual(await timers().look(), [first.TaskId]);
  const task = await node.get(first.Links.Task);
  assert.deepEqual([task.State, task.IsCompleted, task.FinishedSuccessfully, task.HasWarningsOrErrors], ["TimedOut", true, false, true]);
  assert.equal(task.ErrorMessage, `No node started it by ${said(first.QueueTimeExpiry)}.`);
  assert.deepEqual(await queue(), [[second.TaskId, true]]);
  const [event] = (await node.get(`/api/events?regarding=${first.TaskId}`)).Items;
  assert.deepEqual([event.Category, event.Message], ["DeploymentFailed", `${task.Description} timed out: ${task.ErrorMessage}`]);
  await clear();
});

test("when both times have passed while no node was there, it times out and never starts", async () => {
  const later = await deploy({ QueueTime: inHours(1), QueueTimeExpiry: inHours(2) });
  assert.match((await reasonsOf(later.TaskId))[0]![1], /if no node has started it by .*, it ends as timed out/);
  await node.database.execute(`UPDATE tasks SET expires_at = expires_at - interval '5 hours' WHERE id = $1`, [later.TaskId]);
  // A look that comes to the start and dies before it comes to the expiry must not have started it either.
  await node.database.execute(`UPDATE task_timers SET due_at = due_at - interval '5 hours' WHERE task_id = $1 AND action = 'start'`, [
    later.TaskId,
  ]);
  assert.deepEqual(await timers().look(), [later.TaskId]);
  assert.equal((await node.get(later.Links.Task)).State, "TimedOut");
  assert.deepEqual(await queue(), []);
  await passHours(later.TaskId, 5);
  assert.deepEqual(await timers().look(), []);
});

test("one that was started in time is not touched by its expiry, also when it is queued again after an answer", async () => {
  for (const state of ["running", "queued"]) {
    const deployment = await deploy({ QueueTimeExpiry: inHours(1) });
    await node.database.execute(`UPDATE task_queue SET state = $2, epoch = 1 WHERE task_id = $1`, [deployment.TaskId, state]);
    await passHours(deployment.TaskId, 1);
    assert.deepEqual(await timers().look(), []);
    assert.equal((await node.get(deployment.Links.Task)).State, "Queued");
    assert.deepEqual(
      (await queue()).map(([id]) => id),
      [deployment.TaskId],
    );
    await clear();
  }
});

test("the command forms take the same times by their own names", async () => {
  const answer = await node.post("/api/deployments/create/untenanted/v1", {
    ProjectName: "Web Shop",
    ReleaseVersion: "1.0.0",
    EnvironmentNames: ["Test"],
    RunAt: inHours(4),
    NoRunAfter: inHours(5),
  });
  const [made] = answer.DeploymentServerTasks;
  const deployment = await node.get(`/api/deployments/${made.DeploymentId}`);
  assert.ok(deployment.QueueTime > inHours(3.9) && deployment.QueueTimeExpiry > inHours(4.9));
  assert.deepEqual(await queue(), []);
});

test("times that cannot be kept are refused with what to do, and a start that has passed is now", async () => {
  const refusal = async (body: object): Promise<string> => {
    const answer = await node.call("POST", "/api/deployments", { ReleaseId: release.Id, EnvironmentId: place.Id, ...body });
    assert.equal(answer.status, 400, answer.text);
    return answer.body.Errors.join(" ");
  };
  assert.match(await refusal({ QueueTime: inHours(31 * 24) }), /^QueueTime is more than 30 days ahead\. Choose an earlier time\.$/);
  assert.match(await refusal({ QueueTime: inHours(2), QueueTimeExpiry: inHours(1) }), /^QueueTimeExpiry must be after QueueTime/);
  assert.match(await refusal({ QueueTimeExpiry: inHours(-1) }), /^QueueTimeExpiry must be after now/);
  assert.match(await refusal({ QueueTime: inHours(1), QueueTimeExpiry: inHours(40 * 24) }), /more than 30 days after the start/);
  assert.match(await refusal({ QueueTime: "soon" }), /QueueTime/);
  const now = await deploy({ QueueTime: inHours(-1) });
  assert.deepEqual(await queue(), [[now.TaskId, true]]);
  await clear();
});
