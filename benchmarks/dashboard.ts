// How long a dashboard takes through the API of a real server process on a real PostgreSQL: many projects that have been deployed many times, and
// very many environments. Beside the times stand the server's own processor time and how many statements one dashboard costs, which must not
// grow with what it shows; they are counted at a second node in this process.
//   npm run bench:dashboard -- --projects 200 --environments 8 --history 20 --reads 400 --many 1500

import fs from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { make, startApiNode } from "../test/support/api-node.ts";
import type { ApiNode } from "../test/support/api-node.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { apiKey, percentile, processorSeconds, startServer } from "./programs.ts";

const limitMs = 50;
const manyLimitMs = 300;
/** The first reads make plans and warm what is warm in a running node. */
const warmUpReads = 20;

const counts = readCounts({ projects: 200, environments: 8, history: 20, reads: 400, many: 1_500 });

const node = await startApiNode(undefined);
const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);
const { host, port, user, password, database } = node.connection;
const server = await startServer({
  home: path.join(folder, "home"),
  port: 18_841,
  args: ["--dbConnectionString", `Host=${host};Port=${port};Username=${user};Password=${password};Database=${database}`],
});
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let statements = 0;
const { query } = node.database;
node.database.query = ((...given: Parameters<typeof query>) => {
  statements++;
  return query.apply(node.database, given);
}) as typeof query;

/** Environments 1 to `most`, named so that they sort by number. */
async function addEnvironments(from: number, most: number): Promise<void> {
  await node.database.execute(
    `INSERT INTO environments (id, space_id, name, slug, sort_order)
     SELECT 'Environments-b' || n, 'Spaces-1', 'Environment ' || lpad(n::text, 5, '0'), 'environment-' || n, n FROM generate_series($1::int, $2::int) n`,
    [from, most],
  );
}

/** Deployments of the template's release, copied to so many projects, each `history` times to each environment; one in ten of the last ones failed. */
async function fill({ database }: ApiNode, templateId: string): Promise<void> {
  const copy = (sql: string) => database.execute(sql, [templateId, counts.projects]);
  await copy(
    `INSERT INTO projects (id, space_id, name, slug, project_group_id, lifecycle_id, settings, deployment_settings)
     SELECT 'Projects-b' || n, space_id, 'Project ' || lpad(n::text, 5, '0'), 'project-' || n, project_group_id, lifecycle_id, settings, deployment_settings
     FROM projects, generate_series(1, $2::int) n WHERE id = $1`,
  );
  await copy(
    `INSERT INTO channels (id, space_id, project_id, name, slug, is_default)
     SELECT 'Channels-b' || n, space_id, 'Projects-b' || n, name, slug, true FROM channels, generate_series(1, $2::int) n WHERE project_id = $1`,
  );
  await copy(
    `INSERT INTO releases (id, number, space_id, project_id, channel_id, version, process_snapshot_id)
     SELECT 'Releases-b' || n, 1000000 + n, space_id, 'Projects-b' || n, 'Channels-b' || n, version, process_snapshot_id
     FROM releases, generate_series(1, $2::int) n WHERE project_id = $1`,
  );
  await deploy(`generate_series(1, ${counts.projects}) p`, `generate_series(1, ${counts.environments}) e`, counts.history, 1_000_000);
  await database.execute("ANALYZE");
}

async function deploy(projects: string, environments: string, history: number, from: number): Promise<void> {
  const places = `(SELECT p, e, h, row_number() OVER (ORDER BY h, p, e) + ${from} AS n FROM ${projects}, ${environments}, generate_series(1, ${history}) h) place`;
  await node.database.execute(
    `INSERT INTO tasks (id, number, space_id, name, description, arguments, arguments_version, state, queued_at, started_at, completed_at)
     SELECT 'ServerTasks-b' || n, n, 'Spaces-1', 'Deploy', 'Deploy', '{}', 1, CASE WHEN h = ${history} AND (p + e) % 10 = 0 THEN 'Failed' ELSE 'Success' END,
            now(), now(), now() FROM ${places}`,
  );
  await node.database.execute(
    `INSERT INTO deployments (id, number, space_id, name, project_id, release_id, channel_id, environment_id, task_id, options, options_version, deployed_by, is_latest)
     SELECT 'Deployments-b' || n, n, 'Spaces-1', 'Deploy', 'Projects-b' || p, 'Releases-b' || p, 'Channels-b' || p, 'Environments-b' || e,
            'ServerTasks-b' || n, '{}', 1, 'bench', h = ${history} FROM ${places}`,
  );
}

interface Measured {
  times: number[];
  /** Of the server process alone: what a busy machine does not stretch. */
  serverMs: number;
  statements: number;
  items: number;
  bytes: number;
}

/** From the request to the last byte of its answer, over a connection that is kept. What comes is dropped at once unless it is kept. */
function read(at: string, keeps = false): Promise<{ ms: number; body: Buffer }> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.get(`${server.ready.url}${at}`, { agent, headers: { "X-Octopus-ApiKey": apiKey } }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => {
        if (keeps || response.statusCode !== 200) pieces.push(piece);
        // Else the garbage collector of this process works during the next reads, and is measured with them.
        else if (piece.buffer instanceof ArrayBuffer && piece.buffer.byteLength === piece.byteLength) piece.buffer.transfer(0);
      });
      response.on("error", reject);
      response.on("end", () => {
        const ms = performance.now() - startedAt;
        const body = Buffer.concat(pieces);
        if (response.statusCode === 200) resolve({ ms, body });
        else reject(new Error(`${at} answered ${response.statusCode}: ${body.toString("utf8", 0, 500)}`));
      });
    });
    request.on("error", reject);
  });
}

/** What the smallest request takes at the same time: how busy the machine is with other things. */
async function measureNothing(): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < counts.reads; n++) times.push((await read("/api/Spaces-1")).ms);
  return percentile(times, 0.99);
}

async function measure(): Promise<Measured> {
  const at = "/api/Spaces-1/dashboard";
  for (let n = 0; n < warmUpReads; n++) await read(at);
  const { body } = await read(at, true);
  const before = statements;
  await node.get(at);
  const perRead = statements - before;
  const pid = server.child.pid!;
  const secondsBefore = await processorSeconds(pid);
  const times: number[] = [];
  for (let n = 0; n < counts.reads; n++) times.push((await read(at)).ms);
  return {
    times,
    serverMs: (((await processorSeconds(pid)) - secondsBefore) * 1000) / counts.reads,
    statements: perRead,
    items: (JSON.parse(body.toString("utf8")) as { Items: unknown[] }).Items.length,
    bytes: body.length,
  };
}

try {
  await addEnvironments(1, counts.environments);
  const template = await make.project(node, "Template");
  await make.process(node, template.Id);
  await make.release(node, template.Id, "1.0.0");
  await fill(node, template.Id);
  const command = commandOf("bench:dashboard", counts);
  const say = async (what: string, reach: number, measured: Measured): Promise<void> => {
    const p99 = percentile(measured.times, 0.99);
    const p50 = percentile(measured.times, 0.5);
    const nothing = await measureNothing();
    sayRow({
      what,
      reach: `p99 < ${reach} ms`,
      measured:
        `${p99.toFixed(1)} ms p99, ${p50.toFixed(1)} ms p50, ${measured.serverMs.toFixed(1)} ms of the server's processor time, ${measured.items} items, ` +
        `${measured.statements} statements, ${Math.round(measured.bytes / 1024)} KiB; the smallest request meanwhile ${nothing.toFixed(1)} ms p99`,
      ofLimit: p99 / reach,
      command,
    });
    if (p99 >= reach) process.exitCode = 1;
  };
  await say(
    `dashboard of ${counts.projects} projects × ${counts.environments} environments, ${counts.history} deployments each`,
    limitMs,
    await measure(),
  );
  await addEnvironments(counts.environments + 1, counts.many);
  // Every environment is in use, and one project goes to all of them.
  await deploy("generate_series(1, 1) p", `generate_series(${counts.environments + 1}, ${counts.many}) e`, 1, 5_000_000);
  await node.database.execute("ANALYZE");
  await say(`the same with ${counts.many} environments, one project in all of them`, manyLimitMs, await measure());
} finally {
  agent.destroy();
  await server.stop();
  await node.close();
  await fs.rm(folder, { recursive: true, force: true });
}
