// The built-in feed as a resource, and what it answers about versions.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../../../test/support/api-node.ts";
import { makeTar } from "../../../../test/support/archives.ts";
import { ensureBuiltInFeeds } from "./feeds.ts";
import { matchPrereleases } from "./match-prereleases.ts";

describe("feeds", () => {
  let node: ApiNode;
  before(async () => {
    node = await startApiNode(undefined);
    for (const version of ["1.0.0", "1.1.0-beta.1", "1.1.0-alpha", "1.1.0", "1.10.0+build.7", "2.0.0"]) {
      const answer = await node.call("POST", `/api/packages/raw?fileName=Web.${encodeURIComponent(version)}.tar`, makeTar("a", version), {
        "Content-Type": "application/octet-stream",
      });
      assert.equal(answer.status, 201, answer.text);
    }
  });
  after(() => node.close());

  test("every space has the built-in one under the same id, and it answers to its slug and name", async () => {
    const space = await node.post("/api/spaces", { Name: "Other" });
    for (const base of ["/api/Spaces-1", `/api/${space.Id}`]) {
      const list = await node.get(`${base}/feeds?ids=feeds-builtin&take=2`);
      assert.equal(list.TotalResults, 1);
      assert.equal(list.Items[0].FeedType, "BuiltIn");
      assert.equal((await node.get(`${base}/feeds/all?feedType=builtin`)).length, 1);
      assert.equal((await node.get(`${base}/feeds?partialName=octopus`)).TotalResults, 1);
      assert.equal((await node.get(`${base}/feeds?feedType=NuGet`)).TotalResults, 0);
      assert.equal((await node.get(`${base}/feeds/octopus-server-built-in`)).Id, "feeds-builtin");
    }
    // As a space of an earlier version looks, made while the cluster was upgraded: the next node that starts gives it its feed.
    await node.database.execute(`DELETE FROM feeds WHERE space_id = $1`, [space.Id]);
    await node.database.transaction((tx) => ensureBuiltInFeeds(tx, { userId: null, username: "system" }));
    await node.put(`/api/${space.Id}/feeds/feeds-builtin`, { DeleteUnreleasedPackagesAfterDays: 30 });
    assert.equal((await node.get(`/api/${space.Id}/feeds/feeds-builtin`)).DeleteUnreleasedPackagesAfterDays, 30);
    assert.equal((await node.get("/api/feeds/feeds-builtin")).DeleteUnreleasedPackagesAfterDays, null, "the other space keeps its own");
    assert.equal((await node.call("PUT", "/api/feeds/feeds-builtin", { FeedType: "NuGet" })).status, 400);
    assert.equal((await node.call("DELETE", "/api/feeds/feeds-builtin")).status, 405);
    assert.equal((await node.get(`/api/${space.Id}/packages`)).TotalResults, 0, "packages belong to their space");
  });

  test("versions come newest first, and only those that are asked for", async () => {
    const versions = async (query: string) =>
      (await node.get(`/api/feeds/feeds-builtin/packages/versions?packageId=web&${query}`)).Items.map((item: Json) => item.Version);
    assert.deepEqual(await versions(""), ["2.0.0", "1.10.0+build.7", "1.1.0", "1.1.0-beta.1", "1.1.0-alpha", "1.0.0"]);
    assert.deepEqual(await versions("take=1"), ["2.0.0"]);
    assert.deepEqual(await versions("includePreRelease=false&skip=1&take=2"), ["1.10.0+build.7", "1.1.0"]);
    assert.deepEqual(await versions("versionRange=" + encodeURIComponent("[1.1,2.0)")), ["1.10.0+build.7", "1.1.0"]);
    assert.deepEqual(await versions("preReleaseTag=" + encodeURIComponent("^beta")), ["1.1.0-beta.1"]);
    assert.deepEqual(await versions("preReleaseTag=" + encodeURIComponent("^$")), ["2.0.0", "1.1.0", "1.0.0"]);
    assert.deepEqual(await versions("filter=1.1"), ["1.10.0+build.7", "1.1.0", "1.1.0-beta.1", "1.1.0-alpha"]);
    const bad = await node.call("GET", "/api/feeds/feeds-builtin/packages/versions?packageId=web&versionRange=[x");
    assert.equal(bad.status, 400);
    const search = await node.get("/api/feeds/feeds-builtin/packages/search?term=we");
    assert.deepEqual(
      search.Items.map((item: Json) => [item.Id, item.LatestVersion]),
      [["Web", "2.0.0"]],
    );
    assert.equal((await node.get("/api/feeds/feeds-builtin/packages?packageId=web")).length, 1);
    assert.equal((await node.get("/api/feeds/feeds-builtin/packages?packageIds=web,none")).length, 1);
    assert.equal((await node.call("GET", "/api/feeds/Feeds-9/packages/versions?packageId=web")).status, 404);
  });

  test("an expression that never ends is stopped and said to be too slow; one that is none is refused", async () => {
    const startedMs = performance.now();
    await assert.rejects(matchPrereleases("^(a+)+$", [`${"a".repeat(40)}!`]), { status: 400, message: /longer than/ });
    assert.ok(performance.now() - startedMs < 20_000, "it is stopped long before it would end by itself");
    await assert.rejects(matchPrereleases("(", ["x"]), { status: 400 });
  });

  test("build information is pushed once, replaced when asked, and shown with its package", async () => {
    const body = {
      PackageId: "Web",
      Version: "2.0.0",
      OctopusBuildInformation: { Branch: "main", BuildNumber: "7", VcsType: "Git", Commits: [{ Id: "abc", Comment: "why" }] },
    };
    const pushed = await node.post("/api/build-information", body);
    assert.match(pushed.Id, /^BuildInformation-\d+$/);
    assert.equal((await node.call("POST", "/api/build-information", body)).status, 409);
    const kept = await node.call("POST", "/api/build-information?overwriteMode=IgnoreIfExists", { ...body, Version: "2.0" });
    assert.equal(kept.body.Id, pushed.Id);
    const changed = { ...body, OctopusBuildInformation: { ...body.OctopusBuildInformation, Branch: "next" } };
    const replaced = await node.call("POST", "/api/build-information?overwriteMode=OverwriteExisting", changed);
    assert.equal(replaced.body.Branch, "next");
    assert.equal(replaced.body.Id, pushed.Id);
    const stored = await node.get("/api/packages/packages-Web.2.0.0");
    assert.equal(stored.PackageVersionBuildInformation.Commits[0].Comment, "why");
    assert.equal((await node.get("/api/packages/packages-Web.1.0.0")).PackageVersionBuildInformation, null);
    assert.equal((await node.get("/api/build-information?packageId=web&latest=true")).TotalResults, 1);
    const refused = await node.call("POST", "/api/build-information", { PackageId: "Web", Version: "x" });
    assert.equal(refused.status, 400);
    assert.equal(refused.body.Errors.length, 2);
    assert.equal((await node.call("DELETE", `/api/build-information/${pushed.Id}`)).status, 200);
    assert.equal((await node.call("GET", `/api/build-information/${pushed.Id}`)).status, 404);
  });
});
