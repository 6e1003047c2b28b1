// The server's command line as a person or a service manager meets it: real processes, their output and exit codes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("cuttle-server.mjs", import.meta.url));
const keyText = Buffer.alloc(32, 5).toString("base64");

async function run(words: string[], environment: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...words], { env: { PATH: process.env["PATH"], ...environment }, timeout: 30_000 });
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
