/** The short run of the fuzz program; the long one is a command of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzTemplates } from "./fuzz-templates.ts";

test(
  "S5 S2: 20,000 random templates are each evaluated or refused by name, quickly and without keeping memory",
  { timeout: 300_000 },
  (t) => {
    const { outcomes, slowestMs, residentGrowthBytes } = fuzzTemplates(20_000, 20_261_127);
    t.diagnostic(
      `${JSON.stringify(outcomes)}, slowest ${Math.round(slowestMs)} ms, memory grew by ${Math.round(residentGrowthBytes / 1e6)} MB at most`,
    );
    // Inputs that are all refused, or none, would test little.
    assert.ok(outcomes["evaluated"]! > 3_000, JSON.stringify(outcomes));
    assert.ok(outcomes["unreadable"]! > 1_000, JSON.stringify(outcomes));
    assert.ok(outcomes["recursion"]! > 200, JSON.stringify(outcomes));
  },
);
