// Two nodes run tasks while every core is kept busy by others: how many tasks change their owner although nobody died? The engine
// says so in its log whenever it goes on with a task of another owner.

import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { openDatabase } from "../server/platform/database/database.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { call, prepare, startAgent, startServer } from "./programs.ts";

const minutes = Number(process.argv[2] ?? 10);
const environments = 8;
/** A task is always under way in each environment; each lasts this long. */
const scriptSeconds = 20;

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);
const postgres = await startPostgres();
const created = await postgres.createDatabase({ empty: true });
const { host, port, user, password, database } = created.connection;
const env = {
  DB_CONNECTION_STRING: `Host=${host};Port=${port};Username=${user};Password=${password};Database=${database}`,
  MASTER_KEY: Buffer.alloc(32, 7).toString("base64"),
};
const shared = ["--clusterShared", path.join(folder, "shared")];
await fs.mkdir(path.join(folder, "shared"));
const one = await startServer({ home: path.join(folder, "one"), port: 18_831, args: [...shared, "--serverNodeName", "one"], env });
const two = await startServer({ home: path.join(folder, "two"), port: 18_832, args: [...shared, "--serverNodeName", "two"], env });
const agent = await startAgent({ home: path.join(folder, "agent"), port: 18_833, trust: one.ready.thumbprint });
const { url } = one.ready;
const stage = await prepare(url, [agent], environments, `sleep ${scriptSeconds}`);

// One spinner for each core: nodes, database and agent must share what is left.
const spinners = Array.from({ length: os.availableParallelism() }, () => spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }));
const endMs = performance.now() + minutes * 60_000;
let deployments = 0;
let failed = 0;
async function keepBusy(environmentId: string): Promise<void> {
  while (performance.now() < endMs) {
    const deployment = await call(url, "POST", "/deployments", { ReleaseId: stage.releaseId, EnvironmentId: environmentId });
    deployments += 1;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const task = await call(url, "GET", `/tasks/${deployment.TaskId}`);
      if (!task.IsCompleted) continue;
      if (!task.FinishedSuccessfully) failed += 1;
      break;
    }
  }
}
try {
  await Promise.all(stage.environmentIds.map(keepBusy));
} finally {
  for (const spinner of spinners) spinner.kill("SIGKILL");
}
const takeovers = [...one.log, ...two.log].filter((line) => line.includes("former owner let its lease end")).length;

// A second witness: the largest epoch any task reached is in no log, but in the parts of its task log.
const observer = openDatabase({ connection: created.connection, applicationName: "cuttle-bench", connectionsMax: 1 });
const [row] = await observer.query<{ n: number }>("SELECT count(*) AS n FROM task_log_parts WHERE epoch > 1");
await observer.close();
await Promise.all([agent.stop(), one.stop(), two.stop()]);
await postgres.stop();
await fs.rm(folder, { recursive: true, force: true });
console.log(
  JSON.stringify({ minutes, spinners: spinners.length, deployments, failed, falseTakeovers: takeovers, partsOfLaterEpochs: row?.n }),
);
