// The rule by which a skipped test is noticed; .ci/run rests on it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { skippedTests } from "./skipped-tests.ts";

test("a skipped test of a real run is found with its name and reason, also inside another test, and passed tests are not", (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle-skips-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "some.test.mjs");
  writeFileSync(
    file,
    `import { test } from "node:test";
     test("passes", () => {});
     test("issue #7 waits", { skip: "no chromium here" }, () => {});
     test("outer", async (t) => { await t.test("inner", (t) => t.skip("needs # haproxy")); });
     test("gives no reason", { skip: true }, () => {});`,
  );
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const run = spawnSync(process.execPath, ["--test", "--test-reporter=tap", file], { encoding: "utf8", env: environment });
  assert.equal(run.status, 0, run.stdout + run.stderr);
  assert.deepEqual(skippedTests(run.stdout), [
    { name: "issue #7 waits", reason: "no chromium here" },
    { name: "inner", reason: "needs # haproxy" },
    { name: "gives no reason", reason: "" },
  ]);
});
