// What one GET of a resource and of a list of 30 costs beside the bare web framework: a real server process on a real PostgreSQL, and a process
// of the same framework that answers the same document in the same schema, both under the same load by the same client, in turn. The bare one
// runs no statement at all; then one SELECT of the same rows; then one more for the API key, which is what an answer that is refused at the
// next request when a key is deleted has to ask for. All connections ask the same with the same key, or each has its own key and resource.
//   npm run bench:http -- --connections 20 --seconds 3 --rounds 3

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { startPostgres } from "../test/support/postgres.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { apiKey, call, percentile, processorSeconds, startServer } from "./programs.ts";

const reach = 0.6;
const environments = 30;
const warmUpMs = 1_000;
const answerBytesMax = 4 * 1024 * 1024;
const answerDeadlineMs = 10_000;

const counts = readCounts({ connections: 20, seconds: 3, rounds: 3 });

interface Place {
  name: string;
  port: number;
  pid: number;
  /** What the n-th connection asks for. */
  pathOf(kind: Kind, n: number): string;
}
type Kind = "one" | "list";
/** Whether all connections ask the same with one key, or each with its own. */
type Spread = "the same" | "each its own";

interface Load {
  perSecond: number;
  p50: number;
  p99: number;
  /** Of the process that answers, without its database. */
  processorMicroseconds: number;
}

/** One connection that is kept: sends the request again as soon as its answer is there, until the end. Answers each one's milliseconds. */
function ask(port: number, request: Buffer, untilMs: number, expected: number): Promise<number[]> {
  const times: number[] = [];
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  let answer: Buffer = Buffer.alloc(0);
  let sentAtMs = 0;
  const send = (): void => {
    sentAtMs = performance.now();
    socket.write(request);
  };
  return new Promise((resolve, reject) => {
    socket.setTimeout(answerDeadlineMs, () => socket.destroy(new Error("An answer did not come in time.")));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("The server closed a connection.")));
    socket.on("connect", send);
    socket.on("data", (bytes) => {
      answer = answer.length === 0 ? bytes : Buffer.concat([answer, bytes]);
      const head = answer.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(answer.toString("latin1", 0, head))?.[1]);
      if (!(length <= answerBytesMax)) return void socket.destroy(new Error("An answer without a usable length."));
      if (answer.length < head + 4 + length) return;
      if (!answer.toString("latin1", 0, 13).startsWith("HTTP/1.1 200") || length !== expected)
        return void socket.destroy(new Error(`Not the answer that was expected: ${answer.toString("utf8", 0, 400)}`));
      answer = Buffer.alloc(0);
      times.push(performance.now() - sentAtMs);
      if (performance.now() < untilMs) return send();
      socket.removeAllListeners("close");
      socket.end();
      resolve(times);
    });
  });
}

async function load(place: Place, kind: Kind, spread: Spread): Promise<Load> {
  const asked: { request: Buffer; expected: number }[] = [];
  for (let n = 0; n < counts.connections; n++) {
    const path = place.pathOf(kind, spread === "the same" ? 0 : n);
    const key = spread === "the same" ? apiKey : keys[n]!;
    const headers = `Host: 127.0.0.1:${place.port}\r\nX-Octopus-ApiKey: ${key}\r\nAccept: application/json\r\n`;
    const answer = await fetch(`http://127.0.0.1:${place.port}${path}`, { headers: { "X-Octopus-ApiKey": key } });
    asked.push({ request: Buffer.from(`GET ${path} HTTP/1.1\r\n${headers}\r\n`), expected: (await answer.arrayBuffer()).byteLength });
  }
  const run = async (ms: number): Promise<number[]> => {
    const untilMs = performance.now() + ms;
    return (await Promise.all(asked.map(({ request, expected }) => ask(place.port, request, untilMs, expected)))).flat();
  };
  await run(warmUpMs);
  const secondsBefore = await processorSeconds(place.pid);
  const startedAtMs = performance.now();
  const times = await run(counts.seconds * 1000);
  const seconds = (performance.now() - startedAtMs) / 1000;
  return {
    perSecond: times.length / seconds,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    processorMicroseconds: (((await processorSeconds(place.pid)) - secondsBefore) * 1e6) / times.length,
  };
}

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);
const { createDatabase } = await startPostgres();
const { connection } = await createDatabase();
const { host, port, user, password, database } = connection;
const server = await startServer({
  home: path.join(folder, "home"),
  port: 18_851,
  args: ["--dbConnectionString", `Host=${host};Port=${port};Username=${user};Password=${password};Database=${database}`],
});
const { url } = server.ready;
const ids: string[] = [];
for (let n = 0; n < environments; n++) {
  const body = { Name: `Environment ${n}`, Description: "Where it runs for everybody" };
  ids.push((await call(url, "POST", "/environments", body)).Id);
}
const first = ids[0]!;
const keys: string[] = [];
const { Id: userId } = await call(url, "GET", "/users/me");
for (let n = 0; n < counts.connections; n++)
  keys.push((await call(url, "POST", `/users/${userId}/apikeys`, { Purpose: `Connection ${n}` })).ApiKey);
const list = `/api/Spaces-1/environments?skip=0&take=${environments}`;
const own: Place = {
  name: "Cuttle",
  port: 18_851,
  pid: server.child.pid!,
  pathOf: (kind, n) => (kind === "one" ? `/api/Spaces-1/environments/${ids[n % ids.length]}` : list),
};

const key = { text: "SELECT user_id FROM api_keys WHERE hash = $1", values: [createHash("sha256").update(apiKey).digest("hex")] };
const rows = {
  one: { text: "SELECT * FROM environments WHERE id = $1", values: [first] },
  list: {
    text: "SELECT * FROM environments WHERE space_id = $1 ORDER BY sort_order, lower(name) LIMIT $2",
    values: ["Spaces-1", environments],
  },
};

async function startBare(name: string, statements: Record<Kind, object[]>): Promise<Place> {
  const file = path.join(folder, `${name}.json`);
  const documents = {
    one: await call(url, "GET", own.pathOf("one", 0).slice("/api".length)),
    list: await call(url, "GET", own.pathOf("list", 0).slice("/api".length)),
  };
  await fs.writeFile(file, JSON.stringify({ ...documents, connection, statements }));
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "bare-server.ts"), file], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  return { name, port: Number(said.toString()), pid: child.pid!, pathOf: (kind) => `/${kind}` };
}
const places = [
  own,
  await startBare("bare", { one: [], list: [] }),
  await startBare("bare with a SELECT", { one: [rows.one], list: [rows.list] }),
  await startBare("bare with two SELECTs", { one: [key, rows.one], list: [key, rows.list] }),
];

const command = commandOf("bench:http", counts);
const kinds: [Kind, Spread][] = [
  ["one", "the same"],
  ["one", "each its own"],
  ["list", "the same"],
  ["list", "each its own"],
];
for (const [kind, spread] of kinds) {
  const loads = new Map<Place, Load[]>(places.map((place) => [place, []]));
  for (let round = 0; round < counts.rounds; round++) for (const place of places) loads.get(place)!.push(await load(place, kind, spread));
  const middle = (place: Place, of: keyof Load): number =>
    percentile(
      loads.get(place)!.map((one) => one[of]),
      0.5,
    );
  const say = (place: Place): string =>
    `${place.name} ${Math.round(middle(place, "perSecond"))}/s, p50 ${middle(place, "p50").toFixed(1)} ms, p99 ${middle(place, "p99").toFixed(1)} ms, ` +
    `${Math.round(middle(place, "processorMicroseconds"))} µs of processor`;
  const asking = spread === "the same" ? "" : kind === "one" ? ", each with its own key and resource" : ", each with its own key";
  for (const bare of places.slice(1)) {
    const share = middle(own, "perSecond") / middle(bare, "perSecond");
    sayRow({
      what: `${kind === "one" ? "GET of one resource" : `list of ${environments}`}, ${counts.connections} connections${asking}, against ${bare.name}`,
      reach: `≥ ${reach}`,
      measured: `${share.toFixed(2)}: ${say(own)}; ${say(bare)}`,
      ofLimit: reach / share,
      command,
    });
  }
}
await server.stop();
await fs.rm(folder, { recursive: true, force: true });
process.exit(0);
