// What the engine does with a task when its own node lacks something, on real PostgreSQL.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { eventually } from "../../../test/support/eventually.ts";
import { createMemoryLogFolder } from "../../../test/support/memory-log-folder.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import { systemActor } from "../../platform/audit/audit.ts";
import { openDatabase } from "../../platform/database/database.ts";
import { createTaskEngine, enqueueTask, readTaskLog, type LogFolder, type TaskEngineParts } from "./tasks.ts";

const log = { info: (): void => {}, warn: (): void => {}, error: (): void => {} };
const oneLine = { kind: "line", block: "1", category: "Info", text: "done", at: "2026-01-01T00:00:00Z" } as const;

/** One database, on which nodes can be started that write one line in each task. */
async function place(t: TestContext) {
  const { connection, drop } = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-engine", connectionsMax: 6 });
  const renewals = openDatabase({ connection, applicationName: "cuttle-test-engine-leases", connectionsMax: 2 });
  t.after(async () => {
    await Promise.all([database.close(), renewals.close()]);
    await drop();
  });
  return {
    database,
    async node(own: Pick<TaskEngineParts, "nodeName" | "taskCap" | "folder"> & Partial<TaskEngineParts>) {
      const handlers: TaskEngineParts["handlers"] = [
        {
          name: "Deploy",
          async run({ log: taskLog }) {
            await taskLog.append([oneLine]);
            return { state: "Success" };
          },
        },
      ];
      const engine = createTaskEngine({ database, renewals, handlers, log, ...own });
      await engine.start();
      t.after(() => engine.stop());
    },
    async state(id: string) {
      const [row] = await database.query<{ state: string; owner: string | null; error_message: string | null }>(
        `SELECT t.state, q.owner, t.error_message FROM tasks t LEFT JOIN task_queue q ON q.task_id = t.id WHERE t.id = $1`,
        [id],
      );
      return row!;
    },
  };
}

function folderThatIsAway(): LogFolder {
  return {
    createPart: () => Promise.reject(new Error("the folder is away")),
    readPart: () => Promise.reject(new Error("the folder is away")),
  };
}

const task = {
  spaceId: null,
  name: "Deploy",
  description: "Deploy Shop",
  arguments: {},
  argumentsVersion: 1,
  concurrencyTag: null,
  actor: systemActor,
};

test("A3 D7: a node that loses the shared folder lets go of its task instead of failing it, and a node that has it goes on", async (t) => {
  const { database, node, state } = await place(t);
  const folder = createMemoryLogFolder();
  let isAble = true;
  await node({
    nodeName: "without",
    folder: {
      ...folderThatIsAway(),
      createPart: () => {
        isAble = false;
        return Promise.reject(new Error("the folder is away"));
      },
    },
    taskCap: () => (isAble ? 4 : 0),
    isAble: () => isAble,
  });
  const id = await database.transaction((tx) => enqueueTask(tx, task));
  await eventually("the first node has met its folder away", () => !isAble);
  await node({ nodeName: "with", folder, taskCap: () => 4 });
  const end = await eventually("the task ends", async () => {
    const now = await state(id);
    return now.state === "Queued" || now.state === "Executing" ? undefined : now;
  });
  assert.deepEqual(end, { state: "Success", owner: null, error_message: null });
  const lines: string[] = [];
  for await (const piece of readTaskLog({ database, folder, taskId: id }))
    for (const entry of piece) lines.push(entry.kind === "line" ? entry.text : entry.kind);
  assert.deepEqual(lines, ["done"]);
});
