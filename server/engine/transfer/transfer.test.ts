// Archives on their way to targets whose shell, tar and sha256sum are real: only what is missing travels, what is damaged does not count,
// and whatever was cut off before can be done again. Holds A2 (a takeover goes on) and S5 as far as the cache of a target is bounded.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { eventually } from "../../../test/support/eventually.ts";
import { createShellAgents } from "../../../test/support/shell-agent.ts";
import { systemClock } from "../../base/clock.ts";
import { endOfTar, paddingOf, tarHeader } from "../../platform/archives/archives.ts";
import type { TaskRun } from "../tasks/tasks.ts";
import { archivesKept, targetCacheFunctions } from "./target-cache.ts";
import { ArchiveDamaged, plainBlocksOf, sendArchive } from "./transfer.ts";
import type { SentArchive } from "./transfer.ts";

/** One file a block, each a gzip of its own but for those that are plain. */
function archiveOf(files: Record<string, Buffer>, plain: readonly string[] = []): SentArchive & { bytes: Buffer } {
  const names = Object.entries(files);
  const blocks = names.map(([name, content], n) => {
    const part = Buffer.concat([
      tarHeader({ name, kind: "file", isExecutable: false, bytes: content.length, linkTarget: "" }),
      content,
      paddingOf(content.length),
      ...(n === names.length - 1 ? [endOfTar()] : []),
    ]);
    return plain.includes(name) ? part : gzipSync(part);
  });
  const bytes = Buffer.concat(blocks);
  const sha = (of: Buffer): string => createHash("sha256").update(of).digest("hex");
  return {
    bytes,
    sha256: sha(bytes),
    blocks: blocks.map((block, n) => ({ sha256: sha(block), bytes: block.length, isPlain: plain.includes(names[n]![0]) })),
    read: async (from, to) => bytes.subarray(from, to),
  };
}

function runOf(epoch = 1): TaskRun {
  return {
    task: { id: "ServerTasks-1", epoch },
    lease: { taskId: "ServerTasks-1", owner: "me", epoch },
    lost: new AbortController().signal,
    cancelRequested: new AbortController().signal,
    checkLease: async () => {},
    clock: systemClock,
  } as unknown as TaskRun;
}

async function stage(t: TestContext) {
  const root = mkdtempSync(path.join(tmpdir(), "cuttle-transfer-"));
  const agents = createShellAgents(root);
  t.after(async () => {
    await agents.close();
    rmSync(root, { recursive: true, force: true });
  });
  await mkdir(agents.home("web"), { recursive: true });
  const agent = { host: "web", port: 10933, thumbprint: "A".repeat(40) };
  const cache = path.join(agents.home("web"), "Files/cuttle");
  const target = { agent, owner: "servertasks-1-a", group: "Acme.Web", agentGoneMs: 1_000 };
  let answered = 0;
  const counting: typeof agents = {
    ...agents,
    completeScript: (...call) => {
      answered += 1;
      return agents.completeScript(...call);
    },
  };
  return {
    agents,
    cache,
    answered: () => answered,
    send: (archive: SentArchive, run = runOf()) => sendArchive(agents, target, archive, "echo further", run),
    /** As the script that goes on with it. */
    async sendTo(host: string, archive: SentArchive) {
      await mkdir(agents.home(host), { recursive: true });
      return await sendArchive(counting, { ...target, agent: { ...agent, host } }, archive, "", runOf());
    },
    unpack(archive: SentArchive) {
      const folder = mkdtempSync(path.join(root, "unpacked-"));
      const script = `${targetCacheFunctions}
        write_verbose() { echo "$1"; }
        cuttle_accept ${target.owner} ${archive.sha256} && cuttle_unpack acme.web ${archive.sha256} ${folder} ${plainBlocksOf(archive)} && cuttle_forget acme.web`;
      const { status, stderr, stdout } = spawnSync("bash", ["-c", script], { env: { ...process.env, TentacleHome: agents.home("web") } });
      const files = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name))]));
      return { status, said: `${stdout.toString()}${stderr.toString()}`, files };
    },
  };
}

test("the first time all blocks travel, then only what changed, then nothing", async (t) => {
  const { agents, cache, send, unpack } = await stage(t);
  const files = { a: randomBytes(100_000), b: randomBytes(50_000), c: randomBytes(70_000) };
  const first = archiveOf(files);
  const sent = await send(first);
  assert.ok(sent.ok && sent.reply.sentBytes > 220_000, JSON.stringify(sent));
  assert.deepEqual(sent.reply.said, ["further"]);
  assert.deepEqual(unpack(first).files, files);
  assert.deepEqual(readdirSync(path.join(cache, "incoming")), []);

  const changed = archiveOf({ ...files, b: randomBytes(50_000) });
  const delta = await send(changed);
  assert.ok(delta.ok && delta.reply.sentBytes > 50_000 && delta.reply.sentBytes < 60_000, JSON.stringify(delta));
  assert.equal(unpack(changed).status, 0);
  assert.deepEqual(await send(first), { ok: true, reply: { sentBytes: 0, said: ["further"] } }, "a rollback sends nothing");
  assert.equal(agents.uploads.length, 2);
});

test("blocks that are packed and blocks that are not make one package, in any order", async (t) => {
  const { send, unpack } = await stage(t);
  const files = Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((name) => [name, randomBytes(3_000)]));
  for (const plain of [["a"], ["b", "c", "f"], Object.keys(files)]) {
    const archive = archiveOf(files, plain);
    assert.ok((await send(archive)).ok);
    const { status, said, files: unpacked } = unpack(archive);
    assert.equal(status, 0, said);
    assert.deepEqual(unpacked, files, plain.join());
  }
});

test("what several targets lack at the same time is read and looked at once; what is damaged is sent to none of them", async (t) => {
  const { agents, sendTo, answered } = await stage(t);
  const archive = archiveOf({ a: randomBytes(100_000), b: randomBytes(50_000) });
  let reads = 0;
  // Nothing goes out before each target has told what it lacks.
  const { promise: allHaveAsked, resolve } = Promise.withResolvers<void>();
  const counting: SentArchive = {
    ...archive,
    read: async (from, to) => {
      reads += 1;
      await allHaveAsked;
      return archive.bytes.subarray(from, to);
    },
  };
  const hosts = ["one", "two", "three"];
  const sending = Promise.all(hosts.map((host) => sendTo(host, counting)));
  await eventually("all have told what they lack", () => answered() === hosts.length);
  resolve();
  for (const sent of await sending) assert.ok(sent.ok && sent.reply.sentBytes > 150_000, JSON.stringify(sent));
  assert.equal(agents.uploads.length, hosts.length);
  assert.equal(reads, archive.blocks.length);
  const damaged: SentArchive = { ...archiveOf({ a: randomBytes(1_000) }), read: async (from, to) => Buffer.alloc(to - from) };
  for (const sent of await Promise.allSettled(hosts.map((host) => sendTo(host, damaged))))
    assert.ok(sent.status === "rejected" && sent.reason instanceof ArchiveDamaged);
  assert.equal(agents.uploads.length, hosts.length);
});

test("A2: what a dead node sent half or whole is in nobody's way, and a script finds all blocks of whoever came last", async (t) => {
  const { cache, send, unpack } = await stage(t);
  const files = { a: randomBytes(100_000), b: randomBytes(50_000) };
  const archive = archiveOf(files);
  assert.ok((await send(archive, runOf(1))).ok);
  const [whole] = readdirSync(path.join(cache, "incoming"));
  const torn = path.join(cache, "incoming", whole!.replace("-a-1-", "-a-2-"));
  writeFileSync(torn, readFileSync(path.join(cache, "incoming", whole!)).subarray(0, 60_000));
  const again = await send(archive, runOf(3));
  assert.ok(again.ok && again.reply.sentBytes > 150_000, "what was not accepted is sent again");
  const { status, said, files: unpacked } = unpack(archive);
  assert.equal(status, 0, said);
  assert.deepEqual(unpacked, files);
  assert.deepEqual(readdirSync(path.join(cache, "incoming")), []);
});

test("blocks that are damaged at the target do not count, and are sent again", async (t) => {
  const { cache, send, unpack } = await stage(t);
  const files = { a: randomBytes(100_000), b: randomBytes(50_000) };
  const archive = archiveOf(files);
  await send(archive);
  const [bundle] = readdirSync(path.join(cache, "incoming"));
  const place = path.join(cache, "incoming", bundle!);
  const bytes = readFileSync(place);
  bytes[2_000] = bytes[2_000]! ^ 1;
  writeFileSync(place, bytes);
  const refused = unpack(archive);
  assert.equal(refused.status, 1);
  assert.match(refused.said, /1 of the 2 blocks of the package are missing/);
  assert.deepEqual(readdirSync(path.join(cache, "blocks")), [archive.blocks[1]!.sha256], "the other one is kept");
  assert.ok((await send(archive)).ok);
  assert.deepEqual(unpack(archive).files, files);

  writeFileSync(path.join(cache, "blocks", archive.blocks[0]!.sha256), "the disk has lost it");
  assert.match(unpack(archive).said, /damaged block of it was removed/);
  assert.ok((await send(archive)).ok);
  assert.deepEqual(unpack(archive).files, files);
});

test("an archive that is damaged in the shared folder is not sent, and not tried again for minutes", async (t) => {
  const { send } = await stage(t);
  const archive = archiveOf({ a: randomBytes(1_000) });
  await assert.rejects(send({ ...archive, read: async (from, to) => Buffer.alloc(to - from) }), ArchiveDamaged);
});

test("S5: a target keeps the blocks of the newest versions only", async (t) => {
  const { cache, send, unpack } = await stage(t);
  const shared = randomBytes(5_000);
  for (let n = 0; n < archivesKept + 3; n++) {
    const archive = archiveOf({ shared, own: Buffer.from(randomUUID()) });
    assert.ok((await send(archive)).ok);
    assert.equal(unpack(archive).status, 0);
  }
  assert.equal(readdirSync(path.join(cache, "archives")).length, archivesKept);
  assert.equal(readdirSync(path.join(cache, "blocks")).length, archivesKept + 1);
});
