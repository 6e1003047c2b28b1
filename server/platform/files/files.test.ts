// The shared folder on a real file system: what is durable, what is refused, and what happens on a full or silent disk.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { TestContext } from "node:test";
import { openSharedFolder } from "./files.ts";
import { hashedPiecesMax } from "./hash-thread.ts";
import type { SharedFolder, SharedFolderOptions } from "./files.ts";

async function setup(t: TestContext, options: Partial<SharedFolderOptions> = {}): Promise<SharedFolder> {
  const parent = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-files-"));
  t.after(() => fs.rm(parent, { recursive: true }));
  return await openSharedFolder({ root: path.join(parent, "shared"), staleRetryMs: 0, ...options });
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("a part grows by what is appended, answers its length, and any range of it can be read", async (t) => {
  const folder = await setup(t);
  const part = await folder.createPart("ServerTasks-7/2-0.log");
  assert.equal(await part.append(bytes("one\n")), 4);
  assert.equal(await part.append(bytes("two\n")), 8);
  assert.equal(await part.append(new Uint8Array()), 8);
  assert.equal(Buffer.from(await folder.readPart("ServerTasks-7/2-0.log", 0, 8)).toString(), "one\ntwo\n");
  assert.equal(Buffer.from(await folder.readPart("ServerTasks-7/2-0.log", 4, 6)).toString(), "tw");
  assert.equal((await folder.readPart("ServerTasks-7/2-0.log", 8, 8)).length, 0);
  await part.close();
  await part.close();
  await assert.rejects(part.append(bytes("x")), { kind: "broken" });
});

test("a part is made once: a second one of the same name is refused and the first stays as it is", async (t) => {
  const folder = await setup(t);
  const part = await folder.createPart("a.log");
  await part.append(bytes("kept"));
  await assert.rejects(folder.createPart("a.log"), { name: "SharedFolderError", kind: "exists" });
  assert.equal(Buffer.from(await folder.readPart("a.log", 0, 4)).toString(), "kept");
  await part.close();
});

test("reading past the end waits for what another node may have written, then says that bytes are missing", async (t) => {
  const folder = await setup(t, { staleRetryMs: 5_000 });
  const part = await folder.createPart("a.log");
  await part.append(bytes("12345"));
  const reading = folder.readPart("a.log", 0, 10);
  await part.append(bytes("67890"));
  assert.equal(Buffer.from(await reading).toString(), "1234567890");
  await part.close();
  const impatient = await openSharedFolder({ root: folder.root, staleRetryMs: 0 });
  await assert.rejects(impatient.readPart("a.log", 0, 11), { kind: "damaged", message: /ends at 10 bytes, but 11/ });
  await assert.rejects(impatient.readPart("none.log", 0, 1), { kind: "not-found" });
});

test("a file written once appears whole, is read back against its hash, and cannot be written again", async (t) => {
  const folder = await setup(t);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield bytes("first, ");
    assert.deepEqual(
      (await fs.readdir(path.join(folder.root, "packages"))).filter((name) => !name.endsWith(".tmp")),
      [],
    );
    yield bytes("second");
  }
  const written = await folder.writeOnce("packages/a.1.0.zip", pieces());
  assert.equal(written.bytes, 13);
  assert.equal(Buffer.from(await folder.readOnce("packages/a.1.0.zip", written)).toString(), "first, second");
  await assert.rejects(folder.writeOnce("packages/a.1.0.zip", bytes("other")), { kind: "exists" });
  assert.deepEqual(await fs.readdir(path.join(folder.root, "packages")), ["a.1.0.zip"]);
  await fs.writeFile(path.join(folder.root, "packages", "a.1.0.zip"), "first, sec0nd");
  await assert.rejects(folder.readOnce("packages/a.1.0.zip", written), { kind: "damaged" });
});

test("a writer that fails half-way leaves nothing behind", async (t) => {
  const folder = await setup(t);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield bytes("first");
    throw new Error("the upload was cut off");
  }
  await assert.rejects(folder.writeOnce("a.zip", pieces()), /cut off/);
  assert.deepEqual(await fs.readdir(folder.root), []);
});

test("S5: a folder is listed in batches, with what is no file of ours told apart, and removed only when it is empty", async (t) => {
  const folder = await setup(t);
  assert.deepEqual(await Array.fromAsync(folder.list("none")), []);
  const names = Array.from({ length: 450 }, (_, n) => `${n}.log`);
  await fs.mkdir(path.join(folder.root, "many"));
  await Promise.all(names.map((name) => fs.writeFile(path.join(folder.root, "many", name), "x")));
  await fs.utimes(path.join(folder.root, "many", "7.log"), 1, 1);
  if (process.platform !== "win32") await fs.symlink("/etc", path.join(folder.root, "many", "link"));
  const batches = await Array.fromAsync(folder.list("many"));
  assert.ok(batches.length >= 3, `${batches.length} batches`);
  const entries = batches.flat();
  assert.deepEqual(
    entries
      .filter((entry) => entry.kind === "file")
      .map((entry) => entry.name)
      .sort(),
    names.sort(),
  );
  assert.equal(entries.find((entry) => entry.name === "7.log")?.changedAtMs, 1_000);
  if (process.platform !== "win32") {
    assert.equal(entries.find((entry) => entry.name === "link")?.kind, "other");
    await assert.rejects(Array.fromAsync(folder.list("many/link")), { kind: "refused" });
    await fs.unlink(path.join(folder.root, "many", "link"));
  }
  assert.deepEqual(
    (await Array.fromAsync(folder.list(""))).flat().map(({ name, kind }) => [name, kind]),
    [["many", "folder"]],
  );
  assert.equal(await folder.removeFolder("many"), false);
  for (const name of names) await folder.remove(`many/${name}`);
  assert.equal(await folder.removeFolder("many"), true);
  assert.equal(await folder.removeFolder("many"), true, "one that is gone is fine");
});

test("a file comes in pieces of any size, is hashed on the way, and is moved to the name that says what is in it", async (t) => {
  const folder = await setup(t);
  const content = Buffer.alloc(3_500_000, "abcdefg");
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0, size = 1; at < content.length; at += size, size = (size * 7) % 400_009) yield content.subarray(at, at + size);
  }
  const sha256 = createHash("sha256").update(content).digest("hex");
  const written = await folder.receive("incoming/1", pieces());
  assert.deepEqual(written, { bytes: content.length, sha256 });
  await folder.move("incoming/1", `kept/${sha256}`);
  await folder.move("incoming/1", `kept/${sha256}`); // as after an answer that was lost
  assert.ok(Buffer.from(await folder.readOnce(`kept/${sha256}`, written)).equals(content));
  // The same content once more: one file stays.
  await folder.receive("incoming/2", pieces());
  await folder.move("incoming/2", `kept/${sha256}`);
  assert.deepEqual((await fs.readdir(folder.root, { recursive: true })).sort(), ["incoming", "kept", `kept/${sha256}`]);
  await assert.rejects(folder.move("incoming/3", "kept/none"), { kind: "not-found" });
});

test("files of every size, several at once, have the right hashes, and one that fails costs the others nothing", async (t) => {
  const folder = await setup(t);
  const mib = 1024 * 1024;
  async function* pieces(seed: number, size: number, failsAt = Infinity): AsyncGenerator<Uint8Array> {
    const piece = Buffer.alloc(65_000);
    for (let at = 0; at < size; at += piece.length) {
      if (at >= failsAt) throw new Error("gone");
      for (let n = 0; n < 8; n++) piece.writeUInt32LE((seed * 31 + at + n) >>> 0, n * 8_000);
      const part = piece.subarray(0, Math.min(piece.length, size - at));
      yield part;
      // Its memory is used for the next one.
      part.fill(0xee);
    }
  }
  const digests = async (seed: number, size: number) => {
    const [sha256, sha1] = [createHash("sha256"), createHash("sha1")];
    for await (const piece of pieces(seed, size)) for (const hash of [sha256, sha1]) hash.update(piece);
    return { bytes: size, sha256: sha256.digest("hex"), sha1: sha1.digest("hex") };
  };
  const sizes = [0, 1, mib - 1, mib, 3 * mib, 3 * mib + 1, 4 * mib, 4 * mib + 1, 5 * mib, 9 * mib + 77];
  const failing = [2 * mib, 6 * mib].map((at) => assert.rejects(folder.receive(`in/failing-${at}`, pieces(1, 9 * mib, at)), /gone/));
  const written = await Promise.all(sizes.map((size, n) => folder.receive(`in/${n}`, pieces(n, size), ["sha1"])));
  await Promise.all(failing);
  for (const [n, size] of sizes.entries()) {
    const expected = await digests(n, size);
    assert.deepEqual(written[n], expected, `of ${size} bytes`);
    assert.equal((await folder.readOnce(`in/${n}`, expected)).length, size);
  }
  assert.equal((await fs.readdir(path.join(folder.root, "in"))).length, sizes.length);
  const { sha1: _unasked, ...expected } = await digests(1, 6 * mib);
  assert.deepEqual(await folder.receive("in/after", pieces(1, 6 * mib)), expected);
});

test("a large file on a local disk is written past the page cache, whatever its length, and one that the disk does not take so in the usual way", async (t) => {
  const mib = 1024 * 1024;
  const localDisk = 0xef53; // which other file systems of this machine may not be
  const handles: { isDirect: boolean; isOpen: boolean; bytes: number; refused: number }[] = [];
  let failure: string | undefined;
  const open: typeof fs.open = async (file, flags, mode) => {
    const handle = await fs.open(file, flags, mode);
    if (!String(file).includes("in/")) return handle;
    const seen = { isDirect: (Number(flags) & constants.O_DIRECT) !== 0, isOpen: true, bytes: 0, refused: 0 };
    handles.push(seen);
    const [write, close] = [handle.write.bind(handle), handle.close.bind(handle)];
    handle.write = (async (bytes: Uint8Array, from: number, length: number, at: number) => {
      try {
        if (seen.isDirect && failure !== undefined) throw Object.assign(new Error("not so"), { code: failure });
        const written = await write(bytes, from, length, at);
        seen.bytes += written.bytesWritten;
        return written;
      } catch (error) {
        seen.refused += 1;
        throw error;
      }
    }) as typeof handle.write;
    handle.close = async () => {
      await close();
      seen.isOpen = false;
    };
    return handle;
  };
  const statfs = (async (place: string) => Object.assign(await fs.statfs(place), { type: localDisk })) as typeof fs.statfs;
  const folder = await setup(t, { calls: { ...fs, open, statfs } });
  const content = randomBytes(40 * mib + 777);
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const receive = async (size: number) => {
    handles.length = 0;
    const bytes = content.subarray(0, size);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < size; at += 1_000_000) yield bytes.subarray(at, at + 1_000_000);
    }
    const written = await folder.receive("in/file", pieces());
    assert.deepEqual(written, { bytes: size, sha256: sha256(bytes) });
    await folder.readOnce("in/file", written);
    await folder.remove("in/file");
    assert.ok(handles.every(({ isOpen }) => !isOpen));
    return handles.find(({ isDirect }) => isDirect);
  };

  assert.equal(await receive(32 * mib), undefined);
  const whole = await receive(40 * mib);
  assert.deepEqual([whole?.bytes, whole?.refused], [8 * mib, 0]);
  for (const size of [32 * mib + 1, 33 * mib - 512, 40 * mib + 777]) {
    const { bytes, refused } = (await receive(size))!;
    const rest = size - 32 * mib;
    // Some file systems take any end.
    assert.ok(refused === 0 ? bytes === rest : refused === 1 && bytes === rest - (rest % mib), `${size}: ${bytes}, ${refused}`);
  }
  failure = "EINVAL";
  const unsuited = await receive(40 * mib + 777);
  assert.deepEqual([unsuited?.bytes, unsuited?.refused], [0, 9]);
  failure = "EIO";
  await assert.rejects(receive(40 * mib), { kind: "failed", code: "EIO" });
  await until(async () => assert.ok(handles.every(({ isOpen }) => !isOpen)));
  assert.deepEqual(await fs.readdir(path.join(folder.root, "in")), []);
});

test("a stream is content like any other", async (t) => {
  const folder = await setup(t);
  const written = await folder.receive("incoming/1", Readable.from([bytes("from "), bytes("an agent")]));
  assert.deepEqual(written, { bytes: 13, sha256: createHash("sha256").update("from an agent").digest("hex") });
});

test("the thread that hashed a large file does not keep its process from ending", () => {
  const program = `
    import { createHashThread, hashedPiecesMax } from ${JSON.stringify(new URL("hash-thread.ts", import.meta.url))};
    const hash = createHashThread().begin(["sha256"]);
    await Promise.all(Array.from({ length: hashedPiecesMax + 1 }, () => hash.update(new ArrayBuffer(1), 1)));
    console.log((await hash.digest()).sha256);`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], { timeout: 15_000, encoding: "utf8" });
  assert.deepEqual(
    [status, stdout],
    [
      0,
      `${createHash("sha256")
        .update(new Uint8Array(hashedPiecesMax + 1))
        .digest("hex")}\n`,
    ],
  );
});

test("while the disk takes what has come, more comes in, up to a limit; and a disk that fails then is not taken for one that did not", async (t) => {
  const mib = 1024 * 1024;
  let disk = Promise.withResolvers<void>();
  let begun = Promise.withResolvers<void>();
  let syncs = 0;
  const open: typeof fs.open = async (...args) => {
    const handle = await fs.open(...args);
    // Nothing is written: only the order counts.
    handle.write = (async (_bytes: Uint8Array, _from: number, length: number) => ({
      bytesWritten: length,
    })) as unknown as typeof handle.write;
    handle.datasync = async () => {
      syncs += 1;
      begun.resolve();
      await disk.promise;
    };
    return handle;
  };
  const folder = await setup(t, { calls: { ...fs, open } });
  let taken = 0;
  async function* content(size: number): AsyncGenerator<Uint8Array> {
    for (; taken < size; taken += mib) yield Buffer.alloc(mib);
  }
  const receiving = folder.receive("incoming/1", content(100 * mib));
  await begun.promise;
  const atFirstMib = taken / mib;
  await until(async () => assert.ok(taken >= 64 * mib));
  for (let turns = 0; turns < 20; turns++) await setImmediate();
  assert.equal(syncs, 1);
  assert.ok(atFirstMib < 40 && taken <= 70 * mib, `${atFirstMib} and then ${taken / mib} MiB`);
  disk.resolve();
  assert.equal((await receiving).bytes, 100 * mib);

  disk = Promise.withResolvers();
  begun = Promise.withResolvers();
  taken = 0;
  const failing = folder.receive("incoming/2", content(40 * mib));
  await begun.promise;
  disk.reject(Object.assign(new Error("lost"), { code: "EIO" }));
  await assert.rejects(failing, { kind: "failed", code: "EIO" });
  assert.deepEqual(await fs.readdir(path.join(folder.root, "incoming")), ["1"]);
});

test("a file whose sender or disk fails in the middle is gone, and its name can be used again", async (t) => {
  const folder = await setup(t);
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(2_000_000);
    throw new Error("gone");
  }
  await assert.rejects(folder.receive("incoming/1", failing()), { message: "gone" });
  assert.deepEqual(await fs.readdir(path.join(folder.root, "incoming")), []);
  async function* good(): AsyncGenerator<Uint8Array> {
    yield bytes("good");
  }
  assert.equal((await folder.receive("incoming/1", good())).bytes, 4);
  await assert.rejects(folder.receive("incoming/1", good()), { kind: "exists" });
});

test("names that are not ours are refused before anything is touched", async (t) => {
  const folder = await setup(t);
  const names = [
    "",
    ".",
    "..",
    "../a",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "a/",
    ".hidden",
    "a b",
    "ä",
    "a\\b",
    "a\0b",
    "a\nb",
    "x".repeat(101),
    "a/b/c/d/e",
  ];
  for (const name of names) {
    await assert.rejects(folder.createPart(name), { kind: "refused" }, JSON.stringify(name));
    await assert.rejects(folder.readPart(name, 0, 1), { kind: "refused" }, JSON.stringify(name));
    await assert.rejects(folder.writeOnce(name, bytes("x")), { kind: "refused" }, JSON.stringify(name));
    await assert.rejects(folder.remove(name), { kind: "refused" }, JSON.stringify(name));
    await assert.rejects(folder.removeFolder(name), { kind: "refused" }, JSON.stringify(name));
    if (name !== "") await assert.rejects(Array.fromAsync(folder.list(name)), { kind: "refused" }, JSON.stringify(name));
  }
  assert.deepEqual(await fs.readdir(folder.root), []);
  await (await folder.createPart("x".repeat(100))).close();
});

test("links, pipes and folders put in the share are not followed, read or waited for", async (t) => {
  if (process.platform === "win32") return t.skip("links need rights there");
  const folder = await setup(t, { timeoutMs: 2_000 });
  const outside = path.join(path.dirname(folder.root), "outside");
  await fs.mkdir(outside);
  await fs.writeFile(path.join(outside, "secret"), "secret");
  await fs.writeFile(path.join(outside, "other"), "secret");
  await fs.symlink(path.join(outside, "other"), path.join(folder.root, "link.log"));
  await fs.symlink(outside, path.join(folder.root, "linked"));
  await fs.link(path.join(outside, "secret"), path.join(folder.root, "hard.log"));
  await fs.mkdir(path.join(folder.root, "folder.log"));
  execFileSync("mkfifo", [path.join(folder.root, "pipe.log")]);
  for (const name of ["link.log", "linked/secret", "hard.log", "folder.log", "pipe.log"]) {
    await assert.rejects(folder.readPart(name, 0, 6), { kind: "refused" }, name);
  }
  await assert.rejects(folder.createPart("linked/new.log"), { kind: "refused" });
  await assert.rejects(folder.writeOnce("linked/new.zip", bytes("x")), { kind: "refused" });
  await assert.rejects(folder.remove("linked/secret"), { kind: "refused" });
  assert.deepEqual((await fs.readdir(outside)).sort(), ["other", "secret"]);
});

test("a part whose fsync failed is never used again, and fsync is not asked a second time", async (t) => {
  let syncs = 0;
  const open: typeof fs.open = async (...args) => {
    const handle = await fs.open(...args);
    handle.datasync = () => {
      syncs += 1;
      return syncs === 2 ? Promise.reject(Object.assign(new Error("EIO: i/o error, fsync"), { code: "EIO" })) : Promise.resolve();
    };
    return handle;
  };
  const folder = await setup(t, { calls: { ...fs, open } });
  const part = await folder.createPart("a.log");
  assert.equal(await part.append(bytes("good")), 4);
  await assert.rejects(part.append(bytes("lost")), { kind: "failed", code: "EIO" });
  await assert.rejects(part.append(bytes("more")), { kind: "broken" });
  assert.equal(syncs, 2);
  await part.close();
  assert.equal(Buffer.from(await folder.readPart("a.log", 0, 4)).toString(), "good");
});

test("calls that never return are given up at their deadline and hold up neither later calls nor the process's other files", async (t) => {
  const hanging = Promise.withResolvers<void>();
  let opened = 0;
  const open: typeof fs.open = async (...args) => {
    opened += 1;
    await hanging.promise;
    return await fs.open(...args);
  };
  const folder = await setup(t, { calls: { ...fs, open }, timeoutMs: 500, placesMax: 2 });
  const startedMs = performance.now();
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => folder.createPart(`${index}.log`)));
  // One after the other they would take ten times as long.
  assert.ok(performance.now() - startedMs < 4_000);
  for (const result of results) assert.ok(result.status === "rejected" && (result.reason as { kind: string }).kind === "timed-out");
  assert.equal(opened, 2, "no more than two calls are stuck in the file system");
  assert.ok((await fs.readdir(os.tmpdir())).length > 0);
  hanging.resolve();
  // Once the file server answers again, so do we.
  const part = await until(() => folder.createPart("after.log"));
  assert.equal(await part.append(bytes("works")), 5);
  await part.close();
});

test("a file that is finished only after its deadline does not appear", async (t) => {
  const hanging = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let renames = 0;
  const open: typeof fs.open = async (...args) => {
    const handle = await fs.open(...args);
    const close = handle.close.bind(handle);
    handle.close = async () => {
      await hanging.promise;
      await close();
      closed.resolve();
    };
    return handle;
  };
  const rename: typeof fs.rename = async (...args) => {
    renames += 1;
    await fs.rename(...args);
  };
  const folder = await setup(t, { calls: { ...fs, open, rename }, timeoutMs: 200 });
  await assert.rejects(folder.writeOnce("late.zip", bytes("x")), { kind: "timed-out" });
  hanging.resolve();
  await closed.promise;
  await until(async () => assert.deepEqual(await fs.readdir(folder.root), []));
  assert.equal(renames, 0);
});

test("a folder that does not answer fails the question for its space within two seconds or so", async (t) => {
  const folder = await setup(t, { calls: { ...fs, statfs: (() => new Promise(() => {})) as typeof fs.statfs } });
  const startedMs = performance.now();
  await assert.rejects(folder.space(), { kind: "timed-out" });
  assert.ok(performance.now() - startedMs < 4_000);
});

test("the free space is known, and two nodes see the same identity only in the same folder", async (t) => {
  const folder = await setup(t);
  const { freeBytes, floorBytes, belowFloor } = await folder.space();
  assert.ok(freeBytes > 0 && floorBytes > 0 && floorBytes <= 1024 ** 3);
  assert.equal(belowFloor, freeBytes < floorBytes);
  const first = await folder.identity();
  const again = await openSharedFolder({ root: folder.root });
  assert.equal(await again.identity(), first);
  assert.notEqual(first, await (await setup(t)).identity());
});

test("A3: a folder tells itself from another one, from an empty one in its place and from none, within its deadline", async (t) => {
  const folder = await setup(t);
  const identity = await folder.identity();
  await folder.check(identity);
  await assert.rejects(folder.check("00000000-0000-4000-8000-000000000000"), {
    kind: "refused",
    message: /not the shared folder that this node began with/,
  });
  await fs.rename(folder.root, `${folder.root}.away`);
  await assert.rejects(folder.check(identity), { kind: "not-found" });
  await fs.mkdir(folder.root);
  await assert.rejects(folder.check(identity), { kind: "not-found" });
  await fs.rmdir(folder.root);
  await fs.rename(`${folder.root}.away`, folder.root);
  await folder.check(identity);
});

test("nodes that look at a new folder at the same moment see one identity, and nothing else stays in it", async (t) => {
  for (let round = 0; round < 20; round++) {
    const folder = await setup(t);
    const nodes = await Promise.all(Array.from({ length: 4 }, () => openSharedFolder({ root: folder.root })));
    const seen = await Promise.all(nodes.map((node) => node.identity()));
    assert.equal(new Set(seen).size, 1, seen.join(" "));
    assert.equal(await nodes[0]!.identity(), seen[0]);
    assert.deepEqual(await fs.readdir(folder.root), ["cuttle-shared-folder"]);
  }
});

test("a share that is not mounted is not replaced by a local folder", async (t) => {
  const folder = await setup(t);
  await assert.rejects(openSharedFolder({ root: path.join(folder.root, "mount", "shared") }), { kind: "not-found" });
  assert.deepEqual(await fs.readdir(folder.root), []);
});

test("on a full disk the append fails as such, what was committed stays readable, and a new part works when there is room again", async (t) => {
  if (process.getuid?.() !== 0 || process.platform !== "linux") return t.skip("mounting a small file system needs root on Linux");
  const mount = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-small-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], { stdio: "pipe" });
  } catch {
    await fs.rmdir(mount);
    return t.skip("this machine does not allow mounting a tmpfs");
  }
  t.after(async () => {
    execFileSync("umount", [mount]);
    await fs.rmdir(mount);
  });
  const folder = await openSharedFolder({ root: path.join(mount, "shared"), staleRetryMs: 0 });
  const filler = await folder.createPart("filler");
  await filler.append(new Uint8Array(500_000));
  const part = await folder.createPart("a.log");
  const committed = await part.append(bytes("committed"));
  await assert.rejects(part.append(new Uint8Array(900_000)), { kind: "full", message: /no space is left/ });
  await assert.rejects(part.append(bytes("x")), { kind: "broken" });
  await part.close();
  assert.equal(Buffer.from(await folder.readPart("a.log", 0, committed)).toString(), "committed");
  assert.equal((await folder.space()).belowFloor, true);
  await assert.rejects(folder.writeOnce("big.zip", new Uint8Array(900_000)), { kind: "full" });
  assert.deepEqual(
    (await fs.readdir(folder.root)).filter((name) => name.includes("big")),
    [],
  );
  await filler.close();
  await folder.remove("filler");
  await folder.remove("a.log");
  const next = await folder.createPart("b.log");
  assert.equal(await next.append(bytes("again")), 5);
  await next.close();
});

/** Tries until it does not throw, for five seconds. */
async function until<T>(attempt: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + 5_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
