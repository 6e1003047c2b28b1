// A3: whether a node is able to work follows what it stands on, within a deadline, whatever hangs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFitness } from "./cluster.ts";

const log = { warn: (): void => {} };

test("A3: a node is not able while one of its probes fails, and again when all are well", async () => {
  let isThere = true;
  const fitness = createFitness({
    probes: [
      { name: "Database", check: async () => undefined },
      { name: "Shared folder", check: () => (isThere ? Promise.resolve() : Promise.reject(new Error("no such folder"))) },
    ],
    log,
  });
  assert.equal(fitness.isAble(), true);
  isThere = false;
  assert.deepEqual(await fitness.look(), [
    { name: "Database", state: "ok" },
    { name: "Shared folder", state: "failing" },
  ]);
  assert.deepEqual([fitness.isAble(), fitness.impairments()], [false, ["Shared folder"]]);
  isThere = true;
  await fitness.look();
  assert.deepEqual([fitness.isAble(), fitness.impairments()], [true, []]);
});

test("A3: a probe that hangs counts as late within two seconds, and is not begun again before it has ended", async () => {
  let begun = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = (): Promise<void> => {
    begun += 1;
    return promise;
  };
  const fitness = createFitness({ probes: [{ name: "Shared folder", check }], log });
  const startedMs = performance.now();
  const looks = await Promise.all([fitness.look(), fitness.look()]);
  assert.ok(performance.now() - startedMs < 4_000);
  assert.deepEqual(looks[0], [{ name: "Shared folder", state: "late" }]);
  assert.deepEqual(looks[1], looks[0]);
  assert.equal(fitness.isAble(), false);
  await fitness.look();
  assert.equal(begun, 1);
  resolve();
  await promise;
  await fitness.look();
  assert.equal(fitness.isAble(), true);
});

test("a node that is about to stop is not able, however well everything is", async () => {
  const fitness = createFitness({ probes: [{ name: "Database", check: async () => undefined }], log });
  fitness.leave();
  assert.deepEqual(await fitness.look(), [
    { name: "Node", state: "leaving" },
    { name: "Database", state: "ok" },
  ]);
  assert.equal(fitness.isAble(), false);
});
