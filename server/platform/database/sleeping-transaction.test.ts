// A process that sleeps in the middle of a transaction, as a frozen or overloaded node does, finds it ended when it wakes up.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { openDatabase } from "./database.ts";

const limitMs = 50;
const asleepMs = 1_000;

test("D1 D3: a transaction that the database ended while this process slept is done again as a whole, and is no fault", async (t) => {
  const { connection, drop } = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-sleep", connectionsMax: 2 });
  t.after(async () => {
    await database.close();
    await drop();
  });
  await database.execute("CREATE TABLE attempts (n int)");
  let attempt = 0;
  await database.transaction(async (tx) => {
    attempt += 1;
    await tx.execute("INSERT INTO attempts VALUES ($1)", [attempt]);
    await tx.query(`SET LOCAL idle_in_transaction_session_timeout = ${limitMs}`);
    // Nothing of this process goes on meanwhile, so what the database said is first read as the answer to what follows.
    if (attempt === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, asleepMs);
    await tx.query("SELECT 1");
  });
  assert.deepEqual(await database.query("SELECT n FROM attempts"), [{ n: 2 }]);
});
