// The folder a script runs in: made before the script is accepted, with the script and the files the server sent along,
// readable for the agent's user only. Nothing that a server sends can name a place outside it.
import { createCipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ScriptShell } from "./ticket-state.ts";

/** Name of the script in its workspace. */
export const bootstrapName: { readonly [shell in ScriptShell]: string } = { bash: "Bootstrap.sh", powershell: "Bootstrap.ps1" };

/** Names that agents of this protocol keep for themselves; an attached `Bootstrap.sh` would run in place of the script. */
const reservedNames = ["bootstrap.sh", "bootstrap.ps1", "scriptstate.json", "output.log"];

/** Files beside one script. Packages travel by file transfer; what is attached is a handful of settings. */
const attachedFilesMax = 1000;
const attachedNameLengthMax = 1000;

/** Bytes that are written at once; more are left to another thread. */
const writtenAtOnceMax = 64 * 1024;

/** The script itself, and what runs it. */
export interface ScriptText {
  shell: ScriptShell;
  body: string;
}

/** A file that comes with a script. */
export interface AttachedFile {
  name: string;
  contents: { length: number; open(): AsyncIterable<Uint8Array> };
  /** Stored encrypted with it, when given: `IV__`, initialisation vector, AES-128-CBC. */
  password: string | null;
}

/** The server sent something that cannot be laid into a workspace; the message says what. */
export class WorkspaceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "WorkspaceError";
  }
}

/**
 * Makes the workspace `folder` anew with script and files. Throws {@link WorkspaceError} for names that are refused and the system's
 * error when the disk refuses; what was made by then is the caller's to remove.
 */
export async function createWorkspace(folder: string, { shell, body }: ScriptText, files: readonly AttachedFile[]): Promise<void> {
  const places = files.map((file) => ({ file, path: join(folder, confinedName(file.name)) }));
  if (files.length > attachedFilesMax)
    throw new WorkspaceError(`${files.length} files are attached to the script; at most ${attachedFilesMax} are taken.`);
  if (existsSync(folder)) await rm(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Older PowerShells take a file without byte order mark for one in the machine's own code page.
  const text = shell === "bash" ? body.replaceAll("\r\n", "\n") : `\uFEFF${body}`;
  await writeNew(join(folder, bootstrapName[shell]), Buffer.from(text), "wx");
  for (const { file, path } of places) {
    if (dirname(path) !== folder) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const source = file.password === null ? file.contents.open() : encryptText(file.contents.open(), file.password);
    if (file.contents.length <= writtenAtOnceMax) await writeNew(path, await collect(source), "w");
    else await pipeline(Readable.from(source, { objectMode: false }), createWriteStream(path, { mode: 0o600 }));
  }
}

async function writeNew(path: string, bytes: Buffer, flag: "w" | "wx"): Promise<void> {
  if (bytes.length <= writtenAtOnceMax) writeFileSync(path, bytes, { mode: 0o600, flag });
  else await writeFile(path, bytes, { mode: 0o600, flag });
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Removes a workspace with everything in it. Nothing happens when there is none. */
export async function removeWorkspace(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
}

/** The name as a path below the workspace. Throws {@link WorkspaceError} when it leads anywhere else or is reserved. */
export function confinedName(name: unknown): string {
  if (typeof name !== "string" || name.length === 0 || name.length > attachedNameLengthMax || name.includes("\0")) {
    throw new WorkspaceError(`An attached file has no usable name (it must have 1 to ${attachedNameLengthMax} characters).`);
  }
  const path = normalize(name.replaceAll("\\", "/"));
  const outside = path.startsWith("/") || path === ".." || path.startsWith("../") || path === "." || path.endsWith("/");
  if (outside || name.replaceAll("\\", "/").split("/").includes("..")) {
    throw new WorkspaceError(`The attached file "${name}" would lie outside the script's workspace. Give it a name below it.`);
  }
  if (reservedNames.includes(path.toLowerCase())) {
    throw new WorkspaceError(`The attached file "${name}" has a name that the agent keeps for itself. Give it another name.`);
  }
  return path;
}

/** The historic form in which variable files are kept on a target; it is a format, not a recommendation. */
async function* encryptText(source: AsyncIterable<Uint8Array>, password: string): AsyncGenerator<Uint8Array> {
  const vector = randomBytes(16);
  const key = pbkdf2Sync(password, "Octopuss", 1000, 16, "sha1");
  const cipher = createCipheriv("aes-128-cbc", key, vector);
  // The content is read as text, as other agents do: a byte order mark vanishes, and what is no UTF-8 becomes U+FFFD.
  const decoder = new TextDecoder("utf-8");
  yield Buffer.concat([Buffer.from("IV__", "ascii"), vector]);
  for await (const chunk of source) {
    yield cipher.update(decoder.decode(chunk, { stream: true }), "utf8");
  }
  yield cipher.update(decoder.decode(), "utf8");
  yield cipher.final();
}
