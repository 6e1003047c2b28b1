// The late completer against a real database: what it cannot read is left to a newer node and stops nobody else's tickets.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { scriptPlan } from "../../../test/support/script-plan.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import { createScriptedAgent } from "../../../test/support/scripted-agent.ts";
import type { Database } from "../../platform/database/database.ts";
import { openDatabase } from "../../platform/database/database.ts";
import { createLateCompleter } from "./late-completer.ts";
import { encodePlan } from "./stored-plan.ts";

async function insertDue(database: Database, number: number, plan: { version: number; body: unknown }): Promise<string> {
  const ticket = randomUUID();
  await database.execute(
    `INSERT INTO tasks (id, number, name, description, arguments, arguments_version, state, completed_at, plan, plan_version)
     VALUES ($1, $2, 'Deploy', 'Deploy', '{}', 1, 'Success', now(), $3, $4)`,
    [`ServerTasks-${number}`, number, JSON.stringify(plan.body), plan.version],
  );
  await database.execute(
    `INSERT INTO step_runs (task_id, step, machine_id, attempt, format_version, ticket, state, first_epoch, outcome, completion, complete_after)
     VALUES ($1, '1', 'Machines-1', 1, 1, $2, 'done', 1, 'succeeded', 'due', now() - interval '1 minute')`,
    [`ServerTasks-${number}`, ticket],
  );
  return ticket;
}

const plan = scriptPlan({
  taskId: "ServerTasks-2",
  steps: [
    {
      id: "1",
      body: "true",
      targets: [{ machineId: "Machines-1", name: "one", agent: { host: "machine-1", port: 10933, thumbprint: "A".repeat(40) } }],
    },
  ],
});

test("D11: a plan that only a newer node can read does not hold up the tickets of other tasks", { timeout: 120_000 }, async () => {
  const postgres = await startPostgres();
  const created = await postgres.createDatabase();
  const database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-late", connectionsMax: 2 });
  try {
    await insertDue(database, 1, { version: 9_999, body: {} });
    const ticket = await insertDue(database, 2, encodePlan(plan));
    const agent = createScriptedAgent({ tombstones: true });
    assert.equal(await createLateCompleter({ database, agents: agent }).runOnce(), 1);
    assert.deepEqual(agent.completed, [ticket]);
    const left = await database.query<{ task_id: string }>(`SELECT task_id FROM step_runs WHERE completion = 'due'`);
    assert.deepEqual(left, [{ task_id: "ServerTasks-1" }], "a newer node finds it an hour later");
  } finally {
    await database.close();
    await created.drop();
  }
});
