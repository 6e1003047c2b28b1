// Decides what of a package may be unpacked on a target, and under which name. Whatever a package says, nothing leaves its folder, no name
// comes twice, and nothing grows without end. Pure but for the entries it reads.

import { ArchiveRefused, shownName } from "../../../platform/archives/archives.ts";
import type { ArchiveEntry } from "../../../platform/archives/archives.ts";

export interface UnpackLimits {
  entriesMax: number;
  /** Of all contents together. */
  unpackedBytesMax: number;
  /** A package of these bytes or less, unpacked, may have any ratio. */
  ratioFreeBytes: number;
  /** How many times larger than itself a package may become. */
  ratioMax: number;
}

export const unpackLimits: UnpackLimits = {
  entriesMax: 200_000,
  unpackedBytesMax: 20 * 1024 ** 3,
  ratioFreeBytes: 64 * 1024 * 1024,
  ratioMax: 200,
};

/** Of a whole name; file systems take no more. */
const nameBytesMax = 4_000;
const partBytesMax = 255;
const linkBytesMax = 4_000;
/** What every nupkg holds for NuGet and no application wants. */
const nugetOnly = /^(?:\[content_types\]\.xml$|_rels\/|package\/services\/metadata\/)/i;

/** The entries of a package as they may be unpacked. Throws ArchiveRefused at the first that may not. */
export async function* plainEntries(
  entries: AsyncIterable<ArchiveEntry>,
  packed: { bytes: number; extension: string },
  limits: UnpackLimits,
): AsyncGenerator<ArchiveEntry> {
  const kinds = new Map<string, ArchiveEntry["kind"]>();
  let count = 0;
  let unpacked = 0;
  const bytesMax = Math.min(limits.unpackedBytesMax, Math.max(limits.ratioFreeBytes, packed.bytes * limits.ratioMax));
  for await (const entry of entries) {
    count += 1;
    if (count > limits.entriesMax) throw new ArchiveRefused(`it has more than ${limits.entriesMax} entries`);
    const name = plainName(entry, packed.extension);
    if (name === "" || (packed.extension === ".nupkg" && nugetOnly.test(entry.kind === "folder" ? `${name}/` : name))) continue;
    const shown = shownName(name);
    if (entry.kind === "other") throw new ArchiveRefused(`its entry '${shown}' is neither a file, a folder nor a link`);
    claimName(kinds, name, entry.kind);
    if (entry.kind === "symbolicLink") checkSymbolicLink(name, entry.linkTarget);
    let linkTarget = entry.linkTarget;
    if (entry.kind === "hardLink") {
      linkTarget = plainName({ ...entry, name: entry.linkTarget }, packed.extension);
      if (kinds.get(linkTarget) !== "file")
        throw new ArchiveRefused(`its entry '${shown}' is a link to something that is no file before it`);
    }
    if (unpacked + entry.bytes > bytesMax) throw tooLarge(bytesMax);
    unpacked += entry.bytes;
    yield { ...entry, name, linkTarget };
  }
}

function tooLarge(bytesMax: number): ArchiveRefused {
  return new ArchiveRefused(`it unpacks to more than ${bytesMax} bytes, which is far more than a package of its size does`);
}

/** The name below the package's folder, with slashes; empty for the folder itself. */
function plainName(entry: Pick<ArchiveEntry, "name">, extension: string): string {
  let raw = entry.name;
  if (extension === ".nupkg") raw = unescaped(raw);
  // Programs on Windows have written zips with backslashes.
  if (!extension.startsWith(".t")) raw = raw.replaceAll("\\", "/");
  const shown = shownName(raw);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(raw)) throw new ArchiveRefused(`its entry '${shown}' has control characters in its name`);
  if (raw.startsWith("/") || /^[A-Za-z]:/.test(raw))
    throw new ArchiveRefused(`its entry '${shown}' would be unpacked outside of the package's folder`);
  const parts = raw.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new ArchiveRefused(`its entry '${shown}' would be unpacked outside of the package's folder`);
  const name = parts.join("/");
  if (Buffer.byteLength(name) > nameBytesMax || parts.some((part) => Buffer.byteLength(part) > partBytesMax))
    throw new ArchiveRefused(`its entry '${shown}…' has a name that is too long`);
  return name;
}

/** NuGet writes names as parts of addresses. */
function unescaped(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** Throws when the name was used, or when a file or a link stands where a folder would have to be. */
function claimName(kinds: Map<string, ArchiveEntry["kind"]>, name: string, kind: ArchiveEntry["kind"]): void {
  const shown = shownName(name);
  for (let slash = name.indexOf("/"); slash > 0; slash = name.indexOf("/", slash + 1)) {
    const above = name.slice(0, slash);
    const there = kinds.get(above);
    if (there === undefined) kinds.set(above, "folder");
    else if (there !== "folder")
      throw new ArchiveRefused(`its entry '${shown}' would be unpacked through '${shownName(above)}', which is no folder`);
  }
  const before = kinds.get(name);
  if (before !== undefined && !(before === "folder" && kind === "folder")) throw new ArchiveRefused(`it has two entries called '${shown}'`);
  kinds.set(name, kind);
}

/** A link may lead up only as far as the package's folder, and only with its first steps: what comes after could go through other links. */
function checkSymbolicLink(name: string, target: string): void {
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const up = parts.findIndex((part) => part !== "..");
  const steps = up < 0 ? parts.length : up;
  const depth = name.split("/").length - 1;
  const isSound =
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    target !== "" && !/^\/|[\u0000-\u001f\\]/.test(target) && Buffer.byteLength(target) <= linkBytesMax;
  if (!isSound || steps > depth || parts.slice(steps).includes(".."))
    throw new ArchiveRefused(`its link '${shownName(name)}' leads out of the package's folder, or in a roundabout way`);
}
