// Guided failure: a person decides what becomes of an action that failed, whichever nodes die meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "../support/eventually.ts";
import { scriptAction, scriptStep, startDeployStage } from "../support/deploy-stage.ts";
import type { DeployStage } from "../support/deploy-stage.ts";

const guided = { UseGuidedFailure: true };

/** Scripts whose word is "breaks" fail on machine-1 the first `times`. */
async function stageFor(t: TestContext, options: { machines?: number; times?: number } = {}): Promise<DeployStage> {
  const stage = await startDeployStage(options);
  t.after(() => stage.close());
  let left = options.times ?? Infinity;
  stage.agent.behave = (body, machine) => ({
    lines: [],
    exitCode: /run breaks/.test(body) && machine === "machine-1" && left-- > 0 ? 9 : 0,
    questions: 1,
  });
  return stage;
}

async function decide(stage: DeployStage, question: { Links: { Responsible: string; Submit: string } }, guidance: string): Promise<void> {
  await stage.api.put(question.Links.Responsible);
  await stage.api.post(question.Links.Submit, { Notes: null, Guidance: guidance });
}

async function waits(stage: DeployStage, taskId: string): Promise<void> {
  await eventually("the task waits without a node", async () => {
    const task = await stage.task(taskId);
    return task.HasPendingInterruptions && task.ServerNode === null;
  });
}

test("D2 D3: Retry makes one further attempt, though a node dies while it waits and another right after the answer", async (t) => {
  const stage = await stageFor(t, { times: 1 });
  const first = await stage.node("first", { effect: "interruption-ask", when: "after", how: "die" });
  const taskId = await stage.deploy([scriptStep("breaks"), scriptStep("after")], guided);
  await first.stopped;
  const second = await stage.node("second");
  const [question] = await stage.questions(taskId);
  await waits(stage, taskId);
  assert.equal(question.Type, "GuidedFailure");
  assert.match(question.Title, /breaks on machine-1 failed/);
  assert.match(question.Form.Elements[0].Control.Text, /exit code 9/);
  assert.equal(stage.agent.executions.length, 1);
  await second.close();
  await decide(stage, question, "Retry");
  const third = await stage.node("third", { effect: "agent-start", when: "after", how: "die" });
  await third.stopped;
  await stage.node("fourth");
  const task = await stage.ended(taskId);
  assert.equal(task.State, "Success", task.ErrorMessage);
  assert.deepEqual(
    stage.marks().filter((mark) => mark.startsWith("start")),
    ["start breaks machine-1", "start breaks machine-1", "start after machine-1"],
  );
});

test("Ignore goes on as if nothing had failed", async (t) => {
  const stage = await stageFor(t);
  await stage.node("only");
  const taskId = await stage.deploy([scriptStep("breaks"), scriptStep("after")], guided);
  await decide(stage, (await stage.questions(taskId))[0], "Ignore");
  assert.equal((await stage.ended(taskId)).State, "Success");
  assert.equal(stage.agent.executions.length, 2);
  assert.equal((await stage.task(taskId)).HasWarningsOrErrors, true);
  assert.match(await stage.log(taskId), /admin decided: Ignore/);
});

test("Fail ends it as without a person: what always runs does", async (t) => {
  const stage = await stageFor(t);
  await stage.node("only");
  const taskId = await stage.deploy(
    [scriptStep("breaks"), scriptStep("after"), scriptStep("always", { step: { Condition: "Always" } })],
    guided,
  );
  await decide(stage, (await stage.questions(taskId))[0], "Fail");
  assert.equal((await stage.ended(taskId)).State, "Failed");
  assert.deepEqual(
    stage.marks().filter((mark) => mark.startsWith("start")),
    ["start breaks machine-1", "start always machine-1"],
  );
});

test("Exclude leaves the machine out of the rest, and the others go on", async (t) => {
  const stage = await stageFor(t, { machines: 2 });
  await stage.node("only");
  const rolling = {
    Name: "Rolling",
    Properties: { "Octopus.Action.TargetRoles": "web", "Octopus.Action.MaxParallelism": "1" },
    Actions: [scriptAction("breaks"), scriptAction("enable")],
  };
  const taskId = await stage.deploy([rolling, scriptStep("after")], guided);
  const [question] = await stage.questions(taskId);
  await waits(stage, taskId);
  assert.deepEqual(stage.marks(), ["start breaks machine-1", "end breaks machine-1"], "the window of one is still taken");
  await decide(stage, question, "Exclude");
  const task = await stage.ended(taskId);
  assert.equal(task.State, "Success", task.ErrorMessage);
  assert.deepEqual(
    stage.marks().filter((mark) => mark.startsWith("start")),
    ["start breaks machine-1", "start breaks machine-2", "start enable machine-2", "start after machine-2"],
  );
});

test("retries come first; a required step can neither be ignored nor left out; a cancel needs no answer", async (t) => {
  const stage = await stageFor(t);
  await stage.node("only");
  const retries = { "Octopus.Action.AutoRetry.MaximumCount": "1", "Octopus.Action.AutoRetry.MinimumBackoff": "0" };
  const step = scriptStep("breaks", { action: retries }) as { Actions: object[] };
  step.Actions = step.Actions.map((action) => ({ ...action, IsRequired: true }));
  const taskId = await stage.deploy([step], guided);
  const [question] = await stage.questions(taskId);
  assert.equal(stage.agent.executions.length, 2);
  assert.deepEqual(
    question.Form.Elements[2].Control.Buttons.map((button: { Value: string }) => button.Value),
    ["Fail", "Retry"],
  );
  await stage.api.put(question.Links.Responsible);
  assert.equal((await stage.api.call("POST", question.Links.Submit, { Guidance: "Ignore" })).status, 400);
  await waits(stage, taskId);
  await stage.api.post(`/api/tasks/${taskId}/cancel`);
  assert.equal((await stage.ended(taskId)).State, "Canceled");
  assert.equal(stage.agent.executions.length, 2);
});

test("without a word in the request the project decides, and without one in the project the environment", async (t) => {
  const stage = await stageFor(t);
  const { api } = stage;
  const [environment] = await api.get("/api/environments/all");
  const isGuided = async (more?: object): Promise<boolean> => {
    const taskId = await stage.deploy([scriptStep("works")], more);
    const { Items } = await api.get("/api/deployments?take=100");
    return Items.find((one: { TaskId: string }) => one.TaskId === taskId).UseGuidedFailure;
  };
  assert.equal(await isGuided(), false);
  assert.equal(await isGuided({ UseGuidedFailure: true }), true);
  await api.put(environment.Links.Self, { ...environment, UseGuidedFailure: true });
  assert.equal(await isGuided(), true);
  assert.equal(await isGuided({ UseGuidedFailure: false }), false);
});
