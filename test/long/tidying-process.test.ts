// Retention and sweeping as real nodes run them: due times and days are set as an operator sets them, what came of it is read from the API and
// from the shared folder.
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { parseConnectionString } from "../../server/connection-string.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import { createCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

const linux = { skip: process.platform === "linux" ? false : "stops processes by signals and looks at them through /proc" } as const;

test(
  "D10 D7: two nodes delete old tasks and rowless files, once per due time, and leave the rest",
  { ...linux, timeout: 180_000 },
  async (t) => {
    const cluster = await createCluster();
    t.after(() => cluster.close());
    const { connectionString } = await (await cluster.postgres()).start();
    const a = await cluster.server({ name: "node-a", connectionString });
    await a.start();
    const b = await cluster.server({ name: "node-b", connectionString, masterKey: await cluster.masterKeyOf(a) });
    await b.start();
    const api = createClusterApi(() => [a.ready.url, b.ready.url]);
    const database = openDatabase({
      connection: parseConnectionString(connectionString).connection,
      applicationName: "cuttle-test-operator",
      connectionsMax: 1,
    });
    t.after(() => database.close());

    const environment = await api.create("/api/environments", { Name: "Production" });
    const machine = await api.create("/api/machines", {
      Name: "web",
      EnvironmentIds: [environment.Id],
      Roles: ["web"],
      SkipInitialHealthCheck: true,
      // Nobody is there: the checks end as failed, which is an end like others.
      Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://127.0.0.1:9/", Thumbprint: "AB".repeat(20) },
    });
    const check = () => api.create("/api/Spaces-1/tasks", { Name: "Health", Arguments: { MachineIds: [machine.Id] } });
    const ended = (id: string) => eventually(`${id} ends`, async () => (await api.get(`/api/tasks/${id}`)).IsCompleted, 60_000);
    const [old, young] = [(await check()).Id, (await check()).Id];
    await Promise.all([ended(old), ended(young)]);
    // What time does, done at once.
    await database.execute(`UPDATE tasks SET completed_at = now() - interval '91 days' WHERE id = $1`, [old]);
    const logs = path.join(cluster.root, "shared", "taskLogs");
    const [rowless, recent] = [path.join(logs, "ServerTasks-999999"), path.join(logs, "ServerTasks-999998")];
    for (const folder of [rowless, recent]) {
      await fs.mkdir(folder);
      await fs.writeFile(path.join(folder, "1-0.log"), "never committed");
    }
    await fs.utimes(path.join(rowless, "1-0.log"), 1, 1);
    const isThere = (place: string) =>
      fs.access(place).then(
        () => true,
        () => false,
      );
    assert.equal(await isThere(path.join(logs, old)), true);

    const everyHours = 2 / 3_600;
    for (const [name, value] of Object.entries({
      retention: { finishedTaskDays: 90, everyHours },
      sweeping: { graceHours: 24, everyHours },
    }))
      await database.execute(`INSERT INTO cluster_settings (name, value) VALUES ($1, $2)`, [name, JSON.stringify(value)]);

    await eventually("the rowless file is gone", async () => !(await isThere(rowless)), 60_000);
    await eventually("the old task is gone", async () => (await api.once(a.ready.url, "GET", `/api/tasks/${old}`)).status === 404, 60_000);
    await eventually("its log is gone", async () => !(await isThere(path.join(logs, old))), 60_000);
    assert.equal(await isThere(path.join(recent, "1-0.log")), true, "it may be about to get its row");
    assert.match(await api.getText(`/api/tasks/${young}/raw`), /Check|Health/);

    for (const [name, description] of [
      ["Retention", "Apply retention policies"],
      ["SweepSharedFolder", "Remove files that nothing refers to from the shared folder"],
    ]) {
      const tasks = await eventually(`two due times of ${name} have been fired`, async () => {
        const { Items } = await api.get(`/api/tasks?name=${name}&take=100`);
        return Items.length >= 2 && Items;
      });
      const due = tasks.map((task: { Arguments: { DueAt: string } }) => task.Arguments.DueAt);
      assert.equal(new Set(due).size, due.length, "each due time once");
      for (const task of tasks) assert.deepEqual([task.Description, task.SpaceId], [description, null]);
      await ended(tasks.at(-1).Id);
      assert.equal((await api.get(`/api/tasks/${tasks.at(-1).Id}`)).State, "Success");
    }
  },
);
