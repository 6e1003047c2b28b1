// Version rules of channels: which versions of packages a release of the channel may hold. A range in interval notation and a regular
// expression over the pre-release part, both optional.

import { Problem, problem } from "../../../base/problems.ts";
import { matchPrereleases } from "../../library/feeds/feeds.ts";
import { readVersion, readVersionRange } from "../../library/versions/versions.ts";

export interface ChannelRule {
  VersionRange?: string | null;
  Tag?: string | null;
}

/** Longer expressions are programs. */
const tagCharactersMax = 1_000;

/** @throws Problem 400 naming every rule that no version could be compared with */
export function checkVersionRules(rules: readonly ChannelRule[]): void {
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
      tagFits = (await matchPrereleases(asked.PreReleaseTag, [version.prerelease + metadata]))[0] === true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      errors.push(error.message);
    }
  }
  return { SatisfiesVersionRange: inRange, SatisfiesPreReleaseTag: tagFits, Errors: errors };
}
