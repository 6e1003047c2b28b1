// Each node hears at which addresses polling agents reach the cluster: when a node joins, changes its address, is away for long or is removed.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { openDatabase } from "../database/database.ts";
import { createNodeRegistry, deleteNode, listNodes, nodeIdOf, offlineAfterMs } from "./cluster.ts";
import type { NodeRegistry } from "./cluster.ts";

test("A1: all nodes hear the same addresses, once per change", async (t) => {
  const { createDatabase } = await startPostgres();
  const { connection, drop } = await createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test-comms-addresses", connectionsMax: 4 });
  const registries: NodeRegistry[] = [];
  t.after(async () => {
    for (const registry of registries) await registry.stop();
    await database.close();
    await drop();
  });

  function node(name: string, commsAddress: string | null): { heard: string[]; registry: NodeRegistry } {
    const heard: string[] = [];
    const registry = createNodeRegistry({
      database,
      nodeName: name,
      instance: randomUUID(),
      version: "1",
      taskCap: 5,
      taskCapForced: false,
      impairments: () => [],
      commsAddress,
      commsAddressesChanged: (addresses) => void heard.push(addresses.join(" ")),
      log: { warn: () => {} },
    });
    registries.push(registry);
    return { heard, registry };
  }
  const [a, b, silent] = [node("a", "https://a:1"), node("b", "https://b:1"), node("silent", null)];
  await a.registry.start();
  assert.deepEqual(a.heard, ["https://a:1"]);
  await b.registry.start();
  assert.deepEqual(b.heard, ["https://a:1 https://b:1"]);
  await a.registry.refresh();
  assert.equal(a.heard.at(-1), "https://a:1 https://b:1", "the next report tells, of which there is one every two seconds");
  await silent.registry.start();
  assert.deepEqual(silent.heard, ["https://a:1 https://b:1"]);
  await a.registry.refresh();
  assert.equal(a.heard.length, 2, "the same list is not told again");
  assert.deepEqual(
    (await listNodes(database, offlineAfterMs)).map((one) => one.commsAddress),
    ["https://a:1", "https://b:1", null],
  );

  // It is started again elsewhere.
  await b.registry.stop();
  await a.registry.refresh();
  assert.equal(a.heard.length, 2, "a node that is away for a moment is still named");
  const moved = node("b", "https://b:2");
  await moved.registry.start();
  await a.registry.refresh();
  assert.equal(a.heard.at(-1), "https://a:1 https://b:2");
  await moved.registry.stop();
  await database.execute(`UPDATE server_nodes SET last_seen_at = now() - interval '8 days' WHERE name = 'b'`);
  await a.registry.refresh();
  assert.equal(a.heard.at(-1), "https://a:1");
  await database.execute(`UPDATE server_nodes SET last_seen_at = now() WHERE name = 'b'`);
  await a.registry.refresh();
  assert.equal(a.heard.at(-1), "https://a:1 https://b:2");
  await database.transaction((tx) => deleteNode(tx, nodeIdOf("b")));
  await a.registry.refresh();
  assert.equal(a.heard.at(-1), "https://a:1");

  await database.execute(
    `INSERT INTO server_nodes (id, name, task_cap, instance, version, comms_address, stopped_at)
     SELECT 'OctopusServerNodes-0' || n, '0' || n, 1, 'i', '0', 'https://dead-' || n || ':1', now() FROM generate_series(1, 40) n`,
  );
  await silent.registry.refresh();
  const told = silent.heard.at(-1)!.split(" ");
  assert.ok(told.length === 15 && told.includes("https://a:1"), "of too many those that live come first");
});
