// Parts of a package's version by the official rules: up to four numbers, then a pre-release of prefix and counter, then metadata.

export interface VersionParts {
  major: string;
  minor: string;
  patch: string;
  revision: string;
  preRelease: string;
  preReleasePrefix: string;
  preReleaseCounter: string;
  metadata: string;
}

/** Longer texts are no versions. */
const versionCharactersMax = 500;
const numberMax = 2_147_483_647;
const separators = ".-_\\";

/** Undefined for what is no version. `latest` is one: all pre-release. */
export function parseVersion(text: string): VersionParts | undefined {
  if (text.length > versionCharactersMax) return undefined;
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const numbers = ["0", "0", "0", "0"];
  let at = /^[vV]?\s*\d+\b/.test(trimmed) ? trimmed.search(/\d/) : 0;
  for (let part = 0; part < 4; part++) {
    const digits = (part === 0 ? /^(\d+)\b\s*/ : /^\.\s*(\d+)\b\s*/).exec(trimmed.slice(at));
    if (digits === null) break;
    if (Number(digits[1]) > numberMax) return undefined;
    numbers[part] = String(Number(digits[1]));
    at += digits[0].length;
  }
  let rest = trimmed.slice(at);
  if (rest !== "" && separators.includes(rest[0] ?? "")) rest = rest.slice(1);
  const plus = rest.indexOf("+");
  const preRelease = plus < 0 ? rest : rest.slice(0, plus);
  const metadata = plus < 0 ? "" : rest.slice(plus + 1);
  if (!/^[A-Za-z0-9.\-_\\]*$/.test(preRelease) || !/^[A-Za-z0-9.\-_\\+]*$/.test(metadata)) return undefined;
  const split = preRelease.search(/[.\-_\\]/);
  const [major = "0", minor = "0", patch = "0", revision = "0"] = numbers;
  return {
    major,
    minor,
    patch,
    revision,
    preRelease,
    preReleasePrefix: split < 0 ? preRelease : preRelease.slice(0, split),
    preReleaseCounter: split < 0 ? "" : preRelease.slice(split + 1),
    metadata,
  };
}
