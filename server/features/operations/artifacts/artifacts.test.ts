// Artifacts through the API of one node: files in and out, who may, what is left in the shared folder.

import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { sweepArtifactFiles } from "../../../engine/artifacts/artifacts.ts";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode } from "../../../../test/support/api-node.ts";
import { endTask, queueTask } from "../../../../test/support/log-writer.ts";

describe("artifacts", () => {
  let node: ApiNode;
  before(async () => {
    node = await startApiNode(undefined);
  });
  after(() => node.close());

  const upload = (id: string, content: string | Uint8Array, type = "application/octet-stream") =>
    node.call("PUT", `/api/artifacts/${id}/content`, content, { "Content-Type": type });
  async function files(): Promise<string[]> {
    const entries = await fs.readdir(path.join(node.sharedRoot, "artifacts"), { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  }

  test("an artifact is created, filled, read in parts, renamed and deleted, and nothing of it stays", async () => {
    const taskId = await queueTask(node.database);
    const answer = await node.call("POST", "/api/Spaces-1/artifacts", { Filename: "report \u2603.html", ServerTaskId: taskId });
    assert.equal(answer.status, 201);
    const made = answer.body;
    assert.equal(answer.headers.get("location"), made.Links.Self);
    assert.deepEqual(Object.keys(made).sort(), [
      "Created",
      "Filename",
      "Id",
      "Links",
      "LogCorrelationId",
      "ServerTaskId",
      "Source",
      "SpaceId",
    ]);
    assert.equal((await node.call("GET", made.Links.Content)).status, 404, "there is nothing in it yet");
    assert.equal((await upload(made.Id, "<script>alert(1)</script>")).status, 200);
    const whole = await node.call("GET", made.Links.Content);
    assert.equal(whole.text, "<script>alert(1)</script>");
    assert.equal(whole.headers.get("content-type"), "application/octet-stream");
    assert.equal(whole.headers.get("content-security-policy"), "default-src 'none'; sandbox");
    assert.equal(
      whole.headers.get("content-disposition"),
      `attachment; filename="report__.html"; filename*=UTF-8''report%20%E2%98%83.html`,
    );
    const part = await node.call("GET", made.Links.Content, undefined, { Range: "bytes=1-6" });
    assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [206, "script", "bytes 1-6/25"]);
    assert.equal((await node.call("GET", made.Links.Content, undefined, { Range: "bytes=25-" })).status, 416);

    // New content takes the place of the old one, whose file goes.
    assert.equal((await upload(made.Id, "second")).status, 200);
    assert.equal((await node.call("GET", made.Links.Content)).text, "second");
    assert.equal((await files()).length, 1);
    assert.equal((await node.put(made.Links.Self, { Filename: "b.txt" })).Filename, "b.txt");
    assert.equal((await node.call("DELETE", made.Links.Self)).status, 200);
    assert.equal((await node.call("GET", made.Links.Content)).status, 404);
    assert.deepEqual(await files(), []);
  });

  test("artifacts are listed by what they regard: their task, and what the task is about", async () => {
    const taskId = await queueTask(node.database);
    await node.database.execute(`UPDATE tasks SET related_document_ids = '{Deployments-7,Releases-8}' WHERE id = $1`, [taskId]);
    for (const Filename of ["one.log", "two.log", "three.txt"]) await node.post("/api/artifacts", { Filename, ServerTaskId: taskId });
    await node.post("/api/artifacts", { Filename: "alone.log" });
    const names = async (query: string) =>
      (await node.get(`/api/Spaces-1/artifacts?${query}`)).Items.map((one: { Filename: string }) => one.Filename);
    for (const id of [taskId, "Deployments-7", "releases-8"])
      assert.deepEqual(await names(`regarding=${id}`), ["three.txt", "two.log", "one.log"], id);
    assert.deepEqual(await names(`regarding=${taskId}&order=asc&partialName=.LOG`), ["one.log", "two.log"]);
    assert.deepEqual(await names(`regarding=Deployments-1`), []);
    assert.deepEqual(await names(`regarding=${taskId}&skip=1&take=1`), ["two.log"]);
  });

  test("S1 S5: names, tasks and callers that may not are refused", async () => {
    for (const body of [
      {},
      { Filename: " " },
      { Filename: "a\nb" },
      { Filename: "x".repeat(251) },
      { Filename: "a", ServerTaskId: "ServerTasks-99999" },
    ])
      assert.equal((await node.call("POST", "/api/artifacts", body)).status, 400, JSON.stringify(body));
    const { Id } = await node.post("/api/artifacts", { Filename: "../../etc/passwd" });
    await upload(Id, "x");
    const answer = await node.call("GET", `/api/artifacts/${Id}/content`);
    assert.match(answer.headers.get("content-disposition")!, /^attachment; filename="passwd";/);
    const nobody = { "X-Octopus-ApiKey": node.nobodyKey };
    for (const [method, address] of [
      ["GET", "/api/artifacts"],
      ["GET", `/api/artifacts/${Id}/content`],
      ["PUT", `/api/artifacts/${Id}/content`],
      ["DELETE", `/api/artifacts/${Id}`],
    ] as const)
      assert.equal((await node.call(method, address, undefined, nobody)).status, 403, `${method} ${address}`);
    assert.equal((await node.call("PUT", "/api/artifacts/Artifacts-99999/content", "x", { "Content-Type": "text/plain" })).status, 404);
  });

  test("S5: files of deleted tasks, and of uploads whose node died, are swept; those under way and in use stay", async () => {
    const taskId = await queueTask(node.database);
    const kept = await node.post("/api/artifacts", { Filename: "kept" });
    const gone = await node.post("/api/artifacts", { Filename: "gone", ServerTaskId: taskId });
    await upload(kept.Id, "kept");
    await upload(gone.Id, "gone");
    await endTask(node.database, taskId);
    // What retention does.
    await node.database.execute(`DELETE FROM task_queue WHERE task_id = $1`, [taskId]);
    await node.database.execute(`DELETE FROM tasks WHERE id = $1`, [taskId]);
    const dead = "0aaaaaaa-0000-4000-8000-000000000000";
    const living = "0bbbbbbb-0000-4000-8000-000000000000";
    await node.database.execute(`INSERT INTO artifact_files (id, seen_at) VALUES ($1, now() - interval '1 hour'), ($2, now())`, [
      dead,
      living,
    ]);
    await fs.mkdir(path.join(node.sharedRoot, "artifacts", "0a"), { recursive: true });
    await fs.mkdir(path.join(node.sharedRoot, "artifacts", "0b"), { recursive: true });
    await fs.writeFile(path.join(node.sharedRoot, "artifacts", "0a", dead), "half");
    await fs.writeFile(path.join(node.sharedRoot, "artifacts", "0b", living), "half");
    const before = await files();
    await sweepArtifactFiles({ database: node.database, folder: node.packageFolder as never });
    const left = await files();
    assert.deepEqual([left.includes(dead), left.includes(living)], [false, true]);
    assert.equal(left.length, before.length - 2);
    assert.equal((await node.call("GET", kept.Links.Content)).text, "kept");
    assert.equal((await node.call("GET", gone.Links.Self)).status, 404);
  });

  test("an upload that breaks off leaves the content as it was", async () => {
    const { Id, Links } = await node.post("/api/artifacts", { Filename: "a" });
    await upload(Id, "first");
    const before = await files();
    const broken = new ReadableStream<Uint8Array>({
      start(own) {
        own.enqueue(new Uint8Array(100_000));
        own.error(new Error("the client went away"));
      },
    });
    await assert.rejects(
      fetch(`${node.url}/api/artifacts/${Id}/content`, {
        method: "PUT",
        headers: { "X-Octopus-ApiKey": node.adminKey, "Content-Type": "application/octet-stream" },
        body: broken,
        duplex: "half",
      } as RequestInit),
    );
    assert.equal((await node.call("GET", Links.Content)).text, "first");
    assert.ok((await files()).length <= before.length + 1);
  });
});
