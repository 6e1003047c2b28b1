// Takes files from servers and gives files to them, anywhere the agent's user may write and read: a trusted server can run
// scripts there anyway. A file is replaced whole or not at all, and one below the home is for the agent's user only.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, stat, statfs, unlink } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize } from "node:path";
import { type FileContents, fileTransferService, type UploadResult } from "@cuttle/contract/agent/file-transfer";
import type { ServiceImplementation } from "@cuttle/halibut";

/** Left free beside an uploaded file, and a tenth of its length. */
const freeDiskBytesMin = 1024 * 1024;

/** The request cannot be done; the message says why. */
class FileTransferError extends Error {}

export function createFileTransferService({ home }: { home: string }): ServiceImplementation {
  return {
    contract: fileTransferService,
    methods: {
      UploadFile: async (params) => upload(home, resolvePath(home, params[0]), params[1] as FileContents | null),
      DownloadFile: async (params) => download(resolvePath(home, params[0])),
    },
  };
}

async function upload(home: string, path: string, contents: FileContents | null): Promise<UploadResult> {
  if (contents === null || contents === undefined) return { FullPath: path, Hash: null, Length: 0 };
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new FileTransferError(`Access to the path '${path}' is denied: it is a folder.`);
  // What lies in the home is the agent's own business; elsewhere a file is there for others too.
  const isOwn = path.startsWith(`${normalize(home)}/`);
  await mkdir(dirname(path), { recursive: true, mode: isOwn ? 0o700 : 0o777 });
  const { bavail, bsize } = await statfs(dirname(path));
  const needed = Math.ceil(contents.length * 1.1) + freeDiskBytesMin;
  if (bavail * bsize < needed) {
    throw new FileTransferError(
      `'${path}' was not stored: ${bavail * bsize} bytes of disk space are free there, and ${needed} are needed.`,
    );
  }
  const hash = createHash("sha1");
  const temporary = join(dirname(path), `.${randomUUID()}.upload`);
  let length = 0;
  try {
    const file = await open(temporary, "wx", isOwn ? 0o600 : 0o644);
    try {
      for await (const chunk of contents.open()) {
        hash.update(chunk);
        length += chunk.length;
        await file.writeFile(chunk);
      }
      // A server that got the answer may rely on the file.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  return { FullPath: path, Hash: hash.digest("hex"), Length: length };
}

async function download(path: string): Promise<FileContents | null> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (found === undefined || !found.isFile()) return null;
  const { size } = found;
  // As long as it is now: a file that grows meanwhile is cut there.
  return { length: size, open: () => (size === 0 ? emptyStream() : createReadStream(path, { end: size - 1 })) };
}

async function* emptyStream(): AsyncGenerator<Uint8Array> {}

function resolvePath(home: string, remotePath: unknown): string {
  if (typeof remotePath !== "string" || remotePath === "" || remotePath.includes("\0"))
    throw new FileTransferError("The path of the file is empty.");
  const path = remotePath.replaceAll("\\", "/");
  return normalize(isAbsolute(path) ? path : join(home, path));
}
