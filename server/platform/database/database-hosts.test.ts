// D1: of several hosts the pool writes to the one that can be written to, moves when another takes its place, and never goes back to an old
// primary. On a real primary with a synchronous standby.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createCluster } from "../../../test/support/cluster.ts";
import type { Cluster } from "../../../test/support/cluster.ts";
import { eventually } from "../../../test/support/eventually.ts";
import { startCommitCutter } from "../../../test/support/commit-cutter.ts";
import type { CommitCutter } from "../../../test/support/commit-cutter.ts";
import { migrations } from "../../migrations/migrations.ts";
import { startPostgresPair } from "../../../test/support/postgres-pair.ts";
import type { PostgresPair } from "../../../test/support/postgres-pair.ts";
import { DatabaseUnavailable, openDatabase, openTimelineRecord } from "./database.ts";
import type { Database } from "./database.ts";
import { findDatabaseHosts } from "./pool.ts";

const linux = { skip: process.platform === "linux" ? false : "stops processes by signals and looks at them through /proc" } as const;

describe("several hosts", { ...linux, timeout: 240_000 }, () => {
  let cluster: Cluster;
  let pair: PostgresPair;
  let database: Database;
  const opened: { close(): unknown }[] = [];

  before(async () => {
    cluster = await createCluster();
    pair = await startPostgresPair(cluster.root);
    database = open(recordFile());
    await database.execute("CREATE TABLE kept (n int PRIMARY KEY)");
  });
  after(async () => {
    for (const one of opened) await one.close();
    await cluster?.close();
  });

  const recordFile = (): string => path.join(cluster.root, "timeline.json");

  /** As a node opens it. */
  function open(record?: string, ports?: readonly [number, number], statementTimeoutMs?: number): Database {
    const connection = pair.connection(ports);
    const hosts = findDatabaseHosts(connection, {
      applicationName: "cuttle-test-hosts",
      ...(record === undefined ? {} : { record: openTimelineRecord(record, () => {}) }),
    });
    const made = openDatabase({
      connection,
      hosts,
      applicationName: "cuttle-test-hosts",
      connectionsMax: 4,
      ...(statementTimeoutMs === undefined ? {} : { statementTimeoutMs }),
    });
    opened.push(made, hosts);
    return made;
  }

  async function portOf(one: Database): Promise<number> {
    const [row] = await one.query<{ port: string }>("SELECT current_setting('port') AS port");
    return Number(row!.port);
  }

  /** Keeps trying, as every caller of a database does that is away for a moment. */
  function insert(n: number): Promise<true> {
    return eventually(`row ${n} is stored`, async () => {
      await database.execute("INSERT INTO kept VALUES ($1) ON CONFLICT DO NOTHING", [n]);
      return true as const;
    });
  }

  test("a standby is passed over, wherever it stands in the list", async () => {
    for (const ports of [pair.ports, [pair.ports[1], pair.ports[0]] as const]) {
      const one = open(undefined, ports);
      assert.equal(await portOf(one), pair.ports[pair.primary]);
      await one.execute("SELECT 1");
    }
  });

  test("a primary that becomes read-only is left, and taken again when it can be written to", async () => {
    await insert(1);
    await pair.query(pair.primary, "ALTER SYSTEM SET default_transaction_read_only = on");
    await pair.query(pair.primary, "SELECT pg_reload_conf()");
    const refused = await eventually("a write is refused", () =>
      // Of no row, since sessions hear of the new setting one after the other: one that has not yet may still write.
      database.execute("INSERT INTO kept SELECT 2 WHERE false").then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
    assert.ok(refused instanceof DatabaseUnavailable, String(refused));
    await assert.rejects(database.query("SELECT 1"), (error: Error) => {
      assert.match(error.message, new RegExp(`127.0.0.1:${pair.ports[0]} is read-only`));
      assert.match(error.message, new RegExp(`127.0.0.1:${pair.ports[1]} is a standby`));
      return error instanceof DatabaseUnavailable;
    });
    await pair.query(pair.primary, "ALTER SYSTEM RESET default_transaction_read_only");
    await pair.query(pair.primary, "SELECT pg_reload_conf()");
    await insert(3);
  });

  test("a listener hears on the new primary, and is woken once to catch up", async () => {
    const heard: (string | null)[] = [];
    const listener = await database.listen("cuttle_test", (payload) => void heard.push(payload));
    opened.unshift(listener);
    assert.equal(heard.length, 1);
    await pair.kill(0);
    await pair.promote();
    await insert(4);
    assert.equal(await portOf(database), pair.ports[1]);
    await eventually("the listener is woken to catch up", () => heard.length === 2);
    await database.query("SELECT pg_notify('cuttle_test', 'here')");
    await eventually("the listener hears", () => heard.includes("here"));
    assert.deepEqual(heard, [null, null, "here"]);
    const record = await eventually("the timeline is on record", async () => JSON.parse(await readFile(recordFile(), "utf8")));
    assert.equal(record.timeline, 2);
  });

  test("an old primary that comes back is not written to: not beside the new one, not without it, not after a restart", async () => {
    await pair.startAsItWas(0, { alone: true });
    for (const ports of [pair.ports, [pair.ports[1], pair.ports[0]] as const]) {
      assert.equal(await portOf(open(undefined, ports)), pair.ports[1], "of two that can be written to, the one on the higher timeline");
    }
    await pair.kill(1);
    for (const [one, which] of [
      [database, "the pool that saw the promotion"],
      [open(recordFile()), "a node started again, which has it on record"],
    ] as const) {
      // At first it may be that only the loss of a connection is told.
      await eventually(which, () =>
        one.execute("INSERT INTO kept VALUES (5)").then(
          () => assert.fail("an old primary was written to"),
          (error: Error) => error instanceof DatabaseUnavailable && /is an old primary: it is on timeline 1/.test(error.message),
        ),
      );
    }
    await pair.startAsItWas(1, { alone: true });
    await insert(6);
    await pair.kill(0);
    const rows = await database.query<{ n: number }>("SELECT n FROM kept ORDER BY n");
    assert.deepEqual(
      rows.map(({ n }) => n),
      [1, 3, 4, 6],
    );
  });

  test("a primary that stands still is left as soon as another has taken its place, with all that waits on it", async () => {
    await pair.rebuildStandby();
    await insert(7);
    // With a deadline that never comes, so that only the move can end it.
    const patient = open(undefined, pair.ports, 600_000);
    await patient.query("SELECT 1");
    pair.freeze(1);
    let end: string | undefined;
    void patient.query("SELECT 2").then(
      () => (end = "answered"),
      () => (end = "cut"),
    );
    await pair.promote();
    await eventually("what waits on the frozen primary is cut", () => end === "cut", 60_000);
    await insert(8);
    assert.equal(await portOf(database), pair.ports[0]);
    pair.thaw(1);
    await insert(9);
    assert.equal(await portOf(database), pair.ports[0]);
  });

  test("D1: a change whose COMMIT was answered to nobody is read back on the new primary, and not done again", async () => {
    await pair.kill(1);
    await pair.rebuildStandby();
    await database.execute("CREATE TABLE repeatable (word text)");
    await database.transaction((tx) => tx.execute(migrations.find(({ name }) => name.endsWith("-commit-marks"))!.sql));
    const cutter: CommitCutter = await startCommitCutter({
      target: { host: "127.0.0.1", port: pair.ports[0] },
      choose: (transaction) => (transaction.includes("cut-here") ? "answered" : undefined),
      late: () => Promise.resolve(),
    });
    const one = open(undefined, [cutter.port, pair.ports[1]]);
    let runs = 0;
    const change = one.transaction(
      async (tx) => {
        await tx.execute("INSERT INTO repeatable VALUES ($1)", ["cut-here"]);
        return ++runs;
      },
      { readBack: true },
    );
    // Whoever looks for the database now finds none until the standby is promoted.
    await eventually("the commit was cut", () => cutter.done.answered === 1);
    await cutter.close();
    await pair.kill(0);
    await pair.promote();
    assert.deepEqual([await change, runs], [1, 1]);
    assert.equal((await one.query("SELECT FROM repeatable")).length, 1);
  });
});
