// The launcher of the embedded database against the real thing: accounts, kills, leftovers, two launchers at once, and what it says when it
// cannot. What needs root or an ordinary user runs as that and says so where it cannot.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { before, after, test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { installPackagedBinaries } from "./embedded-postgres-binaries.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from "./embedded-postgres.ts";

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
const launcher = fileURLToPath(new URL("embedded-postgres.ts", import.meta.url));
const quick = { fsync: "off", full_page_writes: "off" };
const silent = { info: () => undefined, warn: () => undefined };
const debianPrograms = "/usr/lib/postgresql/15/bin";
let workFolder = "";
let prepared: Promise<string> | undefined;

before(async () => {
  workFolder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-embedded-"));
  await fs.chmod(workFolder, 0o711);
});
after(async () => {
  for (const root of await fs.readdir(workFolder)) await endServerIn(path.join(workFolder, root));
  await fs.rm(workFolder, { recursive: true, force: true });
});

/** A data root with a database in it whose server is stopped; making one from nothing takes a second. */
async function preparedRoot(name: string): Promise<string> {
  prepared ??= (async () => {
    const root = path.join(workFolder, "prepared");
    await (await start(root)).stop();
    return root;
  })();
  const copy = path.join(workFolder, name);
  const original = await prepared;
  await fs.mkdir(copy, { mode: 0o711 });
  for (const entry of await fs.readdir(original)) {
    if (entry.startsWith("programs-")) await fs.symlink(path.join(original, entry), path.join(copy, entry));
    else execFileSync("cp", ["-a", path.join(original, entry), copy]);
  }
  return copy;
}

async function start(dataRoot: string, options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  return await startEmbeddedPostgres({ dataRoot, log: silent, settings: quick, ...options });
}

async function pidIn(root: string): Promise<number | undefined> {
  for (const name of await fs.readdir(root).catch(() => [])) {
    const text = await fs.readFile(path.join(root, name, "data", "postmaster.pid"), "utf8").catch(() => undefined);
    if (text !== undefined) return Number(text.split("\n")[0]);
  }
  return undefined;
}

async function endServerIn(root: string): Promise<void> {
  const pid = await pidIn(root);
  if (pid === undefined || pid === process.pid) return;
  try {
    process.kill(pid, "SIGQUIT");
  } catch {
    return;
  }
  await until(() => !isThere(pid));
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 10_000;
  while (!(await done())) {
    assert.ok(performance.now() < untilMs, "waited ten seconds in vain");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function query(connection: pg.ClientConfig, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionTimeoutMillis: 5_000, ...connection });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Runs a launcher in a process of its own, which prints what it got and then lives until its input ends. */
async function startElsewhere(t: TestContext, dataRoot: string, options: { uid?: number; environment?: NodeJS.ProcessEnv } = {}) {
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(launcher)});
    try {
      const server = await startEmbeddedPostgres({ dataRoot: process.argv[1], log: { info() {}, warn() {} }, settings: ${JSON.stringify(quick)} });
      console.log(JSON.stringify({ adopted: server.adopted, pid: server.pid, connection: server.connection }));
      for await (const _ of process.stdin);
      console.log(JSON.stringify(await server.stop()));
    } catch (error) { console.log(JSON.stringify({ kind: error.kind, message: error.message })); }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, dataRoot], {
    cwd: "/",
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...options.environment },
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  t.after(() => child.kill("SIGKILL"));
  let out = "";
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  child.stdout.on("data", (more: Buffer) => (out += more.toString()));
  const told = JSON.parse(chunk.toString()) as {
    adopted: boolean;
    pid: number;
    connection: pg.ClientConfig;
    kind?: string;
    message?: string;
  };
  return {
    told,
    kill: async () => {
      child.kill("SIGKILL");
      await once(child, "close");
    },
    stop: async () => {
      child.stdin.end();
      await once(child, "close");
      return JSON.parse(out) as { stopped: boolean };
    },
  };
}

test("a new database: private folders, no TCP, a password, no superuser, and nothing left of the initial password", async () => {
  const root = path.join(workFolder, "new");
  const server = await start(root);
  try {
    assert.equal(server.adopted, false);
    assert.deepEqual(
      await query(server.connection, "select current_database() as db, rolsuper, rolcreatedb from pg_roles where rolname = current_user"),
      [{ db: "cuttle", rolsuper: false, rolcreatedb: false }],
    );
    const shown = await query(
      server.adminConnection,
      "select (select setting from pg_settings where name = 'listen_addresses') as tcp, pg_encoding_to_char(encoding) as encoding, datcollate from pg_database where datname = 'cuttle'",
    );
    assert.deepEqual(shown, [{ tcp: "", encoding: "UTF8", datcollate: "C" }]);
    await assert.rejects(query({ ...server.connection, password: "wrong" }, "select 1"), { code: "28P01" });
    const names = await fs.readdir(server.folder);
    assert.deepEqual(names.sort(), ["credentials", "data", "run", "server.log"]);
    const mode = async (name: string): Promise<number> => (await fs.stat(path.join(server.folder, name))).mode & 0o777;
    assert.deepEqual(
      [await mode("credentials"), await mode("data"), await mode("run"), await mode("server.log")],
      [0o600, 0o700, 0o700, 0o600],
    );
    assert.ok(!(await fs.readFile(path.join(server.folder, "server.log"), "utf8")).includes(String(server.connection.password)));
  } finally {
    assert.deepEqual(await server.stop(), { stopped: true });
  }
  assert.equal(isThere(server.pid), false);
  assert.deepEqual(await server.stop(), { stopped: true }, "a second stop is harmless");
});

test("as root the server runs under another account, in an environment without our secrets, and no account is made", async (t) => {
  if (!isRoot) return t.skip("needs root");
  const accountsBefore = await fs.readFile("/etc/passwd", "utf8");
  process.env["MASTER_KEY"] = "canary";
  t.after(() => delete process.env["MASTER_KEY"]);
  const root = await preparedRoot("as-root");
  const server = await start(root);
  const status = await fs.readFile(`/proc/${server.pid}/status`, "utf8");
  assert.match(status, new RegExp(`^Uid:\\t(?!0\\t)\\d+`, "m"));
  assert.ok(!(await fs.readFile(`/proc/${server.pid}/environ`, "utf8")).includes("canary"));
  const words = await fs.readFile(`/proc/${server.pid}/cmdline`, "utf8");
  assert.ok(!words.includes(String(server.connection.password)) && !words.includes(String(server.adminConnection.password)));
  assert.notEqual((await fs.stat(path.join(server.folder, "data"))).uid, 0);
  assert.equal(await fs.readFile("/etc/passwd", "utf8"), accountsBefore);
  await server.stop();
});

test("an ordinary user needs nothing else", async (t) => {
  if (!isRoot) return t.skip("the other tests already run as an ordinary user");
  if (!(await isReadableByAll(launcher))) return t.skip("this checkout is in a folder that other accounts cannot enter");
  const root = path.join(workFolder, "ordinary");
  await fs.mkdir(root);
  await fs.chown(root, nobody, nobody);
  const server = await startElsewhere(t, root, { uid: nobody });
  assert.equal(server.told.message, undefined);
  assert.deepEqual(await query(server.told.connection, "select 1 as one"), [{ one: 1 }]);
  assert.deepEqual(await server.stop(), { stopped: true });
});

test("the server of a launcher that was killed is adopted by the next one, with its data", async (t) => {
  const root = await preparedRoot("killed");
  const first = await startElsewhere(t, root);
  await query(first.told.connection, "create table kept (id int)");
  await first.kill();
  assert.ok(isThere(first.told.pid), "the database outlives its launcher");
  const second = await start(root);
  assert.deepEqual([second.adopted, second.pid], [true, first.told.pid]);
  assert.deepEqual(await query(second.connection, "select * from kept"), []);
  assert.deepEqual(await second.stop(), { stopped: true });
});

test("launchers that start one new database at the same moment end up with one server, and the last to stop ends it", async () => {
  const root = path.join(workFolder, "together");
  const servers = await Promise.all([start(root), start(root)]);
  assert.equal(new Set(servers.map((server) => server.pid)).size, 1);
  assert.equal(servers.filter((server) => !server.adopted).length, 1);
  assert.equal(new Set(servers.map((server) => server.connection.password)).size, 1);
  const stops: boolean[] = [];
  for (const server of servers) stops.push((await server.stop()).stopped);
  assert.deepEqual(stops, [false, true]);
});

test("a node that only has a connection keeps the server running; other programs do not", async () => {
  const root = await preparedRoot("connected");
  const first = await start(root);
  const node = new pg.Client({ ...first.connection, application_name: "cuttle second-node" });
  await node.connect();
  assert.deepEqual(await first.stop(), { stopped: false });
  await node.end();
  const second = await start(root);
  assert.equal(second.adopted, true);
  const tool = new pg.Client({ ...second.connection, application_name: "psql" });
  tool.on("error", () => undefined);
  await tool.connect();
  assert.deepEqual(await second.stop(), { stopped: true });
});

test("a server that is killed is started again, and the connection details stay", async () => {
  const root = await preparedRoot("watched");
  const server = await start(root);
  process.kill(server.pid, "SIGKILL");
  await until(async () =>
    query(server.connection, "select 1").then(
      () => true,
      () => false,
    ),
  );
  assert.notEqual(await pidIn(root), server.pid);
  assert.deepEqual(await server.stop(), { stopped: true });
});

test("a postmaster.pid left by a crash does not hold up the start: of a dead process, and of another program that got its id", async () => {
  const root = await preparedRoot("stale");
  const { pid } = spawn("true", { stdio: "ignore" });
  for (const foreign of [pid!, process.pid]) {
    const file = path.join(root, "postgres-18", "data", "postmaster.pid");
    const lines = [foreign, path.dirname(file), 1_700_000_000, 5432, path.join(root, "postgres-18", "run"), "", "  1234567  7", "ready   "];
    await fs.writeFile(file, `${lines.join("\n")}\n`);
    if (isRoot) await fs.chown(file, nobody, nobody);
    const startedMs = performance.now();
    const server = await start(root);
    assert.equal(server.adopted, false);
    assert.ok(performance.now() - startedMs < 5_000);
    await server.stop();
  }
});

test("a server that was killed but not collected by its parent (a zombie) does not hold up the start", async (t) => {
  if (process.platform !== "linux") return t.skip("reads /proc");
  const root = await preparedRoot("zombie");
  const folder = path.join(root, "postgres-18");
  const programs = (await fs.readdir(root)).find((name) => name.startsWith("programs-"))!;
  // The shell becomes `sleep`, which never asks after the child it inherits.
  const parent = spawn(
    "/bin/sh",
    [
      "-c",
      `"$0" -D "$1" -c listen_addresses= -c unix_socket_directories="$2" & exec sleep 600`,
      path.join(root, programs, "bin", "postgres"),
      path.join(folder, "data"),
      path.join(folder, "run"),
    ],
    { stdio: "ignore", cwd: folder, ...(isRoot ? { uid: nobody, gid: nobody } : {}) },
  );
  t.after(() => parent.kill("SIGKILL"));
  await until(async () => (await fs.readFile(path.join(folder, "data", "postmaster.pid"), "utf8").catch(() => "")).includes("ready"));
  const pid = (await pidIn(root))!;
  process.kill(pid, "SIGKILL");
  await until(async () => / Z /.test(await fs.readFile(`/proc/${pid}/stat`, "utf8")));
  const server = await start(root);
  assert.equal(server.adopted, false);
  assert.ok(isThere(pid), "the zombie is still there");
  await server.stop();
});

test("a server whose socket was swept away is started anew", async () => {
  const root = await preparedRoot("swept");
  const first = await start(root);
  const socket = path.join(first.connection.host, ".s.PGSQL.5432");
  await fs.rm(socket);
  const second = await start(root);
  assert.notEqual(second.pid, first.pid);
  assert.deepEqual(await query(second.connection, "select 1 as one"), [{ one: 1 }]);
  await until(() =>
    query(first.connection, "select 1").then(
      () => true,
      () => false,
    ),
  );
  await first.stop();
  await second.stop();
});

test("a launcher killed between making the database cluster and our database leaves nothing that cannot be gone on with", async () => {
  const root = await preparedRoot("half-made");
  const server = await start(root);
  const template = { ...server.adminConnection, database: "template1" };
  await server.stop();
  // Puts back what initdb leaves: a database `postgres`, no role and no database of ours.
  const bare = await start(root);
  const admin = new pg.Client(template);
  await admin.connect();
  await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'cuttle'");
  await admin.query("alter database cuttle rename to postgres");
  await admin.query(`alter database postgres owner to ${template.user}`);
  await admin.query("drop role cuttle");
  await admin.end();
  await until(() =>
    query(bare.connection, "select 1").then(
      () => true,
      () => false,
    ),
  );
  await bare.stop();
});

test("a data folder whose path is too long for a socket puts it into a short private folder", async () => {
  const deep = path.join(workFolder, "long", "x".repeat(60), "y".repeat(60));
  await fs.mkdir(path.dirname(deep), { recursive: true });
  await fs.rename(await preparedRoot("not-yet-long"), deep);
  const server = await start(deep);
  assert.ok(!server.connection.host.startsWith(workFolder));
  assert.ok(Buffer.byteLength(`${server.connection.host}/.s.PGSQL.5432`) <= 103);
  assert.equal((await fs.stat(server.connection.host)).mode & 0o777, 0o700);
  assert.deepEqual(await query(server.connection, "select 1 as one"), [{ one: 1 }]);
  const other = await start(deep);
  assert.equal(other.pid, server.pid);
  await other.stop();
  await server.stop();
  await fs.rm(server.connection.host, { recursive: true });
});

test("as root, a data folder the database's account cannot enter sends the database to a folder of the system, for good", async (t) => {
  if (!isRoot) return t.skip("needs root");
  const home = path.join(workFolder, "private-home");
  await fs.mkdir(home, { mode: 0o700 });
  const server = await start(path.join(home, "database"));
  const moved = (await fs.readFile(path.join(home, "database", "moved-to"), "utf8")).trim();
  t.after(() => fs.rm(moved, { recursive: true }));
  assert.ok(server.folder.startsWith(`${moved}/`));
  await query(server.connection, "create table kept (id int)");
  await server.stop();
  const again = await start(path.join(home, "database"));
  assert.equal(again.folder, server.folder);
  assert.deepEqual(await query(again.connection, "select * from kept"), []);
  await again.stop();
});

test("a shared port opens TCP on 127.0.0.1 only, a server without it is started anew for it, and a taken port is named", async (t) => {
  const root = await preparedRoot("shared");
  const blocker = net.createServer().listen(0, "127.0.0.1");
  t.after(() => blocker.close());
  await once(blocker, "listening");
  const { port } = blocker.address() as net.AddressInfo;
  await assert.rejects(start(root, { sharePort: port }), {
    kind: "port-busy",
    message: new RegExp(`Port ${port} on 127.0.0.1 is taken.*--shareDb`),
  });
  blocker.close();
  await once(blocker, "close");
  const plain = await start(root);
  await assert.rejects(start(root, { sharePort: port }), { kind: "in-use" }, "not while another node uses it without");
  assert.deepEqual(await query(plain.connection, "select 1 as one"), [{ one: 1 }]);
  await plain.stop();
  const shared = await start(root, { sharePort: port });
  assert.deepEqual(await query({ ...shared.connection, host: "127.0.0.1", port }, "select inet_server_addr()::text as address"), [
    { address: "127.0.0.1/32" },
  ]);
  const follower = await start(root);
  assert.deepEqual([follower.pid, follower.connection.port], [shared.pid, port]);
  await follower.stop();
  await shared.stop();
});

test("folders that cannot be used are told by name with what to do", async (t) => {
  const file = path.join(workFolder, "a-file");
  await fs.writeFile(file, "");
  await assert.rejects(start(path.join(file, "database")), { name: "EmbeddedPostgresError", kind: "folder-unusable", message: /--home/ });
  await assert.rejects(start("relative"), { kind: "folder-unusable" });
  if (!isRoot) return;
  if (!(await isReadableByAll(launcher))) return t.skip("this checkout is in a folder that other accounts cannot enter");
  const locked = path.join(workFolder, "locked");
  await fs.mkdir(locked, { mode: 0o755 });
  const server = await startElsewhere(t, path.join(locked, "database"), { uid: nobody });
  assert.equal(server.told.kind, "folder-unusable");
  assert.match(server.told.message!, /Cannot use .*locked.*\(EACCES\).*--home/);
});

test("a disk that fills up during the first start is told as such, and leaves nothing half made", async (t) => {
  if (!isRoot || process.platform !== "linux") return t.skip("mounting a small file system needs root on Linux");
  const mount = path.join(workFolder, "small");
  await fs.mkdir(mount, { mode: 0o755 });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=70m,mode=755", "tmpfs", mount], { stdio: "pipe" });
  } catch {
    return t.skip("this machine does not allow mounting a tmpfs");
  }
  t.after(() => execFileSync("umount", [mount]));
  await assert.rejects(start(path.join(mount, "database")), { kind: "disk-full", message: /is full/ });
  const left = await fs.readdir(path.join(mount, "database", "postgres-18"));
  assert.deepEqual(
    left.filter((name) => name.startsWith("data") || name.startsWith("initial")),
    [],
  );
});

test("a database of another major version is refused with both ways out, and left alone", async () => {
  const root = path.join(workFolder, "other-major");
  await fs.mkdir(path.join(root, "postgres-17", "data"), { recursive: true });
  await fs.writeFile(path.join(root, "postgres-17", "data", "PG_VERSION"), "17\n");
  await assert.rejects(start(root), { kind: "other-major", message: /PostgreSQL 17.*PostgreSQL 18.*PGBIN.*--home/ });
  assert.ok(!(await fs.readdir(root)).includes("postgres-18"));
});

test("programs of the operator's own are used, in a data folder of their version, and ones that do not run are named", async (t) => {
  await assert.rejects(start(path.join(workFolder, "own"), { programsFolder: path.join(workFolder, "none") }), {
    kind: "programs-unusable",
    message: /cannot run|Cannot run/,
  });
  const there = await fs.access(path.join(debianPrograms, "postgres")).then(
    () => true,
    () => false,
  );
  if (!there) return t.skip(`there is no PostgreSQL in ${debianPrograms}`);
  const server = await start(path.join(workFolder, "own"), { programsFolder: debianPrograms });
  assert.match(String((await query(server.connection, "show server_version"))[0]!["server_version"]), /^15\./);
  assert.ok(server.folder.endsWith("postgres-15"));
  await server.stop();
});

test("the copy of the programs has its library links and is readable by others, also when the original is not", async () => {
  const native = path.join(workFolder, "native");
  await fs.mkdir(path.join(native, "bin"), { recursive: true });
  await fs.mkdir(path.join(native, "lib"));
  await fs.writeFile(path.join(native, "bin", "postgres"), "x", { mode: 0o700 });
  await fs.writeFile(path.join(native, "lib", "liba.so.1.2"), "y", { mode: 0o600 });
  const links = [{ source: "native/lib/liba.so.1.2", target: "native/lib/liba.so.1" }];
  await fs.writeFile(path.join(native, "pg-symlinks.json"), JSON.stringify(links));
  const parent = path.join(workFolder, "copy");
  await fs.mkdir(parent);
  const programs = await installPackagedBinaries({ native, version: "1" }, parent);
  assert.equal((await fs.stat(programs.postgres)).mode & 0o555, 0o555);
  assert.equal(await fs.readFile(path.join(parent, "programs-1", "lib", "liba.so.1"), "utf8"), "y");
  assert.equal((await fs.stat(path.join(parent, "programs-1", "lib", "liba.so.1"))).mode & 0o444, 0o444);
  assert.equal((await fs.stat(path.join(native, "bin", "postgres"))).mode & 0o777, 0o700, "the original is as it was");
  await fs.writeFile(
    path.join(native, "pg-symlinks.json"),
    JSON.stringify([{ source: "native/lib/liba.so.1.2", target: "native/../../escaped" }]),
  );
  await assert.rejects(installPackagedBinaries({ native, version: "2" }, parent), /outside/);
  assert.deepEqual(await fs.readdir(parent), ["programs-1"]);
});

async function isReadableByAll(file: string): Promise<boolean> {
  return await promisify(execFile)("cat", [file], { uid: nobody, gid: nobody, cwd: "/" }).then(
    () => true,
    () => false,
  );
}
