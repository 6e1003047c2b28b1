// The counter of statements, between the server's own database door and a real PostgreSQL: figures rest on what it counts and keeps back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../../server/platform/database/database.ts";
import { eventually } from "./eventually.ts";
import { startPostgres } from "./postgres.ts";
import { startStatementCounter } from "./statement-counter.ts";

test("each statement that runs is counted once, prepared or not, with BEGIN and COMMIT", async (t) => {
  const { createDatabase } = await startPostgres();
  const { connection } = await createDatabase({ empty: true });
  const counter = await startStatementCounter({ target: connection, byText: true });
  const database = openDatabase({
    connection: { ...connection, host: "127.0.0.1", port: counter.port },
    applicationName: "test",
    connectionsMax: 1,
  });
  t.after(async () => {
    await database.close();
    await counter.close();
  });
  await database.query("SELECT 0 AS warm");
  const before = counter.statements;
  for (let n = 0; n < 3; n++) await database.query("SELECT $1::int AS n", [n], { name: "prepared" });
  await database.transaction(async (tx) => void (await tx.execute("SELECT 1 AS inside")));
  assert.equal(counter.statements - before, 6);
  assert.deepEqual(
    ["SELECT $1::int AS n", "SELECT 1 AS inside", "BEGIN", "COMMIT"].map((text) => counter.byText.get(text)),
    [3, 1, 1, 1],
  );
});

test("notifications are kept back while that is asked for, and their client is told of nothing", async (t) => {
  const { createDatabase } = await startPostgres();
  const { connection } = await createDatabase({ empty: true });
  const counter = await startStatementCounter({ target: connection });
  const through = openDatabase({
    connection: { ...connection, host: "127.0.0.1", port: counter.port },
    applicationName: "test",
    connectionsMax: 1,
  });
  const direct = openDatabase({ connection, applicationName: "test", connectionsMax: 1 });
  t.after(async () => {
    await through.close();
    await direct.close();
    await counter.close();
  });
  const heard: (string | null)[] = [];
  await through.listen("news", (payload) => heard.push(payload));
  const say = (text: string): Promise<unknown> => direct.query("SELECT pg_notify('news', $1)", [text]);
  await say("one");
  await eventually("the first is heard", () => heard.includes("one"));
  counter.keepNotificationsBack = true;
  await say("two");
  await eventually("the second came by", () => counter.notifications === 2);
  counter.keepNotificationsBack = false;
  await say("three");
  await eventually("the third is heard", () => heard.includes("three"));
  assert.deepEqual(
    heard.filter((payload) => payload !== null),
    ["one", "three"],
  );
});
