// A task's log by numbers, searched and live, through the API of one node on a real database; the log is written by the engine's own writer.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { LogEntry, LogFolder } from "../../../engine/tasks/tasks.ts";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode } from "../../../../test/support/api-node.ts";
import { openEvents, rawTextOf, withoutHead } from "../../../../test/support/event-reader.ts";
import type { EventReader, ReceivedEvent } from "../../../../test/support/event-reader.ts";
import { eventually } from "../../../../test/support/eventually.ts";
import { endTask, queueTask, writeLog } from "../../../../test/support/log-writer.ts";
import type { TaskLogWriter } from "../../../../test/support/log-writer.ts";
import { createMemoryLogFolder } from "../../../../test/support/memory-log-folder.ts";

const at = "2026-01-31T09:00:00.000Z";
const line = (text: string, category: "Info" | "Error" | "Verbose" = "Info", block = "step"): LogEntry => ({
  kind: "line",
  block,
  category,
  at,
  text,
});
const opening: LogEntry[] = [
  { kind: "block", id: "task", parent: null, name: "Deploy", at },
  { kind: "block", id: "step", parent: "task", name: "Say hello", at },
  { kind: "status", id: "step", status: "Running", at },
];

describe("the log of a task", () => {
  const memory = createMemoryLogFolder();
  let bytesRead = 0;
  const folder: LogFolder = {
    createPart: (file) => memory.createPart(file),
    readPart(file, from, to) {
      bytesRead += to - from;
      return memory.readPart(file, from, to);
    },
  };
  let node: ApiNode;
  before(async () => {
    node = await startApiNode(undefined, { logFolder: folder, streams: { recheckMs: 100, heartbeatMs: 300, streamsPerUserMax: 3 } });
  });
  after(() => node.close());

  const newTask = (): Promise<string> => queueTask(node.database);
  const writerFor = (taskId: string, epoch = 1): TaskLogWriter => writeLog({ database: node.database, folder, taskId, epoch });
  const finish = (taskId: string): Promise<void> => endTask(node.database, taskId);

  function events(taskId: string, lastEventId?: string, apiKey = node.adminKey): Promise<EventReader> {
    return openEvents(`${node.url}/api/tasks/${taskId}/log/events`, { apiKey, lastEventId, silenceMs: 30_000 });
  }

  /** Events up to and with the first one that fits. */
  async function until(reader: EventReader, fits: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent[]> {
    const read: ReceivedEvent[] = [];
    for (;;) {
      const event = await reader.next();
      if (event === undefined) return read;
      read.push(event);
      if (fits(event)) return read;
    }
  }

  test("D7: lines come by their number, in pages of any size, over parts of several owners", async () => {
    const id = await newTask();
    const first = writerFor(id);
    await first.append([...opening, ...Array.from({ length: 2_500 }, (_, n) => line(`line ${n + 1}`))]);
    await first.close();
    const second = writerFor(id, 2);
    await second.append([opening[1]!, ...Array.from({ length: 700 }, (_, n) => line(`line ${n + 2_501}`))]);
    const page = await node.get(`/api/tasks/${id}/log/lines?from=2499&take=4`);
    assert.equal(page.LineCount, 3_200);
    assert.deepEqual(
      page.Lines.map((one: { Number: number; MessageText: string }) => [one.Number, one.MessageText]),
      [2_499, 2_500, 2_501, 2_502].map((number) => [number, `line ${number}`]),
    );
    // A page that was counted once is right after the log has grown, and the count grows with it.
    await second.append([line("line 3201")]);
    await second.close();
    const last = await node.get(`/api/Spaces-1/tasks/${id}/log/lines?from=3201`);
    assert.deepEqual([last.LineCount, last.Lines[0].MessageText, last.Lines[0].BlockId], [3_201, "line 3201", "step"]);
    assert.deepEqual((await node.get(`/api/tasks/${id}/log/lines?from=3202`)).Lines, []);
    // What follows a page is what the events bring from its position on.
    await finish(id);
    const reader = await openEvents(`${node.url}/api/tasks/${id}/log/events?lastEventId=${page.Position}`, { apiKey: node.adminKey });
    const lines = (await until(reader, (event) => event.event === "end")).filter((event) => event.event === "line");
    assert.deepEqual([lines.length, lines[0]!.data.Number, lines[0]!.data.MessageText], [699, 2_503, "line 2503"]);
  });

  test("a search finds by text, word, level and block, and goes on where it stopped", async () => {
    const id = await newTask();
    const log = writerFor(id);
    await log.append([...opening, line("Copy FILES"), line("profile read"), line("file missing", "Error"), line("file", "Info", "other")]);
    await log.close();
    const found = async (query: string) =>
      (await node.get(`/api/tasks/${id}/log/search?${query}`)).Lines.map((one: { Number: number }) => one.Number);
    assert.deepEqual(await found("text=file"), [1, 2, 3, 4]);
    assert.deepEqual(await found("text=file&matchCase=true"), [2, 3, 4]);
    assert.deepEqual(await found("text=file&wholeWord=true"), [3, 4]);
    assert.deepEqual(await found("level=error,fatal"), [3]);
    assert.deepEqual(await found("text=file&block=other"), [4]);
    const part = await node.get(`/api/tasks/${id}/log/search?text=file&take=2`);
    assert.equal(part.NextFrom, 3);
    assert.deepEqual(await found(`text=file&from=${part.NextFrom}`), [3, 4]);
    for (const query of ["level=loud", `text=${"x".repeat(1_001)}`])
      assert.equal((await node.call("GET", `/api/tasks/${id}/log/search?${query}`)).status, 400, query);
  });

  test("D7: events come live, resume behind any of their ids without a gap or a double, and are the raw log", async () => {
    const id = await newTask();
    const log = writerFor(id);
    await log.append([...opening, ...Array.from({ length: 20 }, (_, n) => line(`line ${n}`))]);
    const reader = await events(id);
    assert.equal(reader.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.equal(reader.headers.get("x-accel-buffering"), "no");
    const before = await until(reader, (event) => event.data.MessageText === "line 19");
    await log.append([{ kind: "progress", id: "step", percentage: 50, message: "half", at }, line("live ä\u2028 \r\n x")]);
    await log.close();
    // Another owner goes on in a part of its own.
    const second = writerFor(id, 2);
    await second.append([line("after takeover"), { kind: "status", id: "step", status: "Success", at }]);
    await second.close();
    await finish(id);
    const all = [...before, ...(await until(reader, (event) => event.event === "end"))];
    assert.equal(await reader.next(), undefined, "the stream ends with the task");
    assert.deepEqual([all[0]!.event, all[0]!.data.State, all[0]!.id], ["task", "Queued", undefined]);
    assert.deepEqual([all.at(-1)!.data.State, all.at(-1)!.data.FinishedSuccessfully], ["Success", true]);
    const raw = withoutHead((await node.call("GET", `/api/tasks/${id}/raw`)).text);
    assert.equal(rawTextOf(all), raw);

    const placed = all.filter((event) => event.id !== undefined);
    for (let n = 0; n < placed.length - 1; n++) {
      const again = await until(await events(id, placed[n]!.id), (event) => event.event === "end");
      assert.deepEqual(
        again.filter((event) => event.id !== undefined).map(({ id: own, data }) => [own, data]),
        placed.slice(n + 1).map(({ id: own, data }) => [own, data]),
        `behind ${placed[n]!.id}`,
      );
    }
    assert.equal((await events(id, placed.at(-1)!.id)).status, 204, "who has all is told not to come again");
  });

  test("ids that are none of this log are refused", async () => {
    const id = await newTask();
    const log = writerFor(id);
    await log.append(opening);
    await log.close();
    for (const wrong of ["x", "1-0-5-0", "1-0-100000-0", "9-0-1-0", "1-0-5", "-over"])
      assert.equal((await events(id, wrong)).status, 400, wrong);
    assert.equal((await events("ServerTasks-999999")).status, 404);
  });

  test("S1 S2: without the permission there is no stream, and one that is open ends within seconds when its user is disabled or its key deleted", async () => {
    const id = await newTask();
    assert.equal((await events(id, undefined, node.nobodyKey)).status, 403);
    assert.equal((await events(id, undefined, "API-WRONG")).status, 401);
    await node.database.execute(`UPDATE users SET is_administrator = true WHERE username = 'nobody'`);
    for (const take of [
      `UPDATE users SET is_administrator = false WHERE username = 'nobody'`,
      `UPDATE users SET is_active = false WHERE username = 'nobody'`,
    ]) {
      await node.database.execute(`UPDATE users SET is_administrator = true, is_active = true WHERE username = 'nobody'`);
      const reader = await events(id, undefined, node.nobodyKey);
      await until(reader, (event) => event.event === "task");
      await node.database.execute(take);
      const rest = await until(reader, () => false);
      assert.equal(rest.at(-1)!.event, "refused", take);
    }
    await node.database.execute(`UPDATE users SET is_administrator = false, is_active = true WHERE username = 'nobody'`);
  });

  test("streams of one user are counted, and a reader that went away frees its place", async () => {
    const id = await newTask();
    const open = await Promise.all([events(id), events(id), events(id)]);
    const refused = await events(id);
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "5"]);
    open[0]!.close();
    await eventually("the place is free", async () => (await events(id)).status === 200);
    for (const reader of open) reader.close();
    await eventually("all are gone", () => node.eventStreams.count() <= 1);
  });

  test("a task that is deleted while it is followed ends the stream, and HEAD opens none", async () => {
    const id = await newTask();
    const reader = await events(id);
    await until(reader, (event) => event.event === "task");
    const open = node.eventStreams.count();
    await node.database.execute(`DELETE FROM tasks WHERE id = $1`, [id]);
    assert.equal(await reader.next(), undefined);
    const other = await newTask();
    assert.equal((await node.call("HEAD", `/api/tasks/${other}/log/events`)).status, 200);
    await eventually("no stream was left", () => node.eventStreams.count() <= open - 1);
  });

  test("S5 D7: nothing waits in memory for a reader that does not read; when it reads again nothing is missing", async () => {
    const id = await newTask();
    const reader = await events(id);
    await until(reader, (event) => event.event === "task");
    const log = writerFor(id);
    const text = "x".repeat(1_000);
    await log.append(opening);
    bytesRead = 0;
    for (let n = 0; n < 40; n++) await log.append(Array.from({ length: 1_000 }, (_, m) => line(`${n * 1_000 + m} ${text}`)));
    await log.close();
    await finish(id);
    // Of more than 40 MB only what the buffers of the system take.
    assert.ok(bytesRead < 16_000_000, `${bytesRead} bytes were read`);
    const read = await until(reader, (event) => event.event === "end");
    const numbers = read.filter((event) => event.event === "line").map((event) => Number.parseInt(event.data.MessageText as string, 10));
    assert.equal(numbers.length, 40_000);
    assert.ok(numbers.every((number, n) => number === n));
  });

  test("A1: a node that stops ends its streams with a hint to connect anew, and opens no more", async (t) => {
    const stopping = await startApiNode(t, { logFolder: folder });
    const id = await queueTask(stopping.database);
    const url = `${stopping.url}/api/tasks/${id}/log/events`;
    const reader = await openEvents(url, { apiKey: stopping.adminKey });
    await until(reader, (event) => event.event === "task");
    await Promise.all([
      stopping.eventStreams.close(),
      until(reader, () => false).then((rest) => assert.equal(rest.at(-1)!.event, "reconnect")),
    ]);
    assert.equal((await openEvents(url, { apiKey: stopping.adminKey })).status, 503);
  });
});
