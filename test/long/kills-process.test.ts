// D1 D2 D3 D7 against real processes: the short form of `node test/trials/kills.ts`, which makes 20 kills of each kind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runKillTrial } from "../trials/kill-rounds.ts";

const kills = 3;

test(
  `D1 D2 D3 D7: ${kills} kills of the server and ${kills} of the agent in mid-script all end in success, each step run once, the log whole`,
  { skip: process.platform === "linux" ? false : "looks at processes through /proc", timeout: 240_000 },
  async (t) => {
    const { results, overall } = await runKillTrial({
      serverKills: kills,
      agentKills: kills,
      seed: Math.floor(Math.random() * 100_000),
      keepFolderOnFaults: false,
      report: (line) => t.diagnostic(line),
    });
    assert.equal(results.length, 2 * kills);
    assert.deepEqual(
      results.flatMap((one) => one.faults),
      [],
    );
    assert.deepEqual(overall, []);
  },
);
