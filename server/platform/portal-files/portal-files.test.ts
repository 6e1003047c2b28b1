// The portal's files as browsers and programs get them: which address gives what, what may be kept, what is compressed, and what the
// document says. The build is played by a few files in a folder.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { startApiNode } from "../../../test/support/api-node.ts";
import { createPortalFiles } from "./portal-files.ts";

const document = `<!doctype html><meta name="b" content="__CUTTLE_BASE__"><meta name="i" content="__CUTTLE_INSTALLATION__"><meta name="v" content="__CUTTLE_BUILD__"><style nonce="__CUTTLE_NONCE__"></style><script type="module" src="./assets/index-1a.js"></script>`;

async function buildFolder(t: TestContext): Promise<string> {
  const base = await mkdtemp(path.join(tmpdir(), "cuttle-portal-"));
  t.after(() => rm(base, { recursive: true, force: true }));
  return path.join(base, "dist");
}

async function writeBuild(folder: string, id: string): Promise<void> {
  const staging = `${folder}.new`;
  await mkdir(path.join(staging, "assets"), { recursive: true });
  await writeFile(path.join(staging, "index.html"), document);
  await writeFile(path.join(staging, "portal.json"), JSON.stringify({ Build: id }));
  await writeFile(path.join(staging, "assets", "index-1a.js"), "plain");
  await writeFile(path.join(staging, "assets", "index-1a.js.br"), "brotli");
  await writeFile(path.join(staging, "assets", "index-1a.js.gz"), "gzip");
  await rm(folder, { recursive: true, force: true });
  await rename(staging, folder);
}

test("every address of the portal gives its document, which names what it must know and may not be kept", async (t) => {
  const folder = await buildFolder(t);
  await writeBuild(folder, "one");
  const node = await startApiNode(t, { portalFolder: folder, prefixes: "http://127.0.0.1:0/shop" });
  const nonces = new Set<string>();
  for (const [at, base] of [
    ["/", ""],
    ["/app", ""],
    ["/app/Spaces-1/releases/1.2.3?x=1", ""],
    ["/shop", "/shop"],
    ["/shop/app/x", "/shop"],
  ] as const) {
    const answer = await node.call("GET", at, undefined, { "X-Octopus-ApiKey": "" });
    assert.equal(answer.status, 200, at);
    assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.ok(answer.text.includes(`content="${base}"`) && answer.text.includes(`"${base}/app/assets/index-1a.js"`), answer.text);
    assert.doesNotMatch(answer.text, /__CUTTLE/);
    const policy = answer.headers.get("content-security-policy")!;
    const nonce = /'nonce-([^']+)'/.exec(policy)![1]!;
    assert.ok(answer.text.includes(`nonce="${nonce}"`));
    assert.match(policy, /default-src 'self'; script-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    nonces.add(nonce);
  }
  assert.equal(nonces.size, 5, "a nonce was used twice");
  const head = await node.call("HEAD", "/app/x");
  assert.deepEqual([head.status, head.text], [200, ""]);
});

test("the API's addresses stay the API's, and programs with a wrong address are told in its language", async (t) => {
  const folder = await buildFolder(t);
  await writeBuild(folder, "one");
  const node = await startApiNode(t, { portalFolder: folder });
  for (const at of ["/api/nowhere", "/nowhere", "/app2"]) {
    const answer = await node.call("GET", at);
    assert.deepEqual([answer.status, typeof answer.body.ErrorMessage], [404, "string"], at);
  }
  assert.equal((await node.call("POST", "/app")).status, 404);
  const page = await node.call("GET", "/nowhere", undefined, { Accept: "text/html,*/*" });
  assert.deepEqual([page.status, page.headers.get("content-type")], [404, "text/html; charset=utf-8"]);
  assert.equal((await node.call("GET", "/api/nowhere", undefined, { Accept: "text/html" })).body.Errors, null);
});

test("assets may be kept for ever, come compressed to those who can read that, and say when nothing is new", async (t) => {
  const folder = await buildFolder(t);
  await writeBuild(folder, "one");
  const files = createPortalFiles({ folders: [path.join(folder, "missing"), folder], installationId: "i" });
  const ask = async (acceptEncoding: string, ifNoneMatch?: string, name = "index-1a.js") =>
    (await files.answer({ url: `/app/assets/${name}`, linkPrefix: "", acceptEncoding, wantsPage: false, ifNoneMatch }))!;
  for (const [accepted, body, encoding] of [
    ["gzip, deflate, br", "brotli", "br"],
    ["gzip;q=0.5", "gzip", "gzip"],
    ["br;q=0, gzip", "gzip", "gzip"],
    ["", "plain", undefined],
  ] as const) {
    const answer = await ask(accepted);
    assert.deepEqual([answer.status, String(answer.body), answer.headers["content-encoding"]], [200, body, encoding], accepted);
    assert.match(answer.headers["cache-control"]!, /max-age=31536000, immutable/);
    assert.equal(answer.headers["vary"], "Accept-Encoding");
    const again = await ask(accepted, `"other", W/${answer.headers["etag"]}`);
    assert.deepEqual([again.status, again.body], [304, ""]);
  }
  assert.equal((await ask("", undefined, "gone-2b.js")).status, 404);
  assert.equal((await ask("", undefined, "../portal.json")).status, 404);
});

test("another build is served once it is there, and without one a sentence says what to do", async (t) => {
  const folder = await buildFolder(t);
  let nowMs = 0;
  const files = createPortalFiles({ folders: [folder], installationId: "i", now: () => nowMs });
  const ask = async (url: string) => {
    nowMs += 2_000;
    return (await files.answer({ url, linkPrefix: "", acceptEncoding: "", wantsPage: true, ifNoneMatch: undefined }))!;
  };
  for (const url of ["/app", "/app/portal.json", "/app/assets/index-1a.js"]) {
    const answer = await ask(url);
    assert.equal(answer.status, 503);
    assert.match(String(answer.body), /npm run portal/);
  }
  await writeBuild(folder, "one");
  assert.equal(String((await ask("/app/portal.json")).body), `{"Build":"one"}`);
  await writeBuild(folder, "two");
  assert.equal(String((await ask("/app/portal.json")).body), `{"Build":"two"}`);
  assert.match(String((await ask("/app")).body), /content="two"/);
});
