// Versions of packages: one to four numbers, a pre-release and build metadata. Each has a key, a text that sorts in plain byte order as
// the versions do, so that the database can sort and compare them.

import { problem } from "../../../base/problems.ts";

export interface PackageVersion {
  /** As it was written. */
  text: string;
  /** Equal versions have equal keys: 1.0 and 1.0.0 are one version; 1.0.0+a and 1.0.0+b are two, sorted by that text. */
  key: string;
  isPrerelease: boolean;
  /** Between "-" and "+"; empty for a release. */
  prerelease: string;
  /** Four or three numbers without leading zeros, as NuGet clients spell it; without metadata. */
  normal: string;
}

export const versionCharactersMax = 100;
const digitsMax = 18;
const pattern = /^(\d+(?:\.\d+){0,3})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

export function readVersion(text: string): PackageVersion | undefined {
  if (text.length > versionCharactersMax) return undefined;
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const [, core = "", prerelease = "", metadata = ""] = found;
  const numbers = core.split(".").map((digits) => digits.replace(/^0+(?=\d)/, ""));
  while (numbers.length < 4) numbers.push("0");
  const identifiers = prerelease === "" ? [] : prerelease.split(".");
  if ([...numbers, ...identifiers].some((one) => /^\d+$/.test(one) && one.length > digitsMax)) return undefined;
  return {
    text,
    // "~" after "-": a release comes after its pre-releases. "!" before everything: a shorter list of identifiers comes first.
    key: `${numbers.map(numberKey).join("")}${prerelease === "" ? "~" : `-${identifiers.map(identifierKey).join("")}`}${
      metadata === "" ? "" : `+${metadata.toLowerCase()}`
    }`,
    isPrerelease: prerelease !== "",
    prerelease,
    normal: `${numbers.slice(0, numbers[3] === "0" ? 3 : 4).join(".")}${prerelease === "" ? "" : `-${prerelease}`}`,
  };
}

/** The number of digits first: then more digits are a larger number. */
function numberKey(digits: string): string {
  return String(digits.length).padStart(2, "0") + digits;
}

function identifierKey(identifier: string): string {
  return /^\d+$/.test(identifier) ? `0${numberKey(identifier.replace(/^0+(?=\d)/, ""))}!` : `1${identifier.toLowerCase()}!`;
}

/** Keys between which a range lies: `from` belongs to it, `below` no more. */
export interface VersionRange {
  from: string | undefined;
  below: string | undefined;
}

/** After every metadata of a version, and before the next version. */
const afterMetadata = "+~";
const rangeShape = /^([[(])\s*([^,\s]*)\s*(,)?\s*([^,\s]*)\s*([\])])$/;

/** Reads interval notation: `1.0` (that or higher), `[1.0]`, `[1.0,2.0)`, `(,2.0]`. @throws Problem 400 */
export function readVersionRange(text: string): VersionRange {
  const refused = () =>
    problem.invalid(`'${text.slice(0, 100)}' is no version range. Write for example 1.0 (that or higher), [1.0,2.0), [1.0] or (,2.0].`);
  const keyOf = (version: string): string => {
    const read = readVersion(version);
    if (read === undefined) throw refused();
    return read.key;
  };
  const trimmed = text.trim();
  if (trimmed.length > 2 * versionCharactersMax + 10) throw refused();
  if (!/^[[(]/.test(trimmed)) return { from: keyOf(trimmed), below: undefined };
  const [, open, low, comma, high, close] = rangeShape.exec(trimmed) ?? [];
  if (low === undefined || high === undefined) throw refused();
  if (comma === undefined) {
    if (open !== "[" || close !== "]" || low === "" || high !== "") throw refused();
    return { from: keyOf(low), below: keyOf(low) + afterMetadata };
  }
  return {
    from: low === "" ? undefined : keyOf(low) + (open === "(" ? afterMetadata : ""),
    below: high === "" ? undefined : keyOf(high) + (close === "]" ? afterMetadata : ""),
  };
}

/** Of `FailIfExists` and its like, in any letter case, or of the older `replace=true`. @throws Problem 400 */
export type OverwriteMode = "FailIfExists" | "OverwriteExisting" | "IgnoreIfExists";

export function readOverwriteMode(query: { overwriteMode?: string; replace?: boolean }): OverwriteMode {
  const modes: readonly OverwriteMode[] = ["FailIfExists", "OverwriteExisting", "IgnoreIfExists"];
  if (!query.overwriteMode) return query.replace === true ? "OverwriteExisting" : "FailIfExists";
  const wanted = query.overwriteMode.toLowerCase();
  const mode = modes.find((one) => one.toLowerCase() === wanted);
  if (mode === undefined) throw problem.invalid(`overwriteMode must be one of: ${modes.join(", ")}.`);
  return mode;
}
