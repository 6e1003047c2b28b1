// What becomes of packages before they go to targets, judged by the tar that targets have: good ones of every kind unpack as they were,
// hostile ones are refused with a sentence, and a new version shares its blocks with the one before.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { makeTar, makeZip } from "../../../../test/support/archives.ts";
import type { ZipEntry } from "../../../../test/support/archives.ts";
import { ArchiveRefused } from "../../../platform/archives/archives.ts";
import { unpackLimits } from "./plain-entries.ts";
import type { UnpackLimits } from "./plain-entries.ts";
import { repack } from "./repack.ts";
import type { Block } from "./repack.ts";

async function repacked(bytes: Buffer, extension: string, limits: Partial<UnpackLimits> = {}) {
  const seen: { blocks: Block[]; unpackedBytes: number } = { blocks: [], unpackedBytes: 0 };
  const file = { bytes: bytes.length, read: async (from: number, to: number) => bytes.subarray(from, to) };
  const pieces: Uint8Array[] = [];
  for await (const piece of repack(file, extension, { ...unpackLimits, ...limits }, seen)) pieces.push(piece);
  const archive = Buffer.concat(pieces);
  let at = 0;
  const parts = seen.blocks.map(({ bytes: length, isPlain }) => {
    const block = archive.subarray(at, (at += length));
    return isPlain ? block : gunzipSync(block);
  });
  return { archive, tar: Buffer.concat(parts), ...seen };
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle-repack-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What the system's own tar makes of it: names with contents, `x` before executables. */
function unpacked(t: TestContext, tar: Buffer): Record<string, string> {
  const outer = newFolder(t);
  const folder = path.join(outer, "package");
  mkdirSync(folder);
  const { status, stderr } = spawnSync("tar", ["-xmof", "-", "-C", folder], { input: tar });
  assert.equal(status, 0, stderr.toString());
  assert.deepEqual(readdirSync(outer), ["package"], "nothing beside the package's folder");
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const place = path.join(folder, name);
    const stat = lstatSync(place);
    if (stat.isSymbolicLink()) found[name] = `-> ${readlinkSync(place)}`;
    else if (stat.isFile()) found[name] = `${(stat.mode & 0o111) === 0 ? "" : "x "}${readFileSync(place, "utf8")}`;
  }
  return found;
}

function tarOf(t: TestContext, make: string, flags: readonly string[] = []): Buffer {
  const folder = newFolder(t);
  const made = spawnSync("bash", ["-ec", make], { cwd: folder });
  assert.equal(made.status, 0, made.stderr.toString());
  const { stdout, status } = spawnSync("tar", [...flags, "-cf", "-", "."], { cwd: folder, maxBuffer: 64 * 1024 * 1024 });
  assert.equal(status, 0);
  return stdout;
}

/** A tar of one entry with a name or kind that tar programs would not write. */
function rawTar(name: string, flag = "0", target = ""): Buffer {
  const tar = Buffer.from(makeTar(name.slice(0, 99), flag === "0" ? "content" : ""), "latin1");
  tar.write(name.slice(0, 99), 0, "latin1");
  tar.write(flag, 156, "latin1");
  tar.write(target, 157, "latin1");
  tar.write(" ".repeat(8), 148, "latin1");
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return tar;
}

function joinTars(...tars: Buffer[]): Buffer {
  return Buffer.concat([...tars.map((tar) => tar.subarray(0, tar.length - 1_024)), Buffer.alloc(1_024)]);
}

const long = `${"a-long-folder-name/".repeat(9)}file.txt`;

test("a package of each kind unpacks on a target as it was", async (t) => {
  const files = { "app/run.sh": "x echo hi\n", "empty.txt": "", [long]: "deep", "zażółć.txt": "utf-8" };
  const entries: ZipEntry[] = [
    { name: "zażółć.txt", content: "utf-8" },
    { name: "app/", mode: 0o040755 },
    { name: "app\\run.sh", content: "echo hi\n", mode: 0o100755 },
    { name: "empty.txt" },
    { name: long, content: "deep" },
  ];
  for (const extension of [".zip", ".jar"]) assert.deepEqual(unpacked(t, (await repacked(makeZip(entries), extension)).tar), files);
  const nupkg = makeZip([
    { name: "[Content_Types].xml", content: "x" },
    { name: "_rels/.rels", content: "x" },
    { name: "package/services/metadata/core-properties/1.psmdcp", content: "x" },
    { name: "Acme.nuspec", content: "<package/>" },
    { name: "content/a%20b.txt", content: "blank" },
  ]);
  assert.deepEqual(unpacked(t, (await repacked(nupkg, ".nupkg")).tar), { "Acme.nuspec": "<package/>", "content/a b.txt": "blank" });
  const make = `mkdir app; printf 'echo hi\\n' > app/run.sh; chmod +x app/run.sh; : > empty.txt; mkdir -p '${path.dirname(long)}'
    printf deep > '${long}'; printf utf-8 > zażółć.txt; ln -s app/run.sh start; ln empty.txt again`;
  const withLinks = { ...files, start: "-> app/run.sh", again: "" };
  for (const flags of [["--format=gnu"], ["--format=pax"], ["--format=ustar"]]) {
    const tar = tarOf(t, make, flags);
    assert.deepEqual(unpacked(t, (await repacked(tar, ".tar")).tar), withLinks, flags[0]);
    assert.deepEqual(unpacked(t, (await repacked(gzipSync(tar), ".tar.gz")).tar), withLinks, flags[0]);
  }
});

test("names of a zip from before UTF-8 are read letter by letter, and names that differ in case or spelling stay apart", async (t) => {
  const latin = Buffer.from(
    makeZip([{ name: "aXb", content: "old" }])
      .toString("latin1")
      .replaceAll("aXb", "a\xe9b"),
    "latin1",
  );
  for (const [mark, flagsAt] of [
    ["PK\x03\x04", 6],
    ["PK\x01\x02", 8],
  ] as const)
    latin.writeUInt16LE(0, latin.indexOf(mark, 0, "latin1") + flagsAt);
  assert.deepEqual(unpacked(t, (await repacked(latin, ".zip")).tar), { aéb: "old" });
  const spelled = ["é", "e\u0301", "É", "CON", "dot."].map((name): ZipEntry => ({ name, content: name }));
  const files = unpacked(t, (await repacked(makeZip(spelled), ".zip")).tar);
  assert.deepEqual(files, Object.fromEntries(spelled.map(({ name, content }) => [name, content])));
});

test("the same package gives the same bytes, whatever the order and the times in it; each block is a gzip of its own, or plain where that gains nothing", async (t) => {
  const content = randomBytes(3_000_000);
  const entries: ZipEntry[] = [
    { name: "a.bin", content },
    { name: "b.txt", content: "b" },
    { name: "c.txt", content: Array.from({ length: 100_000 }, (_, n) => `line ${n}\n`).join("") },
  ];
  const one = await repacked(makeZip(entries), ".zip");
  const other = await repacked(makeZip(entries.toReversed(), { comment: "later" }), ".zip");
  assert.ok(one.archive.equals(other.archive));
  assert.ok(one.blocks.length > 3, `${one.blocks.length} blocks`);
  let at = 0;
  for (const block of one.blocks) {
    const bytes = one.archive.subarray(at, at + block.bytes);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), block.sha256);
    assert.equal(spawnSync("gzip", ["-t"], { input: bytes }).status === 0, !block.isPlain);
    at += block.bytes;
  }
  assert.equal(at, one.archive.length);
  assert.equal(one.blocks[0]!.isPlain, true, "what is random stays as it is");
  assert.equal(one.blocks.at(-1)!.isPlain, false, "text is packed");
  const text = one.blocks.filter(({ isPlain }) => !isPlain).reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(text < 1_000_000, `${text} bytes of packed blocks`);
  assert.equal(unpacked(t, one.tar)["b.txt"], "b");
});

test("a new version shares all blocks but those around what changed", async () => {
  const files = Array.from({ length: 40 }, (_, n): ZipEntry => ({
    name: `file-${String(n).padStart(2, "0")}`,
    content: randomBytes(100_000),
  }));
  const before = await repacked(makeZip(files), ".zip");
  files[20] = { name: "file-20", content: Buffer.concat([Buffer.from("inserted"), files[20]!.content as Buffer]) };
  const after = await repacked(makeZip(files), ".zip");
  const known = new Set(before.blocks.map((block) => block.sha256));
  const fresh = after.blocks.filter((block) => !known.has(block.sha256));
  assert.ok(fresh.length >= 1 && fresh.length <= 3, `${fresh.length} of ${after.blocks.length} blocks are new`);
});

test("S5: what would leave the package's folder, come twice or grow without end is refused with a sentence", async (t) => {
  const zip = (...entries: ZipEntry[]) => makeZip(entries);
  const cut = makeZip([{ name: "a", content: "content of some length" }]);
  const lying = Buffer.from(cut);
  lying.writeUInt32LE(5, lying.indexOf("PK\x01\x02", 0, "latin1") + 24);
  const renamed = Buffer.from(zip({ name: "inside", content: "x" }));
  renamed.write("outsid", 30, "latin1");
  const broken = Buffer.from(cut);
  broken[36] = broken[36]! ^ 0xff;
  const encrypted = Buffer.from(cut);
  encrypted.writeUInt16LE(0x801, encrypted.indexOf("PK\x01\x02", 0, "latin1") + 8);
  const refused: [string, Buffer, string, RegExp, Partial<UnpackLimits>?][] = [
    ["parent", zip({ name: "../x" }), ".zip", /outside/],
    ["parent within", zip({ name: "a/../../x" }), ".zip", /outside/],
    ["parent by backslash", zip({ name: "a\\..\\..\\x" }), ".zip", /outside/],
    ["escaped parent", zip({ name: "%2e%2e/x" }), ".nupkg", /outside/],
    ["absolute", zip({ name: "/etc/cron.d/x" }), ".zip", /outside/],
    ["drive", zip({ name: "C:\\x" }), ".zip", /outside/],
    ["network share", zip({ name: "\\\\host\\share\\x" }), ".zip", /outside/],
    ["NUL", zip({ name: "a\0b" }), ".zip", /control characters/],
    ["new line", zip({ name: "a\nb" }), ".zip", /control characters/],
    ["said to be UTF-8", Buffer.from(zip({ name: "aXb" }).toString("latin1").replaceAll("aXb", "a\xe9b"), "latin1"), ".zip", /in UTF-8/],
    ["twice", zip({ name: "a" }, { name: "a" }), ".zip", /two entries called 'a'/],
    ["twice, spelled otherwise", zip({ name: "a/b" }, { name: "a//b" }), ".zip", /two entries/],
    ["file as folder", zip({ name: "a" }, { name: "a/b" }), ".zip", /no folder/],
    ["long name", zip({ name: "n".repeat(300) }), ".zip", /too long/],
    ["link out", zip({ name: "a", content: "/etc/passwd", mode: 0o120777 }), ".zip", /leads out/],
    ["link up and out", zip({ name: "a/b", content: "../../x", mode: 0o120777 }), ".zip", /leads out/],
    ["roundabout link", zip({ name: "a/b", content: "c/../../../x", mode: 0o120777 }), ".zip", /leads out/],
    ["file through a link", zip({ name: "a", content: "b", mode: 0o120777 }, { name: "a/c" }), ".zip", /no folder/],
    ["device", zip({ name: "a", mode: 0o020666 }), ".zip", /neither/],
    ["no zip", Buffer.from("nothing of the kind"), ".zip", /no complete zip/],
    ["cut off", cut.subarray(0, cut.length - 30), ".zip", /record at its end/],
    ["damaged content", broken, ".zip", /damaged/],
    ["another length than stated", lying, ".zip", /length/],
    ["called otherwise where it stands", renamed, ".zip", /called otherwise/],
    ["encrypted", encrypted, ".zip", /encrypted/],
    ["bomb", zip({ name: "zeros", content: Buffer.alloc(1_000_000) }), ".zip", /far more/, { ratioFreeBytes: 100_000 }],
    ["too much", zip({ name: "zeros", content: Buffer.alloc(1_000_000) }), ".zip", /far more/, { unpackedBytesMax: 999_999 }],
    ["too many", zip({ name: "a" }, { name: "b" }, { name: "c" }), ".zip", /more than 2 entries/, { entriesMax: 2 }],
    ["tar: parent", rawTar("../x"), ".tar", /outside/],
    ["tar: no UTF-8", rawTar("a\xe9b"), ".tar", /not in UTF-8/],
    ["tar: absolute", rawTar("/etc/x"), ".tar", /outside/],
    ["tar: link out", rawTar("a", "2", "../x"), ".tar", /leads out/],
    ["tar: file through a link", joinTars(rawTar("a", "2", "b"), rawTar("a/c")), ".tar", /no folder/],
    ["tar: twice", joinTars(rawTar("a"), rawTar("a")), ".tar", /two entries/],
    ["tar: hard link out", rawTar("a", "1", "../../etc/passwd"), ".tar", /outside/],
    ["tar: hard link to nothing", rawTar("a", "1", "b"), ".tar", /no file before/],
    ["tar: device", rawTar("a", "3"), ".tar", /neither/],
    ["tar: pipe", rawTar("a", "6"), ".tar", /neither/],
    ["tar: sparse", tarOf(t, "truncate -s 1M holes; printf x >> holes", ["--sparse"]), ".tar", /holes/],
    ["tar: sparse in pax", tarOf(t, "truncate -s 1M holes; printf x >> holes", ["--sparse", "--format=pax"]), ".tar", /holes/],
    ["tar: cut off", rawTar("a").subarray(0, 515), ".tar", /ends in the middle/],
    ["tar: damaged header", Buffer.concat([Buffer.from("x"), rawTar("a").subarray(1)]), ".tar", /damaged/],
    ["gzip: damaged", gzipSync(rawTar("a")).subarray(0, 40), ".tar.gz", /damaged|ends in the middle/],
    ["gzip: bomb", gzipSync(tarOf(t, "head -c 2000000 /dev/zero > zeros")), ".tar.gz", /far more/, { ratioFreeBytes: 100_000 }],
    ["bzip2", Buffer.from("BZh9"), ".tar.bz2", /cannot be unpacked by this server/],
  ];
  for (const [what, bytes, extension, why, limits] of refused) {
    await assert.rejects(repacked(bytes, extension, limits), (error: unknown) => {
      assert.ok(error instanceof ArchiveRefused, `${what}: ${String(error)}`);
      assert.match(error.message, why, what);
      return true;
    });
  }
});
