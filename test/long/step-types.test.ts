// The frame that step types run in: actions of several durable parts, steps of several actions, conditions by expressions, workers. A node may
// die at any effect; the agent's own counters and those of the effects are the observers.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Plan, PlannedAction, PlannedStep, StepType } from "../../server/engine/execution/execution.ts";
import { ActionFault, composeBashScript, decodePlan, encodePlan, runPlan } from "../../server/engine/execution/execution.ts";
import type { Agents } from "../../server/engine/agents/agents.ts";
import { enqueueTask, readTaskLog } from "../../server/engine/tasks/tasks.ts";
import type { LogEntry, TaskHandler } from "../../server/engine/tasks/tasks.ts";
import { createStepTypes } from "../../server/features/runs/runs.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import { createMasker, createMasterKey, createSecrets } from "../../server/platform/secrets/secrets.ts";
import { noPackages } from "../support/no-packages.ts";
import { closeAll, closedAfter } from "../support/close-all.ts";
import { atEachPoint } from "../support/each-point.ts";
import { eventually } from "../support/eventually.ts";
import { createMemoryLogFolder } from "../support/memory-log-folder.ts";
import type { MortalNode, StopPoint } from "../support/mortal-node.ts";
import { startMortalNode } from "../support/mortal-node.ts";
import type { TestPostgres } from "../support/postgres.ts";
import { startPostgres } from "../support/postgres.ts";
import { createScriptedAgent } from "../support/scripted-agent.ts";

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});
const outputCipher = createSecrets(createMasterKey());

const target = (n: number) => ({
  machineId: `Machines-${n}`,
  name: `machine ${n}`,
  roles: n === 1 ? ["web", "first"] : ["web"],
  agent: { host: `machine-${n}`, port: 10933, thumbprint: "A".repeat(40) },
});
const action = (id: string, body: string, more: Partial<PlannedAction> = {}): PlannedAction => ({
  id,
  name: id,
  type: "Octopus.Script",
  condition: "Success",
  packages: [],
  values: [],
  ...more,
  properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": body, ...more.properties },
});
const step = (number: number, actions: PlannedAction[], more: Partial<PlannedStep> = {}): PlannedStep => ({
  id: `s${number}`,
  number,
  name: `Step ${number}`,
  condition: "Success",
  properties: {},
  roles: ["web"],
  runs: "targets",
  targets: [target(1), target(2)],
  parallelMax: 1,
  actions,
  ...more,
});
const planOf = (steps: PlannedStep[], more: Partial<Plan> = {}): Plan => ({
  taskId: "ServerTasks-1",
  title: "Deploy",
  scope: { environment: "Environments-1" },
  nowMs: 0,
  placeholders: "evaluated",
  variables: [],
  values: [],
  steps,
  ...more,
});

async function stage(plan: Plan, stepTypes: readonly StepType[] = createStepTypes({ packages: noPackages })) {
  const created = await postgres.createDatabase();
  const database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-observer", connectionsMax: 3 });
  await database.execute(`INSERT INTO cluster_settings (name, value) VALUES ('lease', $1)`, [
    JSON.stringify({ leaseMs: 400, renewalMs: 100, selfStopMs: 300 }),
  ]);
  const folder = createMemoryLogFolder();
  const agent = createScriptedAgent({ tombstones: false });
  const nodes: MortalNode[] = [];
  const handler = (agents: Agents): TaskHandler => ({
    name: "Deploy",
    run: async (run) =>
      runPlan(decodePlan(run.task.plan ?? (await run.guarded((tx) => run.storePlan(tx, encodePlan(plan))))), run, {
        agents,
        stepTypes,
        outputCipher,
        readSecrets: async (ids) => new Map(ids.map((id) => [id, `text of ${id}`])),
        prepareMasking: (secrets) => ({ createMasker: () => createMasker(secrets) }),
        agentGoneMs: 2_000,
        cancelGraceMs: 2_000,
      }),
  });
  return {
    agent,
    async node(name: string, stopAt?: StopPoint) {
      const node = await startMortalNode({
        name,
        connection: created.connection,
        folder,
        agents: agent,
        handler,
        ...(stopAt ? { stopAt } : {}),
      });
      nodes.push(node);
      return node;
    },
    enqueue: () =>
      database.transaction((tx) =>
        enqueueTask(tx, {
          spaceId: null,
          name: "Deploy",
          description: "Deploy",
          arguments: {},
          argumentsVersion: 1,
          concurrencyTag: null,
          actor: systemActor,
        }),
      ),
    end: (taskId: string) =>
      eventually(`${taskId} ends`, async () => {
        const [row] = await database.query<{ state: string; error_message: string | null }>(
          `SELECT state, error_message FROM tasks WHERE id = $1 AND completed_at IS NOT NULL`,
          [taskId],
        );
        return row;
      }),
    async log(taskId: string): Promise<LogEntry[]> {
      const entries: LogEntry[] = [];
      for await (const piece of readTaskLog({ database, folder, taskId })) entries.push(...piece);
      return entries;
    },
    /** What ran where, by the last line of each script. */
    runs: () => agent.executions.map((one) => `${one.machine}: ${one.body.trimEnd().split("\n").at(-1)}`),
    async close() {
      await closeAll(
        ...nodes.map((node) => () => node.close()),
        () => database.close(),
        () => created.drop(),
      );
    },
  };
}

async function runWhole(plan: Plan, work: (set: Awaited<ReturnType<typeof stage>>) => void = () => {}, types?: readonly StepType[]) {
  const set = await stage(plan, types);
  try {
    work(set);
    await set.node("only");
    const taskId = await set.enqueue();
    const end = await set.end(taskId);
    return { ...end, runs: set.runs(), log: await set.log(taskId) };
  } finally {
    await set.close();
  }
}
const lastStatus = (log: readonly LogEntry[], block: string): string | undefined =>
  log.flatMap((entry) => (entry.kind === "status" && entry.id === block ? [entry.status] : [])).at(-1);

describe("steps of several actions", () => {
  test("each target walks through all actions before the window goes on, and a failed one skips what follows there", async () => {
    const plan = planOf([step(1, [action("a", "run a"), action("b", "run b"), action("c", "run c")])]);
    const { state, runs, log, error_message } = await runWhole(plan, ({ agent }) => {
      agent.behave = (body) => ({ lines: [], questions: 0, exitCode: /run b$/m.test(body) && agent.executions.length === 1 ? 3 : 0 });
    });
    assert.equal(state, "Failed");
    assert.match(error_message ?? "", /^Step 1 \(Step 1\) failed\. The script on machine 1 ended with exit code 3\.$/);
    assert.deepEqual(runs, ["machine-1: run a", "machine-1: run b", "machine-2: run a", "machine-2: run b", "machine-2: run c"]);
    const at = "s1/Machines-1";
    assert.deepEqual(
      ["a", "b", "c"].map((id) => lastStatus(log, `step-${at}/${id}`)),
      ["Success", "Failed", "Skipped"],
    );
    assert.deepEqual([lastStatus(log, `step-${at}`), lastStatus(log, "step-s1/Machines-2")], ["Failed", "Success"]);
  });

  test("conditions by an expression hold per target, see what failed, and skip a step that nobody wants", async () => {
    const isFirst = { "Octopus.Step.ConditionVariableExpression": '#{if Octopus.Machine.Name == "machine 1"}yes#{/if}' };
    const onError = { "Octopus.Step.ConditionVariableExpression": "#{Octopus.Deployment.Error}" };
    const plan = planOf([
      step(1, [action("a", "run a")], { condition: "Variable", properties: onError }),
      step(2, [action("b", "run b")], { condition: "Variable", properties: isFirst }),
      step(3, [
        action("c", "run c"),
        action("d", "run d", { condition: "Variable", properties: { "Octopus.Action.ConditionVariableExpression": "no" } }),
      ]),
      step(4, [action("e", "run e #{Octopus.Step[Step 2].Status.Code}")], {
        condition: "Variable",
        properties: onError,
        targets: [target(1)],
      }),
    ]);
    const { runs, log } = await runWhole(plan, ({ agent }) => {
      agent.behave = (body) => ({ lines: [], questions: 0, exitCode: /run c$/m.test(body) ? 1 : 0 });
    });
    assert.deepEqual(runs, ["machine-1: run b", "machine-1: run c", "machine-2: run c", "machine-1: run e Succeeded"]);
    assert.deepEqual(
      ["s1", "s2", "s3", "s4"].map((id) => lastStatus(log, `step-${id}`)),
      ["Skipped", "Success", "Failed", "Success"],
    );
  });
});

test("S2: values are those of the scope, put into fields and scripts; secrets and what is made of them do not stand in the log", async () => {
  const value = (id: string, text: string | null, scope: object, secretId: string | null = null) =>
    ({ id, name: id.slice(0, -1), value: text, secretId, scope, origin: "project" }) as const;
  const plan = planOf(
    [
      step(1, [
        action("a", "run #{Who} #{Octopus.Machine.Roles} #{Octopus.Action.Note} #{Unknown} ##{Literal}", {
          properties: { "Octopus.Action.Note": "<#{Site}>" },
        }),
      ]),
    ],
    {
      variables: [
        value("Who1", "anybody", {}),
        value("Who2", "first", { Role: ["first"] }),
        value("Who3", "elsewhere", { Environment: ["Environments-2"] }),
        value("Site1", "#{Who}-site", {}),
        value("Key1", null, {}, "S-1"),
        value("Made1", "key=#{Key | ToUpper}", {}),
      ],
    },
  );
  const { runs, log } = await runWhole(plan, ({ agent }) => {
    agent.behave = () => ({ lines: ["text of S-1", "key=TEXT OF S-1", "any"], questions: 0, exitCode: 0 });
  });
  assert.deepEqual(runs, [
    "machine-1: run first web,first <first-site> #{Unknown} #{Literal}",
    "machine-2: run anybody web <anybody-site> #{Unknown} #{Literal}",
  ]);
  const lines = log.flatMap((entry) => (entry.kind === "line" && entry.block === "step-s1/Machines-1" ? [entry.text] : []));
  assert.deepEqual(lines, ["********", "********", "any"]);
});

test("S3 D7: what a script's filters make of a secret is masked in every encoding, also by a node that takes the script over", async () => {
  const body = "run #{Key | ToUpper} #{Key | ToBase64} #{Key | Substring 8 3} #{Site | ToUpper}";
  const plan = planOf([step(1, [action("a", body)], { targets: [target(1)] })], {
    variables: [
      { id: "1", name: "Key", value: null, secretId: "S-1", scope: {}, origin: "project" },
      { id: "2", name: "Site", value: "shop", secretId: null, scope: {}, origin: "project" },
    ],
  });
  const set = await stage(plan);
  try {
    // The first answer holds some of the lines; who takes over reads the others.
    const base64 = Buffer.from("text of S-1").toString("base64");
    const lines = ["TEXT OF S-1", `b64 ${base64}`, "SHOP", "TEXT%20OF%20S-1", "a S-1 b", Buffer.from("TEXT OF S-1").toString("hex")];
    set.agent.behave = () => ({ lines, questions: 3, exitCode: 0 });
    const first = await set.node("first", { effect: "agent-status", when: "after", how: "die" });
    const taskId = await set.enqueue();
    await first.stopped;
    await set.node("second");
    assert.equal((await set.end(taskId)).state, "Success");
    assert.deepEqual(set.runs(), [`machine-1: run TEXT OF S-1 ${base64} S-1 SHOP`]);
    const log = await set.log(taskId);
    const shown = log.flatMap((entry) => (entry.kind === "line" && entry.block === "step-s1/Machines-1" ? [entry.text] : []));
    assert.deepEqual(shown, ["********", "b64 ********", "SHOP", "********", "a ******** b", "********"]);
  } finally {
    await set.close();
  }
});

test("S5: an action whose templates make more of secrets than can be masked fails with a sentence, and runs nothing", async () => {
  const plan = planOf([step(1, [action("a", "run #{each word in Words}#{word | ToUpper}#{/each}")], { targets: [target(1)] })], {
    variables: [
      { id: "1", name: "Key", value: null, secretId: "S-1", scope: {}, origin: "project" },
      {
        id: "2",
        name: "Words",
        value: `#{Key},${Array.from({ length: 2_100 }, (_, n) => `word${n}`).join()}`,
        secretId: null,
        scope: {},
        origin: "project",
      },
    ],
  });
  const { state, runs, log } = await runWhole(plan);
  assert.equal(state, "Failed");
  assert.deepEqual(runs, []);
  const said = log.flatMap((entry) => (entry.kind === "line" ? [entry.text] : []));
  assert.ok(
    said.some((text) => /make more than 2000 texts.*of sensitive values/.test(text)),
    said.join("\n"),
  );
});

test("an action on a worker runs once, or for each target, with that target's values", async () => {
  const worker = {
    ...target(9),
    machineId: "Workers-1",
    name: "worker 1",
    agent: { host: "worker-1", port: 10933, thumbprint: "A".repeat(40) },
  };
  const plan = planOf([
    step(1, [action("a", "run once", { worker })], { runs: "once", targets: [], roles: [] }),
    step(2, [action("b", "run for #{Octopus.Machine.Name}", { worker })]),
  ]);
  const { state, runs } = await runWhole(plan);
  assert.equal(state, "Success");
  assert.deepEqual(runs, ["worker-1: run once", "worker-1: run for machine 1", "worker-1: run for machine 2"]);
});

test("a fault of an action is its failure and nothing more: what was intended has its result, and the log says why once", async () => {
  const plan = planOf(
    [
      step(1, [action("a", "run #{A}")], { targets: [target(1)] }),
      step(2, [action("b", "run b")], { condition: "Always", targets: [target(1)] }),
    ],
    {
      values: [{ name: "A", value: "#{A}" }],
    },
  );
  const { state, runs, log } = await runWhole(plan);
  assert.equal(state, "Failed");
  assert.deepEqual(runs, ["machine-1: run b"]);
  assert.equal(
    log.filter((entry) => entry.kind === "line" && /cannot be evaluated/.test(entry.text) && entry.block === "step-s1/Machines-1").length,
    1,
  );
  assert.equal(lastStatus(log, "step-s1/Machines-1"), "Failed");
});

/** Three parts: an effect that may happen twice, and two scripts that may not; the last is told what the first ones came to. */
function threeParts(onUpload: () => void): StepType {
  return {
    name: "Test.ThreeParts",
    runs: "targets",
    check: () => [],
    async run(context) {
      const uploaded = await context.runEffect({
        part: "upload",
        work: async () => {
          onUpload();
          return { outcome: "succeeded", exitCode: null, message: null, outputs: [{ name: "Place", value: "here", sensitive: false }] };
        },
      });
      if (uploaded.outcome !== "succeeded") throw new ActionFault("It was not uploaded.");
      const script = (part: string) =>
        context.runScript({
          part,
          body: async () => ({ bash: composeBashScript([], `run ${part} ${context.outputs().get("Place")}`), powerShell: "" }),
          ends: part === "two",
        });
      for (const part of ["one", "two"]) {
        const { outcome, message } = await script(part);
        if (outcome !== "succeeded") return { outcome, message: message ?? "" };
      }
      return { outcome: "succeeded" };
    },
  };
}

test("D1 D2 D3 D7: an action of three parts goes on after a kill at any effect: its scripts run once, done parts answer from their rows", async (t) => {
  const plan = planOf([step(1, [action("a", "", { type: "Test.ThreeParts" })], { targets: [target(1)] })]);
  const trial = closedAfter(t, await stage(plan, [threeParts(() => {})]));
  const whole = await trial.node("whole");
  assert.equal((await trial.end(await trial.enqueue())).state, "Success");
  const effects = [...whole.effects];
  await trial.close();
  const from = effects.indexOf("step-run-intend");
  const to = effects.lastIndexOf("step-run-done");
  assert.ok(from > 0 && to - from > 20, effects.join(" "));
  const points = Array.from({ length: to - from + 2 }, (_, n) => from + n);
  await atEachPoint(points, 4, async (effect) => {
    /** At each upload: how many scripts had begun. */
    const uploads: number[] = [];
    const set = await stage(plan, [threeParts(() => void uploads.push(set.agent.executions.length))]);
    try {
      const first = await set.node("first", { effect, when: "after", how: "die" });
      const taskId = await set.enqueue();
      const where = await Promise.race([first.stopped, set.end(taskId).then(() => "the end")]);
      await set.node("second");
      assert.equal((await set.end(taskId)).state, "Success", `died at effect ${effect} (${where})`);
      assert.deepEqual(set.runs(), ["machine-1: run one here", "machine-1: run two here"], `died at effect ${effect} (${where})`);
      assert.ok(
        uploads.length > 0 && uploads.every((begun) => begun === 0),
        `an upload whose result was stored was done again: ${uploads.join()}`,
      );
      assert.equal(lastStatus(await set.log(taskId), "step-s1/Machines-1"), "Success");
    } finally {
      await set.close();
    }
  });
});
