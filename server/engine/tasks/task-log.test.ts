// The log writer's own promises, with a folder and a database in memory: each append ends, whenever it comes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../base/clock.ts";
import type { Transaction } from "../../platform/database/database.ts";
import { createTaskLog } from "./task-log.ts";

const line = { kind: "line", block: "task", category: "Info", at: "2026-01-01T00:00:00.000Z", text: "said" } as const;

test("an append that follows in the very turn in which the one before ended is written too", { timeout: 5_000 }, async () => {
  let bytesWritten = 0;
  let commits = 0;
  const log = createTaskLog({
    taskId: "ServerTasks-1",
    epoch: 1,
    folder: {
      createPart: async () => ({ append: async (bytes) => (bytesWritten += bytes.length), close: async () => {} }),
      readPart: async () => new Uint8Array(),
    },
    guarded: async (work) => {
      await work({ execute: async () => 1, query: async () => [] } as unknown as Transaction);
      commits += 1;
    },
    lost: new AbortController().signal,
    clock: systemClock,
  });
  for (let n = 0; n < 3; n++) await log.append([line]);
  assert.equal(commits, 3);
  assert.ok(bytesWritten > 0);
  await log.close();
});

test("a folder that stays full fails the append with what to do about it, and commits nothing", { timeout: 5_000 }, async () => {
  let commits = 0;
  const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const log = createTaskLog({
    taskId: "ServerTasks-1",
    epoch: 1,
    folder: {
      createPart: async () => ({ append: () => Promise.reject(full), close: async () => {} }),
      readPart: async () => new Uint8Array(),
    },
    guarded: async () => void (commits += 1),
    lost: new AbortController().signal,
    clock: systemClock,
    writeRetryMs: 0,
  });
  await assert.rejects(log.append([line]), /The task log cannot be written: no space left on device\. Check the free space/);
  await assert.rejects(log.append([line]), /cannot be written/, "nothing is written after a gap");
  assert.equal(commits, 0);
  await log.close();
});

test("a warning or an error in the log is said of the task, once and with the line", { timeout: 5_000 }, async () => {
  const said: string[] = [];
  const tx = {
    execute: async (_sql: string, _values: unknown, options: { name: string }) => {
      said.push(options.name);
      return 1;
    },
  } as unknown as Transaction;
  const log = createTaskLog({
    taskId: "ServerTasks-1",
    epoch: 1,
    folder: { createPart: async () => ({ append: async () => 1, close: async () => {} }), readPart: async () => new Uint8Array() },
    guarded: (work) => work(tx),
    lost: new AbortController().signal,
    clock: systemClock,
  });
  await log.append([line]);
  assert.deepEqual(said.splice(0), ["log-commit"]);
  await log.append([line, { ...line, category: "Warning" }]);
  assert.deepEqual(said.splice(0), ["log-commit", "task-warned"]);
  await log.append([{ ...line, category: "Error" }]);
  assert.deepEqual(said.splice(0), ["log-commit"]);
  await log.close();
});
