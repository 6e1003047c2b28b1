// Why the embedded database could not be started or stopped, as a kind for programs and a sentence for people.

export type EmbeddedPostgresFailure =
  | "programs-missing" // no packaged binaries for this machine and no PGBIN
  | "programs-unusable" // they cannot be run
  | "other-major" // the data root belongs to another major version
  | "folder-unusable" // a folder cannot be written, entered or is not ours
  | "disk-full"
  | "port-busy"
  | "in-use" // another process holds the data folder, or runs it with other settings
  | "start-failed"
  | "start-timed-out"
  | "stop-timed-out";

/** The database could not be started or stopped. The message says what, where and what to do. */
export class EmbeddedPostgresError extends Error {
  readonly kind: EmbeddedPostgresFailure;
  constructor(kind: EmbeddedPostgresFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "EmbeddedPostgresError";
    this.kind = kind;
  }
}
