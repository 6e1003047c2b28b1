// Who may run beside whom, in which order the waiting ones go, and what they are told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createIsolationLocks, type HeldLock, type LockRequest, stillRunningMessage, waitMessage } from "./isolation-locks.ts";

const reader = (taskId = "ServerTasks-1", name = "RunningScript"): LockRequest => ({ name, exclusive: false, taskId });
const writer = (taskId = "ServerTasks-2", name = "RunningScript"): LockRequest => ({ name, exclusive: true, taskId });

const table: [what: string, held: LockRequest, wanted: LockRequest, together: boolean][] = [
  ["two NoIsolation scripts run side by side", reader(), reader(), true],
  ["FullIsolation waits for NoIsolation", reader(), writer(), false],
  ["NoIsolation waits for FullIsolation", writer(), reader(), false],
  ["FullIsolation waits for FullIsolation", writer(), writer(), false],
  ["FullIsolation of another name does not wait", writer("ServerTasks-1", "One"), writer("ServerTasks-2", "Two"), true],
  ["names differ by letter case", writer("ServerTasks-1", "one"), writer("ServerTasks-2", "One"), true],
];
for (const [what, held, wanted, together] of table) {
  test(what, () => {
    const locks = createIsolationLocks();
    assert.ok(locks.tryTake(held));
    assert.equal(locks.tryTake(wanted) !== undefined, together);
  });
}

test("D6: a waiting FullIsolation script goes before NoIsolation scripts that come later", async () => {
  const locks = createIsolationLocks();
  const first = locks.tryTake(reader())!;
  const order: string[] = [];
  const follow = (name: string, waiting: { held: Promise<HeldLock> }): Promise<HeldLock> =>
    waiting.held.then((lock) => (order.push(name), lock));
  const full = follow("full", locks.wait(writer()));
  assert.equal(locks.tryTake(reader()), undefined, "a later reader does not slip past the waiting writer");
  const later = follow("later", locks.wait(reader()));
  first.release();
  (await full).release();
  await later;
  assert.deepEqual(order, ["full", "later"]);
});

test("who stops waiting lets the ones behind go", async () => {
  const locks = createIsolationLocks();
  locks.tryTake(reader());
  const full = locks.wait(writer());
  const behind = locks.wait(reader());
  full.abandon();
  await behind.held;
});

test("D6: a lock given back twice is given back once", async () => {
  const locks = createIsolationLocks();
  const first = locks.tryTake(reader())!;
  const second = locks.tryTake(reader())!;
  first.release();
  first.release();
  assert.equal(locks.tryTake(writer()), undefined);
  second.release();
  assert.ok(locks.tryTake(writer()));
});

test("a script that already runs takes its lock back even beside another one", () => {
  const locks = createIsolationLocks();
  const one = locks.takeAnyway(writer());
  const two = locks.takeAnyway(reader());
  assert.equal(locks.tryTake(reader()), undefined);
  one.release();
  assert.ok(locks.tryTake(reader()));
  assert.equal(locks.tryTake(writer()), undefined);
  two.release();
});

test("the messages name the tasks in the way with links", () => {
  const link = (task: string): string => `[${task}](~/app#/tasks/${task})`;
  const tail = "requires that no other Octopus scripts are executing on this target at the same time.";
  assert.equal(waitMessage(writer("A"), [reader("B")]), `Waiting for the script in task ${link("B")} to finish as this script ${tail}`);
  assert.equal(waitMessage(reader("A"), [writer("B")]), `Waiting for the script in task ${link("B")} to finish as that script ${tail}`);
  assert.equal(
    waitMessage(writer("A"), [reader("B"), reader("C")]),
    `Waiting on scripts in tasks ${link("B")} and ${link("C")} to finish. This script ${tail}`,
  );
  assert.equal(waitMessage(writer("A"), [writer("A")]), `Waiting on another script in this task to finish as this task ${tail}`);
  assert.equal(stillRunningMessage([reader("B")]), `Task ${link("B")} is still running.`);
});
