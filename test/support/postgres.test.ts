// The test support itself: quick databases that do not see each other, and nothing left behind when a test process is killed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { startPostgres } from "./postgres.ts";

async function query(connection: pg.ClientConfig, text: string): Promise<unknown[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

test("each database has the schema and sees nothing of the others", async () => {
  const postgres = await startPostgres();
  const [one, two] = await Promise.all([postgres.createDatabase(), postgres.createDatabase()]);
  await query(one.connection, "create table only_here (id int)");
  assert.deepEqual(await query(two.connection, "select to_regclass('only_here') as found"), [{ found: null }]);
  const tables = (await query(
    two.connection,
    "select count(*)::int as n from information_schema.tables where table_schema = 'public'",
  )) as { n: number }[];
  assert.ok((tables[0]?.n ?? 0) > 3);
  const empty = await postgres.createDatabase({ empty: true });
  assert.deepEqual(
    await query(empty.connection, "select count(*)::int as n from information_schema.tables where table_schema = 'public'"),
    [{ n: 0 }],
  );
  await one.drop();
  await assert.rejects(query(one.connection, "select 1"), { code: "3D000" });
});

test("a test process that is killed leaves neither server nor folder", async (t) => {
  if (process.platform === "win32") return t.skip("there is no shell that could watch");
  const module = new URL("./postgres.ts", import.meta.url).href;
  const script = `const p = await (await import(${JSON.stringify(module)})).startPostgres(); console.log(JSON.stringify({ pid: p.pid, folder: p.adminConnection.host })); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  const { pid, folder } = JSON.parse(chunk.toString()) as { pid: number; folder: string };
  assert.ok(isThere(pid));
  child.kill("SIGKILL");
  const dataRoot = path.dirname(path.dirname(folder));
  const untilMs = performance.now() + 10_000;
  while (
    (isThere(pid) ||
      (await fs.access(dataRoot).then(
        () => true,
        () => false,
      ))) &&
    performance.now() < untilMs
  )
    await delay(20);
  assert.equal(isThere(pid), false);
  await assert.rejects(fs.access(dataRoot), { code: "ENOENT" });
});

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
