// Uploads one large package to a real server process: bytes per second beside those of SHA-256 alone in the same run, beside what else could be the
// limit (the disk, the way from client to server, both hashes that the answer holds), and what memory the server took for it. Then searches in a feed of 52,000 packages. `npm run bench:upload -- 1024 52000`: MiB, packages.
// With TMPDIR=/dev/shm there is no disk, and what our own code costs is seen.

import { createHash, randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { once } from "node:events";
import { openDatabase } from "../server/platform/database/database.ts";
import { openPastCache, pageMemory } from "../server/platform/files/past-cache.ts";
import { readVersion } from "../server/features/library/versions/versions.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { apiKey, percentile, processorSeconds, residentMb, startServer } from "./programs.ts";

const megabytes = Number(process.argv[2] ?? 1024);
const packages = Number(process.argv[3] ?? 52_000);
const rounds = 3;
/** More than the file needs, because what is handed out next is not always what was given back last. */
const spareMib = 3_072;
const tmpfs = 0x01021994;
const searches = 300;
const piece = randomBytes(1024 * 1024);
const isInMemory = (await fs.statfs(os.tmpdir())).type === tmpfs;
const takenMib = isInMemory ? megabytes + spareMib : 0;
const freeMib = Math.floor(os.freemem() / 1024 ** 2);
// Else the kernel would end whichever process it likes.
if (!(freeMib >= takenMib)) {
  console.error(`This takes ${takenMib} MiB of memory, and ${freeMib} are free. Name fewer MiB, or free some.`);
  process.exit(1);
}
/** The first bytes of a gzip, so that the file is what its name says. */
const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);
const { createDatabase } = await startPostgres();
const { connection } = await createDatabase();
const server = await startServer({
  home: path.join(folder, "home"),
  port: 18_831,
  args: [
    "--dbConnectionString",
    `Host=${connection.host};Port=${connection.port};Username=${connection.user};Password=${connection.password};Database=${connection.database}`,
  ],
});
const { url } = server.ready;
const pid = server.child.pid!;

function hashSpeed(algorithm: string): number {
  const startedMs = performance.now();
  const hash = createHash(algorithm);
  for (let n = 0; n < megabytes; n++) hash.update(piece);
  hash.digest();
  return (megabytes / (performance.now() - startedMs)) * 1000;
}

/** Written as the server does, and synced: what the disk alone allows. */
async function diskSpeed(): Promise<number> {
  const startedMs = performance.now();
  const place = path.join(folder, "disk");
  const handle = await fs.open(place, "w");
  const pastCache = await openPastCache(fs, place, handle);
  const memory = new Uint8Array(pageMemory(piece.length));
  memory.set(piece);
  for (let n = 0; n < megabytes; n++) await (pastCache ?? handle).write(memory, 0, memory.length, n * memory.length);
  await handle.sync();
  await handle.close();
  await pastCache?.close();
  await fs.rm(place);
  return (megabytes / (performance.now() - startedMs)) * 1000;
}

/**
 * Where the file comes to lie in memory, leaves free memory at hand: a process takes it and ends. A virtual machine whose host takes free
 * memory back pays up to three seconds of processor for each gigabyte that it touches anew, which is not the price of an upload.
 */
async function bringMemoryToHand(): Promise<void> {
  if (!isInMemory) return;
  const script = `const held = []; for (let n = 0; n < ${takenMib}; n++) held.push(Buffer.alloc(1024 * 1024, 1)); process.exit();`;
  const [code] = (await once(spawn(process.execPath, ["-e", script], { stdio: ["ignore", "ignore", "inherit"] }), "exit")) as [number];
  if (code !== 0) throw new Error(`The process that takes memory ended with ${code}.`);
}

/** A process that reads what is sent and does nothing with it: with the same client, what the way to the server alone allows on these cores. */
async function startSink(): Promise<{ url: string; stop(): void }> {
  const script = `const server = require("node:http").createServer((request, response) => {
    request.on("data", () => {}).on("end", () => response.writeHead(201).end());
  }).listen(0, "127.0.0.1", () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  return { url: `http://127.0.0.1:${Number(said.toString())}`, stop: () => void child.kill() };
}
const sink = await startSink();

/** Over a bare socket: client and server share the cores, and what an HTTP client takes of them would count as the server's. Milliseconds. */
async function push(fileName: string, mib: number, unique: Buffer, to = url): Promise<number> {
  const startedMs = performance.now();
  const begin = `--benchmark\r\nContent-Disposition: form-data; name="file"; filename="${fileName}"\r\n\r\n`;
  const end = "\r\n--benchmark--\r\n";
  const bytes = begin.length + head.length + unique.length + mib * piece.length + end.length;
  const { hostname, port } = new URL(to);
  const socket = net.connect(Number(port), hostname);
  const write = async (part: Buffer | string): Promise<void> => {
    if (!socket.write(part)) await once(socket, "drain");
  };
  let answer = "";
  socket.setEncoding("utf8").on("data", (part: string) => (answer += part));
  const closed = once(socket, "close");
  await write(
    `POST /api/packages/raw HTTP/1.1\r\nHost: ${hostname}\r\nX-Octopus-ApiKey: ${apiKey}\r\nConnection: close\r\n` +
      `Content-Type: multipart/form-data; boundary=benchmark\r\nContent-Length: ${bytes}\r\n\r\n${begin}`,
  );
  await write(Buffer.concat([head, unique]));
  for (let n = 0; n < mib; n++) await write(piece);
  await write(end);
  await closed;
  if (!answer.startsWith("HTTP/1.1 201 ")) throw new Error(answer);
  return performance.now() - startedMs;
}

interface Upload {
  upload: number;
  sha256: number;
  sha1: number;
  disk: number;
  socket: number;
  grownMb: number;
  /** Says on a busy machine what the wall clock cannot. */
  serverCpuSeconds: number;
}

async function uploadOnce(n: number): Promise<Upload> {
  const sha256 = hashSpeed("sha256");
  const sha1 = hashSpeed("sha1");
  await bringMemoryToHand();
  const disk = await diskSpeed();
  const socket = (megabytes / (await push("Large.tar.gz", megabytes, randomBytes(32), sink.url))) * 1000;
  await bringMemoryToHand();
  const before = await residentMb(pid);
  let peak = before;
  const cpuBefore = await processorSeconds(pid);
  const sampler = setInterval(() => void residentMb(pid).then((now) => (peak = Math.max(peak, now))), 20);
  const ms = await push(`Large.1.0.${n}.tar.gz`, megabytes, randomBytes(32));
  clearInterval(sampler);
  const cpu = (await processorSeconds(pid)) - cpuBefore;
  return { upload: (megabytes / ms) * 1000, sha256, sha1, disk, socket, grownMb: peak - before, serverCpuSeconds: cpu };
}

// What the first uploads of a process cost, above all the compiling of what is called a thousand times in each, is not counted.
for (let n = 0; n < 2; n++) await push(`Warm.1.0.${n}.tar.gz`, megabytes, randomBytes(32));
const uploads: Upload[] = [];
for (let n = 0; n < rounds; n++) uploads.push(await uploadOnce(n));

const database = openDatabase({ connection, applicationName: "cuttle bench", connectionsMax: 2 });
const [file] = await database.query<{ sha256: string }>(`SELECT sha256 FROM package_files LIMIT 1`);
const versions = Array.from({ length: packages }, (_, n) => ({
  id: `Acme.Service${Math.floor(n / 26)}.Web`,
  version: `1.${n % 26}.0`,
  key: readVersion(`1.${n % 26}.0`)!.key,
  latest: n % 26 === 25 || n === packages - 1,
}));
for (let n = 0; n < versions.length; n += 5_000) {
  const part = versions.slice(n, n + 5_000);
  await database.execute(
    `INSERT INTO packages (space_id, package_id, package_key, version, version_key, is_prerelease, is_latest, file_extension, sha256)
     SELECT 'Spaces-1', id, lower(id), version, key, false, latest, '.zip', $5
     FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) AS p (id, version, key, latest)`,
    [part.map((one) => one.id), part.map((one) => one.version), part.map((one) => one.key), part.map((one) => one.latest), file!.sha256],
  );
}
await database.execute("ANALYZE packages");
await database.close();

const agent = new http.Agent({ keepAlive: true });
async function timed(at: string): Promise<number> {
  const startedMs = performance.now();
  const request = http.get(`${url}/api${at}`, { agent, headers: { "X-Octopus-ApiKey": apiKey } });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  for await (const part of response) void part;
  if (response.statusCode !== 200) throw new Error(`${at} answered ${response.statusCode}`);
  return performance.now() - startedMs;
}
const found: Record<string, { p50: number; p99: number }> = {};
const looks: Record<string, (n: number) => string> = {
  search: (n) => `/feeds/feeds-builtin/packages/search?term=service${n % 2_000}`,
  searchAll: (n) => `/feeds/feeds-builtin/packages/search?term=acme&skip=${n}`,
  list: (n) => `/packages?filter=service${n % 2_000}`,
  listAll: (n) => `/packages?skip=${n * 100}`,
  versions: (n) => `/feeds/feeds-builtin/packages/versions?packageId=Acme.Service${n % 2_000}.Web&take=1`,
};
for (const [name, at] of Object.entries(looks)) {
  for (let n = 0; n < 20; n++) await timed(at(n));
  const times: number[] = [];
  for (let n = 0; n < searches; n++) times.push(await timed(at(n)));
  found[name] = { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}
agent.destroy();
sink.stop();

await server.stop();
const again = await startServer({
  home: path.join(folder, "home"),
  port: 18_831,
  args: [
    "--dbConnectionString",
    `Host=${connection.host};Port=${connection.port};Username=${connection.user};Password=${connection.password};Database=${connection.database}`,
  ],
});
await again.stop();
await fs.rm(folder, { recursive: true, force: true });

const median = (name: keyof Upload): number =>
  percentile(
    uploads.map((one) => one[name]),
    0.5,
  );
const limits = {
  sha256: median("sha256"),
  bothHashes: 1 / (1 / median("sha256") + 1 / median("sha1")),
  disk: median("disk"),
  socket: median("socket"),
};
const slowest = Math.min(...Object.values(limits));
console.log(
  JSON.stringify(
    {
      megabytes,
      uploadMbPerSecond: Math.round(median("upload")),
      sha256MbPerSecond: Math.round(median("sha256")),
      sha1MbPerSecond: Math.round(median("sha1")),
      bothHashesMbPerSecond: Math.round(limits.bothHashes),
      diskMbPerSecond: Math.round(limits.disk),
      socketMbPerSecond: Math.round(limits.socket),
      ofSha256: Number((median("upload") / median("sha256")).toFixed(2)),
      ofSha256OrDisk: Number((median("upload") / Math.min(limits.sha256, limits.disk)).toFixed(2)),
      ofSlowest: Number((median("upload") / slowest).toFixed(2)),
      serverCpuSeconds: Number(median("serverCpuSeconds").toFixed(2)),
      sha256Seconds: Number((megabytes / median("sha256")).toFixed(2)),
      grownMb: Math.round(Math.max(...uploads.map((one) => one.grownMb))),
      packages,
      startedInMs: { empty: Math.round(server.startedInMs), full: Math.round(again.startedInMs) },
      milliseconds: Object.fromEntries(
        Object.entries(found).map(([name, one]) => [name, { p50: Number(one.p50.toFixed(1)), p99: Number(one.p99.toFixed(1)) }]),
      ),
    },
    null,
    2,
  ),
);
process.exit(0);
