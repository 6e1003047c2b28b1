// Interruptions through the API, with the production engine beside it: asked, taken, answered, cancelled; and no answer is lost.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { eventually } from "../../../../test/support/eventually.ts";
import { createMemoryLogFolder } from "../../../../test/support/memory-log-folder.ts";
import { createTaskEngine } from "../../../engine/tasks/tasks.ts";
import type { TaskEngine, TaskRun } from "../../../engine/tasks/tasks.ts";
import { askPerson, findAnswer, manualChoices } from "./interruptions.ts";

let node: ApiNode;
let engine: TaskEngine;
let environment: Json;
let project: Json;
/** What a task does between its question and letting go; set by tests that have to come in between. */
let beforeLettingGo: (run: TaskRun) => Promise<void> = async () => {};
/** Lets go of what tests hold: one that fails must not hold the engine at its stop. */
let releases: (() => void)[] = [];
/** Tasks stay between question and letting go until the answered function is called, or the test ends. */
function holdThem(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  beforeLettingGo = () => promise;
  releases.push(resolve);
  return resolve;
}
/** Whether a task that waits gives way to the next of its project and environment. */
let letsOthersPass = false;
let versions = 0;

before(async () => {
  node = await startApiNode(undefined);
  environment = await make.environment(node, "Development");
  await make.machine(node, "web01", [environment.Id]);
  const log = { info() {}, warn() {}, error() {} };
  engine = createTaskEngine({
    database: node.database,
    renewals: node.database,
    folder: createMemoryLogFolder(),
    handlers: [{ name: "Deploy", run: askThenEnd }],
    nodeName: "asking",
    taskCap: () => 1,
    log,
  });
  await engine.start();
});
afterEach(() => {
  for (const release of releases) release();
  releases = [];
});
after(async () => {
  await engine.stop();
  await node.close();
});
beforeEach(async () => {
  beforeLettingGo = async () => {};
  letsOthersPass = false;
  // A project of its own, so that no deployment waits for that of another test.
  project = await make.project(node, `Shop ${++versions}`);
  await make.process(node, project.Id);
});

/** A task that is one question. */
async function askThenEnd(run: TaskRun) {
  const { task } = run;
  const asked = { taskId: task.id, block: "step-1", attempt: 1 };
  await run.guarded((tx) =>
    askPerson(tx, {
      ...asked,
      spaceId: task.spaceId!,
      type: "ManualIntervention",
      title: "Look at the site",
      instructions: "Is it there?",
      choices: manualChoices,
      responsibleTeamIds: [],
      relatedDocumentIds: task.relatedDocumentIds,
    }),
  );
  if (run.cancelRequested.aborted) return { state: "Canceled" as const };
  const answer = await findAnswer(node.database, asked);
  if (answer?.result === "Proceed") return { state: "Success" as const };
  if (answer?.result === "Abort") return { state: "Failed" as const, message: "It was aborted." };
  await beforeLettingGo(run);
  const isStill = async (tx: Parameters<typeof findAnswer>[0]): Promise<boolean> => !(await findAnswer(tx, asked))?.result;
  return { state: "Waiting" as const, isStill, letsOthersPass };
}

async function deploy(): Promise<Json> {
  const release = await make.release(node, project.Id, "1.0.0");
  return node.post("/api/deployments", { ReleaseId: release.Id, EnvironmentId: environment.Id });
}

const listed = async (query: string): Promise<Json[]> => (await node.get(`/api/Spaces-1/interruptions?${query}`)).Items;
const asked = (taskId: string): Promise<Json> =>
  eventually("the question is there", async () => (await listed(`regarding=${taskId}&pendingOnly=true`))[0]);
const paused = (taskId: string): Promise<true> =>
  eventually("no node holds the task", async () => {
    const task = await node.get(`/api/tasks/${taskId}`);
    return (task.State === "Executing" && task.ServerNode === null && engine.running().length === 0) || undefined;
  });
const ended = (taskId: string): Promise<Json> =>
  eventually("the task ends", async () => {
    const task = await node.get(`/api/tasks/${taskId}`);
    return task.IsCompleted ? task : undefined;
  });
const answer = async (question: Json, values: object): Promise<Json> => {
  await node.put(question.Links.Responsible);
  return node.post(question.Links.Submit, values);
};
const errorsOf = async (method: string, path: string, body?: object): Promise<string> => {
  const { status, body: sent, text } = await node.call(method, path, body);
  assert.equal(status, 400, text);
  return sent.Errors.join(" ");
};

describe("a task that asks a person", () => {
  test("A1: waits without a node or a place, is answered by whoever took it, and goes on", async () => {
    const deployment = await deploy();
    const question = await asked(deployment.TaskId);
    await paused(deployment.TaskId);
    const task = await node.get(deployment.Links.Task);
    assert.deepEqual([task.HasPendingInterruptions, task.PendingInterruptionTypes], [true, ["ManualIntervention"]]);
    assert.equal((await node.get(task.Links.Waiting)).Reasons[0].Kind, "Interruption");
    assert.equal((await node.get("/api/tasks?hasPendingInterruptions=true")).TotalCounts.Interrupted, 1);
    assert.deepEqual(
      [question.Title, question.IsPending, question.CanTakeResponsibility, question.HasResponsibility, question.ResponsibleUserId],
      ["Look at the site", true, true, false, null],
    );
    assert.equal(question.CorrelationId, `${deployment.TaskId}_step-1`);
    assert.equal(question.Form.Elements[0].Control.Text, "Is it there?");
    for (const query of [`regarding=${deployment.Id}`, `ids=${question.Id.toLowerCase()}`, `regarding=${project.Id}&pendingOnly=true`])
      assert.deepEqual(
        (await listed(query)).map((one) => one.Id),
        [question.Id],
        query,
      );
    assert.equal((await node.call("GET", question.Links.Responsible)).status, 404);

    assert.match(await errorsOf("POST", question.Links.Submit, { Result: "Proceed" }), /Take responsibility/);
    assert.equal((await node.put(question.Links.Responsible)).Username, "admin");
    assert.equal((await node.get(question.Links.Responsible)).Id, "Users-1");
    const taken = await node.get(question.Links.Self);
    assert.deepEqual([taken.HasResponsibility, taken.ResponsibleUserId], [true, "Users-1"]);
    assert.match(await errorsOf("POST", question.Links.Submit, { Result: "Perhaps" }), /Proceed, Abort/);
    const answered = await node.post(question.Links.Submit, { Instructions: null, Notes: "looks good", Result: "Proceed" });
    assert.deepEqual([answered.IsPending, answered.Form.Values.Notes, answered.Form.Values.Result], [false, "looks good", "Proceed"]);
    assert.equal((await ended(deployment.TaskId)).State, "Success");
    assert.equal((await node.get(deployment.Links.Task)).HasPendingInterruptions, false);
    assert.deepEqual(await listed(`regarding=${deployment.TaskId}&pendingOnly=true`), []);

    const events: Json[] = (await node.get(`/api/events?regarding=${question.Id}`)).Items;
    assert.deepEqual(
      events.map((event) => [event.Category, event.Username]),
      [
        ["Modified", "admin"],
        ["Modified", "admin"],
        ["ManualInterventionInterruptionRaised", "system"],
      ],
    );
  });

  test("D3: one answer counts: the same once more is a repeated request, another one is refused", async () => {
    const deployment = await deploy();
    const question = await asked(deployment.TaskId);
    await answer(question, { Result: "Abort" });
    assert.equal((await node.post(question.Links.Submit, { Result: "Abort" })).IsPending, false);
    assert.match(await errorsOf("POST", question.Links.Submit, { Result: "Proceed" }), /answered already, with Abort, by admin/);
    const task = await ended(deployment.TaskId);
    assert.deepEqual([task.State, task.ErrorMessage], ["Failed", "It was aborted."]);
    assert.match(await errorsOf("POST", question.Links.Submit, { Result: "Proceed" }), /answered already/);
    assert.match(await errorsOf("PUT", question.Links.Responsible), /answered already/);
  });

  test("A1: a node with one place runs others while one waits; of the same project and environment the next stays behind", async () => {
    const waiting = await deploy();
    await asked(waiting.TaskId);
    await paused(waiting.TaskId);
    const behind = await node.post("/api/deployments", { ReleaseId: waiting.ReleaseId, EnvironmentId: environment.Id });
    project = await make.project(node, `Shop ${++versions}`);
    await make.process(node, project.Id);
    const other = await deploy();
    await answer(await asked(other.TaskId), { Result: "Proceed" });
    assert.equal((await ended(other.TaskId)).State, "Success");
    assert.equal((await node.get(behind.Links.Task)).State, "Queued", "D6");
    const [reason] = (await node.get((await node.get(behind.Links.Task)).Links.Waiting)).Reasons;
    assert.equal(reason.Kind, "TasksAhead");
    assert.match(
      reason.Message,
      /One other task goes first.* It waits for a person to answer Look at the site, and lets no other deployment pass/,
    );
    assert.deepEqual(reason.RelatedDocumentIds, [waiting.TaskId, (await asked(waiting.TaskId)).Id]);
    await answer(await asked(waiting.TaskId), { Result: "Proceed" });
    assert.equal((await ended(waiting.TaskId)).State, "Success");
    await answer(await asked(behind.TaskId), { Result: "Proceed" });
    assert.equal((await ended(behind.TaskId)).State, "Success");
  });

  test("D8: cancelled while it waits, it ends, and can be answered no more", async () => {
    const deployment = await deploy();
    const question = await asked(deployment.TaskId);
    await node.put(question.Links.Responsible);
    await paused(deployment.TaskId);
    await node.post(`/api/tasks/${deployment.TaskId}/cancel`);
    assert.equal((await ended(deployment.TaskId)).State, "Canceled");
    assert.equal((await node.get(question.Links.Self)).IsPending, false);
    assert.match(await errorsOf("POST", question.Links.Submit, { Result: "Proceed" }), /has ended/);
  });

  test("S1 S2: without the permission nobody sees, takes or answers one, and another space does not know it", async () => {
    const deployment = await deploy();
    const question = await asked(deployment.TaskId);
    const as = { "X-Octopus-ApiKey": node.nobodyKey };
    for (const [method, path] of [
      ["GET", question.Links.Self],
      ["PUT", question.Links.Responsible],
      ["POST", question.Links.Submit],
    ]) {
      assert.equal((await node.call(method!, path!, method === "GET" ? undefined : {}, as)).status, 403, path);
    }
    const space = await node.post("/api/spaces", { Name: "Elsewhere", SpaceManagersTeamMembers: ["Users-1"] });
    const elsewhere = question.Links.Submit.replace("Spaces-1", space.Id);
    assert.equal((await node.call("POST", elsewhere, { Result: "Proceed" })).status, 404);
    assert.equal((await node.call("GET", question.Links.Self.replace("Spaces-1", space.Id))).status, 404);
    await answer(question, { Result: "Proceed" });
    assert.equal((await ended(deployment.TaskId)).State, "Success");
  });
});

describe("a task that waits and lets others pass", () => {
  const again = (deployment: Json): Promise<Json> =>
    node.post("/api/deployments", { ReleaseId: deployment.ReleaseId, EnvironmentId: environment.Id });
  /** One that waits, and one of the same project and environment that is held while it runs; a third one behind both. */
  async function passing(): Promise<{ waiting: Json; runs: Json; behind: Json; release: () => void }> {
    letsOthersPass = true;
    const waiting = await deploy();
    await asked(waiting.TaskId);
    await paused(waiting.TaskId);
    const release = holdThem();
    const runs = await again(waiting);
    await asked(runs.TaskId);
    return { waiting, runs, behind: await again(waiting), release };
  }
  const reasonsOf = async (deployment: Json): Promise<Json[]> =>
    (await node.get((await node.get(deployment.Links.Task)).Links.Waiting)).Reasons;

  test("D6: the answered one waits for the one that passed, and goes before those behind it", async () => {
    const { waiting, runs, behind, release } = await passing();
    await answer(await asked(waiting.TaskId), { Result: "Proceed" });
    const [reason] = await reasonsOf(waiting);
    assert.equal(reason!.Kind, "TasksAhead");
    assert.equal(reason!.RelatedDocumentIds[0], runs.TaskId);
    assert.equal((await node.get(waiting.Links.Task)).IsCompleted, false);
    beforeLettingGo = async () => {};
    release();
    assert.equal((await ended(waiting.TaskId)).State, "Success");
    for (const one of [runs, behind]) {
      await answer(await asked(one.TaskId), { Result: "Proceed" });
      assert.equal((await ended(one.TaskId)).State, "Success");
    }
    const completed = await Promise.all([waiting, behind].map(async (one) => (await node.get(one.Links.Task)).CompletedTime));
    assert.ok(completed[0] < completed[1]);
  });

  test("D6: answered while another one is about to begin, it goes before that one, and only one of them is next", async () => {
    letsOthersPass = true;
    const waiting = await deploy();
    const question = await asked(waiting.TaskId);
    await paused(waiting.TaskId);
    const stayed = project;
    project = await make.project(node, `Shop ${++versions}`);
    await make.process(node, project.Id);
    const release = holdThem();
    const full = await deploy();
    await asked(full.TaskId);
    const next = await again(waiting);
    await answer(question, { Result: "Proceed" });
    const heads = await node.database.query<{ task_id: string }>(
      `SELECT q.task_id FROM task_queue q JOIN tasks t ON t.id = q.task_id WHERE t.project_id = $1 AND q.is_head`,
      [stayed.Id],
    );
    beforeLettingGo = async () => {};
    release();
    assert.deepEqual(heads, [{ task_id: waiting.TaskId }]);
    assert.equal((await ended(waiting.TaskId)).State, "Success");
    for (const one of [next, full]) {
      await answer(await asked(one.TaskId), { Result: "Proceed" });
      assert.equal((await ended(one.TaskId)).State, "Success");
    }
  });

  test("D8: cancelled when it was answered and waits for its turn, it ends while the other one runs", async () => {
    const { waiting, runs, behind, release } = await passing();
    await answer(await asked(waiting.TaskId), { Result: "Proceed" });
    await node.post(`/api/tasks/${waiting.TaskId}/cancel`);
    beforeLettingGo = async () => {};
    // A node that is full ends what nobody owns all the same, and with it the log of what was begun.
    const canceled = await ended(waiting.TaskId);
    assert.equal(canceled.State, "Canceled");
    assert.notEqual(canceled.ServerNode, null);
    assert.equal((await node.get(behind.Links.Task)).State, "Queued");
    release();
    for (const one of [runs, behind]) {
      await answer(await asked(one.TaskId), { Result: "Proceed" });
      assert.equal((await ended(one.TaskId)).State, "Success");
    }
  });

  test("D8: cancelled while it waits, it ends beside the one that passed", async () => {
    const { waiting, runs, behind, release } = await passing();
    await node.post(`/api/tasks/${waiting.TaskId}/cancel`);
    beforeLettingGo = async () => {};
    assert.equal((await ended(waiting.TaskId)).State, "Canceled");
    release();
    for (const one of [runs, behind]) {
      await answer(await asked(one.TaskId), { Result: "Proceed" });
      assert.equal((await ended(one.TaskId)).State, "Success");
    }
  });
});

describe("an answer that comes while the node lets go", () => {
  test("D1: before it has let go, the task goes on at once", async () => {
    const answered = holdThem();
    const deployment = await deploy();
    await answer(await asked(deployment.TaskId), { Result: "Proceed" });
    answered();
    assert.equal((await ended(deployment.TaskId)).State, "Success");
  });
});
