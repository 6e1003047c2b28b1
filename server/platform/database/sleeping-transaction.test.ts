// A process that sleeps in the middle of a transaction, as a frozen or overloaded node does, finds it ended when it wakes up.
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { openDatabase } from "./database.ts";

const limitMs = 50;
const asleepMs = 1_000;

test("D1 D3: a transaction that the database ended while this process slept is done again as a whole, and is no fault", async (t) => {
  const { connection, drop } = await (await startPostgres()).createDatabase();
  // Between us and the database, so that its last word is always read: on a socket that it has closed, our next write may fail before.
  const path = `${connection.host}/.s.PGSQL.${connection.port}`;
  const between = net.createServer((from) => {
    const to = net.connect(connection.host.startsWith("/") ? { path } : connection);
    for (const socket of [from, to]) socket.on("error", () => {});
    from.on("close", () => to.destroy());
    to.on("close", () => from.destroySoon());
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
  const { port } = between.address() as AddressInfo;
  const database = openDatabase({
    connection: { ...connection, host: "127.0.0.1", port },
    applicationName: "cuttle-test-sleep",
    connectionsMax: 2,
  });
  t.after(async () => {
    await database.close();
    between.close();
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
