// What can go wrong with a file in the shared folder, as a kind the engine can decide by, and as a sentence.

export type SharedFolderFailure =
  | "full" // no space or quota left
  | "timed-out" // the folder did not answer within the call's deadline; what the call did is unknown
  | "not-found"
  | "exists" // files are never written twice
  | "refused" // a name that is not ours, a link, or something that is no regular file
  | "damaged" // shorter than the database says, or other content
  | "broken" // an earlier call on this file failed: what is in it after its committed length is unknown
  | "failed"; // anything else of the operating system

export class SharedFolderError extends Error {
  readonly kind: SharedFolderFailure;
  /** The operating system's name for it, where there is one. */
  readonly code: string | undefined;
  constructor(kind: SharedFolderFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SharedFolderError";
    this.kind = kind;
    this.code = cause === undefined ? undefined : systemCode(cause);
  }
}

/** Node does not name every code: a stale NFS handle arrives as number only. */
export function systemCode(error: unknown): string | undefined {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (errno === -116) return "ESTALE";
  return code;
}

export function describeFailure(error: unknown, file: string, doing: string): SharedFolderError {
  if (error instanceof SharedFolderError) return error;
  const code = systemCode(error);
  const what = `Cannot ${doing} ${file} in the shared folder`;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new SharedFolderError("full", `${what}: no space is left (${code}). Free some space or enlarge the disk.`, error);
    case "ENOENT":
    case "ENOTDIR":
      return new SharedFolderError(
        "not-found",
        `${what}: it is not there (${code}). Check that every node has the same folder mounted.`,
        error,
      );
    case "EEXIST":
      return new SharedFolderError("exists", `${what}: it exists already, and files are never written twice.`, error);
    case "ELOOP":
    case "EMLINK":
      return new SharedFolderError("refused", `${what}: it is a link, which this server never makes. Find out who put it there.`, error);
    default:
      return new SharedFolderError(
        "failed",
        `${what}: ${code ?? (error as Error).message}. Check the folder's permissions and its file server.`,
        error,
      );
  }
}
