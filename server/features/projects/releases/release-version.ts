// Versions of releases: what counts as one, and the next one by a project's template. Pure.

export type NextVersion = { ok: true; version: string } | { ok: false; reason: string };

/** A version stands in addresses and file names, so it is letters, digits and . _ + - only. */
export function isReleaseVersion(text: string): boolean {
  return /^[0-9A-Za-z][0-9A-Za-z._+-]{0,199}$/.test(text);
}

const parts = ["Major", "Minor", "Patch", "Build", "Revision"] as const;

/** Fills the Last… and Next… words of a template from the latest version; without one the last version counts as 0.0.0. */
export function nextVersion(template: string, latest: string | undefined): NextVersion {
  const [major = 0, minor = 0, patch = 0, revision = 0] = (/^v?([\d.]+)/i.exec(latest ?? "")?.[1] ?? "")
    .split(".")
    .map((one) => Number(one) || 0);
  const last = { Major: major, Minor: minor, Patch: patch, Build: patch, Revision: revision };
  const version = template.replace(
    /#\{\s*Octopus\.Version\.(Last|Next)(Major|Minor|Patch|Build|Revision)\s*\}/gi,
    (_all, which: string, part: string) => {
      const name = parts.find((one) => one.toLowerCase() === part.toLowerCase())!;
      return String(last[name] + (which.toLowerCase() === "next" ? 1 : 0));
    },
  );
  if (version.includes("#{"))
    return {
      ok: false,
      reason: `The version template '${template}' uses variables that are not supported yet. Name the version of the release.`,
    };
  if (!isReleaseVersion(version))
    return { ok: false, reason: `The version template '${template}' gives '${version}', which is not a version.` };
  return { ok: true, version };
}
