// D1 to D8 and D10 in a simulation of the whole cluster: the production engine on a simulated clock, network, database, folder and agents, under
// faults that a seed draws. `npm run simulation` tries many more seeds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed } from "./run-seed.ts";

/** A few hundred find what happens often; rarer orders of events are for CI. */
const seeds = 200;
/** Each was broken by a fault of the engine that is mended now. Whoever changes what a seed draws looks for others: with the mutants. */
const onceBroken = [
  { seed: 66, what: "D7: a node took a task again that it ran already, after the database had forgotten its claim" },
  { seed: 835, what: "D3: the same, with two results in the log" },
  { seed: 2235, what: "D1: the database had forgotten a plan that was followed, and its tickets were never forgotten" },
  { seed: 71, what: "D5: an agent of the first generation was restarted, and its success was believed" },
];

test(`D1 D2 D3 D4 D5 D6 D7 D8 D10: no seed of ${seeds} breaks a promise`, { timeout: 300_000 }, async () => {
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runSeed(seed);
    assert.deepEqual(result.failures, [], `replay it with: npm run simulation -- --seed ${seed} --trace`);
    for (const [name, count] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + count;
  }
  // A simulation in which nothing happens finds nothing.
  for (const name of ["tasks", "starts", "takeovers", "kills", "freezes", "lateCalls", "forgotten", "firings", "answers"]) {
    assert.ok(counts[name]! > seeds / 4, `${seeds} seeds had only ${counts[name]} ${name}`);
  }
});

for (const { seed, what } of onceBroken) {
  test(`seed ${seed} does not break its promise again (${what})`, { timeout: 60_000 }, async () => {
    assert.deepEqual((await runSeed(seed, { approvals: false })).failures, []);
  });
}

test("a seed replays its run event by event", { timeout: 60_000 }, async () => {
  async function traced(seed: number): Promise<string[]> {
    const lines: string[] = [];
    const { events } = await runSeed(seed, { trace: (text) => lines.push(text) });
    return [...lines, `${events} events`];
  }
  for (const seed of [3, 17, 160]) assert.deepEqual(await traced(seed), await traced(seed));
});
