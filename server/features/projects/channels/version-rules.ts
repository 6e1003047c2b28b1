// Version rules of channels: which versions of packages a release of the channel may hold. A range in interval notation and a regular
// expression over the pre-release part, both optional.

import { Problem, problem } from "../../../base/problems.ts";
import { matchPrereleases } from "../../library/feeds/feeds.ts";
import { readVersion, readVersionRange } from "../../library/versions/versions.ts";

export interface ChannelRule {
  VersionRange?: string | null;
  Tag?: string | null;
  /** The packages that it is for: of an action by its name or id, the reference empty for the action's own. */
  ActionPackages?: readonly { DeploymentAction?: string | null; PackageReference?: string | null }[] | null;
}

/** A package of a release, as a rule looks at it. */
export interface RuledPackage {
  action: { Id: string; Name: string };
  reference: string;
  version: string;
}

/** Each may need a thread for its expression when a release is made. */
export const channelRulesMax = 100;

/** Longer expressions are programs. */
const tagCharactersMax = 1_000;

/** @throws Problem 400 naming every rule that no version could be compared with */
export function checkVersionRules(rules: readonly ChannelRule[]): void {
  if (rules.length > channelRulesMax) throw problem.invalid(`Rules has more than the limit of ${channelRulesMax} entries.`);
  const faults = rules.flatMap((rule, n) => [
    ...(rule.VersionRange ? faultOf(`Rules[${n}].VersionRange`, () => void readVersionRange(rule.VersionRange!)) : []),
    ...(rule.Tag ? faultOf(`Rules[${n}].Tag`, () => checkTag(rule.Tag!)) : []),
  ]);
  if (faults.length > 0) throw problem.invalid(faults);
}

function checkTag(tag: string): void {
  if (tag.length > tagCharactersMax) throw problem.invalid(`it is longer than the limit of ${tagCharactersMax} characters.`);
  try {
    void new RegExp(tag);
  } catch {
    throw problem.invalid("it is no regular expression.");
  }
}

function faultOf(at: string, check: () => void): string[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [`${at}: ${error.message}`];
  }
}

/** The first rule of a channel for a package; undefined: any version fits. */
export function ruleFor(rules: readonly ChannelRule[], action: { Id: string; Name: string }, reference: string): ChannelRule | undefined {
  const same = (one: string | null | undefined, other: string): boolean => (one ?? "").trim().toLowerCase() === other.toLowerCase();
  return rules.find((rule) =>
    (rule.ActionPackages ?? []).some(
      (one) => (same(one.DeploymentAction, action.Name) || same(one.DeploymentAction, action.Id)) && same(one.PackageReference, reference),
    ),
  );
}

/** What of a release does not fit its channel, a sentence for each package. */
export async function faultsByRules(channel: string, rules: readonly ChannelRule[], packages: readonly RuledPackage[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { action, reference, version } of packages) {
    const rule = ruleFor(rules, action, reference);
    if (rule === undefined) continue;
    const tested = await testVersionRule({
      Version: version,
      VersionRange: rule.VersionRange ?? null,
      PreReleaseTag: rule.Tag ?? null,
    });
    const of = reference === "" ? "" : ` ('${reference}')`;
    const why = [
      ...tested.Errors,
      ...(tested.Errors.length > 0 || tested.SatisfiesVersionRange ? [] : [`it is not in the version range ${rule.VersionRange!}.`]),
      ...(tested.Errors.length > 0 || tested.SatisfiesPreReleaseTag ? [] : [`its pre-release part does not match ${rule.Tag!}.`]),
    ];
    if (why.length > 0)
      faults.push(
        `The version ${version} of the package of step '${action.Name}'${of} does not fit the channel '${channel}': ${why.join(" ")}`,
      );
  }
  return faults;
}

/** Whether a version fits a rule; what cannot be compared fits nothing and is said in Errors. */
export async function testVersionRule(asked: {
  Version?: string | null;
  VersionRange?: string | null;
  PreReleaseTag?: string | null;
}): Promise<{ SatisfiesVersionRange: boolean; SatisfiesPreReleaseTag: boolean; Errors: string[] }> {
  const version = readVersion(asked.Version?.trim() ?? "");
  const errors: string[] = [];
  if (version === undefined) {
    const said = asked.Version ? `'${asked.Version.slice(0, 100)}' is no version that can be compared.` : "Version is required.";
    return { SatisfiesVersionRange: false, SatisfiesPreReleaseTag: false, Errors: [said] };
  }
  let inRange = true;
  if (asked.VersionRange) {
    inRange = false;
    try {
      const { from, below } = readVersionRange(asked.VersionRange);
      inRange = (from === undefined || from <= version.key) && (below === undefined || version.key < below);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      errors.push(error.message);
    }
  }
  let tagFits = true;
  if (asked.PreReleaseTag) {
    tagFits = false;
    try {
      if (asked.PreReleaseTag.length > tagCharactersMax)
        throw problem.invalid(`The pre-release tag is longer than the limit of ${tagCharactersMax} characters.`);
      // `^$` means neither a pre-release nor metadata.
      const metadata = version.text.includes("+") ? version.text.slice(version.text.indexOf("+")) : "";
      const part = version.prerelease + metadata;
      // The usual one needs no thread.
      tagFits = asked.PreReleaseTag === "^$" ? part === "" : (await matchPrereleases(asked.PreReleaseTag, [part]))[0] === true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      errors.push(error.message);
    }
  }
  return { SatisfiesVersionRange: inRange, SatisfiesPreReleaseTag: tagFits, Errors: errors };
}
