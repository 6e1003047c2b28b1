// What NuGet clients rely on and the .NET SDK does not show: how they are asked for a key, which address a document names, and packages
// that are not for them. The SDK itself is in test/compatibility.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { makeNupkg, makeZip } from "../../../../test/support/archives.ts";

describe("the built-in feed for NuGet clients", () => {
  let node: ApiNode;
  before(async () => (node = await startApiNode(undefined)));
  after(() => node.close());

  async function put(content: Buffer, headers: Record<string, string>, address = "/nuget/packages"): Promise<Response> {
    const form = new FormData();
    form.append("package", new Blob([new Uint8Array(content)]), "package.nupkg");
    return await fetch(node.url + address, { method: "PUT", headers, body: form });
  }
  const basic = (key: string) => ({ Authorization: `Basic ${Buffer.from(`any:${key}`).toString("base64")}` });

  test("a push is allowed by key or password, and whoever sends none is asked for one", async () => {
    const content = makeNupkg("Acme.Core", "1.02.0.0-RC.1", { more: "<releaseNotes>new &amp; better</releaseNotes>" });
    const asked = await put(content, {});
    assert.equal(asked.status, 401);
    assert.match(asked.headers.get("www-authenticate")!, /^Basic /);
    assert.equal((await put(content, { "X-NuGet-ApiKey": node.nobodyKey })).status, 403);
    assert.equal((await put(content, { "X-NuGet-ApiKey": node.adminKey })).status, 201);
    assert.equal((await put(content, basic(node.adminKey), "/Spaces-1/nuget/packages/")).status, 409);
    const other = await node.call("GET", "/api/packages", undefined, { "X-Octopus-ApiKey": "", ...basic(node.adminKey) });
    assert.equal(other.status, 401, "elsewhere a password is no key");
    assert.equal(other.headers.get("www-authenticate"), null);
    const stored = (await node.get("/api/packages?filter=acme.core&includeNotes=true")).Items[0];
    assert.equal(stored.Id, "packages-Acme.Core.1.02.0.0-RC.1");
    assert.equal(stored.ReleaseNotes, "new & better");
    const [note] = (await node.get("/api/packages/notes?packageIds=packages-Acme.Core.1.02.0.0-RC.1")).Packages;
    assert.equal(note.Notes.Notes, "new & better");
  });

  test("a push without a nuspec, or with one that names nothing usable, is refused", async () => {
    const key = { "X-NuGet-ApiKey": node.adminKey };
    const cases = [
      makeZip([{ name: "a.txt" }]),
      makeNupkg("../evil", "1.0"),
      makeNupkg("Acme", "one"),
      makeNupkg("Acme", "1.0", { more: "<a>".repeat(30) + "</a>".repeat(30) }),
      makeNupkg("Acme", "1.0", { more: "<open>" }),
    ];
    for (const content of cases) {
      const answer = await put(content, key);
      assert.equal(answer.status, 400);
      assert.match(((await answer.json()) as Json).ErrorMessage, /not accepted/);
    }
  });

  test("documents name this server as the client sees it, and only packages of NuGet's own format", async () => {
    await node.call("POST", "/api/packages/raw?fileName=Acme.Core.9.0.zip", new Uint8Array(makeZip([{ name: "a" }])), {
      "Content-Type": "application/zip",
    });
    const index = await node.call("GET", "/nuget/v3/index.json", undefined, {
      "X-Forwarded-Proto": "https",
      "X-Forwarded-Host": "deploy.example:8443",
    });
    for (const resource of index.body.resources) assert.match(resource["@id"], /^https:\/\/deploy\.example:8443\/api\/Spaces-1\/nuget\//);
    const odd = await node.call("GET", "/nuget/v3/index.json", undefined, { "X-Forwarded-Host": "a/b?<script>" });
    assert.ok(odd.body.resources[0]["@id"].startsWith(node.url));
    assert.deepEqual(await node.get("/nuget/v3/flat/acme.core/index.json"), { versions: ["1.2.0-rc.1"] });
    const registration = await node.get("/nuget/v3/registrations/acme.core/index.json");
    const [leaf] = registration.items[0].items;
    assert.equal(leaf.catalogEntry.version, "1.02.0.0-RC.1");
    assert.equal((await node.get(new URL(leaf["@id"]).pathname)).catalogEntry.id, "Acme.Core");
    const nuspec = await node.call("GET", "/nuget/v3/flat/acme.core/1.2.0-rc.1/acme.core.nuspec");
    assert.match(nuspec.text, /<id>Acme\.Core<\/id>/);
    assert.equal((await node.get("/nuget/v3/query?q=core")).totalHits, 0, "pre-releases come only when asked for");
    assert.equal((await node.get("/nuget/v3/query?q=core&prerelease=true")).data[0].id, "Acme.Core");
    assert.equal((await node.call("GET", "/nuget/v3/flat/acme.core/9.0.0/acme.core.9.0.0.nupkg")).status, 404);
    assert.equal((await node.call("GET", "/nuget/v3/flat/acme.core/1.2.0-rc.1/other.nupkg")).status, 404);
    assert.deepEqual(node.faults, []);
  });
});
