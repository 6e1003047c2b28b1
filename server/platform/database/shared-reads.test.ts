// Reads that share a statement, against a real database: who shares with whom, who waits for what, and whose fault a failure is.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { createSharedReads, openDatabase } from "./database.ts";
import type { Database } from "./database.ts";

let database: Database;
let drop: () => Promise<void>;
before(async () => {
  const created = await (await startPostgres()).createDatabase();
  ({ drop } = created);
  database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-shared", connectionsMax: 4 });
});
after(async () => {
  await database.close();
  await drop();
});

/** Ten divided by what is asked; `batches` says what went together. */
function divisions(gate: () => Promise<void> = async () => {}) {
  const batches: number[][] = [];
  const reads = createSharedReads<number, { quotient: number }>({
    run: async (asked) => {
      batches.push([...asked]);
      await gate();
      return database.query<{ quotient: number }>(
        "SELECT 10 / v AS quotient FROM unnest($1::int[]) WITH ORDINALITY AS a (v, n) ORDER BY n",
        [asked],
      );
    },
  });
  return { batches, reads, ask: (n: number) => reads.read(String(n), n) };
}

test("what is asked in one turn is one statement, and the same question one object", async () => {
  const { batches, reads, ask } = divisions();
  const all = await Promise.all([1, 2, 5, 2, 1].map(ask));
  assert.deepEqual(batches, [[1, 2, 5]]);
  assert.deepEqual(
    all.map(({ quotient }) => quotient),
    [10, 5, 2, 5, 10],
  );
  assert.equal(all[1], all[3]);
  assert.equal(reads.isIdle, true);
  assert.notEqual(await ask(2), all[1]);
});

test("what is asked while a statement is under way never shares it", async () => {
  const open = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const { batches, ask } = divisions(() => {
    started.resolve();
    return open.promise;
  });
  const first = ask(2);
  await started.promise;
  const second = ask(2);
  open.resolve();
  assert.notEqual(await first, await second);
  assert.deepEqual(batches, [[2], [2]]);
});

test("a statement that does not end holds up nobody but those who are part of it", async () => {
  const never = Promise.withResolvers<void>();
  let passes = 0;
  const { batches, ask } = divisions(() => (passes++ < 2 ? never.promise : Promise.resolve()));
  const stuck = [ask(1)];
  while (batches.length < 1) await new Promise(setImmediate);
  stuck.push(ask(2));
  while (batches.length < 2) await new Promise(setImmediate);
  // Both places are taken, for ever.
  assert.deepEqual(await Promise.all([ask(5), ask(10)]), [{ quotient: 2 }, { quotient: 1 }]);
  never.resolve();
  await Promise.all(stuck);
});

test("more questions than fit go in further statements", async () => {
  const { batches, ask } = divisions();
  const found = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(n + 1)));
  assert.equal(found[4]!.quotient, 2);
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [64, 64, 64, 8],
  );
});

test("a value that the database cannot work with is its asker's fault only; what else fails, all hear of", async () => {
  const { ask } = divisions();
  const results = await Promise.allSettled([1, 0, 5].map(ask));
  assert.deepEqual(
    results.map((one) => (one.status === "fulfilled" ? one.value.quotient : (one.reason as { code: string }).code)),
    [10, "22012", 2],
  );
  const broken = divisions(() => Promise.reject(new Error("gone")));
  const all = await Promise.allSettled([1, 2, 2].map(broken.ask));
  assert.deepEqual(
    all.map((one) => (one.status === "rejected" ? (one.reason as Error).message : "")),
    ["gone", "gone", "gone"],
  );
  assert.equal(broken.batches.length, 1);
  assert.equal(broken.reads.isIdle, true);
});
