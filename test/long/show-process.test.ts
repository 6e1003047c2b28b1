// The show of `npm start` without a terminal: each letter typed as a line does what it says, as somebody watching would see it, and what it
// counts on the machine is so. Real nodes, real database, real agents, real kills.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { begin, endOf, freePorts, leftBehind, setUp, startMsMax, versionOnPage } from "../support/main-job.ts";

const linux = { skip: process.platform === "linux" ? false : "kills processes as Linux does" } as const;

test(
  "D1 D7: a release fails and is found out, is rolled back, survives the kill of its server and of its whole node",
  {
    ...linux,
    timeout: 4 * startMsMax,
  },
  async (t) => {
    const home = setUp(t, await freePorts());
    const { child, output, waitFor } = begin(t, home);
    await waitFor("stop everything; it is kept for the next start");
    const said = output();
    assert.match(said, /Already have Octopus tools\? Point them here:\n +OCTOPUS_URL=http:\/\/127\.0\.0\.1:\d+ OCTOPUS_API_KEY=API-/);
    const link = /Portal +(http:\S+)/.exec(said)![1]!;
    const first = await fetch(link, { redirect: "manual" });
    assert.deepEqual([first.status, first.headers.get("location")], [303, "/"]);
    assert.equal((await fetch(link, { redirect: "manual" })).status, 403, "the link works once");

    // Before the line that ends it all, so that each is obeyed to its end.
    child.stdin!.write("f\nb\n");
    await waitFor("Press b to roll Test back");
    assert.match(output(), /The first error line, found in \d\.\d\d s: line \d+: products\.json of this release cannot be read/);
    await waitFor("Release 1.0.0 deployed to Test");
    child.stdin!.write("k\n");
    await waitFor("Release 1.2.0 deployed to Test");
    child.stdin!.write("n\n");
    await waitFor("Press n again");
    const shown = output();
    assert.match(shown, /Rolling Test back from release 1\.1\.0 to 1\.0\.0/);
    assert.match(shown, /Killed the server \(process \d+, SIGKILL\); starting it again/);
    assert.match(shown, /Killed the node first-node \(process \d+, SIGKILL\) in mid-deployment; it stays dead/);
    assert.match(shown, /The node second-node took the deployment over after \d+\.\d s/);
    assert.equal(shown.split("ran once, buy-something.sh ran once - nothing was lost, nothing was done twice").length, 3, shown);
    assert.equal(await versionOnPage(home.ports.page), "1.3.0");
    assert.equal(await versionOnPage(home.ports.page + 1), "1.0.0", "Production was left alone");
    const runs = readFileSync(path.join(home.folder, "page", "runs"), "utf8").split("\n");
    for (const step of ["PreDeploy.sh", "Deploy.sh", "PostDeploy.sh", "buy-something.sh"])
      assert.equal(runs.filter((line) => line === `1.3.0 Test ${step}`).length, 1, step);

    child.stdin!.end("q\n");
    assert.equal(await endOf(child), 0, output());
    assert.equal(await leftBehind(home.folder), "");
  },
);
