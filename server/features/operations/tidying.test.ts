// D1, D7 and D10 where things are deleted: retention and sweeping, run by the real engine on a real database and a real folder. What is needed
// stays, what is not goes, and a node may die at any point in between.

import assert from "node:assert/strict";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { before, describe, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "../../../test/support/eventually.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import type { TestPostgres } from "../../../test/support/postgres.ts";
import { createTaskEngine, deleteEndedTasks, enqueueTask } from "../../engine/tasks/tasks.ts";
import type { LogFiles, LogFolder } from "../../engine/tasks/tasks.ts";
import { systemActor } from "../../platform/audit/audit.ts";
import { openDatabase } from "../../platform/database/database.ts";
import { openSharedFolder } from "../../platform/files/files.ts";
import { createRetentionTask, createSweepTask } from "./operations.ts";
import { readRetention } from "./retention/retention.ts";
import { readSweeping } from "./sweeping/sweeping.ts";

const [day, hour] = [24 * 3_600, 3_600];
let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});

async function stage(t: TestContext, files: (real: LogFiles) => LogFiles = (real) => real) {
  const { connection, drop } = await postgres.createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-tidying", connectionsMax: 6 });
  const parent = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-tidying-"));
  const shared = await openSharedFolder({ root: path.join(parent, "shared"), staleRetryMs: 0 });
  const at = (name: string): string => (name === "" ? "taskLogs" : `taskLogs/${name}`);
  const logFolder: LogFolder = {
    createPart: (file) => shared.createPart(at(file)),
    readPart: (file, a, b) => shared.readPart(at(file), a, b),
  };
  const logFiles = files({
    list: (folder) => shared.list(at(folder)),
    remove: (file) => shared.remove(at(file)),
    removeFolder: (folder) => shared.removeFolder(at(folder)),
  });
  const engine = createTaskEngine({
    database,
    renewals: database,
    folder: logFolder,
    handlers: [createRetentionTask({ files: logFiles }), createSweepTask({ database, shared, logFiles })],
    nodeName: "test",
    taskCap: () => 2,
    log: { info() {}, warn() {}, error() {} },
  });
  await engine.start();
  t.after(async () => {
    await engine.stop();
    await database.close();
    await drop();
    await fs.rm(parent, { recursive: true });
  });
  const place = (file: string): string => path.join(shared.root, file);
  return {
    database,
    root: shared.root,
    /** A task that is `state` since so many seconds, with one committed log part. */
    async task(n: number, state: string, ageS: number, epoch = 1): Promise<string> {
      const id = `ServerTasks-${n}`;
      const isEnded = !["Queued", "Executing"].includes(state);
      await database.execute(
        `INSERT INTO tasks (id, number, name, description, arguments, arguments_version, state, queued_at, completed_at)
         VALUES ($1, $2, 'Other', 'Other', '{}', 1, $3, now() - $4 * interval '1 second', CASE WHEN $5 THEN now() - $4 * interval '1 second' END)`,
        [id, n, state, ageS, isEnded],
      );
      if (!isEnded) {
        await database.execute(
          `INSERT INTO task_queue (task_id, position, is_head, state, owner, epoch, lease_until) VALUES ($1, $2, false, $3, 'other', $4, 'infinity')`,
          [id, n, state === "Queued" ? "queued" : "running", epoch],
        );
      }
      await this.part(`${id}/1-0.log`, ageS, true);
      return id;
    },
    async part(file: string, ageS: number, hasRow = false): Promise<void> {
      await this.file(`taskLogs/${file}`, ageS);
      const [taskId, name] = file.split("/") as [string, string];
      if (hasRow)
        await database.execute(
          `INSERT INTO task_log_parts (task_id, epoch, ordinal, format_version, file, committed_bytes, committed_lines) VALUES ($1, $2, $3, 1, $4, 1, 1)`,
          [taskId, ...name.replace(".log", "").split("-").map(Number), file],
        );
    },
    async file(name: string, ageS: number): Promise<void> {
      await fs.mkdir(path.dirname(place(name)), { recursive: true });
      await fs.writeFile(place(name), "x");
      await fs.utimes(place(name), Date.now() / 1000 - ageS, Date.now() / 1000 - ageS);
    },
    async run(name: string): Promise<{ id: string; state: string }> {
      const id = await database.transaction((tx) =>
        enqueueTask(tx, {
          spaceId: null,
          name,
          description: name,
          arguments: {},
          argumentsVersion: 1,
          concurrencyTag: null,
          actor: systemActor,
        }),
      );
      engine.wake();
      const state = await eventually(`${id} ends`, async () => {
        const [row] = await database.query<{ state: string }>(`SELECT state FROM tasks WHERE id = $1 AND completed_at IS NOT NULL`, [id]);
        return row?.state;
      });
      return { id, state };
    },
    /** Ids of the tasks that were there before the one that tidies. */
    async left(): Promise<string[]> {
      return (await database.query<{ id: string }>(`SELECT id FROM tasks WHERE name = 'Other' ORDER BY number`)).map((row) => row.id);
    },
    /** All files in the shared folder but those of the tidying tasks themselves. */
    async files(): Promise<string[]> {
      const own = (await database.query<{ id: string }>(`SELECT id FROM tasks WHERE name <> 'Other'`)).map((row) => row.id);
      const all = await fs.readdir(shared.root, { recursive: true, withFileTypes: true });
      return all
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(shared.root, path.join(entry.parentPath, entry.name)))
        .filter((file) => !own.some((id) => file.includes(`${id}/`)))
        .sort();
    },
    exists: (file: string) =>
      fs.access(place(file)).then(
        () => true,
        () => false,
      ),
  };
}

describe("retention of finished tasks", () => {
  test("D1 D7: what ended long ago goes with its log; what is queued, runs, is young or belongs to a deployment stays with its own", async (t) => {
    const stand = await stage(t);
    const { database } = stand;
    await database.execute(`INSERT INTO spaces (id, name, slug) VALUES ('Spaces-9', 'nine', 'nine')`);
    // One row for each thing that a deployment refers to; nothing but the reference to its task matters here.
    const old = await stand.task(1001, "Failed", 31 * day);
    const young = await stand.task(1002, "Success", 29 * day);
    const queued = await stand.task(1003, "Queued", 90 * day);
    const running = await stand.task(1004, "Executing", 90 * day);
    const deployed = await stand.task(1005, "Success", 400 * day);
    const unfinished = await stand.task(1006, "Success", 31 * day);
    await addDeployment(database, deployed);
    await database.execute(
      `INSERT INTO step_runs (task_id, step, machine_id, attempt, format_version, ticket, state, first_epoch, completion, complete_after, finished_at)
       VALUES ($1, '1', 'Machines-1', 1, 1, gen_random_uuid(), 'done', 1, 'due', now(), now() - interval '1 day')`,
      [unfinished],
    );
    const named = await database.transaction((tx) => deleteEndedTasks(tx, [queued, running]));
    assert.deepEqual(named, [], "not even when they are named");
    const { state, id } = await stand.run("Retention");
    assert.equal(state, "Success");
    assert.deepEqual(await stand.left(), [young, queued, running, deployed, unfinished]);
    assert.deepEqual(
      await stand.files(),
      [young, queued, running, deployed, unfinished].map((task) => `taskLogs/${task}/1-0.log`),
    );
    assert.equal(await stand.exists(`taskLogs/${old}`), false);
    const events = await database.query<{ message: string }>(
      `SELECT message FROM events WHERE category = 'Deleted' AND $1 = ANY (related_document_ids)`,
      [id],
    );
    assert.deepEqual(events, [{ message: "Retention deleted 1 tasks that ended more than 30 days ago" }]);
  });

  test("its days are a setting of the cluster, 0 keeps all, nonsense is the default", async (t) => {
    const stand = await stage(t);
    await stand.task(1001, "Success", 6 * day);
    await stand.task(1002, "Success", 400 * day);
    const set = (value: unknown) =>
      stand.database.execute(
        `INSERT INTO cluster_settings (name, value) VALUES ('retention', $1) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`,
        [JSON.stringify(value)],
      );
    await set({ finishedTaskDays: 0 });
    await stand.run("Retention");
    assert.equal((await stand.left()).length, 2);
    await set({ finishedTaskDays: 5 });
    await stand.run("Retention");
    assert.deepEqual(await stand.left(), []);
    assert.deepEqual(readRetention({}), { finishedTaskDays: 30, everyHours: 4 });
    assert.deepEqual(readRetention({ finishedTaskDays: "5", everyHours: -1 }), { finishedTaskDays: 30, everyHours: 1 / 3_600 });
    assert.deepEqual(readSweeping({ graceHours: 0 }), { graceHours: 3, everyHours: 24 });
  });

  test("D7: a node that dies between the rows and the files leaves files that the sweep takes", async (t) => {
    let isBroken = true;
    const stand = await stage(t, (real) => ({
      ...real,
      remove: (file) => (isBroken ? Promise.reject(new Error("killed")) : real.remove(file)),
    }));
    const old = await stand.task(1001, "Success", 31 * day);
    assert.equal((await stand.run("Retention")).state, "Failed");
    assert.deepEqual(await stand.left(), []);
    assert.deepEqual(await stand.files(), [`taskLogs/${old}/1-0.log`]);
    isBroken = false;
    assert.equal((await stand.run("SweepSharedFolder")).state, "Success");
    assert.deepEqual(await stand.files(), []);
    assert.equal(await stand.exists(`taskLogs/${old}`), false);
  });
});

describe("sweeping of the shared folder", () => {
  test("D7: files without a row go when they are old; a part goes only when nobody can commit it any more", async (t) => {
    const stand = await stage(t);
    const running = await stand.task(1001, "Executing", 2 * day, 3);
    const queued = await stand.task(1002, "Queued", 2 * day, 0);
    const ended = await stand.task(1003, "Success", 2 * day);
    const part = (task: string, name: string) => `taskLogs/${task}/${name}`;
    await stand.part(`${running}/3-0.log`, 60 * day); // a frozen owner may commit it when it wakes up
    await stand.part(`${running}/2-0.log`, 2 * day); // its epoch is over
    await stand.part(`${queued}/1-1.log`, 60 * day);
    await stand.part(`${ended}/1-1.log`, 2 * day); // an append that failed
    await stand.part(`${ended}/1-2.log`, 23 * hour);
    await stand.part("ServerTasks-7/1-0.log", 2 * day); // no such task
    await stand.part("ServerTasks-8/1-0.log", 23 * hour);
    await stand.file("taskLogs/notes/read me.txt", 60 * day);
    await stand.file("half.0123456789ab.tmp", 2 * day);
    await stand.file("young.0123456789ab.tmp", hour);
    await stand.file("cuttle-shared-folder.0123456789ab.tmp/identity", 2 * day);
    await fs.utimes(path.join(stand.root, "cuttle-shared-folder.0123456789ab.tmp"), 1, 1);
    await stand.file("cuttle-shared-folder/identity", 400 * day);
    for (const round of ["once", "again"]) {
      assert.equal((await stand.run("SweepSharedFolder")).state, "Success");
      assert.deepEqual(
        await stand.files(),
        [
          "cuttle-shared-folder/identity",
          part(running, "1-0.log"),
          part(running, "3-0.log"),
          part(queued, "1-0.log"),
          part(queued, "1-1.log"),
          part(ended, "1-0.log"),
          part(ended, "1-2.log"),
          "taskLogs/ServerTasks-8/1-0.log",
          "taskLogs/notes/read me.txt",
          "young.0123456789ab.tmp",
        ].sort(),
        round,
      );
    }
    assert.equal(await stand.exists("taskLogs/ServerTasks-7"), false);
  });
});

async function addDeployment(database: ReturnType<typeof openDatabase>, taskId: string): Promise<void> {
  await database.execute(`
    INSERT INTO lifecycles (id, space_id, name, slug, release_retention_policy, tentacle_retention_policy) VALUES ('Lifecycles-9', 'Spaces-9', 'l', 'l', '{}', '{}');
    INSERT INTO project_groups (id, space_id, name, slug) VALUES ('ProjectGroups-9', 'Spaces-9', 'g', 'g');
    INSERT INTO environments (id, space_id, name, slug) VALUES ('Environments-9', 'Spaces-9', 'e', 'e');
    INSERT INTO projects (id, space_id, name, slug, project_group_id, lifecycle_id, settings, deployment_settings) VALUES ('Projects-9', 'Spaces-9', 'p', 'p', 'ProjectGroups-9', 'Lifecycles-9', '{}', '{}');
    INSERT INTO channels (id, space_id, project_id, name, slug) VALUES ('Channels-9', 'Spaces-9', 'Projects-9', 'c', 'c');
    INSERT INTO process_snapshots (id, space_id, project_id, process_version, format_version, steps) VALUES ('snapshot-9', 'Spaces-9', 'Projects-9', 0, 1, '[]');
    INSERT INTO releases (id, number, space_id, project_id, channel_id, version, process_snapshot_id) VALUES ('Releases-9', 9, 'Spaces-9', 'Projects-9', 'Channels-9', '1.0.0', 'snapshot-9')`);
  await database.execute(
    `INSERT INTO deployments (id, number, space_id, name, project_id, release_id, channel_id, environment_id, task_id, options, options_version, deployed_by)
     VALUES ('Deployments-9', 9, 'Spaces-9', 'd', 'Projects-9', 'Releases-9', 'Channels-9', 'Environments-9', $1, '{}', 1, 'admin')`,
    [taskId],
  );
}
