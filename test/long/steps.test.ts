// How the steps of a deployment run, seen from outside: by the agent's own record of what began and ended when, and through the API.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "../support/eventually.ts";
import { scriptAction, scriptStep, startDeployStage } from "../support/deploy-stage.ts";
import type { DeployStage } from "../support/deploy-stage.ts";

async function stageFor(t: TestContext, options: { machines?: number } = {}): Promise<DeployStage> {
  const stage = await startDeployStage(options);
  t.after(() => stage.close());
  return stage;
}

/** Machines that have begun their first script of the step and not ended their last, at the most busy moment. */
function widest(marks: readonly string[], first: string, last: string): number {
  const under = new Set<string>();
  let most = 0;
  for (const mark of marks) {
    const [what, word, machine] = mark.split(" ") as [string, string, string];
    if (what === "start" && word === first) under.add(machine);
    most = Math.max(most, under.size);
    if (what === "end" && word === last) under.delete(machine);
  }
  return most;
}

describe("order", () => {
  test("D6: rolling by one, a machine comes through all actions of the step before the next one begins", async (t) => {
    const stage = await stageFor(t, { machines: 3 });
    await stage.node("only");
    const rolling = {
      Name: "Rolling",
      Properties: { "Octopus.Action.TargetRoles": "web", "Octopus.Action.MaxParallelism": "1" },
      Actions: [scriptAction("drain"), scriptAction("install"), scriptAction("enable")],
    };
    const task = await stage.ended(await stage.deploy([rolling, scriptStep("after")]));
    assert.equal(task.State, "Success", task.ErrorMessage);
    const one = (machine: string) =>
      ["drain", "install", "enable"].flatMap((word) => [`start ${word} ${machine}`, `end ${word} ${machine}`]);
    const marks = stage.marks();
    assert.deepEqual(marks.slice(0, 18), ["machine-1", "machine-2", "machine-3"].flatMap(one));
    assert.equal(marks.length, 24, "the next step ran on all");
  });

  test("a window may be an expression; never more machines are in it, and the next begins when any is through", async (t) => {
    const stage = await stageFor(t, { machines: 4 });
    // The first machine ends only when the third has begun, which it may once the second is through.
    stage.agent.behave = (_body, machine) => ({
      lines: [],
      exitCode: 0,
      questions: 1,
      until: () => machine !== "machine-1" || stage.marks().includes("start one machine-3"),
    });
    await stage.node("only");
    const rolling = {
      Name: "Rolling",
      Properties: { "Octopus.Action.TargetRoles": "web", "Octopus.Action.MaxParallelism": "#{if Octopus.Environment.Name}2#{/if}" },
      Actions: [scriptAction("one"), scriptAction("two")],
    };
    const task = await stage.ended(await stage.deploy([rolling]));
    assert.equal(task.State, "Success", task.ErrorMessage);
    assert.equal(widest(stage.marks(), "one", "two"), 2);
  });

  test("D6: steps that start with the previous run side by side; the one after them waits for all", async (t) => {
    const stage = await stageFor(t);
    const begun = (word: string) => stage.marks().includes(`start ${word} machine-1`);
    // Each of the first two ends only when the other has begun.
    stage.agent.behave = (body) => ({
      lines: [],
      exitCode: 0,
      questions: 1,
      until: () => (/run left/.test(body) ? begun("right") : /run right/.test(body) ? begun("left") : true),
    });
    await stage.node("only");
    const bypass = { OctopusBypassDeploymentMutex: "True" };
    const task = await stage.ended(
      await stage.deploy([
        scriptStep("left", { action: bypass }),
        scriptStep("right", { action: bypass, step: { StartTrigger: "StartWithPrevious" } }),
        scriptStep("after"),
      ]),
    );
    assert.equal(task.State, "Success", task.ErrorMessage);
    assert.deepEqual(stage.marks().slice(-2), ["start after machine-1", "end after machine-1"]);
  });

  test("a disabled step takes its start with it: what starts with it does not join the step before", async (t) => {
    const stage = await stageFor(t);
    await stage.node("only");
    const disabled = scriptStep("disabled") as { Actions: object[] };
    disabled.Actions = disabled.Actions.map((action) => ({ ...action, IsDisabled: true }));
    const task = await stage.ended(
      await stage.deploy([scriptStep("first"), disabled, scriptStep("second", { step: { StartTrigger: "StartWithPrevious" } })]),
    );
    assert.equal(task.State, "Success", task.ErrorMessage);
    assert.deepEqual(stage.marks(), ["start first machine-1", "end first machine-1", "start second machine-1", "end second machine-1"]);
  });
});

test("conditions: after a failure only what asks for it runs, and an expression can see the failure", async (t) => {
  const stage = await stageFor(t);
  stage.agent.behave = (body) => ({ lines: [], exitCode: /run breaks/.test(body) ? 7 : 0, questions: 1 });
  await stage.node("only");
  const when = (expression: string) => ({
    step: { Condition: "Variable" },
    properties: { "Octopus.Step.ConditionVariableExpression": expression },
  });
  const task = await stage.ended(
    await stage.deploy([
      scriptStep("early", { step: { Condition: "Failure" } }),
      scriptStep("unless", when("#{unless Octopus.Deployment.Error}True#{/unless}")),
      scriptStep("breaks"),
      scriptStep("next"),
      scriptStep("failure", { step: { Condition: "Failure" } }),
      scriptStep("always", { step: { Condition: "Always" } }),
      scriptStep("error", when("#{if Octopus.Deployment.Error}True#{/if}")),
      scriptStep("well", when("#{unless Octopus.Deployment.Error}True#{/unless}")),
    ]),
  );
  assert.equal(task.State, "Failed");
  const ran = stage.agent.executions.map((one) => /run (\w+)/.exec(one.body)?.[1]);
  assert.deepEqual(ran, ["unless", "breaks", "failure", "always", "error"]);
});

describe("retries", () => {
  const retries = { "Octopus.Action.AutoRetry.MaximumCount": "2", "Octopus.Action.AutoRetry.MinimumBackoff": "0" };

  test("what is known to have failed is tried again, under a new ticket, as often as allowed", async (t) => {
    const stage = await stageFor(t);
    let starts = 0;
    stage.agent.behave = () => ({ lines: ["line"], exitCode: ++starts < 3 ? 9 : 0, questions: 1 });
    await stage.node("only");
    const task = await stage.ended(await stage.deploy([scriptStep("flaky", { action: retries }), scriptStep("after")]));
    assert.equal(task.State, "Success", task.ErrorMessage);
    assert.deepEqual(
      stage.marks().filter((mark) => mark.startsWith("start")),
      ["start flaky machine-1", "start flaky machine-1", "start flaky machine-1", "start after machine-1"],
    );
    assert.equal(new Set(stage.agent.executions.map((one) => one.ticket)).size, 4);
    assert.match(await stage.log(task.Id), /attempt 2 of 3/);
  });

  test("when all attempts fail the step has failed, and no further one is made", async (t) => {
    const stage = await stageFor(t);
    stage.agent.behave = () => ({ lines: [], exitCode: 9, questions: 1 });
    await stage.node("only");
    const task = await stage.ended(await stage.deploy([scriptStep("broken", { action: retries })]));
    assert.equal(task.State, "Failed");
    assert.match(task.ErrorMessage, /exit code 9/);
    assert.equal(stage.agent.executions.length, 3);
  });

  test("D3 D5: an outcome that nobody knows is never tried again", async (t) => {
    const stage = await stageFor(t);
    // As an agent answers that was restarted in the middle.
    stage.agent.behave = () => ({ lines: [], exitCode: -46, questions: 1 });
    await stage.node("only");
    const task = await stage.ended(await stage.deploy([scriptStep("lost", { action: retries })]));
    assert.match(task.ErrorMessage, /outcome of the script on machine-1 is unknown/);
    assert.equal(stage.agent.executions.length, 1);
  });

  for (const [where, stopAt] of [
    ["with the first attempt under way", { effect: "agent-start", when: "after", how: "die" }],
    ["after the first attempt has failed", { effect: "agent-complete", when: "after", how: "die" }],
    ["with the second attempt stored and not sent", { effect: "agent-start", since: "agent-complete", when: "before", how: "die" }],
    ["with the second attempt under way", { effect: "agent-start", since: "agent-complete", when: "after", how: "die" }],
  ] as const) {
    test(`D2 D3: a node dies ${where}: no attempt is lost or made twice`, async (t) => {
      const stage = await stageFor(t);
      let starts = 0;
      stage.agent.behave = () => ({ lines: [], exitCode: ++starts < 3 ? 9 : 0, questions: 1 });
      const first = await stage.node("first", stopAt);
      const taskId = await stage.deploy([scriptStep("flaky", { action: retries })]);
      await first.stopped;
      await stage.node("second");
      assert.equal((await stage.ended(taskId)).State, "Success");
      assert.equal(stage.agent.executions.length, 3);
    });
  }
});

describe("time limits", () => {
  // 60 ms.
  const limit = { "Octopus.Action.ExecutionTimeout.Minutes": "0.001" };

  test("a script that takes too long is ended on its machine, and the step has failed", async (t) => {
    const stage = await stageFor(t);
    stage.agent.behave = () => ({ lines: [], exitCode: 0, questions: 1, until: () => false });
    await stage.node("only");
    const task = await stage.ended(await stage.deploy([scriptStep("slow", { action: limit })]));
    assert.equal(task.State, "Failed");
    assert.match(task.ErrorMessage, /time limit of 0.001 minutes has passed/);
    assert.equal(stage.agent.cancelled.length, 1);
  });

  test("it counts on after a takeover: what has run too long under a dead node is ended by the next", async (t) => {
    const stage = await stageFor(t);
    stage.agent.behave = () => ({ lines: [], exitCode: 0, questions: 1, until: () => false });
    const first = await stage.node("first", { effect: "agent-status", when: "after", how: "die" });
    const taskId = await stage.deploy([scriptStep("slow", { action: { "Octopus.Action.ExecutionTimeout.Minutes": "60" } })]);
    await first.stopped;
    const { database } = stage.api;
    const aged = await database.execute(`UPDATE step_runs SET started_at = started_at - interval '1 hour' WHERE state = 'started'`);
    assert.equal(aged, 1);
    await stage.node("second");
    const task = await stage.ended(taskId);
    assert.match(task.ErrorMessage, /time limit of 60 minutes has passed/);
    assert.deepEqual([stage.agent.executions.length, stage.agent.cancelled.length], [1, 1]);
  });

  test("D8: one that is ended by a cancel of the task is cancelled all the same", async (t) => {
    const stage = await stageFor(t);
    stage.agent.behave = () => ({ lines: [], exitCode: 0, questions: 1, until: () => false });
    await stage.node("only");
    const taskId = await stage.deploy([scriptStep("slow", { action: { "Octopus.Action.ExecutionTimeout.Minutes": "60" } })]);
    await eventually("the script has begun", () => stage.marks().length === 1);
    await stage.api.post(`/api/tasks/${taskId}/cancel`);
    assert.equal((await stage.ended(taskId)).State, "Canceled");
  });
});
