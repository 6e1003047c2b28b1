// The one door into Cuttle: `node launch.mjs start | test | check | server … | agent … | run …`, behind `npm start`, `npm test` and `npm run check`.
// It installs what the lock file says, finds a Node that can run TypeScript, and hands over to it. Plain JavaScript that Node 20 parses,
// with no dependency, because it has to run before anything is installed. It knows nothing of servers, agents or tests.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Type stripping without flags, `node:test` on TypeScript and the libraries we use all need it (docs/decisions/0001-node-24.md). */
const nodeMajorMin = 24;
const repositoryRoot = path.dirname(realpathSync(fileURLToPath(import.meta.url)));

const commands = {
  start: { entry: "scripts/start.ts", says: "start a server and an agent on this machine and deploy the example" },
  test: { entry: "scripts/run-tests.ts", says: "run the tests; words after -- choose files by name" },
  check: { entry: "scripts/check.ts", says: "check format, lint, types and architecture" },
  server: { entry: "server/cuttle-server.mjs", says: "the server's own command line (try: server run --help)" },
  agent: { entry: "agent/cuttle-agent.mjs", says: "the agent's own command line (try: agent run --help)" },
  run: { entry: null, says: "run a TypeScript file of the repository, such as benchmarks/start.ts, with its arguments" },
};

/** A difficulty that the person at the terminal can mend: printed as its sentence, without a stack. */
export class LaunchError extends Error {}

/**
 * The path of a Node that runs our TypeScript: the one that is running, else the binary that the lock file installs for this platform.
 * Throws a LaunchError that says what to install where neither is there. The parameters exist for tests.
 */
export function findNode({
  root = repositoryRoot,
  version = process.versions.node,
  execPath = process.execPath,
  platform = process.platform,
  arch = process.arch,
} = {}) {
  if (majorOf(version) >= nodeMajorMin) return execPath;
  const family = platform === "win32" ? "win" : platform;
  const packaged = path.join(root, "node_modules", `node-${family}-${arch}`, "bin", platform === "win32" ? "node.exe" : "node");
  const wanted = `Cuttle needs Node ${nodeMajorMin} or newer; this is Node ${version}`;
  if (!existsSync(packaged)) {
    const how =
      platform === "darwin"
        ? `On a Mac install it first: "brew install node@${nodeMajorMin}", or the installer from nodejs.org`
        : platform === "win32"
          ? `On Windows install it first: "winget install OpenJS.NodeJS.LTS", or the installer from nodejs.org`
          : `Install it from nodejs.org or with your package manager`;
    throw new LaunchError(`${wanted}, and no packaged binary is installed for ${platform}-${arch}. ${how}.`);
  }
  const answer = spawnSync(packaged, ["--version"], { encoding: "utf8", timeout: 10_000 });
  if (answer.status !== 0 || majorOf((answer.stdout || "").replace(/^v/, "")) < nodeMajorMin) {
    const reason = answer.error ? answer.error.message : (answer.stderr || `exit code ${answer.status}`).trim();
    throw new LaunchError(
      `${wanted}, and the packaged binary ${packaged} does not run here (${reason}). Install Node ${nodeMajorMin} for this system.`,
    );
  }
  return packaged;
}

/**
 * Runs a TypeScript entry file on a fitting Node as a child and resolves to its exit code; signals are passed on.
 * If the child was ended by a signal, this process ends itself by the same one, so that a caller sees what happened.
 */
export async function runOnFittingNode(entry, args) {
  // The main job counts from here. A server would take it for a setting that it does not know.
  const isStart = path.basename(entry) === "start.ts";
  const env = isStart ? { ...process.env, CUTTLE_LAUNCHED_AT: String(Math.round(performance.timeOrigin)) } : process.env;
  const child = spawn(findNode(), [entry, ...args], { stdio: "inherit", env });
  const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"];
  const passOn = (signal) => {
    // A terminal sends Ctrl-C and hang-up to the whole group: the child has it already, and a second one would mean "at once".
    if (signal !== "SIGTERM" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of forwarded) process.on(signal, passOn);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal }));
  });
  for (const each of forwarded) process.removeListener(each, passOn);
  if (signal !== null) process.kill(process.pid, signal);
  return code ?? 1;
}

/** Brings node_modules to what package-lock.json says. Does nothing when the stamp of the last complete install has the same hash. */
export async function installDependencies(root = repositoryRoot) {
  const lockFile = path.join(root, "package-lock.json");
  const wanted = createHash("sha256").update(readFileSync(lockFile)).update(`${process.platform}-${process.arch}`).digest("hex");
  if (readStamp(root) === wanted) return;
  const release = await takeInstallLock(root);
  try {
    if (readStamp(root) === wanted) return; // another launcher installed while this one waited
    await runNpmCi(root, JSON.parse(readFileSync(lockFile, "utf8")));
    // Written last and in one move: an install that was interrupted leaves no stamp and is done again.
    writeFileSync(`${stampFile(root)}.new`, `${wanted}\n`);
    renameSync(`${stampFile(root)}.new`, stampFile(root));
  } finally {
    release();
  }
}

/** A server of this checkout serves the web portal; it is built when its sources have changed. Without it the server runs all the same. */
async function buildPortal() {
  const script = path.join(repositoryRoot, "scripts", "portal.ts");
  if (existsSync(script)) await runOnFittingNode(script, ["--quiet"]);
}

function stampFile(root) {
  return path.join(root, "node_modules", ".cuttle-install");
}

function readStamp(root) {
  try {
    return readFileSync(stampFile(root), "utf8").trim();
  } catch {
    return null;
  }
}

/** Two launchers in one folder must not both rewrite node_modules. The lock holds a process id, so one left by a dead process is taken over. */
async function takeInstallLock(root) {
  const lockFolder = path.join(root, ".cuttle");
  const lock = path.join(lockFolder, "install.lock");
  const waitMsMax = 10 * 60_000; // an install on a slow line; after that something else is wrong
  const startedAt = Date.now();
  let told = false;
  for (;;) {
    try {
      mkdirSync(lockFolder, { recursive: true });
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      return () => rmSync(lock, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw explainFileError(error, lockFolder);
    }
    const holder = readHolder(lock);
    if (holder !== null && !isAlive(holder)) {
      rmSync(lock, { force: true });
      continue;
    }
    if (!told) process.stderr.write(`Another launcher (process ${holder ?? "unknown"}) is installing; waiting for it.\n`);
    told = true;
    if (Date.now() - startedAt > waitMsMax) {
      throw new LaunchError(
        `Waited ${waitMsMax / 60_000} minutes for process ${holder} to install. End it, or remove ${lock}, and start again.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

function readHolder(lock) {
  try {
    const holder = Number(readFileSync(lock, "utf8"));
    return Number.isInteger(holder) && holder > 0 ? holder : null;
  } catch {
    return null;
  }
}

function isAlive(processId) {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

async function runNpmCi(root, lock) {
  const expected = packagesForThisMachine(lock);
  const startedAt = Date.now();
  const elapsed = () => `${((Date.now() - startedAt) / 1000).toFixed(0)} s`;
  const isTerminal = process.stderr.isTTY === true;
  process.stderr.write(`Installing ${expected.length} packages with npm ci, as package-lock.json says.\n`);
  // Scripts of packages never run. Integrity hashes make a cached package as good as a fetched one. Development tools are needed whatever NODE_ENV is.
  const args = [
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--include=dev",
    "--include=optional",
    "--loglevel=error",
  ];
  const npm = npmCommand();
  const child = spawn(npm.program, [...npm.args, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"], shell: npm.shell });
  let output = "";
  const keep = (chunk) => {
    output = (output + chunk).slice(-16_384); // the end is where npm says what went wrong
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const timer = setInterval(
    () => {
      const there = expected.filter((folder) => existsSync(path.join(root, folder, "package.json"))).length;
      const line = `  ${there} of ${expected.length} packages, ${elapsed()}${timeLeft(there, expected.length, Date.now() - startedAt)}`;
      process.stderr.write(isTerminal ? `\r${line}` : `${line}\n`);
    },
    isTerminal ? 500 : 5_000,
  );
  const stop = (signal) => child.kill(signal);
  process.on("SIGINT", stop).on("SIGTERM", stop);
  let code;
  try {
    code = await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exitCode, signal) => resolve(exitCode ?? signal));
    });
  } catch (error) {
    throw new LaunchError(`npm could not be started (${error.message}). Install npm, which comes with Node, and start again.`);
  } finally {
    clearInterval(timer);
    process.removeListener("SIGINT", stop).removeListener("SIGTERM", stop);
    if (isTerminal) process.stderr.write("\r");
  }
  if (code !== 0) throw new LaunchError(explainNpmFailure(code, output, root));
  process.stderr.write(`  ${expected.length} of ${expected.length} packages installed in ${elapsed()}.\n`);
}

/** What is left at the pace so far; nothing while that says little. */
function timeLeft(done, total, elapsedMs) {
  if (elapsedMs < 2_000 || done < total / 20 || done === total) return "";
  return `, about ${Math.max(1, Math.ceil((elapsedMs / done) * ((total - done) / 1000)))} s left  `;
}

/** Folders of the packages in the lock file that npm will really put on this platform. */
function packagesForThisMachine(lock) {
  const fits = (wanted, own) => {
    if (wanted === undefined) return true;
    const list = [].concat(wanted);
    return list.includes(own) || (list.every((each) => each.startsWith("!")) && !list.includes(`!${own}`));
  };
  return Object.entries(lock.packages ?? {})
    .filter(
      ([folder, entry]) =>
        folder.includes("node_modules/") && !entry.link && fits(entry.os, process.platform) && fits(entry.cpu, process.arch),
    )
    .map(([folder]) => folder);
}

/** npm as the program that started us, else the one on the path. Under `npm start` it says where it is. */
function npmCommand() {
  const told = process.env.npm_execpath;
  if (told && path.basename(told).startsWith("npm-cli")) return { program: process.execPath, args: [told], shell: false };
  const isWindows = process.platform === "win32";
  return { program: isWindows ? "npm.cmd" : "npm", args: [], shell: isWindows };
}

function explainNpmFailure(code, output, root) {
  const said = output.trim();
  const shown = said === "" ? "" : `\nnpm said:\n${said}\n`;
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT/.test(said)) {
    return `${shown}The package registry could not be reached. Connect this machine to it (or set npm's registry or proxy) and start again; nothing else is fetched later.`;
  }
  if (/EACCES|EPERM|EROFS/.test(said)) {
    return `${shown}${path.join(root, "node_modules")} cannot be written by this user. Remove it as its owner, or clone the repository as yourself.`;
  }
  if (/ENOSPC/.test(said)) return `${shown}The disk is full: the packages need about 600 MB in ${root}.`;
  if (typeof code === "string") return `The install was interrupted by ${code}. Start again: it begins anew.`;
  return `${shown}npm ci ended with exit code ${code}. Mend what it says above and start again.`;
}

function explainFileError(error, folder) {
  return new LaunchError(`Cannot write in ${folder} (${error.code}). Start from a copy of the repository that this user owns.`);
}

function majorOf(version) {
  return Number.parseInt(version, 10) || 0;
}

function usage() {
  const lines = Object.entries(commands).map(([name, command]) => `  node launch.mjs ${name.padEnd(7)} ${command.says}`);
  return `Usage:\n${lines.join("\n")}\n`;
}

async function main() {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(usage());
    return name === undefined ? 2 : 0;
  }
  if (!Object.hasOwn(commands, name)) throw new LaunchError(`There is no command "${name}".\n${usage()}`);
  const entry = commands[name].entry ?? args.shift();
  if (entry === undefined) throw new LaunchError(`Name the file to run: node launch.mjs ${name} benchmarks/start.ts`);
  const file = path.resolve(repositoryRoot, entry);
  if (!existsSync(file)) throw new LaunchError(`There is no file ${file}.`);
  await installDependencies();
  if (name === "server" && args[0] === "run") await buildPortal();
  return await runOnFittingNode(file, args);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
