// Builds the web portal into portal/dist when its sources have changed since the last time: static files, compressed, with their sizes
// checked. The server in a checkout serves them from there, and bundles take them along.
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import zlib from "node:zlib";
import type { Plugin } from "vite";
import { firstViewProblems } from "./first-view.ts";

const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);

/** Smaller files gain nothing from being compressed. */
const compressedBytesMin = 512;
const compressible = /\.(?:js|css|svg|json)$/;

export interface BuiltPortal {
  folder: string;
  /** Whether it had to be built now. */
  isNew: boolean;
}

/** How far a build is: so many of so many of what it names. The total is a guess from the last time it was looked at, until more are found. */
export interface BuildStep {
  what: string;
  done: number;
  total: number;
}

/** Source files that go into the portal, those of libraries with them. Only for the first guess of how long a build takes. */
const filesUsual = 3_000;

export function portalFolder(root: string): string {
  return path.join(root, "portal", "dist");
}

/** Whether the files in portal/dist were made from the sources as they are now. */
export function isPortalBuilt(root: string): boolean {
  try {
    const { Sources } = JSON.parse(readFileSync(path.join(portalFolder(root), "portal.json"), "utf8")) as { Sources: string };
    return Sources === keyOf(root);
  } catch {
    return false;
  }
}

/** @throws Error with the compiler's words, or when a budget is exceeded; then portal/dist is as it was */
export async function buildPortal(root: string, onProgress: (step: BuildStep) => void = () => {}): Promise<BuiltPortal> {
  const folder = portalFolder(root);
  if (isPortalBuilt(root)) return { folder, isNew: false };
  const sources = keyOf(root);
  const staging = `${folder}.${process.pid}`;
  try {
    const { build } = await import("vite");
    await build({
      root: path.join(root, "portal"),
      configFile: path.join(root, "portal", "vite-config.ts"),
      logLevel: "error",
      build: { outDir: staging, emptyOutDir: true },
      plugins: [countFiles(onProgress)],
    });
    const document = await fs.readFile(path.join(staging, "index.html"), "utf8");
    await compressFiles(path.join(staging, "assets"), onProgress);
    // Names of assets hold their hashes, so the document tells builds apart.
    const id = createHash("sha256").update(document).digest("hex").slice(0, 16);
    const problems = await firstViewProblems(staging, document);
    if (problems.length > 0) throw new Error(problems.join("\n"));
    await fs.writeFile(path.join(staging, "portal.json"), `${JSON.stringify({ Build: id, Sources: sources })}\n`);
    await replaceFolder(folder, staging);
  } finally {
    await fs.rm(staging, { recursive: true, force: true });
  }
  return { folder, isNew: true };
}

/** Two builds may end at the same moment; whichever comes last stays, and both are right. */
async function replaceFolder(folder: string, staging: string): Promise<void> {
  const old = `${folder}.old-${process.pid}`;
  try {
    await fs.rename(folder, old);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  try {
    await fs.rename(staging, folder);
  } catch (error) {
    if (!existsSync(path.join(folder, "portal.json"))) throw error;
  }
  await fs.rm(old, { recursive: true, force: true });
}

/** Tells of each file that was read. */
function countFiles(onProgress: (step: BuildStep) => void): Plugin {
  let done = 0;
  return {
    name: "cuttle-count-files",
    moduleParsed() {
      done += 1;
      onProgress({ what: "file", done, total: Math.max(filesUsual, done) });
    },
  };
}

async function compressFiles(folder: string, onProgress: (step: BuildStep) => void): Promise<void> {
  const names = (await fs.readdir(folder)).filter((name) => compressible.test(name));
  let done = 0;
  await Promise.all(
    names.map(async (name) => {
      const content = await fs.readFile(path.join(folder, name));
      if (content.length >= compressedBytesMin) await compressFile(path.join(folder, name), content);
      onProgress({ what: "compressed file", done: (done += 1), total: names.length });
    }),
  );
}

async function compressFile(file: string, content: Buffer): Promise<void> {
  const [small, smaller] = await Promise.all([
    gzip(content, { level: 9 }),
    brotli(content, { params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
  ]);
  await fs.writeFile(`${file}.gz`, small);
  await fs.writeFile(`${file}.br`, smaller);
}

/** Changes whenever the portal's sources, its libraries or the way of building do. */
function keyOf(root: string): string {
  const hash = createHash("sha256");
  const files = globSync(["portal/**/*", "scripts/portal/*.ts", "package-lock.json"], {
    cwd: root,
    exclude: ({ name }) => name === "node_modules" || name === "dist" || name.startsWith("dist.") || name.endsWith(".test.ts"),
    withFileTypes: true,
  });
  for (const file of files
    .filter((one) => one.isFile())
    .map((one) => path.join(one.parentPath, one.name))
    .sort()) {
    hash
      .update(`${path.relative(root, file).split(path.sep).join("/")}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}
