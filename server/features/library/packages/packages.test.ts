// The built-in feed over real HTTP, PostgreSQL and a real folder: what goes in comes out, once on disk; what fails leaves nothing.
// Holds D5 (intent before effect), D6 (the same twice is harmless), S5 (limits), S8 (events in the same transaction).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { makeNupkg, makeTarGz, makeZip } from "../../../../test/support/archives.ts";
import { makeDelta } from "../../../../test/support/octodiff.ts";
import { eventually } from "../../../../test/support/eventually.ts";
import { SharedFolderError } from "../../../platform/files/files.ts";
import { readByteRange } from "../../../platform/http/http.ts";
import { uploadsMax } from "./package-files.ts";
import { sweepPackageFiles } from "./packages.ts";

interface Sent {
  status: number;
  body: Json;
}

async function push(
  node: ApiNode,
  fileName: string,
  content: Buffer,
  options: { query?: string; key?: string; partName?: string; space?: string } = {},
): Promise<Sent> {
  const form = new FormData();
  form.append("note", "a field before the file");
  form.append(options.partName ?? "fileToUpload", new Blob([new Uint8Array(content)]), fileName);
  const response = await fetch(`${node.url}/api/${options.space ?? "Spaces-1"}/packages/raw${options.query ?? ""}`, {
    method: "POST",
    headers: { "X-Octopus-ApiKey": options.key ?? node.adminKey },
    body: form,
  });
  return { status: response.status, body: await response.json() };
}

async function filesOf(node: ApiNode): Promise<string[]> {
  const entries = await fs.readdir(node.sharedRoot, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(node.sharedRoot, path.join(entry.parentPath, entry.name)))
    .sort();
}

async function countOf(node: ApiNode, table: string): Promise<number> {
  const [row] = await node.database.query<{ n: number }>(`SELECT count(*) AS n FROM ${table}`);
  return row!.n;
}

const zip = (text: string): Buffer => makeZip([{ name: "readme.txt", content: text }]);
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

describe("packages of the built-in feed", () => {
  let node: ApiNode;
  before(async () => (node = await startApiNode(undefined)));
  after(() => node.close());

  test("a package goes in as a form or as the body, is listed, and comes out byte for byte, whole or in part", async () => {
    const content = zip("hello".repeat(1000));
    const sent = await push(node, "Acme.Web.1.2.0.zip", content);
    assert.equal(sent.status, 201, JSON.stringify(sent.body));
    assert.equal(sent.body.Id, "packages-Acme.Web.1.2.0");
    assert.equal(sent.body.FeedId, "feeds-builtin");
    assert.equal(sent.body.PackageId, "Acme.Web");
    assert.equal(sent.body.Version, "1.2.0");
    assert.equal(sent.body.FileExtension, ".zip");
    assert.equal(sent.body.PackageSizeBytes, content.length);
    assert.equal(sent.body.Hash, createHash("sha1").update(content).digest("hex"));

    const raw = await fetch(`${node.url}/api/packages/raw?fileName=Acme.Web.1.10.0.tar.gz`, {
      method: "POST",
      headers: { "X-Octopus-ApiKey": node.adminKey, "Content-Type": "application/octet-stream" },
      body: new Uint8Array(makeTarGz("a.txt", "x")),
    });
    assert.equal(raw.status, 201, await raw.text());

    const list = await node.get("/api/packages?filter=web");
    assert.deepEqual(
      list.Items.map((item: Json) => item.Version),
      ["1.10.0", "1.2.0"],
    );
    assert.equal(list.TotalResults, 2);
    assert.equal((await node.get("/api/packages?latest=true&nuGetPackageId=ACME.web")).Items[0].Version, "1.10.0");
    assert.equal((await node.get("/api/packages/Acme.Web.1.2.0")).Id, sent.body.Id);
    assert.equal((await node.get("/api/packages/PACKAGES-acme.web.1.2.0")).Id, sent.body.Id);
    assert.equal((await node.get(sent.body.Links.Self)).Id, sent.body.Id);

    const download = (headers: Record<string, string>) =>
      fetch(`${node.url}${sent.body.Links.Raw}`, { headers: { "X-Octopus-ApiKey": node.adminKey, ...headers } });
    const whole = await download({});
    assert.equal(whole.status, 200);
    assert.match(whole.headers.get("content-disposition")!, /^attachment; filename="Acme\.Web\.1\.2\.0\.zip"/);
    assert.ok(Buffer.from(await whole.arrayBuffer()).equals(content));
    const part = await download({ Range: "bytes=5-9" });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), `bytes 5-9/${content.length}`);
    assert.ok(Buffer.from(await part.arrayBuffer()).equals(content.subarray(5, 10)));
    assert.equal((await download({ Range: `bytes=${content.length}-` })).status, 416);
    const changed = await download({ Range: "bytes=5-9", "If-Range": '"other"' });
    assert.equal(changed.status, 200, "another file than the one the range was meant for comes whole");
    await changed.arrayBuffer();
  });

  test("a version that is there is refused, kept or replaced as asked, with its event, and nothing more on disk", async () => {
    const first = zip("first");
    const second = zip("second");
    assert.equal((await push(node, "Modes.1.0.zip", first)).status, 201);
    const refused = await push(node, "modes.1.0.0.zip", second);
    assert.equal(refused.status, 409, "1.0 and 1.0.0 are one version, and ids know no letter case");
    assert.match(refused.body.ErrorMessage, /OverwriteExisting/);
    assert.deepEqual(Object.keys(refused.body).sort(), [
      "Details",
      "ErrorMessage",
      "Errors",
      "FullException",
      "HelpLink",
      "HelpText",
      "ParsedHelpLinks",
    ]);
    const kept = await push(node, "Modes.1.0.zip", second, { query: "?overwriteMode=ignoreifexists" });
    assert.equal(kept.status, 200);
    assert.equal(kept.body.PackageSizeBytes, first.length);
    assert.equal((await push(node, "Modes.1.0.zip", second, { query: "?overwriteMode=Sometimes" })).status, 400);
    const replaced = await push(node, "Modes.1.0.zip", second, { query: "?replace=true" });
    assert.equal(replaced.status, 200);
    assert.equal(replaced.body.Hash, createHash("sha1").update(second).digest("hex"));
    const files = await filesOf(node);
    assert.ok(files.some((file) => file.endsWith(sha256(second))));
    assert.ok(!files.some((file) => file.endsWith(sha256(first))), "the replaced file is gone");
    const events = await node.get("/api/events?regarding=packages-Modes.1.0");
    assert.deepEqual(
      events.Items.map((item: Json) => item.Category),
      ["Modified", "Created"],
    );
  });

  test("one content lies on disk once; deleting one package keeps it for the other, deleting the last removes it", async () => {
    const content = zip("shared by two");
    await Promise.all([push(node, "One.1.0.zip", content), push(node, "Two.1.0.zip", content)]);
    const ours = async () => (await filesOf(node)).filter((file) => file.endsWith(sha256(content)));
    assert.equal((await ours()).length, 1);
    assert.equal((await node.call("DELETE", "/api/packages/packages-One.1.0")).status, 200);
    assert.equal((await ours()).length, 1);
    assert.equal((await node.call("GET", "/api/packages/Two.1.0/raw")).status, 200);
    assert.equal((await node.call("DELETE", "/api/packages/bulk?ids=packages-Two.1.0,packages-None.1.0")).status, 200);
    assert.equal((await ours()).length, 0);
    assert.equal((await node.call("GET", "/api/packages/Two.1.0")).status, 404);
    assert.equal((await node.call("DELETE", "/api/packages/Two.1.0")).status, 404);
  });

  test("a new version is built from an earlier one and a delta; without an earlier one there is no signature", async () => {
    const base = zip("base".repeat(2_000));
    await push(node, "Delta.1.0.zip", base);
    const wanted = Buffer.concat([base.subarray(0, 100), base]);
    assert.equal((await node.call("GET", "/api/packages/Delta/0.9/delta-signature")).status, 404);
    const signature = await node.get("/api/packages/Delta/1.1/delta-signature");
    assert.equal(signature.BaseVersion, "1.0");
    assert.match(Buffer.from(signature.Signature, "base64").toString("latin1"), /^OCTOSIG/);
    const send = async (delta: Buffer, at: string) => {
      const form = new FormData();
      form.append("file", new Blob([new Uint8Array(delta)]), "Delta.1.1.zip");
      const headers = { "X-Octopus-ApiKey": node.adminKey };
      return await fetch(`${node.url}/api/packages/${at}/delta`, { method: "POST", headers, body: form });
    };
    const before = await filesOf(node);
    const delta = makeDelta(wanted, [[0, 100], base]);
    assert.equal((await send(delta.subarray(0, delta.length - 5), "Delta/1.0")).status, 400);
    assert.equal((await send(makeDelta(base, [[0, 100], base]), "Delta/1.0")).status, 400, "another hash than it says");
    assert.equal((await send(delta, "Delta/0.5")).status, 404);
    assert.deepEqual(await filesOf(node), before);
    const sent = await send(delta, "Delta/1.0");
    assert.equal(sent.status, 201, await sent.clone().text());
    assert.equal(((await sent.json()) as Json).Hash, createHash("sha1").update(wanted).digest("hex"));
    assert.equal((await send(delta, "Delta/1.0")).status, 409);
  });

  test("many uploads of one version at once: one makes it, the others are refused, and one file stays", async () => {
    const uploads = Array.from({ length: 6 }, (_, n) => push(node, "Race.1.0.zip", zip(`content ${n}`)));
    const statuses = (await Promise.all(uploads)).map((one) => one.status).sort((a, b) => a - b);
    assert.deepEqual(statuses, [201, 409, 409, 409, 409, 409]);
    assert.equal(await countOf(node, "package_uploads"), 0);
    const kept = new Set((await node.database.query<{ sha256: string }>("SELECT sha256 FROM packages")).map((row) => row.sha256));
    assert.deepEqual(
      (await filesOf(node)).map((file) => path.basename(file)),
      [...kept].sort(),
    );
  });

  test("the latest version stays marked while versions come and go", async () => {
    for (const version of ["1.0.0", "1.2.0-beta", "1.1.0"]) await push(node, `Mark.${version}.zip`, zip(version));
    const latest = async () => (await node.get("/api/packages?latest=true&nuGetPackageId=Mark")).Items.map((item: Json) => item.Version);
    assert.deepEqual(await latest(), ["1.2.0-beta"]);
    await node.call("DELETE", "/api/packages/Mark.1.2.0-beta");
    assert.deepEqual(await latest(), ["1.1.0"]);
  });

  test("broken archives, wrong names and wrong types are refused in the API's error shape and leave nothing", async () => {
    const before = { files: await filesOf(node), packages: await countOf(node, "packages"), events: await countOf(node, "events") };
    const good = zip("x");
    const cases: [string, string, Buffer, number][] = [
      ["no version", "Acme.zip", good, 400],
      ["no known extension", "Acme.1.0.exe", good, 400],
      ["empty", "Acme.1.0.zip", Buffer.alloc(0), 400],
      ["no zip at all", "Acme.1.0.zip", Buffer.from("hello"), 400],
      ["cut at the end", "Acme.1.0.zip", good.subarray(0, good.length - 10), 400],
      ["cut at the beginning", "Acme.1.0.zip", good.subarray(20), 400],
      ["more entries stated than there are", "Acme.1.0.zip", makeZip([{ name: "a" }], { entriesStated: 9 }), 400],
      ["entries stated beyond count", "Acme.1.0.zip", makeZip([{ name: "a" }], { entriesStated: 0xffff }), 400],
      ["a name that climbs", "Acme.1.0.zip", makeZip([{ name: "../../etc/passwd" }]), 400],
      ["a name that climbs by backslashes", "Acme.1.0.nupkg", makeZip([{ name: "a\\..\\..\\b" }]), 400],
      ["an absolute name", "Acme.1.0.jar", makeZip([{ name: "/etc/passwd" }]), 400],
      ["a drive", "Acme.1.0.zip", makeZip([{ name: "C:\\Windows\\x" }]), 400],
      ["a NUL", "Acme.1.0.zip", makeZip([{ name: "a\0b" }]), 400],
      ["no gzip", "Acme.1.0.tar.gz", good, 400],
      ["no tar", "Acme.1.0.tar", good, 400],
      ["a nuspec of another package", "Acme.1.0.nupkg", makeNupkg("Other", "1.0"), 400],
      ["a nuspec of another version", "Acme.1.0.nupkg", makeNupkg("Acme", "1.1"), 400],
      [
        "a nuspec with entities",
        "Acme.1.0.nupkg",
        makeZip([{ name: "a.nuspec", content: `<!DOCTYPE x [<!ENTITY a "b">]><package/>` }]),
        400,
      ],
      ["a nuspec bomb", "Acme.1.0.nupkg", makeZip([{ name: "a.nuspec", content: Buffer.alloc(3_000_000, " ") }]), 400],
    ];
    for (const [what, name, content, status] of cases) {
      const sent = await push(node, name, content);
      assert.equal(sent.status, status, `${what}: ${JSON.stringify(sent.body)}`);
      assert.ok(sent.body.ErrorMessage.length > 20 && sent.body.Errors.length > 0, what);
    }
    const types: [string, string | undefined, number][] = [
      ["application/json", "{}", 415],
      ["application/x-www-form-urlencoded", "a=b", 415],
      ["multipart/form-data", "x", 400],
      ["multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n--b--\r\n", 400],
      ["multipart/form-data; boundary=b", '--b\r\nContent-Disposition: form-data; name=a; filename="Acme.1.0.zip"\r\n\r\nv', 400],
      ["application/octet-stream", "PK", 400],
    ];
    for (const [type, body, status] of types) {
      const answer = await node.call("POST", "/api/packages/raw", body, { "Content-Type": type });
      assert.equal(answer.status, status, `${type}: ${answer.text}`);
      assert.ok(answer.body.ErrorMessage.length > 20, answer.text);
    }
    assert.deepEqual(
      { files: await filesOf(node), packages: await countOf(node, "packages"), events: await countOf(node, "events") },
      before,
    );
    assert.equal(await countOf(node, "package_uploads"), 0);
    assert.deepEqual(node.faults, []);
  });

  test("archives with a comment, symbolic links, equal names or much to unpack are kept as they are, unopened", async () => {
    const link = { name: "link", content: "/etc/passwd", mode: 0o120777 };
    const kept: [string, Buffer][] = [
      ["Comment.1.0.zip", makeZip([{ name: "a" }], { comment: "c".repeat(1000) })],
      ["Link.1.0.zip", makeZip([link])],
      ["Twice.1.0.zip", makeZip([{ name: "a" }, { name: "a" }])],
      ["Bomb.1.0.zip", makeZip([{ name: "zeros", content: Buffer.alloc(20_000_000) }])],
      ["Prefixed.1.0.jar", Buffer.concat([Buffer.from("#!/bin/sh\n"), zip("x")])],
    ];
    for (const [name, content] of kept) assert.equal((await push(node, name, content)).status, 201, name);
  });

  test("a large file that is refused at once is answered and not cut off, and one beyond the limit is not even begun", async () => {
    await push(node, "Early.1.0.zip", zip("early"));
    const large = Buffer.alloc(20_000_000);
    assert.equal((await push(node, "Early.1.0.zip", large)).status, 409);
    assert.equal((await push(node, "Early.1.0.zip", large, { query: "?overwriteMode=IgnoreIfExists" })).status, 200);
    assert.equal((await push(node, "Early.zip", large)).status, 400);
    const socket = connect(Number(new URL(node.url).port), "127.0.0.1");
    socket.write(
      `POST /api/packages/raw?fileName=Huge.1.0.zip HTTP/1.1\r\nHost: x\r\nX-Octopus-ApiKey: ${node.adminKey}\r\n` +
        `Content-Type: application/zip\r\nContent-Length: ${6 * 1024 ** 3}\r\n\r\n`,
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    assert.match(answer.toString(), /^HTTP\/1\.1 413 /);
    assert.equal(await countOf(node, "package_uploads"), 0);
  });

  test("a client that goes away in the middle leaves no row and no file", async () => {
    const before = await filesOf(node);
    const { port } = new URL(node.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(
      `POST /api/packages/raw?fileName=Half.1.0.zip HTTP/1.1\r\nHost: x\r\nX-Octopus-ApiKey: ${node.adminKey}\r\n` +
        `Content-Type: application/zip\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(100_000)}`,
    );
    await eventually("the upload has begun", async () => (await countOf(node, "package_uploads")) === 1);
    socket.destroy();
    await eventually("nothing is left", async () => (await countOf(node, "package_uploads")) === 0);
    assert.deepEqual(await filesOf(node), before);
    assert.equal((await node.call("GET", "/api/packages/Half.1.0")).status, 404);
  });

  test("a node takes in so many files at once and no more, and says when to come back", async () => {
    const sockets = Array.from({ length: uploadsMax }, (_, n) => {
      const socket = connect(Number(new URL(node.url).port), "127.0.0.1");
      socket.write(
        `POST /api/packages/raw?fileName=Many.1.${n}.zip HTTP/1.1\r\nHost: x\r\nX-Octopus-ApiKey: ${node.adminKey}\r\n` +
          `Content-Type: application/zip\r\nContent-Length: 1000000\r\n\r\nx`,
      );
      return socket;
    });
    await eventually("all have begun", async () => (await countOf(node, "package_uploads")) === uploadsMax);
    const refused = await push(node, "OneMore.1.0.zip", zip("one more"));
    assert.equal(refused.status, 503);
    for (const socket of sockets) socket.destroy();
    await eventually("all are given up", async () => (await countOf(node, "package_uploads")) === 0);
    assert.equal((await push(node, "OneMore.1.0.zip", zip("one more"))).status, 201);
    node.faults.length = 0; // a node that is busy says so in its log
  });

  test("what a killed node left of an upload is swept by another, and what is in use is not", async () => {
    await push(node, "Stays.1.0.zip", zip("stays"));
    const before = await filesOf(node);
    const id = "11111111-2222-4333-8444-555555555555";
    await fs.mkdir(path.join(node.sharedRoot, "packageUploads"), { recursive: true });
    await fs.writeFile(path.join(node.sharedRoot, "packageUploads", id), "half");
    await node.database.execute(`INSERT INTO package_uploads (id, seen_at) VALUES ($1, now() - interval '1 hour')`, [id]);
    const orphan = "ab".repeat(32);
    await fs.mkdir(path.join(node.sharedRoot, "packages", "ab"), { recursive: true });
    await fs.writeFile(path.join(node.sharedRoot, "packages", "ab", orphan), "never committed");
    await node.database.execute(`INSERT INTO package_files (sha256, sha1, bytes) VALUES ($1, '', 15)`, [orphan]);
    await sweepPackageFiles({ database: node.database, folder: node.packageFolder });
    assert.deepEqual(await filesOf(node), before);
    assert.equal(await countOf(node, "package_uploads"), 0);
    assert.equal((await node.call("GET", "/api/packages/Stays.1.0/raw")).status, 200);
  });

  test("who may not is refused before anything is read, and nothing changes", async () => {
    const before = { packages: await countOf(node, "packages"), events: await countOf(node, "events") };
    assert.equal((await push(node, "No.1.0.zip", zip("no"), { key: node.nobodyKey })).status, 403);
    assert.equal((await push(node, "No.1.0.zip", zip("no"), { key: "API-WRONG" })).status, 401);
    assert.equal((await push(node, "No.1.0.zip", zip("no"), { space: "Spaces-99" })).status, 404);
    const nobody = { "X-Octopus-ApiKey": node.nobodyKey };
    for (const address of ["/api/packages", "/api/packages/x", "/api/packages/x/raw", "/api/feeds", "/api/build-information"])
      assert.equal((await node.call("GET", address, undefined, nobody)).status, 403, address);
    assert.equal((await node.call("DELETE", "/api/packages/Stays.1.0", undefined, nobody)).status, 403);
    assert.deepEqual({ packages: await countOf(node, "packages"), events: await countOf(node, "events") }, before);
  });
});

test("a full disk or a silent shared folder is said as such, and nothing stays", async (t) => {
  let kind: "full" | "timed-out" = "full";
  const node = await startApiNode(t, {
    folder: (real) => ({
      ...real,
      async receive(file, content, also) {
        for await (const piece of content) if (piece.length > 0) throw new SharedFolderError(kind, "the folder says no");
        return await real.receive(file, content, also);
      },
    }),
  });
  const full = await push(node, "Big.1.0.zip", zip("big"));
  assert.equal(full.status, 507);
  assert.match(full.body.ErrorMessage, /no space left/);
  kind = "timed-out";
  assert.equal((await push(node, "Big.1.0.zip", zip("big"))).status, 503);
  assert.equal(await countOf(node, "package_uploads"), 0);
  assert.equal(await countOf(node, "packages"), 0);
  assert.deepEqual(await filesOf(node), []);
});

test("ranges of bytes", () => {
  assert.deepEqual(readByteRange("bytes=0-0", 10), { from: 0, to: 1 });
  assert.deepEqual(readByteRange("bytes=5-", 10), { from: 5, to: 10 });
  assert.deepEqual(readByteRange("bytes=-3", 10), { from: 7, to: 10 });
  assert.deepEqual(readByteRange("bytes=-30", 10), { from: 0, to: 10 });
  assert.deepEqual(readByteRange("bytes=8-99", 10), { from: 8, to: 10 });
  for (const ignored of [undefined, "bytes=", "bytes=-", "bytes=1-2,4-5", "items=1-2", "bytes=9-3"])
    assert.equal(readByteRange(ignored, 10), "whole");
  for (const outside of ["bytes=10-", "bytes=-0"]) assert.equal(readByteRange(outside, 10), "unsatisfiable");
});
