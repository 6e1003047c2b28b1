// Writing small files so that they survive a power cut: whole or not at all, never half.
import { open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces `path` by `content` (mode 0600) and returns when file and folder entry are on the disk. A reader sees the old or the new content.
 * Throws the system's error (ENOSPC, EIO, …); the old content then still stands and no temporary file is left.
 */
export async function writeDurably(path: string, content: string): Promise<void> {
  // One writer per path at a time is the caller's duty; the process id keeps a dead predecessor's leftover apart.
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes the entries of a folder durable: names that were created, renamed or removed in it. */
export async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
