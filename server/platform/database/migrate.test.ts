// Bringing an old database up to date says each step as it begins, counted over what this database lacks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { migrate } from "./database.ts";
import type { MigrationStep } from "./database.ts";

const migrations = ["0001-a", "0002-b", "0003-c", "0004-d"].map((name, n) => ({ name, sql: `CREATE TABLE step_${n} (id integer)` }));

test("an upgrade says which step of how many begins, and a database that lacks nothing says nothing", async (t) => {
  const { createDatabase } = await startPostgres();
  const { connection, drop } = await createDatabase({ empty: true });
  t.after(drop);
  const said: MigrationStep[] = [];
  const run = (known: typeof migrations) => migrate(connection, known, { applicationName: "test", onStep: (step) => said.push(step) });
  await run(migrations.slice(0, 1));
  assert.deepEqual(said.splice(0), [{ name: "0001-a", number: 1, of: 1 }]);
  assert.deepEqual(await run(migrations), ["0002-b", "0003-c", "0004-d"]);
  assert.deepEqual(said.splice(0), [
    { name: "0002-b", number: 1, of: 3 },
    { name: "0003-c", number: 2, of: 3 },
    { name: "0004-d", number: 3, of: 3 },
  ]);
  await run(migrations);
  assert.deepEqual(said, []);
});

test("a step that fails was said before, and nothing of it is stored", async (t) => {
  const { createDatabase } = await startPostgres();
  const { connection, drop } = await createDatabase({ empty: true });
  t.after(drop);
  const said: string[] = [];
  const broken = [
    ...migrations.slice(0, 1),
    { name: "0002-broken", sql: "CREATE TABLE half (id integer); SELECT * FROM nothing_of_that_name" },
  ];
  await assert.rejects(
    migrate(connection, broken, { applicationName: "test", onStep: ({ name }) => said.push(name) }),
    /0002-broken.*Nothing of that step/,
  );
  assert.deepEqual(said, ["0001-a", "0002-broken"]);
});
