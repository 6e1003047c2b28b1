// Artifacts that scripts announce, on nodes that die at any single effect while another one takes over: each comes once, with its content, and
// before the agent is told to forget the script.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { before, describe, test } from "node:test";
import { createArtifactMessages, listArtifacts } from "../../server/engine/artifacts/artifacts.ts";
import { decodePlan, encodePlan, runPlan } from "../../server/engine/execution/execution.ts";
import { enqueueTask, readTaskLog } from "../../server/engine/tasks/tasks.ts";
import { ensureFirstSpace } from "../../server/features/features.ts";
import { createStepTypes } from "../../server/features/runs/runs.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import type { Database } from "../../server/platform/database/database.ts";
import { openSharedFolder } from "../../server/platform/files/files.ts";
import { createMasterKey, createSecrets } from "../../server/platform/secrets/secrets.ts";
import { noPackages } from "../support/no-packages.ts";
import { closeAll, closedAfter } from "../support/close-all.ts";
import { atEachPoint } from "../support/each-point.ts";
import { eventually } from "../support/eventually.ts";
import { createMemoryLogFolder } from "../support/memory-log-folder.ts";
import { startMortalNode } from "../support/mortal-node.ts";
import type { MortalNode, StopPoint } from "../support/mortal-node.ts";
import { startPostgres } from "../support/postgres.ts";
import type { TestPostgres } from "../support/postgres.ts";
import { scriptPlan } from "../support/script-plan.ts";
import { createScriptedAgent } from "../support/scripted-agent.ts";
import type { ScriptedAgent } from "../support/scripted-agent.ts";

const encoded = (text: string): string => Buffer.from(text).toString("base64");
const announce = (file: string, name: string): string =>
  `##octopus[createArtifact path='${encoded(file)}' name='${encoded(name)}' length='${encoded("1")}']`;
const contents: { [file: string]: Buffer } = { "/work/a.log": Buffer.from("first"), "/work/b.bin": Buffer.alloc(3_000_000, "b") };
const printed = [
  "before",
  announce("/work/a.log", "a.log"),
  announce("/work/gone", "gone.txt"),
  "##octopus[progress percentage='40' message='bmVhcmx5']",
  announce("/work/b.bin", "b \n.bin"),
  "after",
];
const outputCipher = createSecrets(createMasterKey());

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});

interface Stage {
  database: Database;
  agent: ScriptedAgent;
  node(name: string, stopAt?: StopPoint): Promise<MortalNode>;
  enqueue(): Promise<string>;
  /** What must hold at the end. */
  check(taskId: string): Promise<void>;
  close(): Promise<void>;
}

async function stage(): Promise<Stage> {
  const created = await postgres.createDatabase();
  const database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-observer", connectionsMax: 4 });
  await database.execute(`INSERT INTO cluster_settings (name, value) VALUES ('lease', $1)`, [
    JSON.stringify({ leaseMs: 400, renewalMs: 100, selfStopMs: 300 }),
  ]);
  await database.transaction((tx) => ensureFirstSpace(tx));
  const root = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-artifacts-"));
  const shared = await openSharedFolder({ root: path.join(root, "shared") });
  const folder = createMemoryLogFolder();
  const agent = createScriptedAgent({ tombstones: false });
  agent.behave = () => {
    for (const [file, content] of Object.entries(contents)) agent.files.set(file, content);
    return { lines: printed, exitCode: 0, questions: 3 };
  };
  const nodes: MortalNode[] = [];
  return {
    database,
    agent,
    async node(name, stopAt) {
      const node = await startMortalNode({
        name,
        connection: created.connection,
        folder,
        agents: agent,
        handler: (agents) => ({
          name: "Deploy",
          async run(run) {
            const planned = scriptPlan({
              taskId: run.task.id,
              steps: [
                {
                  id: "1",
                  body: "step 1",
                  targets: [{ machineId: "Machines-1", name: "web-1", agent: { host: "web-1", port: 10_933, thumbprint: "A".repeat(40) } }],
                },
              ],
            });
            const plan = decodePlan(run.task.plan ?? (await run.guarded((tx) => run.storePlan(tx, encodePlan(planned)))));
            return runPlan(plan, run, {
              agents,
              stepTypes: createStepTypes({ packages: noPackages }),
              outputCipher,
              messageHandlers: [createArtifactMessages({ database, folder: shared, agents })],
              readSecrets: async () => new Map(),
              prepareMasking: () => ({ createMasker: () => ({ push: (line) => [line], flush: () => [] }) }),
              agentGoneMs: 2_000,
              cancelGraceMs: 2_000,
            });
          },
        }),
        ...(stopAt === undefined ? {} : { stopAt }),
      });
      nodes.push(node);
      return node;
    },
    enqueue: () =>
      database.transaction((tx) =>
        enqueueTask(tx, {
          spaceId: "Spaces-1",
          name: "Deploy",
          description: "Deploy Shop",
          arguments: {},
          argumentsVersion: 1,
          concurrencyTag: null,
          actor: systemActor,
        }),
      ),
    async check(taskId) {
      assert.equal(agent.executions.length, 1);
      const { rows } = await listArtifacts(database, "Spaces-1", { regarding: taskId }, { skip: 0, take: 10, ascending: true });
      assert.deepEqual(
        rows.map((row) => [row.filename, row.sha256, row.source, row.log_correlation_id]),
        [
          ["a.log", sha256(contents["/work/a.log"]!), "web-1", `${taskId}_step-1/Machines-1`],
          ["b  .bin", sha256(contents["/work/b.bin"]!), "web-1", `${taskId}_step-1/Machines-1`],
        ],
      );
      const said: string[] = [];
      for await (const piece of readTaskLog({ database, folder, taskId }))
        for (const entry of piece)
          if (entry.kind === "line" && !entry.text.startsWith("##")) said.push(entry.text);
          else if (entry.kind === "progress") said.push(`${entry.percentage} ${entry.message}`);
      assert.deepEqual(said, [
        "before",
        "40 nearly",
        "after",
        "Collected the artifact a.log (5 bytes) from web-1.",
        "The artifact gone.txt was not collected from web-1: there is no file /work/gone.",
        "Collected the artifact b  .bin (3000000 bytes) from web-1.",
      ]);
      const stored = (await fs.readdir(path.join(shared.root, "artifacts"), { recursive: true, withFileTypes: true })).filter((one) =>
        one.isFile(),
      );
      const [count] = await database.query<{ files: number }>(`SELECT count(*) AS files FROM artifact_files`);
      assert.ok(stored.length <= count!.files, "each file has a row");
    },
    async close() {
      await closeAll(
        ...nodes.map((node) => () => node.close()),
        () => database.close(),
        () => created.drop(),
        () => fs.rm(root, { recursive: true, force: true }),
      );
    },
  };
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

function finalState(database: Database, taskId: string): Promise<string> {
  return eventually(`${taskId} reaches a final state`, async () => {
    const [row] = await database.query<{ state: string }>(`SELECT state FROM tasks WHERE id = $1 AND completed_at IS NOT NULL`, [taskId]);
    return row?.state;
  });
}

describe("artifacts of scripts", () => {
  test("D1 D4 D7: wherever kill -9 hits, each announced file comes once, whole, and before the agent forgets the script", async (t) => {
    const trial = closedAfter(t, await stage());
    const whole = await trial.node("whole");
    const id = await trial.enqueue();
    assert.equal(await finalState(trial.database, id), "Success");
    await trial.check(id);
    await eventually("the agent was told to forget it", () => trial.agent.completed.length === 1);
    const effects = [...whole.effects];
    // Before the first announcement it is as with any script.
    const from = effects.indexOf("artifact-announce") - 1;
    const to = effects.indexOf("agent-complete");
    assert.equal(effects.slice(from, to).filter((one) => one === "agent-download").length, 3, effects.join(" "));
    await trial.close();

    const points = Array.from({ length: to - from + 1 }, (_, n) => from + n + 1);
    await atEachPoint(points, 4, async (effect) => {
      const set = await stage();
      try {
        const first = await set.node("first", { effect, when: "after", how: "die" });
        const taskId = await set.enqueue();
        const where = await Promise.race([first.stopped, finalState(set.database, taskId).then(() => "the end")]);
        await set.node("second");
        assert.equal(await finalState(set.database, taskId), "Success", `died at effect ${effect} (${where})`);
        await set.check(taskId).catch((error: unknown) => {
          throw new Error(`died at effect ${effect} (${where})`, { cause: error });
        });
      } finally {
        await set.close();
      }
    });
  });

  test("D4: an owner that sleeps in the middle of a download and wakes up later attaches nothing", async () => {
    const set = await stage();
    try {
      const first = await set.node("first", { effect: "agent-download", when: "after", how: "freeze" });
      const taskId = await set.enqueue();
      await first.stopped;
      await set.node("second");
      assert.equal(await finalState(set.database, taskId), "Success");
      first.thaw();
      await eventually("the former owner lets go", () => first.engine.running().length === 0);
      await set.check(taskId);
    } finally {
      await set.close();
    }
  });
});
