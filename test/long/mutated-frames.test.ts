// The longer run of the fuzz program of the wire: enough frames that a leak of four kilobytes in each would break its bound of memory.
import { test } from "node:test";
import { fuzzFrames } from "../../halibut/fuzz-frames.ts";

test("S5: 100,000 mutated frames are each understood or refused, quickly and without keeping memory", { timeout: 240_000 }, async (t) => {
  const { outcomes, slowestMs, residentGrowthBytes } = await fuzzFrames(100_000, 7);
  t.diagnostic(
    `${JSON.stringify(outcomes)}, slowest ${Math.round(slowestMs)} ms, memory grew by ${Math.round(residentGrowthBytes / 1e6)} MB at most`,
  );
});
