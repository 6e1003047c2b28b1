// Log parts as files below one folder of the shared folder. A part is created once, written at its end by one process, and durable
// when an append resolves. Names come from the server only.

import { mkdir, open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import path from "node:path";
import type { LogFolder } from "./task-log.ts";

const partName = /^[A-Za-z]+-\d{1,18}\/\d{1,18}-\d{1,9}\.log$/;

function resolvePart(root: string, file: string): string {
  if (!partName.test(file)) throw new Error(`'${file}' is not the name of a log part.`);
  return path.join(root, ...file.split("/"));
}

async function syncFolder(folder: string): Promise<void> {
  // Not every platform can open a folder; where it cannot, the rename or create is durable by itself.
  const handle = await open(folder, "r").catch(() => undefined);
  if (handle === undefined) return;
  try {
    await handle.sync();
  } catch {
    // A share that cannot sync folders still holds the file.
  } finally {
    await handle.close();
  }
}

export function createLogFolder(root: string): LogFolder {
  return {
    async createPart(file) {
      const target = resolvePart(root, file);
      const folder = path.dirname(target);
      await mkdir(folder, { recursive: true, mode: 0o750 });
      const handle = await open(target, "wx", 0o640);
      await syncFolder(folder);
      let length = 0;
      return {
        async append(bytes) {
          await writeAll(handle, bytes, length);
          await handle.datasync();
          length += bytes.length;
          return length;
        },
        close: () => handle.close(),
      };
    },
    async readPart(file, from, to) {
      const handle = await open(resolvePart(root, file), "r");
      try {
        const bytes = Buffer.alloc(to - from);
        let read = 0;
        while (read < bytes.length) {
          const { bytesRead } = await handle.read(bytes, read, bytes.length - read, from + read);
          if (bytesRead === 0) throw new Error(`The log part ${file} is shorter than what was committed.`);
          read += bytesRead;
        }
        return bytes;
      } finally {
        await handle.close();
      }
    },
  };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at + written);
    written += bytesWritten;
  }
}
