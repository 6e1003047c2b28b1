/** The short run of the fuzz program; a longer one is in test/long/, and one of any length is a command of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzFrames } from "./fuzz-frames.ts";

test("S5: 20,000 mutated frames are each understood or refused, quickly and without keeping memory", { timeout: 120_000 }, async (t) => {
  const { outcomes, slowestMs, residentGrowthBytes } = await fuzzFrames(20_000, 20_261_122);
  t.diagnostic(
    `${JSON.stringify(outcomes)}, slowest ${Math.round(slowestMs)} ms, memory grew by ${Math.round(residentGrowthBytes / 1e6)} MB at most`,
  );
  // Mutations that are all refused at the first byte, or all understood, would test nothing.
  assert.ok(outcomes["understood"]! > 1_000, JSON.stringify(outcomes));
  assert.ok(outcomes["ProtocolError"]! > 4_000, JSON.stringify(outcomes));
  assert.ok(outcomes["ConnectionError"]! > 200, JSON.stringify(outcomes));
});
