// The archive of a program as somebody gets it: made, unpacked in a folder of its own without the packages of a checkout, and run on the Node
// of the machine.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { makeArchive } from "../../scripts/bundle/archive.ts";
import { makeBundle } from "../../scripts/bundle/make-bundle.ts";

const root = path.dirname(path.dirname(import.meta.dirname));

/** What a test of archives cannot do without. */
export const noTar = { skip: process.platform === "win32" ? "unpacks with tar and runs a shell script" : false } as const;

/** An unpacked archive, with the archive's size and hash. */
export interface UnpackedArchive {
  folder: string;
  version: string;
  bytes: number;
  sha256: string;
}

/** A folder for the tests of one file, made before them and removed after them; the database's account may pass through it. */
export function archivesFolder(): {
  readonly path: string;
  unpacked(program: "server" | "agent", place: string): Promise<UnpackedArchive>;
} {
  let folder = "";
  before(async () => {
    folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bundle-"));
    await fs.chmod(folder, 0o711);
  });
  after(() => fs.rm(folder, { recursive: true, force: true }));
  return {
    get path() {
      return folder;
    },
    async unpacked(program, place) {
      const bundle = path.join(folder, place, program);
      await fs.mkdir(path.dirname(bundle), { recursive: true });
      const made = await makeBundle({ root, program, folder: bundle, withNode: false });
      const archive = await makeArchive({ folder: bundle, name: `cuttle-${program}`, platform: made.platform });
      execFileSync("tar", ["xzf", archive.file, "-C", path.dirname(bundle)]);
      const { bytes, sha256 } = archive;
      return { folder: archive.file.replace(/\.tar\.gz$/, ""), version: made.version, bytes, sha256 };
    },
  };
}

/** Runs a program of an unpacked archive until it says that it is ready, and then until it has stopped; answers what it said. */
export async function readyLine(
  file: string,
  words: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Record<string, unknown>> {
  const child = spawn(file, words, {
    env: { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`, HOME: path.dirname(path.dirname(file)), ...environment },
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
