// Packs a bundle into a tar.gz that unpacks into one folder of its name. The same files give the same bytes.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { create } from "tar";

/** Makes `<name>[-<platform>].tar.gz` beside the folder. */
export async function makeArchive(parts: {
  folder: string;
  name: string;
  platform: string | null;
}): Promise<{ file: string; bytes: number; sha256: string }> {
  const inside = parts.platform === null ? parts.name : `${parts.name}-${parts.platform}`;
  const file = path.join(path.dirname(parts.folder), `${inside}.tar.gz`);
  await create(
    { file, cwd: parts.folder, prefix: inside, gzip: { level: 9 }, portable: true, mtime: new Date(0) },
    (await fs.readdir(parts.folder)).sort(),
  );
  const bytes = await fs.readFile(file);
  return { file, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
