// Writing small files so that they survive a power cut: whole or not at all, never half. Only the waits for the disk go to another thread: handing
// over each of the other calls would cost many times what they do.
import { closeSync, fsync, openSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";

const syncFile = promisify(fsync);

/**
 * Replaces `path` by `content` (mode 0600) and returns when file and folder entry are on the disk. A reader sees the old or the new content.
 * Throws the system's error (ENOSPC, EIO, …); the old content then still stands and no temporary file is left.
 */
export async function writeDurably(path: string, content: string): Promise<void> {
  // One writer per path at a time is the caller's duty; the process id keeps a dead predecessor's leftover apart.
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = openSync(temporary, "w", 0o600);
    try {
      writeFileSync(file, content);
      await syncFile(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // It was not made, or the disk refuses that too.
    }
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes the entries of a folder durable: names that were created, renamed or removed in it. */
export async function syncDirectory(path: string): Promise<void> {
  const folder = openSync(path, "r");
  try {
    await syncFile(folder);
  } finally {
    closeSync(folder);
  }
}
