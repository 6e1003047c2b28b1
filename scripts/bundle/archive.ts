// Packs a bundle into a tar.gz that unpacks into one folder of its name. The same files give the same bytes.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { create } from "tar";

/** Smallest; what is made while somebody waits takes a lower one. */
const levelDefault = 9;

/** Makes `<name>[-<platform>].tar.gz` beside the folder, or in `into`. It has this name only when it is whole. */
export async function makeArchive(parts: {
  folder: string;
  name: string;
  platform: string | null;
  into?: string;
  level?: number;
  /** Bytes of the content that are packed, of how many. */
  onProgress?: (done: number, total: number) => void;
}): Promise<{ file: string; bytes: number; sha256: string }> {
  const inside = parts.platform === null ? parts.name : `${parts.name}-${parts.platform}`;
  const file = path.join(parts.into ?? path.dirname(parts.folder), `${inside}.tar.gz`);
  const staging = `${file}.${process.pid}`;
  const names = (await fs.readdir(parts.folder)).sort();
  let total = 0;
  for (const name of names) total += (await fs.stat(path.join(parts.folder, name))).size;
  let done = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      parts.onProgress?.(Math.min(done, total), total);
      next(null, chunk);
    },
  });
  try {
    const packed = create({ cwd: parts.folder, prefix: inside, portable: true, mtime: new Date(0) }, names);
    await pipeline(
      packed as unknown as AsyncIterable<Buffer>,
      counted,
      createGzip({ level: parts.level ?? levelDefault }),
      createWriteStream(staging),
    );
    const hash = createHash("sha256");
    await pipeline(createReadStream(staging), hash);
    const { size } = await fs.stat(staging);
    await fs.rename(staging, file);
    return { file, bytes: size, sha256: hash.digest("hex") };
  } finally {
    await fs.rm(staging, { force: true });
  }
}
