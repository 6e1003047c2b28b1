// What server and agent say to each other about files: packages and tools go up before a script, artifacts come down after it.

/** Bytes that travel beside a message; the same form as a data stream of the wire library. */
export interface FileContents {
  length: number;
  open(): AsyncIterable<Uint8Array>;
}

/** What became of an uploaded file. */
export interface UploadResult {
  /** Where it lies on the agent's machine. */
  FullPath: string;
  /** SHA-1 of the stored file, lower-case hex; null when nothing was sent. */
  Hash: string | null;
  Length: number;
}

const uploadResult = {
  kind: "object",
  type: "Octopus.Shared.Contracts.UploadResult, Octopus.Shared",
  alsoAccepts: ["Octopus.Tentacle.Contracts.UploadResult, Octopus.Tentacle.Contracts"],
  members: { FullPath: { kind: "string" }, Hash: { kind: "string" }, Length: { kind: "int64" } },
} as const;

/**
 * `UploadFile(remotePath, contents)` answers an {@link UploadResult}; `DownloadFile(remotePath)` the contents, or null when there is no such file.
 * A relative path lies below the agent's home. Both may be repeated: an upload replaces the file.
 */
export const fileTransferService = {
  name: "IFileTransferService",
  methods: {
    UploadFile: { params: [{ kind: "string" }, { kind: "stream" }], result: uploadResult },
    DownloadFile: { params: [{ kind: "string" }], result: { kind: "stream" } },
  },
} as const;
