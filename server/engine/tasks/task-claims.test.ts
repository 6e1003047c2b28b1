// Who takes a queued task, on real PostgreSQL: the node that queued it, or another one that is told of it, and at what price; and that the work
// of dead nodes goes on when every cap is full.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { eventually } from "../../../test/support/eventually.ts";
import { createMemoryLogFolder } from "../../../test/support/memory-log-folder.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import { systemClock, type Clock } from "../../base/clock.ts";
import { systemActor } from "../../platform/audit/audit.ts";
import { openDatabase, type Database } from "../../platform/database/database.ts";
import { chooseNextHint, decodeHint, encodeHint, type QueueHint } from "./queue-hints.ts";
import { createTaskEngine, enqueueTask, type TaskEngine } from "./tasks.ts";

const log = { info: (): void => {}, warn: (): void => {}, error: (): void => {} };

/** Whoever has it never looks at the queue by itself again, and renews no lease: what happens comes of what was said. */
const withoutPolling: Clock = {
  ...systemClock,
  pause: (ms, signal) => (ms < 300 ? systemClock.pause(ms, signal) : systemClock.pause(3_600_000, signal)),
};

/** One database and its nodes. Each task runs until its `end` is called. */
async function place(t: TestContext) {
  const { connection, drop } = await (await startPostgres()).createDatabase();
  const opened: Database[] = [];
  const open = (applicationName: string): Database => {
    const database = openDatabase({ connection, applicationName, connectionsMax: 4 });
    opened.push(database);
    return database;
  };
  const running = new Map<string, { node: string; epoch: number; end: () => void }>();
  const said: QueueHint[] = [];
  const engines: TaskEngine[] = [];
  t.after(async () => {
    for (const { end } of running.values()) end();
    await Promise.all(engines.map((engine) => engine.stop()));
    await Promise.all(opened.map((database) => database.close()));
    await drop();
  });
  const beside = open("cuttle-test-claims");
  await beside.listen("cuttle_tasks", (payload) => void (payload !== null && said.push(decodeHint(payload))));
  return {
    beside,
    running,
    said,
    /** Queues a task, by default beside all nodes. */
    queue: (through: Database = beside) =>
      through.transaction((tx) =>
        enqueueTask(tx, {
          spaceId: null,
          name: "Deploy",
          description: "Deploy Shop",
          arguments: {},
          argumentsVersion: 1,
          concurrencyTag: null,
          actor: systemActor,
        }),
      ),
    async node(name: string, own: { cap: number; others?: readonly string[]; clock?: Clock }) {
      const database = open(`cuttle-test-claims-${name}`);
      const looked = Promise.withResolvers<void>();
      const clock = own.clock ?? systemClock;
      const engine = createTaskEngine({
        database,
        renewals: database,
        folder: createMemoryLogFolder(),
        handlers: [
          {
            name: "Deploy",
            async run({ task }) {
              await new Promise<void>((end) => running.set(task.id, { node: name, epoch: task.epoch, end }));
              return { state: "Success" };
            },
          },
        ],
        nodeName: name,
        taskCap: () => own.cap,
        otherNodes: () => own.others ?? [],
        log,
        clock: {
          ...clock,
          pause(ms, signal) {
            looked.resolve();
            return clock.pause(ms, signal);
          },
        },
      });
      engines.push(engine);
      await engine.start();
      // Else its first look, not what was said, could bring it the first task of a test.
      await looked.promise;
      return database;
    },
    runs: (id: string) => eventually(`${id} runs`, () => running.get(id)),
  };
}

test("A1 rule 12: an idle node takes what it queued itself without a word to the others, and offers what it queues while it is busy to one of them", async (t) => {
  const { node, queue, runs, said, beside } = await place(t);
  const a = await node("a", { cap: 4, others: ["B"], clock: withoutPolling });
  await node("b", { cap: 4, others: ["a"], clock: withoutPolling });
  const first = await queue(a);
  assert.equal((await runs(first)).node, "a");
  const second = await queue(a);
  assert.equal((await runs(second)).node, "b", "names of nodes are compared without case");
  await beside.execute(`SELECT pg_notify('cuttle_tasks', 'the-end')`);
  await eventually("all that was said is heard", () => said.some(({ taskId }) => taskId === "the-end"));
  assert.deepEqual(said.slice(0, -1), [{ kind: "offered", taskId: second, full: 0, node: "B" }]);
});

test("A1 rule 12: what full nodes queue or are offered is offered on until a node has a free place", async (t) => {
  const { node, queue, runs, said } = await place(t);
  const names = ["a", "b", "c", "d"];
  const othersOf = (name: string) => names.filter((other) => other !== name);
  const databases = new Map<string, Database>();
  for (const name of names)
    databases.set(name, await node(name, { cap: name === "d" ? 20 : 1, others: othersOf(name), clock: withoutPolling }));
  for (const name of ["a", "b", "c"]) assert.equal((await runs(await queue(databases.get(name)))).node, name);
  const from = said.length;
  const queued: string[] = [];
  for (let n = 0; n < 6; n++) queued.push(await queue(databases.get("a")));
  for (const id of queued) assert.equal((await runs(id)).node, "d");
  const most = Math.max(...said.slice(from).map((hint) => (hint.kind === "offered" ? hint.full : Infinity)));
  assert.ok(most > 1 && most <= 3, `of six tasks one was offered on, and all nodes were never told; ${most}`);
});

test("A1: a burst that one node queues is spread over the nodes, and what has no place runs when one comes free", async (t) => {
  const { node, queue, running } = await place(t);
  const a = await node("a", { cap: 3, others: ["b"] });
  await node("b", { cap: 3, others: ["a"] });
  const queued = await Promise.all(Array.from({ length: 8 }, () => queue(a)));
  await eventually("all places are taken", () => running.size === 6);
  // Whichever runs: which of them have the places is nobody's promise.
  const ended = new Set<string>();
  while (ended.size < queued.length) {
    const [id, run] = await eventually("another one runs", () => [...running].find(([one]) => !ended.has(one)));
    ended.add(id);
    run.end();
    running.delete(id);
  }
});

test("A1: a task that waits for an earlier one of its tag wakes nobody before it is its turn", async (t) => {
  const { node, running, runs, said, beside } = await place(t);
  const task = { spaceId: null, name: "Deploy", description: "Deploy Shop", arguments: {}, argumentsVersion: 1, actor: systemActor };
  const a = await node("a", { cap: 4, clock: withoutPolling });
  const [first, second] = [
    await a.transaction((tx) => enqueueTask(tx, { ...task, concurrencyTag: "shop" })),
    await a.transaction((tx) => enqueueTask(tx, { ...task, concurrencyTag: "shop" })),
  ];
  (await runs(first)).end();
  await runs(second);
  assert.equal(running.size, 2);
  await beside.execute(`SELECT pg_notify('cuttle_tasks', 'the-end')`);
  await eventually("all that was said is heard", () => said.length > 0);
  assert.deepEqual(said, [{ kind: "changed", taskId: "the-end" }]);
});

test("A2: a node whose cap is full goes on with tasks of a dead node, and takes new ones only when it is below its cap again", async (t) => {
  const { beside, node, queue, running, runs } = await place(t);
  const a = await node("a", { cap: 1 });
  const first = await queue(a);
  await runs(first);
  const [orphan, later] = [await queue(), await queue()];
  await beside.transaction(async (tx) => {
    const owned = { owner: "dead/1", epoch: 1, until: "-infinity" };
    await tx.execute(`UPDATE task_queue SET state = 'running', owner = $2, epoch = $3, lease_until = $4 WHERE task_id = $1`, [
      orphan,
      owned.owner,
      owned.epoch,
      owned.until,
    ]);
  });
  const taken = await runs(orphan);
  assert.deepEqual([taken.node, taken.epoch], ["a", 2]);
  taken.end();
  await eventually("the orphan has ended", async () => {
    const [row] = await beside.query<{ state: string }>(`SELECT state FROM tasks WHERE id = $1`, [orphan]);
    return row?.state === "Success";
  });
  assert.deepEqual([...running.keys()], [first, orphan], "the cap holds for what is new");
  running.get(first)!.end();
  assert.equal((await runs(later)).epoch, 1);
});

test("rule 12: a node begins nothing from the moment its drain is stored, also before it hears of it", async (t) => {
  const { beside, node, queue, running, runs } = await place(t);
  let pauses = 0;
  const counting: Clock = { ...systemClock, pause: (ms, signal) => (pauses++, systemClock.pause(ms, signal)) };
  const a = await node("a", { cap: 4, others: ["b"], clock: counting });
  await beside.execute(
    `INSERT INTO server_nodes (id, name, task_cap, is_in_maintenance_mode, instance, version)
     VALUES ('a', 'A', 4, true, 'a/1', '1'), ('b', 'B', 4, false, 'b/1', '1')`,
  );
  const orphan = await queue();
  await beside.execute(
    `UPDATE task_queue SET state = 'running', owner = 'dead/1', epoch = 1, lease_until = '-infinity' WHERE task_id = $1`,
    [orphan],
  );
  const mine = await queue(a);
  const before = pauses;
  // It believes that it may, and asks: for what it queued, and with the looks that follow.
  await eventually("it has looked again", () => pauses > before + 4);
  assert.deepEqual([...running], []);
  await node("b", { cap: 4 });
  assert.deepEqual([(await runs(mine)).node, (await runs(orphan)).node], ["b", "b"]);
  await beside.execute(`UPDATE server_nodes SET is_in_maintenance_mode = NOT is_in_maintenance_mode`);
  assert.equal((await runs(await queue())).node, "a", "undrained, it does not work again");
});

test("what nodes say can be read again, also what another version says", () => {
  const hints: QueueHint[] = [
    { kind: "queued", taskId: "ServerTasks-7" },
    { kind: "changed", taskId: "ServerTasks-7" },
    { kind: "offered", taskId: "ServerTasks-7", full: 2, node: "my own node" },
  ];
  for (const hint of hints) assert.deepEqual(decodeHint(encodeHint(hint)), hint);
  assert.deepEqual(decodeHint("ServerTasks-7 elsewhere 1 2"), { kind: "queued", taskId: "ServerTasks-7" });
});

test("A1: offers of a task never come back, end after a few nodes, and go to each node about as often as to any other", () => {
  const all = Array.from({ length: 16 }, (_, n) => `node-${n}`);
  const others = (own: string) => all.filter((name) => name !== own);
  const firsts = new Map<string, number>();
  for (let n = 1; n <= 1_600; n++) {
    const asked = ["node-0"];
    for (;;) {
      const hint = chooseNextHint({ taskId: `ServerTasks-${n}`, full: asked.length }, asked.at(-1)!, others(asked.at(-1)!));
      assert.ok(hint !== undefined);
      if (hint.kind !== "offered") break;
      assert.ok(!asked.includes(hint.node));
      asked.push(hint.node);
    }
    assert.equal(asked.length, 4, "three were asked, then all are told");
    firsts.set(asked[1]!, (firsts.get(asked[1]!) ?? 0) + 1);
  }
  assert.equal(firsts.size, 15);
  for (const [name, times] of firsts) assert.ok(times > 50 && times < 200, `${name} was asked first ${times} times of 1600`);
  const back = chooseNextHint({ taskId: "ServerTasks-1", full: 1 }, "b", ["a"]);
  assert.deepEqual(
    back,
    { kind: "offered", taskId: "ServerTasks-1", full: 1, node: "a" },
    "the first had a place left and spread its tasks",
  );
  assert.equal(chooseNextHint({ taskId: "ServerTasks-1", full: 2 }, "b", ["a"]), undefined, "no node has a place");
});
