// D1–D8 of the reliability rules where they are hardest to keep: a node that dies at any single effect, or sleeps through its
// lease, while another node takes over. The agent's own counters are the observer.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Agents } from "../../server/engine/agents/agents.ts";
import { decodePlan, encodePlan, runPlan } from "../../server/engine/execution/execution.ts";
import type { Plan } from "../../server/engine/execution/execution.ts";
import { enqueueTask, readTaskLog, requestCancel } from "../../server/engine/tasks/tasks.ts";
import type { TaskHandler } from "../../server/engine/tasks/tasks.ts";
import { createStepTypes } from "../../server/features/runs/runs.ts";
import { noPackages } from "../support/no-packages.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import type { Database } from "../../server/platform/database/database.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import { createMasterKey, createSecrets } from "../../server/platform/secrets/secrets.ts";
import { closeAll, closedAfter } from "../support/close-all.ts";
import { atEachPoint } from "../support/each-point.ts";
import { eventually } from "../support/eventually.ts";
import { createMemoryLogFolder } from "../support/memory-log-folder.ts";
import type { MemoryLogFolder } from "../support/memory-log-folder.ts";
import type { MortalNode, StopPoint } from "../support/mortal-node.ts";
import { startMortalNode } from "../support/mortal-node.ts";
import { scriptPlan } from "../support/script-plan.ts";
import type { TestDatabase, TestPostgres } from "../support/postgres.ts";
import { startPostgres } from "../support/postgres.ts";
import type { ScriptedAgent } from "../support/scripted-agent.ts";
import { createScriptedAgent } from "../support/scripted-agent.ts";

const secret = "hunter2-hunter2";
/** A sensitive output variable. */
const keySet = "hunter3-hunter3";
const outputs = {
  color: "#{Octopus.Action[Step 1].Output.Color}",
  key: "#{Octopus.Action[Step 1].Output[machine 1].Key}",
};
const encoded = (text: string): string => Buffer.from(text).toString("base64");
const settingOutputs = [
  "before",
  `##octopus[setVariable name='${encoded("Color")}' value='${encoded("red")}']`,
  `##octopus[setVariable name='${encoded("Key")}' value='${encoded(keySet)}' sensitive='${encoded("True")}']`,
  `##octopus[setVariable name="${encoded("Color")}" value="${encoded("blue")}"]`,
  `the key is ${keySet}`,
];

interface PlanOptions {
  steps?: number;
  machines?: number;
  passesOn?: boolean;
}
/** As all nodes of a cluster have it. */
const outputCipher = createSecrets(createMasterKey());
const quickLease = { leaseMs: 400, renewalMs: 100, selfStopMs: 300 };

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});

/** `passesOn`: each later step asks for what the first one has set. */
function planFor(taskId: string, { steps = 1, machines = 1, passesOn = false }: PlanOptions): Plan {
  const targets = Array.from({ length: machines }, (_, n) => ({
    machineId: `Machines-${n + 1}`,
    name: `machine ${n + 1}`,
    agent: { host: `machine-${n + 1}`, port: 10933, thumbprint: "A".repeat(40) },
  }));
  return scriptPlan({
    taskId,
    title: "Deploy Shop 1.0.0 to Production",
    values: [{ name: "Octopus.Release.Number", value: "1.0.0" }],
    steps: Array.from({ length: steps }, (_, n) => ({
      id: `${n + 1}`,
      body: passesOn && n > 0 ? `step ${n + 1} ${outputs.color}|${outputs.key}` : `step ${n + 1}`,
      values: [{ name: "Password", secretId: "secret-1" }],
      targets,
    })),
  });
}

/** Runs a plan as deployments do: the stored plan counts, not the one made now. */
function deployHandler(options: PlanOptions): (agents: Agents) => TaskHandler {
  return (agents) => ({
    name: "Deploy",
    async run(run) {
      const plan = decodePlan(run.task.plan ?? (await run.guarded((tx) => run.storePlan(tx, encodePlan(planFor(run.task.id, options))))));
      return runPlan(plan, run, {
        agents,
        stepTypes: createStepTypes({ packages: noPackages }),
        outputCipher,
        readSecrets: async (ids) => new Map(ids.map((id) => [id, secret])),
        prepareMasking: (secrets) => ({
          createMasker: () => ({
            push: (line) => [secrets.reduce((text, one) => text.replaceAll(one, "********"), line)],
            flush: () => [],
          }),
        }),
        agentGoneMs: 2_000,
        cancelGraceMs: 2_000,
      });
    },
  });
}

interface Stage {
  database: Database;
  test: TestDatabase;
  folder: MemoryLogFolder;
  agent: ScriptedAgent;
  node(name: string, stopAt?: StopPoint): Promise<MortalNode>;
  close(): Promise<void>;
}

async function stage(options: PlanOptions & { tombstones?: boolean; generation?: 1 | 2 } = {}): Promise<Stage> {
  const created = await postgres.createDatabase();
  const database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-observer", connectionsMax: 3 });
  await database.execute(`INSERT INTO cluster_settings (name, value) VALUES ('lease', $1)`, [JSON.stringify(quickLease)]);
  const folder = createMemoryLogFolder();
  const agent = createScriptedAgent({ tombstones: options.tombstones ?? true, generation: options.generation ?? 2 });
  const nodes: MortalNode[] = [];
  return {
    database,
    test: created,
    folder,
    agent,
    async node(name, stopAt) {
      const node = await startMortalNode({
        name,
        connection: created.connection,
        folder,
        agents: agent,
        handler: deployHandler(options),
        ...(stopAt ? { stopAt } : {}),
      });
      nodes.push(node);
      return node;
    },
    async close() {
      await closeAll(
        ...nodes.map((node) => () => node.close()),
        () => database.close(),
        () => created.drop(),
      );
    },
  };
}

function enqueue(database: Database, tag: string | null = "Projects-1/Environments-1"): Promise<string> {
  return database.transaction((tx) =>
    enqueueTask(tx, {
      spaceId: null,
      name: "Deploy",
      description: "Deploy Shop 1.0.0 to Production",
      arguments: {},
      argumentsVersion: 1,
      concurrencyTag: tag,
      actor: systemActor,
    }),
  );
}

function finalState(database: Database, taskId: string, deadlineMs?: number): Promise<string> {
  return eventually(
    `${taskId} reaches a final state`,
    async () => {
      const [row] = await database.query<{ state: string }>(`SELECT state FROM tasks WHERE id = $1 AND completed_at IS NOT NULL`, [taskId]);
      return row?.state;
    },
    deadlineMs,
  );
}

async function linesOf(set: Stage, taskId: string, block: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const piece of readTaskLog({ database: set.database, folder: set.folder, taskId }))
    for (const entry of piece) {
      if (entry.kind === "line" && entry.block === block && entry.category === "Info") lines.push(entry.text);
    }
  return lines;
}

async function eventsOf(database: Database): Promise<Record<string, number>> {
  const rows = await database.query<{ category: string; n: number }>(`SELECT category, count(*) AS n FROM events GROUP BY 1`);
  return Object.fromEntries(rows.map((row) => [row.category, row.n]));
}

async function assertRanOnce(set: Stage, taskId: string, steps: number, machines: number): Promise<void> {
  const runs = set.agent.executions.map((one) => `${one.machine} ${/step \d+/.exec(one.body)?.[0]}`).sort();
  const expected: string[] = [];
  for (let machine = 1; machine <= machines; machine++)
    for (let step = 1; step <= steps; step++) expected.push(`machine-${machine} step ${step}`);
  assert.deepEqual(runs, expected.sort(), "every script ran exactly once on every machine");
  for (let step = 1; step <= steps; step++) {
    for (let machine = 1; machine <= machines; machine++) {
      assert.deepEqual(
        await linesOf(set, taskId, `step-${step}/Machines-${machine}`),
        ["one", "two", "three"],
        "the log has neither gap nor double",
      );
    }
  }
}

describe("a node that dies", () => {
  test("D1 D2 D3 D7: wherever kill -9 hits, another node ends the deployment in success, each script run once", async (t) => {
    const trial = closedAfter(t, await stage({ steps: 2 }));
    const whole = await trial.node("whole");
    const id = await enqueue(trial.database);
    assert.equal(await finalState(trial.database, id), "Success");
    const effects = [...whole.effects];
    await trial.close();
    assert.ok(effects.length > 20, `the path has effects to die at: ${effects.join(" ")}`);

    const points = Array.from({ length: effects.length }, (_, n) => n + 1);
    await atEachPoint(points, 4, async (effect) => {
      // As a stock agent behaves: it forgets a ticket that was completed and would run it again.
      const set = await stage({ steps: 2, tombstones: false });
      try {
        const first = await set.node("first", { effect, when: "after", how: "die" });
        const taskId = await enqueue(set.database);
        const where = await Promise.race([first.stopped, finalState(set.database, taskId).then(() => "the end")]);
        await set.node("second");
        assert.equal(await finalState(set.database, taskId), "Success", `died at effect ${effect} (${where})`);
        await assertRanOnce(set, taskId, 2, 1).catch((error: unknown) => {
          throw new Error(`died at effect ${effect} (${where})`, { cause: error });
        });
        assert.deepEqual(await eventsOf(set.database), { DeploymentQueued: 1, DeploymentStarted: 1, DeploymentSucceeded: 1 });
      } finally {
        await set.close();
      }
    });
  });

  test("D3 D7 S2: wherever kill -9 hits, later steps see what the first one set, and a sensitive value is at no point readable at rest", async (t) => {
    const behave = (body: string) => ({
      lines: /^step 1$/m.test(body) ? settingOutputs : [`used ${keySet}`],
      exitCode: 0,
      questions: 4,
    });
    const options = { steps: 2, passesOn: true, tombstones: false };
    const trial = closedAfter(t, await stage(options));
    trial.agent.behave = behave;
    const whole = await trial.node("whole");
    assert.equal(await finalState(trial.database, await enqueue(trial.database)), "Success");
    const from = whole.effects.indexOf("agent-start");
    const to = whole.effects.lastIndexOf("agent-start");
    assert.ok(whole.effects.includes("output-put") && to - from > 10, `the path sets outputs: ${whole.effects.join(" ")}`);
    await trial.close();

    const points = Array.from({ length: to - from + 2 }, (_, n) => from + n);
    await atEachPoint(points, 4, async (effect) => {
      const set = await stage(options);
      set.agent.behave = behave;
      try {
        const first = await set.node("first", { effect, when: "after", how: "die" });
        const taskId = await enqueue(set.database);
        const where = await Promise.race([first.stopped, finalState(set.database, taskId).then(() => "the end")]);
        await set.node("second");
        assert.equal(await finalState(set.database, taskId), "Success", `died at effect ${effect} (${where})`);
        assert.deepEqual(
          set.agent.executions.map((one) => /^step \d.*$/m.exec(one.body)?.[0]),
          ["step 1", `step 2 blue|${keySet}`],
          `died at effect ${effect} (${where})`,
        );
        const rows = await set.database.query<{ name: string; value: string | null; ciphertext: Buffer | null }>(
          `SELECT name, value, ciphertext FROM output_variables WHERE task_id = $1 ORDER BY name`,
          [taskId],
        );
        assert.deepEqual(
          rows.map((row) => [row.name, row.value]),
          [
            ["Color", "blue"],
            ["Key", null],
          ],
        );
        assert.ok(!Buffer.from(rows[1]!.ciphertext!).includes(keySet));
        assert.deepEqual(await linesOf(set, taskId, "step-1/Machines-1"), ["before", "the key is ********"]);
        assert.deepEqual(await linesOf(set, taskId, "step-2/Machines-1"), ["used ********"]);
      } finally {
        await set.close();
      }
    });
  });

  test("D6: a deployment that waits behind a dead node's one starts only after that one ended", async () => {
    const set = await stage();
    try {
      const first = await set.node("first", { effect: "agent-start", when: "after", how: "die" });
      const one = await enqueue(set.database);
      const two = await enqueue(set.database);
      await first.stopped;
      assert.equal(set.agent.executions.length, 1, "the second waits while the first is unfinished");
      await set.node("second");
      assert.equal(await finalState(set.database, one), "Success");
      assert.equal(await finalState(set.database, two), "Success");
      assert.equal(set.agent.executions.length, 2);
    } finally {
      await set.close();
    }
  });

  test("D8: a cancel that was acknowledged survives the node that ran the task", async () => {
    const set = await stage();
    set.agent.behave = () => ({ lines: ["one", "two"], exitCode: 0, questions: 1_000_000 });
    try {
      const first = await set.node("first", { effect: "agent-start", when: "after", how: "die" });
      const taskId = await enqueue(set.database);
      await first.stopped;
      await set.database.transaction((tx) => requestCancel(tx, taskId, systemActor));
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Canceled");
      assert.equal(set.agent.executions.length, 1, "taking over a cancelled task starts nothing");
      assert.equal(set.agent.startCalls.length, 1, "it does not even ask for a start");
      assert.equal(set.agent.cancelled.length, 1, "the script on the machine was ended");
    } finally {
      await set.close();
    }
  });
});

describe("a node that sleeps through its lease", () => {
  test("D2 D3: frozen just before StartScript goes out, it wakes to find the work done and runs nothing", async () => {
    const set = await stage({ tombstones: true });
    try {
      const first = await set.node("first", { effect: "agent-start", when: "before", how: "freeze" });
      const taskId = await enqueue(set.database);
      await first.stopped;
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Success");
      first.thaw();
      await eventually("the first node lets go", () => first.engine.running().length === 0);
      assert.equal(set.agent.executions.length, 1, "one execution");
      assert.deepEqual(await eventsOf(set.database), { DeploymentQueued: 1, DeploymentStarted: 1, DeploymentSucceeded: 1 });
      await assertRanOnce(set, taskId, 1, 1);
    } finally {
      await set.close();
    }
  });

  test("D2 D8: frozen just before StartScript goes out, cancelled and taken over meanwhile, its StartScript arrives late and runs nothing", async () => {
    const set = await stage({ tombstones: true });
    try {
      const first = await set.node("first", { effect: "agent-start", when: "before", how: "freeze" });
      const taskId = await enqueue(set.database);
      await first.stopped;
      await set.database.transaction((tx) => requestCancel(tx, taskId, systemActor));
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Canceled");
      assert.deepEqual(set.agent.startCalls, [], "nobody has asked for a start so far");
      first.thaw();
      await eventually("the first node lets go", () => first.engine.running().length === 0);
      assert.equal(set.agent.startCalls.length, 1, "the start has come late");
      assert.deepEqual(set.agent.executions, []);
      assert.equal(await finalState(set.database, taskId), "Canceled");
    } finally {
      await set.close();
    }
  });

  test("rule 7: an agent without tombstones is not told to forget a ticket whose task changed owner", async () => {
    const set = await stage({ tombstones: false });
    try {
      const first = await set.node("first", { effect: "agent-start", when: "before", how: "freeze" });
      const taskId = await enqueue(set.database);
      await first.stopped;
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Success");
      assert.deepEqual(set.agent.completed, [], "the ticket rests");
      first.thaw();
      await eventually("the first node lets go", () => first.engine.running().length === 0);
      assert.equal(set.agent.executions.length, 1, "one execution");
    } finally {
      await set.close();
    }
  });

  test("rule 7: a start whose first answer was lost may still be on its way: its ticket is not forgotten at once", async () => {
    const set = await stage({ tombstones: false });
    set.agent.behave = () => {
      set.agent.loseAnswers(1);
      return { lines: ["one"], exitCode: 0, questions: 2 };
    };
    try {
      await set.node("only");
      assert.equal(await finalState(set.database, await enqueue(set.database)), "Success");
      assert.equal(set.agent.startCalls.length, 2);
      assert.deepEqual(set.agent.completed, [], "the ticket rests");
      assert.equal(set.agent.executions.length, 1, "one execution");
    } finally {
      await set.close();
    }
  });

  test("D4: a start that it had not yet sent when it fell asleep never leaves it", async () => {
    const set = await stage();
    try {
      // It stands just before the proof of its lease that precedes every command.
      const first = await set.node("first", { effect: "task-owned", when: "before", how: "freeze" });
      const taskId = await enqueue(set.database);
      await first.stopped;
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Success");
      const before = set.agent.startCalls.length;
      first.thaw();
      await eventually("the first node lets go", () => first.engine.running().length === 0);
      assert.equal(set.agent.startCalls.length, before, "nothing was sent after the lease had gone");
    } finally {
      await set.close();
    }
  });

  test("D4: a result it wakes up with changes nothing", async () => {
    const set = await stage();
    try {
      // It freezes with the agent's answer in hand and its own clock already asked, just before it begins to write; the other node
      // has ended the task meanwhile. Only the guard inside the transaction can still notice.
      const first = await set.node("first", { effect: "begin", since: "agent-status", when: "after", how: "freeze" });
      const taskId = await enqueue(set.database);
      await first.stopped;
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Success");
      const before = await set.database.query(`SELECT * FROM step_runs UNION ALL SELECT * FROM step_runs ORDER BY id`);
      const parts = await set.database.query(`SELECT * FROM task_log_parts ORDER BY epoch, ordinal`);
      first.thaw();
      await eventually("the first node lets go", () => first.engine.running().length === 0);
      assert.deepEqual(await set.database.query(`SELECT * FROM step_runs UNION ALL SELECT * FROM step_runs ORDER BY id`), before);
      assert.deepEqual(await set.database.query(`SELECT * FROM task_log_parts ORDER BY epoch, ordinal`), parts);
      await assertRanOnce(set, taskId, 1, 1);
    } finally {
      await set.close();
    }
  });
});

describe("an agent that has only the first script service", () => {
  async function messageOf(set: Stage, taskId: string): Promise<string> {
    const [row] = await set.database.query<{ error_message: string | null }>(`SELECT error_message FROM tasks WHERE id = $1`, [taskId]);
    return row?.error_message ?? "";
  }

  test("runs its scripts, each once, with the whole log, and is told to forget them", async () => {
    const set = await stage({ steps: 2, machines: 2, generation: 1 });
    try {
      await set.node("only");
      const taskId = await enqueue(set.database);
      assert.equal(await finalState(set.database, taskId), "Success");
      await assertRanOnce(set, taskId, 2, 2);
      await eventually("all tickets are forgotten", () => set.agent.completed.length === 4);
    } finally {
      await set.close();
    }
  });

  test("D1 D2: wherever kill -9 hits, no script runs twice, and the end is either a success of all or an unknown outcome that is said", async (t) => {
    const trial = closedAfter(t, await stage({ generation: 1 }));
    const whole = await trial.node("whole");
    assert.equal(await finalState(trial.database, await enqueue(trial.database)), "Success");
    const from = whole.effects.indexOf("agent-start") - 3;
    const to = whole.effects.lastIndexOf("step-run-done");
    await trial.close();
    assert.ok(from > 0 && to > from, `the path has its effects: ${whole.effects.join(" ")}`);

    const ends: string[] = [];
    const points = Array.from({ length: to - from + 3 }, (_, n) => from + n);
    await atEachPoint(points, 6, async (effect) => {
      const set = await stage({ generation: 1 });
      try {
        const first = await set.node("first", { effect, when: "after", how: "die" });
        const taskId = await enqueue(set.database);
        await Promise.race([first.stopped, finalState(set.database, taskId)]);
        await set.node("second");
        const state = await finalState(set.database, taskId);
        const runs = set.agent.executions.length;
        ends.push(`${state} after ${runs}`);
        if (state === "Success") await assertRanOnce(set, taskId, 1, 1);
        else assert.match(await messageOf(set, taskId), /outcome of the script on machine 1 is unknown.*upgrade that agent/);
        assert.ok(runs <= 1, `died at effect ${effect}: ${runs} runs`);
      } finally {
        await set.close();
      }
    });
    assert.ok(ends.includes("Success after 1") && ends.includes("Failed after 1"), `both ends came: ${ends.join(", ")}`);
  });

  test("D3: a start whose answer is lost is not sent again, and its outcome is unknown", async () => {
    const set = await stage({ generation: 1 });
    set.agent.behave = () => {
      set.agent.loseAnswers(1);
      return { lines: ["one"], exitCode: 0, questions: 2 };
    };
    try {
      await set.node("only");
      const taskId = await enqueue(set.database);
      assert.equal(await finalState(set.database, taskId), "Failed");
      assert.equal(set.agent.startCalls.length, 1);
      assert.match(await messageOf(set, taskId), /unknown/);
    } finally {
      await set.close();
    }
  });

  test("a success that it claims after its restart is not believed", async () => {
    const set = await stage({ generation: 1 });
    set.agent.behave = () => ({ lines: ["one"], exitCode: 5, questions: 1_000_000 });
    try {
      await set.node("only");
      const taskId = await enqueue(set.database);
      await eventually("the script runs", () => set.agent.executions.length === 1);
      set.agent.loseAnswers(1);
      set.agent.restart();
      assert.equal(await finalState(set.database, taskId), "Failed");
      assert.match(await messageOf(set, taskId), /calls everything a success/);
      assert.deepEqual(set.agent.completed, [], "the workspace of what may still run stays");
    } finally {
      await set.close();
    }
  });

  test("D8: its script is ended by a cancel, also by the node that takes over", async () => {
    const set = await stage({ generation: 1 });
    set.agent.behave = () => ({ lines: ["one", "two"], exitCode: 0, questions: 1_000_000 });
    try {
      const first = await set.node("first", { effect: "agent-status", when: "after", how: "die" });
      const taskId = await enqueue(set.database);
      await first.stopped;
      await set.database.transaction((tx) => requestCancel(tx, taskId, systemActor));
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Canceled");
      assert.equal(set.agent.cancelled.length, 1);
      assert.equal(set.agent.executions.length, 1);
    } finally {
      await set.close();
    }
  });
});

describe("an agent that reports -1", () => {
  for (const generation of [1, 2] as const)
    test(`D8 D3: without a cancel of ours its script has failed, it was not canceled (script service ${generation})`, async () => {
      const set = await stage({ generation });
      set.agent.behave = () => ({ lines: ["one"], exitCode: -1, questions: 2 });
      try {
        await set.node("only");
        const taskId = await enqueue(set.database);
        assert.equal(await finalState(set.database, taskId), "Failed");
        const [row] = await set.database.query<{ error_message: string }>(`SELECT error_message FROM tasks WHERE id = $1`, [taskId]);
        assert.match(row!.error_message, /machine 1 ended with exit code -1\./);
        assert.equal((await eventsOf(set.database))["DeploymentFailed"], 1);
        assert.equal(set.agent.executions.length, 1);
      } finally {
        await set.close();
      }
    });
});

describe("the shared folder", () => {
  test("D7: full for a moment, in the middle of a write, costs the log no line and doubles none", async () => {
    const set = await stage({ steps: 2 });
    try {
      set.folder.failNext(Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
      await set.node("only");
      const taskId = await enqueue(set.database);
      assert.equal(await finalState(set.database, taskId), "Success");
      await assertRanOnce(set, taskId, 2, 1);
      const torn = [...set.folder.files.keys()];
      assert.ok(torn.length > 1, "the part whose write failed was left alone and another one begun");
    } finally {
      await set.close();
    }
  });
});

describe("the claim", () => {
  test("never runs two tasks of one tag at once, over several nodes and a burst of both kinds", async () => {
    const set = await stage();
    const running = new Map<string, number>();
    let most = 0;
    set.agent.behave = () => ({ lines: ["one"], exitCode: 0, questions: 3 });
    try {
      for (const name of ["a", "b", "c"]) {
        const node = await set.node(name);
        void node;
      }
      const watch = setInterval(() => void look(), 5);
      async function look(): Promise<void> {
        const rows = await set.database
          .query<{ tag: string; n: number }>(
            `SELECT tag, count(*) AS n FROM task_queue WHERE state = 'running' AND tag IS NOT NULL GROUP BY tag`,
          )
          .catch(() => []);
        for (const row of rows) {
          running.set(row.tag, row.n);
          most = Math.max(most, row.n);
        }
      }
      const ids: string[] = [];
      for (let n = 0; n < 30; n++) ids.push(await enqueue(set.database, n % 3 === 0 ? null : `tag-${n % 2}`));
      for (const id of ids) assert.equal(await finalState(set.database, id), "Success");
      clearInterval(watch);
      assert.ok(most <= 1, `${most} tasks of one tag ran at once`);
      assert.equal(set.agent.executions.length, 30);
      const order = await set.database.query<{ tag: string; id: string; started_at: Date; completed_at: Date }>(
        `SELECT concurrency_tag AS tag, id, started_at, completed_at FROM tasks WHERE concurrency_tag IS NOT NULL ORDER BY concurrency_tag, number`,
      );
      for (let n = 1; n < order.length; n++) {
        const [earlier, later] = [order[n - 1]!, order[n]!];
        if (earlier.tag === later.tag)
          assert.ok(later.started_at >= earlier.completed_at, `${later.id} began before ${earlier.id} had ended`);
      }
    } finally {
      await set.close();
    }
  });

  test("a queued task that is cancelled lets the next of its tag run", async () => {
    const set = await stage();
    try {
      const ids = [await enqueue(set.database), await enqueue(set.database), await enqueue(set.database)];
      await set.database.transaction((tx) => requestCancel(tx, ids[0]!, systemActor));
      await set.node("only");
      assert.equal(await finalState(set.database, ids[0]!), "Canceled");
      assert.equal(await finalState(set.database, ids[1]!), "Success");
      assert.equal(await finalState(set.database, ids[2]!), "Success");
    } finally {
      await set.close();
    }
  });
});
