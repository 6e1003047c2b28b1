// When readers of a running log hear of new lines.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../../platform/database/database.ts";
import { within } from "../../../test/support/eventually.ts";
import { endTask, queueTask, writeLog } from "../../../test/support/log-writer.ts";
import { createMemoryLogFolder } from "../../../test/support/memory-log-folder.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import { createTaskLogFeed } from "./task-log-feed.ts";
import { logStart } from "./task-log-position.ts";

const line = { kind: "line", block: "task", category: "Info", at: "2026-01-01T00:00:00.000Z", text: "said" } as const;

test("readers at the node that commits lines do not wait for its next look", async (t) => {
  const { createDatabase } = await startPostgres();
  const { connection } = await createDatabase();
  const database = openDatabase({ connection, applicationName: "log feed", connectionsMax: 3 });
  const stop = new AbortController();
  t.after(() => stop.abort());
  t.after(() => database.close());
  const folder = createMemoryLogFolder();
  const taskId = await queueTask(database, null);
  // Longer than the test may take.
  const feed = createTaskLogFeed({ database, folder, lookMs: 10 * 60_000 });
  const log = writeLog({ database, folder, taskId, onGrown: () => feed.grew(taskId) });
  const items = feed.follow(taskId, logStart, stop.signal);
  assert.equal((await within("the state is told", items.next())).value?.kind, "state");
  for (let n = 1; n <= 3; n++) {
    const next = items.next();
    await log.append([line]);
    const { value } = await within(`line ${n} is heard of`, next);
    assert.equal(value?.kind === "entries" && value.after.lines, n);
  }
  // Of other tasks nothing is asked for.
  feed.grew("ServerTasks-0");
  await endTask(database, taskId);
  await log.close();
  await items.return(undefined);
});
