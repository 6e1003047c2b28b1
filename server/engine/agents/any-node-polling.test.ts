// The rules by which a call to a polling agent passes from one node to another, on a real PostgreSQL: who may claim it, when it may still go
// out, and what its caller is told when somebody dies, leaves or gives up.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { fileTransferService } from "@cuttle/contract/agent/file-transfer";
import { scriptServiceV2 } from "@cuttle/contract/agent/script";
import { scriptServiceV1 } from "@cuttle/contract/agent/script-v1";
import type { CallOptions, CollectedCall, DataStream, HalibutCallError, InMemoryPollingQueue, ServiceContract } from "@cuttle/halibut";
import { eventually } from "../../../test/support/eventually.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import { DatabaseUnavailable, openDatabase } from "../../platform/database/database.ts";
import type { Database } from "../../platform/database/database.ts";
import { openSharedFolder } from "../../platform/files/files.ts";
import { createMasterKey, createSecrets } from "../../platform/secrets/secrets.ts";
import { markAlive, setConnections } from "./agent-connection-store.ts";
import { claimRequests, insertRequest, markSent, storeResponse } from "./agent-request-store.ts";
import { createAnyNodePolling, createPollingQueue, findConnections } from "./agents.ts";
import type { AnyNodePolling } from "./agents.ts";

const agent = { subscription: "poll://web1", thumbprint: "AB".repeat(20) };
const ticket = { TaskId: "0b9d3c1e-7c7e-4c1f-9d2b-2f0b6d0a1c11" };
const planted = "canary-of-a-secret-value";
const startCommand = {
  ScriptBody: `echo ${planted}`,
  Isolation: 1,
  Scripts: { Bash: `echo ${planted}` },
  Files: [],
  Arguments: [],
  TaskId: "ServerTasks-1",
  ScriptIsolationMutexTimeout: 0,
  IsolationMutexName: null,
};
const answer = {
  Ticket: ticket,
  Logs: [{ Source: 1, Occurred: new Date("2026-01-02T03:04:05.678Z"), Text: `line of ${planted}` }],
  NextLogSequence: 1,
  State: 2,
  ExitCode: 0,
};
const silent = { warn() {} };
const long = 60_000;

interface Node {
  polling: AnyNodePolling;
  local: InMemoryPollingQueue;
}

interface Ground {
  database: Database;
  /** Where streams lie on their way. */
  streamRoot: string;
  node(name: string): Promise<Node>;
  /** Puts this state of the one task's queue row in place. */
  lease(owner: string, epoch: number): Promise<void>;
}

async function prepare(t: TestContext): Promise<Ground> {
  const { createDatabase } = await startPostgres();
  const { connection, drop } = await createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-any-node", connectionsMax: 10 });
  const secrets = createSecrets(createMasterKey());
  const root = await mkdtemp(path.join(tmpdir(), "cuttle-any-node-"));
  const streamFolder = await openSharedFolder({ root, staleRetryMs: 0 });
  const nodes: Node[] = [];
  t.after(async () => {
    for (const { polling } of nodes) {
      polling.close();
      await polling.stop();
    }
    await database.close();
    await drop();
    await rm(root, { recursive: true });
  });
  await database.execute(
    `INSERT INTO tasks (id, number, name, description, arguments, arguments_version, state)
     VALUES ('ServerTasks-1', 1, 'Deploy', 'a task', '{}', 1, 'Executing')`,
  );
  await database.execute(
    `INSERT INTO task_queue (task_id, position, is_head, state, owner, epoch) VALUES ('ServerTasks-1', 1, true, 'running', 'a', 1)`,
  );
  return {
    database,
    streamRoot: root,
    async node(name) {
      const local = createPollingQueue();
      const polling = createAnyNodePolling({ database, secrets, streamFolder, local, nodeName: name, process: randomUUID(), log: silent });
      await polling.start();
      nodes.push({ polling, local });
      return { polling, local };
    },
    lease: async (owner, epoch) =>
      void (await database.execute(`UPDATE task_queue SET owner = $1, epoch = $2 WHERE task_id = 'ServerTasks-1'`, [owner, epoch])),
  };
}

function ask(
  node: Node,
  options: Partial<Parameters<AnyNodePolling["call"]>[4]> = {},
  what: [ServiceContract, string, unknown] = [scriptServiceV2, "GetStatus", { Ticket: ticket, LastLogSequence: 0 }],
): Promise<unknown> {
  const [contract, method, param] = what;
  const call = node.polling.call(agent, contract, method, [param], { timeoutMs: long, ...options } as CallOptions);
  call.catch(() => {});
  return call;
}
const askToStart = (node: Node, options: Parameters<typeof ask>[1] = {}): Promise<unknown> =>
  ask(node, options, [scriptServiceV1, "StartScript", startCommand]);

/** What a connection of the agent to that node does first: it asks for a call, and it must still be allowed to go out. */
async function collect(node: Node): Promise<CollectedCall> {
  const collected = await node.local.take(agent, long, new AbortController().signal);
  assert.ok(collected, "a call was handed out");
  return collected;
}

const states = (ground: Ground): Promise<{ state: string; sent: boolean }[]> =>
  ground.database.query(`SELECT state, sent FROM agent_requests ORDER BY position`);

async function failureOf(call: Promise<unknown>): Promise<[string, boolean]> {
  const error = await call.then(
    () => assert.fail("the call succeeded"),
    (reason: HalibutCallError) => reason,
  );
  return [error.kind, error.requestMayHaveArrived];
}

/** A process that claimed the oldest request and has not been heard of since. */
async function deadHolder(ground: Ground, how: { sent: boolean }): Promise<{ id: string; process: string }> {
  const process = randomUUID();
  await markAlive(ground.database, { process, nodeName: "dead", aliveMs: 60_000 });
  const [claimed] = await claimRequests(ground.database, {
    process,
    agents: [agent],
    services: [scriptServiceV1.name, scriptServiceV2.name],
    formatVersion: 1,
    max: 1,
  });
  assert.ok(claimed);
  if (how.sent) assert.equal(await markSent(ground.database, claimed.id, process), true);
  await markAlive(ground.database, { process, nodeName: "dead", aliveMs: -1 });
  return { id: claimed.id, process };
}

test("S3 D2: a call made on one node is handed out on the other, lies encrypted between them, and leaves nothing behind", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  const call = askToStart(a, { lease: { taskId: "ServerTasks-1", owner: "a", epoch: 1 } });
  await eventually("it waits", async () => (await states(ground)).length === 1);
  b.polling.connected(agent);
  const collected = await collect(b);
  assert.deepEqual(collected.params, [startCommand]);
  await collected.options.beforeSend?.();
  assert.deepEqual(await states(ground), [{ state: "claimed", sent: true }]);
  const [row] = await ground.database.query<{ request: Buffer }>(`SELECT request FROM agent_requests`);
  const clear = [planted, Buffer.from(planted).toString("base64").slice(2, 20)];
  for (const text of clear) assert.equal(row!.request.includes(text), false);
  collected.settle({ ok: true, result: ticket });
  assert.deepEqual(await call, ticket);
  const status = ask(a);
  (await collect(b)).settle({ ok: true, result: answer });
  assert.deepEqual(await status, answer);
  assert.deepEqual(await states(ground), []);
});

test("D4: a request of an old epoch is dropped at hand-out, and its caller learns that its lease is gone", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  const lost = new Error("The lease is gone.");
  let owner = "a";
  const beforeSend = async (): Promise<void> => {
    if (owner !== "a") throw lost;
  };
  const old = ask(a, { lease: { taskId: "ServerTasks-1", owner: "a", epoch: 1 }, beforeSend });
  await eventually("it waits", async () => (await states(ground)).length === 1);
  owner = "c";
  await ground.lease("c", 2);
  const current = ask(a, { lease: { taskId: "ServerTasks-1", owner: "c", epoch: 2 } });
  b.polling.connected(agent);
  (await collect(b)).settle({ ok: true, result: answer });
  assert.deepEqual(await current, answer);
  await assert.rejects(old, lost);
  assert.equal(await b.local.take(agent, 1, new AbortController().signal), null);
});

test("D4: a lease that is lost between hand-out and the first byte stops the request there", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  b.polling.connected(agent);
  const call = ask(a, { lease: { taskId: "ServerTasks-1", owner: "a", epoch: 1 } });
  const collected = await collect(b);
  await ground.lease("c", 2);
  const refusal = await collected.options.beforeSend!().then(
    () => assert.fail("it may go out"),
    (error: unknown) => error,
  );
  collected.settle({ ok: false, error: refusal });
  assert.deepEqual(await failureOf(call), ["connection-lost", true]);
  assert.deepEqual(await states(ground), []);
});

test("D2 D5: what a dead node had sent ends as interrupted and is never handed out again; what it had not sent goes to another", async (t) => {
  const ground = await prepare(t);
  const a = await ground.node("a");
  const started = askToStart(a);
  await eventually("it waits", async () => (await states(ground)).length === 1);
  const { id, process } = await deadHolder(ground, { sent: true });
  const b = await ground.node("b");
  b.polling.connected(agent);
  assert.deepEqual(await failureOf(started), ["connection-lost", true]);
  assert.equal(await b.local.take(agent, 1, new AbortController().signal), null);
  // It wakes up: its answer is nobody's, and it may not send.
  assert.equal(await storeResponse(ground.database, { id, process, response: Buffer.from("late") }), undefined);
  b.polling.disconnected(agent);

  const other = askToStart(a);
  await eventually("it waits", async () => (await states(ground)).length === 1);
  const late = await deadHolder(ground, { sent: false });
  b.polling.connected(agent);
  const collected = await collect(b);
  assert.equal(await markSent(ground.database, late.id, late.process), false, "the former holder sends nothing");
  await collected.options.beforeSend?.();
  collected.settle({ ok: true, result: ticket });
  assert.deepEqual(await other, ticket);
});

test("an agent that leaves before the first byte takes its calls with it: those of other nodes and those of its own", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  b.polling.connected(agent);
  const calls = [ask(a), ask(b)];
  await eventually("one is claimed", async () => (await states(ground)).some(({ state }) => state === "claimed"));
  b.polling.disconnected(agent);
  await eventually("both wait as rows", async () => {
    const all = await states(ground);
    return all.length === 2 && all.every(({ state }) => state === "waiting");
  });
  a.polling.connected(agent);
  for (const _ of calls) (await collect(a)).settle({ ok: true, result: answer });
  assert.deepEqual(await Promise.all(calls), [answer, answer]);
});

test("D5: who gives up knows whether the request may have arrived, and it is not handed out later", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  assert.deepEqual(await failureOf(ask(a, { timeoutMs: 50 })), ["timed-out", false]);
  const leaving = new AbortController();
  const waiting = ask(a, { signal: leaving.signal });
  await eventually("it waits", async () => (await states(ground)).length === 1);
  leaving.abort();
  assert.deepEqual(await failureOf(waiting), ["cancelled", false]);
  b.polling.connected(agent);
  assert.equal(await b.local.take(agent, 1, new AbortController().signal), null);

  const cancel = new AbortController();
  const sent = ask(a, { signal: cancel.signal });
  const collected = await collect(b);
  await collected.options.beforeSend?.();
  cancel.abort();
  assert.deepEqual(await failureOf(sent), ["cancelled", true]);
  await eventually("the holder gives it up too", () => collected.givingUp.reason === "cancelled");
  collected.settle({ ok: false, error: new Error("cut") });
  assert.deepEqual(await states(ground), []);
});

test("D5: a request whose storing was not confirmed may have arrived, even if it cannot be found", async (t) => {
  const ground = await prepare(t);
  const a = await ground.node("a");
  const { execute } = ground.database;
  ground.database.execute = async (text, values, options) => {
    if (text.startsWith("INSERT INTO agent_requests")) throw new DatabaseUnavailable("cut", undefined);
    return await execute(text, values, options);
  };
  assert.deepEqual(await failureOf(askToStart(a)), ["connection-lost", true]);
});

test("D5: a crash of the database empties the tables: an open call ends as interrupted", async (t) => {
  const ground = await prepare(t);
  const a = await ground.node("a");
  const call = askToStart(a);
  await eventually("it waits", async () => (await states(ground)).length === 1);
  await ground.database.execute(`TRUNCATE agent_requests`);
  assert.deepEqual(await failureOf(call), ["connection-lost", true]);
});

test("S3: megabytes of output arrive as they were; an answer that was moved to another request is refused", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  b.polling.connected(agent);
  const Logs = Array.from({ length: 20_000 }, (_, n) => ({ Source: 1, Occurred: new Date(n), Text: `${n} ${"ä€😀".repeat(40)}` }));
  const flood = { ...answer, Logs, NextLogSequence: Logs.length };
  const call = ask(a);
  (await collect(b)).settle({ ok: true, result: flood });
  assert.deepEqual(await call, flood);

  const { query } = ground.database;
  let kept: unknown;
  ground.database.query = async <Row>(text: string, values?: readonly unknown[], options?: { name: string }) => {
    if (!text.includes("SET state = 'answered'")) return await query<Row>(text, values, options);
    kept ??= values![2];
    return await query<Row>(text, [values![0], values![1], kept], options);
  };
  const [first, second] = [ask(a), ask(a)];
  for (let n = 0; n < 2; n++) (await collect(b)).settle({ ok: true, result: answer });
  const outcomes = await Promise.allSettled([first, second]);
  assert.deepEqual(outcomes.map((one) => (one.status === "rejected" ? (one.reason as Error).name : "answered")).sort(), [
    "SecretUnreadable",
    "answered",
  ]);
});

test("rule 12: without any notification calls only take longer", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  b.polling.connected(agent);
  // Sent on another channel, they reach nobody.
  const { execute } = ground.database;
  ground.database.execute = (text, values, options) =>
    execute(text, text.includes("pg_notify") ? ["cuttle_nowhere", values![1]] : values, options);
  const call = ask(a);
  (await collect(b)).settle({ ok: true, result: answer });
  assert.deepEqual(await call, answer);
});

/** `length` bytes that are the same each time they are read. */
function numbered(length: number): DataStream {
  return {
    length,
    async *open() {
      const piece = Buffer.from(`${planted} `.repeat(5_000));
      for (let at = 0; at < length; at += piece.length) yield piece.subarray(0, Math.min(piece.length, length - at));
    },
  };
}

async function hashOf(stream: DataStream): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of stream.open()) hash.update(piece);
  return hash.digest("hex");
}

test("S3: streams pass between nodes both ways, whole, unreadable where they lie, and leave nothing behind", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  b.polling.connected(agent);
  for (const length of [0, 1, 131_072, 5_000_001]) {
    const sent = numbered(length);
    const upload = a.polling.call(agent, fileTransferService, "UploadFile", ["file", sent], { timeoutMs: long });
    const collected = await collect(b);
    const [name, received] = collected.params as [string, DataStream];
    assert.deepEqual([name, received.length, await hashOf(received)], ["file", length, await hashOf(sent)]);
    for (const file of await readdir(ground.streamRoot)) {
      assert.ok(!(await readFile(path.join(ground.streamRoot, file))).includes(planted), "it is encrypted");
    }
    collected.settle({ ok: true, result: { FullPath: "/x", Hash: "00", Length: length } });
    assert.deepEqual(await upload, { FullPath: "/x", Hash: "00", Length: length });

    const download = a.polling.call(agent, fileTransferService, "DownloadFile", ["file"], { timeoutMs: long });
    (await collect(b)).settle({ ok: true, result: sent });
    const fetched = (await download) as DataStream;
    assert.deepEqual([fetched.length, await hashOf(fetched)], [length, await hashOf(sent)]);
    await fetched.dispose!();
    assert.deepEqual(await readdir(ground.streamRoot), []);
  }
  const missing = a.polling.call(agent, fileTransferService, "DownloadFile", ["none"], { timeoutMs: long });
  (await collect(b)).settle({ ok: true, result: null });
  assert.equal(await missing, null);
});

test("a stream that was changed where it lies is not taken for the one that was sent", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  b.polling.connected(agent);
  const calling = { timeoutMs: long };
  for (const damage of ["cut", "changed", "gone"] as const) {
    const upload = a.polling.call(agent, fileTransferService, "UploadFile", ["file", numbered(300_000)], calling);
    const collected = await collect(b);
    const [file] = await readdir(ground.streamRoot);
    const place = path.join(ground.streamRoot, file!);
    const bytes = await readFile(place);
    if (damage === "gone") await rm(place);
    else if (damage === "cut") await writeFile(place, bytes.subarray(0, bytes.length - 1));
    else await writeFile(place, bytes.fill(~bytes[1_000]!, 1_000, 1_001));
    const [, received] = collected.params as [string, DataStream];
    await assert.rejects(hashOf(received), (error: Error) => /SharedFolderError|SecretUnreadable/.test(error.name));
    collected.settle({ ok: false, error: new Error("It was cut off.") });
    await assert.rejects(upload);
    await eventually("nothing is left", async () => (await readdir(ground.streamRoot)).length === 0);
  }
});

test("S5: requests that are too large, or too many, are refused by name", async (t) => {
  const ground = await prepare(t);
  const a = await ground.node("a");
  const large = { ...startCommand, ScriptBody: "x".repeat(17 * 1024 * 1024) };
  await assert.rejects(ask(a, {}, [scriptServiceV1, "StartScript", large]), { name: "TooLargeToRoute" });
  const contents = { length: 6 * 1024 ** 3, open: () => assert.fail("it is not read") };
  const upload = a.polling.call(agent, fileTransferService, "UploadFile", ["a", contents], { timeoutMs: long });
  await assert.rejects(upload, { name: "StreamTooLarge" });
  const request = {
    ...agent,
    formatVersion: 1,
    service: "s",
    method: "m",
    body: Buffer.of(1),
    caller: randomUUID(),
    lease: undefined,
    timeoutMs: long,
    waitingMax: 2,
  };
  const put = (): Promise<boolean> => insertRequest(ground.database, { ...request, id: randomUUID() });
  assert.deepEqual([await put(), await put(), await put()], [true, true, false]);
});

test("it is known to which nodes an agent is connected now; nodes that are dead do not count", async (t) => {
  const ground = await prepare(t);
  const [a, b] = [await ground.node("a"), await ground.node("b")];
  const shown = async (): Promise<string> =>
    (await findConnections(ground.database, { ...agent, subscription: "POLL://web1/" }))
      .map((one) => `${one.nodeName}:${one.connections}`)
      .join(" ");
  for (const node of [a, b, b]) node.polling.connected(agent);
  await eventually("both are shown", async () => (await shown()) === "a:1 b:2");
  const dead = { process: randomUUID(), nodeName: "dead" };
  await markAlive(ground.database, { ...dead, aliveMs: -1 });
  await setConnections(ground.database, dead.process, [{ ...agent, connections: 1 }]);
  assert.equal(await shown(), "a:1 b:2");
  b.polling.disconnected(agent);
  a.polling.disconnected(agent);
  await eventually("the end of connections is shown", async () => (await shown()) === "b:1");
  await ground.database.execute(`TRUNCATE polling_nodes, agent_connections`); // as a crash of the database does
  await eventually("it is entered again", async () => (await shown()) === "b:1");
  b.polling.close();
  await b.polling.stop();
  assert.equal(await shown(), "");
});
