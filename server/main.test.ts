// The server's command line as a person or a service manager meets it: real processes, their output and exit codes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import fs from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../test/support/postgres.ts";

const program = fileURLToPath(new URL("cuttle-server.mjs", import.meta.url));
const keyText = Buffer.alloc(32, 5).toString("base64");

async function run(words: string[], environment: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...words], { env: { PATH: process.env["PATH"], ...environment }, timeout: 60_000 });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

test("version and help answer and end well", async () => {
  const version = await run(["version"]);
  assert.deepEqual([version.code, version.err], [0, ""]);
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/);
  assert.deepEqual(Object.keys(JSON.parse((await run(["version", "--format", "json"])).out) as object), ["Version"]);
  const help = await run(["help", "run"]);
  assert.equal(help.code, 0);
  for (const flag of [
    "--home",
    "--serverNodeName",
    "--webListenPrefixes",
    "--commsListenPort",
    "--clusterShared",
    "--taskCap",
    "DB_CONNECTION_STRING",
  ]) {
    assert.ok(help.out.includes(flag), flag);
  }
});

test("a flag that is not known is refused with the one that was meant, and so is an unknown command", async () => {
  const flag = await run(["run", "--taskCp", "3"]);
  assert.equal(flag.code, 2);
  assert.match(flag.err, /--taskCp.*\n.*--taskCap/);
  assert.equal((await run(["rum"])).code, 2);
});

test("wrong settings are told all at once, before anything is started, and no secret is shown", async () => {
  const { code, out, err } = await run(["run", "--taskCap", "many", "--commsListenPort", "99999"], { MASTER_KEY: "hunter22" });
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.deepEqual(
    err
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]),
    ["--commsListenPort", "--taskCap", "--masterKey"],
  );
  assert.ok(!err.includes("hunter22"));
});

test("the master key is shown from the environment or the home folder, or it is said that there is none", async (t) => {
  const home = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-home-"));
  t.after(() => fs.rm(home, { recursive: true }));
  const none = await run(["show-master-key", "--home", home]);
  assert.deepEqual([none.code, none.out], [1, ""]);
  assert.match(none.err, /There is no master key/);
  await fs.writeFile(path.join(home, "master-key"), `${keyText}\n`);
  assert.equal((await run(["show-master-key", "--home", home])).out, `${keyText}\n`);
  const other = Buffer.alloc(16, 6).toString("base64");
  assert.equal(
    (await run(["show-master-key", "--home", home, "--format", "json"], { MASTER_KEY: other })).out,
    `{"MasterKey":"${other}"}\n`,
  );
  await fs.writeFile(path.join(home, "master-key"), "damaged");
  const damaged = await run(["show-master-key", "--home", home]);
  assert.deepEqual([damaged.code, damaged.out], [1, ""]);
});

interface Node {
  child: ChildProcess;
  out: () => string;
  err: () => string;
  ready: { url: string; thumbprint: string; nodeName: string };
  ended: Promise<{ code: number | null; signal: string | null }>;
}

async function temporaryHome(t: TestContext): Promise<string> {
  const home = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-home-"));
  await fs.chmod(home, 0o711); // the embedded database's account passes through
  // One hook for both: hooks run in the order they were given, one that throws keeps the later ones from running, and a node that still
  // writes into the folder makes its removal throw.
  t.after(async () => {
    const nodes = nodesOf.get(home) ?? [];
    for (const node of nodes) node.child.kill("SIGKILL");
    await Promise.all(nodes.map((node) => node.ended));
    await fs.rm(home, { recursive: true, maxRetries: 20, retryDelay: 100 });
  });
  return home;
}

/** The nodes of each home, to end before it is removed. */
const nodesOf = new Map<string, Pick<Node, "child" | "ended">[]>();

/** Starts a node on free ports and waits until it says that it is ready. */
async function startNode(home: string, environment: NodeJS.ProcessEnv): Promise<Node> {
  const words = [
    "run",
    "--ready-line",
    "--home",
    home,
    "--webListenPrefixes",
    "http://localhost:0",
    "--commsListenPort",
    "0",
    "--logLevel",
    "warn",
  ];
  const child = spawn(process.execPath, [program, ...words], { env: { PATH: process.env["PATH"], ...environment } });
  let out = "";
  let err = "";
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once("close", (code, signal) => resolve({ code, signal })),
  );
  nodesOf.set(home, [...(nodesOf.get(home) ?? []), { child, ended }]);
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes("\n")) resolve(out.slice(0, out.indexOf("\n")));
    });
    child.once("close", (code) => reject(new Error(`The node ended with ${code}: ${err}`)));
  });
  return { child, out: () => out, err: () => err, ready: JSON.parse(line) as Node["ready"], ended };
}

async function externalDatabase(): Promise<{ DB_CONNECTION_STRING: string; MASTER_KEY: string }> {
  const { connection } = await (await startPostgres()).createDatabase({ empty: true });
  const { host, port, user, password, database } = connection;
  return {
    DB_CONNECTION_STRING: `Host=${host};Port=${port};Database=${database};Username=${user};Password=${password}`,
    MASTER_KEY: keyText,
  };
}

test("a node brings its own database, says when it is ready in one line, and ends in order at SIGTERM together with its database", async (t) => {
  const home = await temporaryHome(t);
  const first = await startNode(home, {});
  assert.match(first.ready.thumbprint, /^[0-9A-F]{40}$/);
  assert.equal((await fetch(`${first.ready.url}/api`)).status, 200);
  first.child.kill("SIGTERM");
  assert.deepEqual(await first.ended, { code: 0, signal: null });
  assert.equal(first.out().trim().split("\n").length, 1, "nothing but the line on standard output");
  const left = await fs.readdir(path.join(home, "database", "postgres-18", "data"));
  assert.ok(!left.includes("postmaster.pid"), "the database has ended too");

  const second = await startNode(home, {});
  assert.equal(second.ready.thumbprint, first.ready.thumbprint, "the same cluster as before");
  second.child.kill("SIGKILL");
  await second.ended;
  const third = await startNode(home, {});
  assert.equal(third.ready.thumbprint, first.ready.thumbprint, "after a kill as well");
  assert.equal((await run(["show-thumbprint", "--home", home])).out, `${first.ready.thumbprint}\n`, "while the node runs");
  const inUse = await run(["database", "--delete", "--home", home]);
  assert.deepEqual([inUse.code, inUse.out], [1, ""]);
  assert.match(inUse.err, /A node uses the database/);
  third.child.kill("SIGINT");
  assert.equal((await third.ended).code, 0);

  assert.equal((await run(["show-thumbprint", "--home", home])).out, `${first.ready.thumbprint}\n`, "and while none does");
  assert.equal((await run(["database", "--delete", "--home", home])).code, 0);
  assert.ok(!(await fs.readdir(home)).includes("database"));
  assert.match((await run(["show-thumbprint", "--home", home])).err, /No node has used this database yet/);
});

test("a port that is taken is named together with the flag that changes it", async (t) => {
  const home = await temporaryHome(t);
  const other = http.createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const { code, err } = await run(
    ["run", "--home", home, "--webListenPrefixes", `http://localhost:${port}`, "--logLevel", "silent"],
    await externalDatabase(),
  );
  assert.equal(code, 1);
  assert.match(err, new RegExp(`Port ${port} is taken by another program.*--webListenPrefixes`));
});

test("a wrong master key, a database that is not there and a wrong password each end the start with one sentence", async (t) => {
  const home = await temporaryHome(t);
  const right = await externalDatabase();
  const node = await startNode(home, right);
  node.child.kill("SIGTERM");
  await node.ended;
  const quiet = ["run", "--home", home, "--webListenPrefixes", "http://localhost:0", "--logLevel", "silent"];
  const wrongKey = await run(quiet, { ...right, MASTER_KEY: Buffer.alloc(32, 9).toString("base64") });
  assert.equal(wrongKey.code, 1);
  assert.match(wrongKey.err, /^The master key given \([0-9a-f]+\) is not the one.*\n$/);
  const noKey = await run(quiet, { DB_CONNECTION_STRING: right.DB_CONNECTION_STRING });
  assert.match(noKey.err, /^This database is encrypted with the master key.*MASTER_KEY.*\n$/);
  const nobody = await run(quiet, { DB_CONNECTION_STRING: "postgres://u:hunter22@127.0.0.1:1/d" });
  assert.deepEqual(
    [nobody.code, nobody.err],
    [1, "Cannot use the database server at 127.0.0.1:1: nothing answers there (ECONNREFUSED). Check DB_CONNECTION_STRING.\n"],
  );
  const refused = await run(quiet, { DB_CONNECTION_STRING: right.DB_CONNECTION_STRING.replace(/Password=.*/, "Password=hunter22") });
  assert.equal(refused.code, 1);
  assert.match(refused.err, /^Cannot use .* does not accept the password.*\n$/);
  assert.ok(!refused.err.includes("hunter22"));
});

test("a second signal during the stop ends the process at once", async (t) => {
  const home = await temporaryHome(t);
  const node = await startNode(home, await externalDatabase());
  // Stopped meanwhile, so that both are there when the node looks.
  node.child.kill("SIGSTOP");
  node.child.kill("SIGTERM");
  node.child.kill("SIGINT");
  node.child.kill("SIGCONT");
  assert.equal((await node.ended).code, 130);
});
