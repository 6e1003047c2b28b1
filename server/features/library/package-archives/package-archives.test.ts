// Archives of packages with a real database and a real folder: made once, the same by two nodes at once, made anew when lost, and gone
// with their package. Holds that intent stands before effect and that the same twice is harmless; no loss of what a package needs.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { makeZip } from "../../../../test/support/archives.ts";
import { startPostgres } from "../../../../test/support/postgres.ts";
import { openDatabase } from "../../../platform/database/database.ts";
import { openSharedFolder } from "../../../platform/files/files.ts";
import { sweepPackageFiles } from "../packages/packages.ts";
import { createPackageArchives, PackageGone } from "./package-archives.ts";

async function ground(t: TestContext) {
  const created = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-archives", connectionsMax: 4 });
  const root = await fs.mkdtemp(path.join(tmpdir(), "cuttle-archives-"));
  t.after(async () => {
    await database.close();
    await created.drop();
    await fs.rm(root, { recursive: true, force: true });
  });
  const folder = await openSharedFolder({ root: path.join(root, "shared"), staleRetryMs: 50 });
  const bytes = makeZip([{ name: "readme.txt", content: "hello" }]);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  let reads = 0;
  const source = {
    sha256,
    extension: ".zip",
    file: {
      bytes: bytes.length,
      read: async (from: number, to: number) => {
        reads += 1;
        return bytes.subarray(from, to);
      },
    },
  };
  await database.execute(`INSERT INTO package_files (sha256, sha1, bytes) VALUES ($1, 'none', $2)`, [sha256, bytes.length]);
  await database.execute(`INSERT INTO package_uploads (id, sha256) VALUES (gen_random_uuid(), $1)`, [sha256]);
  return {
    database,
    folder,
    source,
    reads: () => reads,
    async files() {
      const entries = await fs.readdir(folder.root, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
    },
  };
}

test("an archive is made once, by one node or by two at once, and nothing else stays", async (t) => {
  const { database, folder, source, files, reads } = await ground(t);
  const [one, other] = [createPackageArchives({ database, folder }), createPackageArchives({ database, folder })];
  const made = await Promise.all([one.archiveOf(source), one.archiveOf(source), other.archiveOf(source)]);
  assert.equal(new Set(made.map((archive) => archive.sha256)).size, 1);
  assert.equal((await files()).length, 1);
  const before = reads();
  const again = await createPackageArchives({ database, folder }).archiveOf(source);
  assert.equal(reads(), before, "the package itself was not read again");
  assert.deepEqual({ ...again, read: 0 }, { ...made[0]!, read: 0 });
  const bytes = await again.read(0, again.bytes);
  assert.equal(createHash("sha256").update(bytes).digest("hex"), again.sha256);
});

test("everybody who waits for an archive hears how much of the package was read, and nobody when it is there", async (t) => {
  const { database, folder, source } = await ground(t);
  const archives = createPackageArchives({ database, folder });
  const told: { first: number[]; second: number[] } = { first: [], second: [] };
  const all = source.file.bytes;
  await Promise.all([
    archives.archiveOf(source, (done, of) => told.first.push(of === all ? done : -1)),
    archives.archiveOf(source, (done, of) => told.second.push(of === all ? done : -1)),
  ]);
  assert.ok(told.first.length > 0);
  assert.deepEqual(told.second, told.first);
  assert.ok(
    told.first.every((done, n) => done > 0 && done <= all && done >= (told.first[n - 1] ?? 0)),
    String(told.first),
  );
  await archives.archiveOf(source, () => assert.fail("it was there already"));
});

test("D11: an archive that a server of the version before has made is used as it is", async (t) => {
  const { database, folder, source, reads } = await ground(t);
  const made = await createPackageArchives({ database, folder }).archiveOf(source);
  await database.execute(`UPDATE package_archives SET format_version = 1`);
  const before = reads();
  const found = await createPackageArchives({ database, folder }).archiveOf(source);
  assert.equal(reads(), before, "the package was not read again");
  assert.deepEqual({ ...found, read: 0 }, { ...made, read: 0 });
});

test("an archive whose file is lost is made again", async (t) => {
  const { database, folder, source, files } = await ground(t);
  const archives = createPackageArchives({ database, folder });
  const made = await archives.archiveOf(source);
  await fs.rm((await files())[0]!);
  assert.equal((await archives.archiveOf(source)).sha256, made.sha256);
  assert.equal((await files()).length, 1);
});

test(
  "an archive goes with its package; one that is made meanwhile finds the package gone and leaves nothing",
  { timeout: 60_000 },
  async (t) => {
    const { database, folder, source, files } = await ground(t);
    const archives = createPackageArchives({ database, folder });
    await archives.archiveOf(source);
    await database.execute(`DELETE FROM package_uploads`);
    let release: () => void = () => {};
    const signal = new EventTarget();
    const held = new Promise<void>((resolve) => (release = resolve));
    // Another node is just reading the package, having found no archive, when it is removed.
    await database.execute(`DELETE FROM package_archives`);
    const reading = once(signal, "reading");
    const slow = createPackageArchives({ database, folder }).archiveOf({
      ...source,
      file: {
        ...source.file,
        read: async (from, to) => {
          signal.dispatchEvent(new Event("reading"));
          await held;
          return await source.file.read(from, to);
        },
      },
    });
    await reading;
    await archives.archiveOf(source);
    await sweepPackageFiles({ database, folder });
    const left = (await files()).filter((file) => !file.includes("Incoming"));
    assert.deepEqual(left, [], "package and archive are gone");
    release();
    await assert.rejects(slow, PackageGone);
    assert.deepEqual(await files(), []);
  },
);
