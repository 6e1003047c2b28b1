// D1 to D8 in a simulation of the whole cluster: the production engine on a simulated clock, network, database, folder and agents, under
// faults that a seed draws. `npm run simulation` tries many more seeds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeed } from "./run-seed.ts";

/** A few hundred find what happens often; rarer orders of events are for CI. */
const seeds = 200;
/** Found by an earlier simulation, each with a fault of the engine that is mended now. */
const onceBroken = [
  { seed: 865, what: "D2: a node took a task again that it ran already, after the database had forgotten its claim" },
  { seed: 1193, what: "D2: the same, with a start that came late" },
  { seed: 1204, what: "D3: the same, and the task was cancelled meanwhile" },
  { seed: 82, what: "D1: the database had forgotten a plan that was followed, and tickets of other tasks were never forgotten" },
];

test(`D1 D2 D3 D4 D5 D6 D7 D8: no seed of ${seeds} breaks a promise`, { timeout: 300_000 }, async () => {
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runSeed(seed);
    assert.deepEqual(result.failures, [], `replay it with: npm run simulation -- --seed ${seed} --trace`);
    for (const [name, count] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + count;
  }
  // A simulation in which nothing happens finds nothing.
  for (const name of ["tasks", "starts", "takeovers", "kills", "freezes", "lateCalls", "forgotten"]) {
    assert.ok(counts[name]! > seeds / 4, `${seeds} seeds had only ${counts[name]} ${name}`);
  }
});

for (const { seed, what } of onceBroken) {
  test(`seed ${seed} does not break its promise again (${what})`, { timeout: 60_000 }, async () => {
    assert.deepEqual((await runSeed(seed)).failures, []);
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
