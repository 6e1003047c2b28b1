// A manual intervention is a barrier that no death of a node lifts: seen from outside, by the agent's record and through the API.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "../support/eventually.ts";
import { manualAction, manualStep, scriptAction, scriptStep, startDeployStage } from "../support/deploy-stage.ts";
import type { DeployStage } from "../support/deploy-stage.ts";
import type { StopPoint } from "../support/mortal-node.ts";

async function stageFor(t: TestContext, options: { machines?: number } = {}): Promise<DeployStage> {
  const stage = await startDeployStage(options);
  t.after(() => stage.close());
  return stage;
}

const approved = [scriptStep("before"), manualStep("Approve"), scriptStep("after")];
const before = ["start before machine-1", "end before machine-1"];
const after = ["start after machine-1", "end after machine-1"];

/** Nobody holds the task, whose question is there. */
async function waits(stage: DeployStage, taskId: string): Promise<void> {
  await eventually("the task waits without a node", async () => {
    const task = await stage.task(taskId);
    return task.HasPendingInterruptions && task.ServerNode === null;
  });
}

const die = (effect: string, when: "before" | "after", since?: string): StopPoint => ({
  effect,
  when,
  how: "die",
  ...(since === undefined ? {} : { since }),
});

describe("a deployment with an approval", () => {
  test("D6: nothing after it begins before the answer; then any node goes on, and the answer is in the log", async (t) => {
    const stage = await stageFor(t);
    const first = await stage.node("first");
    const taskId = await stage.deploy(approved);
    const [question] = await stage.questions(taskId);
    await waits(stage, taskId);
    assert.deepEqual(stage.marks(), before);
    assert.equal(question.Title, "Step 2: Approve");
    assert.equal(question.Form.Elements[0].Control.Text, "Look at it");
    assert.deepEqual(first.engine.running(), []);
    await first.close();
    await stage.answer(question, "Proceed", "all green");
    assert.deepEqual(stage.marks(), before, "no node is there that could go on");
    await stage.node("second");
    const task = await stage.ended(taskId);
    assert.equal(task.State, "Success", task.ErrorMessage);
    assert.deepEqual(stage.marks(), [...before, ...after]);
    const log = await stage.log(taskId);
    assert.match(log, /admin answered with Proceed\. all green/);
    assert.equal(log.match(/Waiting for a person/g)?.length, 1);
  });

  // The effects in the order they happen, from the question to the task that lets go, and from the answer on.
  for (const stopAt of [
    die("interruption-ask", "after"),
    die("commit", "after", "interruption-ask"),
    die("interruption-answer", "after", "interruption-ask"),
    die("task-pause", "after"),
    die("commit", "after", "task-pause"),
  ]) {
    test(`D1 D2 D6: a node dies after ${stopAt.effect}${stopAt.since === undefined ? "" : `, once past ${stopAt.since}`}: asked once, and still a barrier`, async (t) => {
      const stage = await stageFor(t);
      const first = await stage.node("first", stopAt);
      const taskId = await stage.deploy(approved);
      await first.stopped;
      await stage.node("second");
      const [question] = await stage.questions(taskId);
      await waits(stage, taskId);
      assert.deepEqual(stage.marks(), before);
      await stage.answer(question, "Proceed");
      assert.equal((await stage.ended(taskId)).State, "Success");
      assert.deepEqual(stage.marks(), [...before, ...after]);
      const { TotalResults } = await stage.api.get(`/api/interruptions?regarding=${taskId}`);
      assert.equal(TotalResults, 1);
      const events = await stage.api.get(`/api/events?regarding=${question.Id}`);
      assert.equal(events.Items.filter((one: { Category: string }) => one.Category === "ManualInterventionInterruptionRaised").length, 1);
    });
  }

  for (const stopAt of [
    die("step-run-list", "after"),
    die("interruption-answer", "after"),
    die("commit", "after", "interruption-answer"),
    die("agent-start", "before"),
    die("agent-start", "after"),
  ]) {
    test(`D1 D2: the answer is there, and the node that goes on dies ${stopAt.when} ${stopAt.effect}${stopAt.since === undefined ? "" : `, once past ${stopAt.since}`}`, async (t) => {
      const stage = await stageFor(t);
      const first = await stage.node("first");
      const taskId = await stage.deploy(approved);
      const [question] = await stage.questions(taskId);
      await waits(stage, taskId);
      await first.close();
      await stage.answer(question, "Proceed");
      const second = await stage.node("second", stopAt);
      await second.stopped;
      await stage.node("third");
      assert.equal((await stage.ended(taskId)).State, "Success");
      assert.deepEqual(stage.marks(), [...before, ...after]);
    });
  }

  test("later steps know what was answered by whom, also on a node that took over", async (t) => {
    const stage = await stageFor(t);
    const first = await stage.node("first");
    const output = (name: string) => `#{Octopus.Action[Approve].Output.Manual.${name}}`;
    const body = `run after\n# ${output("Approved")} ${output("Notes")} ${output("ResponsibleUser.Username")} ${output("ResponsibleUser.EmailAddress")}`;
    const taskId = await stage.deploy([
      ...approved.slice(0, 2),
      scriptStep("after", { action: { "Octopus.Action.Script.ScriptBody": body } }),
      scriptStep("last", { action: { "Octopus.Action.Script.ScriptBody": body.replace("after", "last") } }),
    ]);
    const [question] = await stage.questions(taskId);
    await waits(stage, taskId);
    await first.close();
    await stage.answer(question, "Proceed", "all green");
    const second = await stage.node("second", { effect: "agent-start", when: "after", how: "die" });
    await second.stopped;
    await stage.node("third");
    assert.equal((await stage.ended(taskId)).State, "Success");
    for (const one of stage.agent.executions.slice(1)) assert.match(one.body, /# True all green admin admin@example.com/);
    assert.equal(stage.agent.executions.length, 3);
  });

  test("Abort fails the deployment: what needs success is skipped, what always runs does", async (t) => {
    const stage = await stageFor(t);
    await stage.node("only");
    const taskId = await stage.deploy([...approved, scriptStep("always", { step: { Condition: "Always" } })]);
    await stage.answer((await stage.questions(taskId))[0], "Abort", "the tests are red");
    const task = await stage.ended(taskId);
    assert.equal(task.State, "Failed");
    assert.match(task.ErrorMessage, /admin answered with Abort/);
    assert.deepEqual(stage.marks(), [...before, "start always machine-1", "end always machine-1"]);
    assert.match(await stage.log(taskId), /the tests are red/);
  });

  test("D8: cancelled while it waits, with no node there: the next one ends it and starts nothing", async (t) => {
    const stage = await stageFor(t);
    const first = await stage.node("first");
    const taskId = await stage.deploy([...approved, scriptStep("always", { step: { Condition: "Always" } })]);
    await stage.questions(taskId);
    await waits(stage, taskId);
    await first.close();
    await stage.api.post(`/api/tasks/${taskId}/cancel`);
    await stage.node("second");
    assert.equal((await stage.ended(taskId)).State, "Canceled");
    assert.deepEqual(stage.marks(), before);
    assert.deepEqual(await stage.questions(taskId, 0), []);
  });
});

describe("an approval among other actions", () => {
  test("D6: in a rolling step each machine asks for itself, and the next begins only when the one before is through", async (t) => {
    const stage = await stageFor(t, { machines: 2 });
    await stage.node("only");
    const rolling = {
      Name: "Rolling",
      Properties: { "Octopus.Action.TargetRoles": "web", "Octopus.Action.MaxParallelism": "1" },
      Actions: [scriptAction("install"), manualAction("Approve"), scriptAction("enable")],
    };
    const taskId = await stage.deploy([rolling, scriptStep("after")]);
    const [first] = await stage.questions(taskId);
    assert.match(first.Title, /machine-1/);
    await waits(stage, taskId);
    assert.deepEqual(stage.marks(), ["start install machine-1", "end install machine-1"]);
    await stage.answer(first, "Proceed");
    const second = await eventually("the second machine asks", async () => {
      const [question] = await stage.questions(taskId);
      return question.Id === first.Id ? undefined : question;
    });
    await waits(stage, taskId);
    assert.deepEqual(stage.marks().slice(2), [
      "start enable machine-1",
      "end enable machine-1",
      "start install machine-2",
      "end install machine-2",
    ]);
    await stage.answer(second, "Proceed");
    const task = await stage.ended(taskId);
    assert.equal(task.State, "Success", task.ErrorMessage);
    assert.equal(stage.marks().length, 12);
  });

  test("beside a step that still runs the task waits for that one first, then lets go", async (t) => {
    const stage = await stageFor(t);
    let isLong = true;
    stage.agent.behave = () => ({ lines: [], exitCode: 0, questions: 1, until: () => !isLong });
    const node = await stage.node("only");
    const taskId = await stage.deploy([
      scriptStep("long"),
      manualStep("Approve", { step: { StartTrigger: "StartWithPrevious" } }),
      scriptStep("after"),
    ]);
    const [question] = await stage.questions(taskId);
    assert.equal(node.engine.running().length, 1);
    // The two begin side by side, in either order.
    await eventually("the long one has begun", () => stage.marks().length === 1);
    assert.deepEqual(stage.marks(), ["start long machine-1"]);
    isLong = false;
    await waits(stage, taskId);
    assert.deepEqual(stage.marks(), ["start long machine-1", "end long machine-1"]);
    await stage.answer(question, "Proceed");
    assert.equal((await stage.ended(taskId)).State, "Success");
  });
});
