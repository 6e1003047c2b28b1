// D1 D2 D3 D7: connections to the database cut exactly at COMMIT while a node creates and deploys. The short form of `npm run commits`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runCommitTrial } from "../trials/commit-run.ts";

const cutCount = 40;

test(
  `D1 D2 D3 D7: ${cutCount} commits cut: no create is lost, doubled or told wrongly, every deployment succeeds with each step once`,
  { skip: process.platform === "linux" ? false : "looks at processes through /proc", timeout: 240_000 },
  async (t) => {
    const result = await runCommitTrial({
      cuts: cutCount,
      seed: Math.floor(Math.random() * 100_000),
      keepFolderOnFaults: false,
      report: (line) => t.diagnostic(line),
    });
    t.diagnostic(JSON.stringify({ ...result.done, creates: result.load.sent, deployments: result.deployments }));
    assert.deepEqual(result.faults, []);
    assert.equal(result.deploymentsInSuccess, result.deployments);
    assert.deepEqual([result.load.lost, result.load.doubled], [0, 0]);
  },
);
