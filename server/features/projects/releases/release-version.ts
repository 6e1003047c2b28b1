// Versions of releases: what counts as one, and the next one by a project's template. Pure.

import { createVariables, TemplateError } from "@cuttle/templates";

export type NextVersion = { ok: true; version: string } | { ok: false; reason: string };

/** A version stands in addresses and file names, so it is letters, digits and . _ + - only. */
export function isReleaseVersion(text: string): boolean {
  return /^[0-9A-Za-z][0-9A-Za-z._+-]{0,199}$/.test(text);
}

const parts = ["Major", "Minor", "Patch", "Build", "Revision"] as const;

/** What a template may name. */
export interface VersionFacts {
  /** The version of the project's latest release; without one it counts as 0.0.0. */
  latest: string | undefined;
  /** The same among the releases of the channel. */
  latestOfChannel?: string | undefined;
  channelName?: string | undefined;
  /** Of the project, as far as they hold wherever the release goes. */
  variables?: readonly { name: string; value: string | null }[];
  /** For date and time, in milliseconds since 1970; told in UTC. */
  nowMs: number;
}

/** Last… and Next… of each part of a version. Build is the third part, as it is called in one of the two usual ways. */
function partsOf(prefix: string, version: string | undefined): { name: string; value: string }[] {
  const [major = 0, minor = 0, patch = 0, revision = 0] = (/^v?([\d.]+)/i.exec(version ?? "")?.[1] ?? "")
    .split(".")
    .map((one) => Number(one) || 0);
  const last = { Major: major, Minor: minor, Patch: patch, Build: patch, Revision: revision };
  return parts.flatMap((part) => [
    { name: `${prefix}.Last${part}`, value: String(last[part]) },
    { name: `${prefix}.Next${part}`, value: String(last[part] + 1) },
  ]);
}

function timesOf(nowMs: number): { name: string; value: string }[] {
  const now = new Date(nowMs);
  const day = Math.floor(
    (Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()) - Date.UTC(now.getUTCFullYear(), 0, 1)) / 86_400_000,
  );
  const texts = {
    "Date.Year": now.getUTCFullYear(),
    "Date.Month": now.getUTCMonth() + 1,
    "Date.Day": now.getUTCDate(),
    "Date.DayOfYear": day + 1,
    "Time.Hour": now.getUTCHours(),
    "Time.Minute": now.getUTCMinutes(),
    "Time.Second": now.getUTCSeconds(),
  };
  return Object.entries(texts).map(([name, value]) => ({ name: `Octopus.${name}`, value: String(value) }));
}

/** The next version by a template: parts of the version before, of the one before in the channel, date and time, the project's variables. */
export function nextVersion(template: string, facts: VersionFacts): NextVersion {
  const variables = createVariables(
    [
      ...(facts.variables ?? []),
      ...partsOf("Octopus.Version", facts.latest),
      ...partsOf("Octopus.Version.Channel", facts.latestOfChannel),
      ...(facts.channelName === undefined ? [] : [{ name: "Octopus.Release.Channel.Name", value: facts.channelName }]),
      ...timesOf(facts.nowMs),
    ],
    { nowMs: facts.nowMs },
  );
  const said = `The version template '${template}'`;
  try {
    const { text, problem, unresolved } = variables.evaluate(template);
    if (problem !== null) return { ok: false, reason: `${said} cannot be read: ${problem.message}` };
    if (unresolved.length > 0)
      return {
        ok: false,
        reason: `${said} uses ${unresolved.join(" and ")}, which no variable of the project gives a value that holds everywhere and is not sensitive. Mend the template, or name the version of the release.`,
      };
    const version = text ?? "";
    if (!isReleaseVersion(version)) return { ok: false, reason: `${said} gives '${version}', which is not a version.` };
    return { ok: true, version };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return { ok: false, reason: `${said} cannot be filled: ${error.message}` };
  }
}
