// The archives of our own agent that this server hands out: which there are, with what hash, and their bytes. It finds them in folders that
// it is given; where none is, it can have one made.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface AgentArchive {
  /** Such as cuttle-agent-0.4.0-linux-x64.tar.gz. */
  file: string;
  /** Such as linux-x64. */
  platform: string;
  sha256: string;
  bytes: number;
}

export interface AgentArchives {
  /** One for each platform, the newest; empty while the first one is still being made. Asking has it made. */
  list(): Promise<AgentArchive[]>;
  open(archive: AgentArchive, from: number, to: number): Readable;
}

/** More files in the folder are not looked at; there is one for each platform and version. */
const filesMax = 100;
const form = /^cuttle-agent-[\w.+-]+?-((?:linux|darwin)-(?:x64|arm64))\.tar\.gz$/;

export function createAgentArchives(parts: {
  /** Looked at in this order. */
  folders: readonly string[];
  /** Makes one in the first folder. Called when none is found, once at a time. */
  make?: () => Promise<void>;
  reportFault: (error: unknown) => void;
}): AgentArchives {
  /** Hashes take a moment for a hundred megabytes; a file with the same size and time has the same. */
  const known = new Map<string, { key: string; sha256: string }>();
  const places = new Map<string, string>();
  let making: Promise<void> | undefined;

  async function hashOf(file: string, key: string): Promise<string> {
    const before = known.get(file);
    if (before?.key === key) return before.sha256;
    const hash = createHash("sha256");
    await pipeline(createReadStream(file), hash);
    const sha256 = hash.digest("hex");
    known.set(file, { key, sha256 });
    return sha256;
  }

  async function look(): Promise<AgentArchive[]> {
    const newest = new Map<string, { file: string; place: string; bytes: number; atMs: number }>();
    for (const folder of parts.folders) {
      const names = await readdir(folder).catch(() => []);
      for (const file of names.filter((name) => form.test(name)).slice(0, filesMax)) {
        const platform = form.exec(file)![1]!;
        const place = path.join(folder, file);
        const found = await stat(place).catch(() => undefined);
        if (found === undefined || (newest.get(platform)?.atMs ?? -1) >= found.mtimeMs) continue;
        newest.set(platform, { file, place, bytes: found.size, atMs: found.mtimeMs });
      }
    }
    return await Promise.all(
      [...newest].map(async ([platform, { file, place, bytes, atMs }]) => {
        places.set(file, place);
        return { file, platform, bytes, sha256: await hashOf(place, `${bytes} ${atMs}`) };
      }),
    );
  }

  return {
    async list() {
      const found = await look();
      if (found.length === 0 && parts.make !== undefined)
        // Asked again at each look, until it is there.
        making ??= parts
          .make()
          .catch(parts.reportFault)
          .finally(() => (making = undefined));
      return found;
    },
    open: (archive, from, to) => createReadStream(places.get(archive.file)!, { start: from, end: Math.max(from, to - 1) }),
  };
}
