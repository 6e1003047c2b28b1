// The packages of releases, looked at from the release: how each was built, and which of them the feed does not have any more.

import type { Queryable } from "../../../platform/database/database.ts";
import { findBuildInformation, listMissingVersions, readVersion } from "../../library/library.ts";
import { builtInFeedId } from "../../library/packages/packages.ts";
import { listSnapshotSteps } from "../processes/processes.ts";
import type { ProcessStep } from "../processes/processes.ts";
import type { ReleaseRow } from "./release-store.ts";
import { packagesOf, selectedVersion } from "./selected-packages.ts";
import type { GivenSelection } from "./selected-packages.ts";

interface ChosenPackage {
  packageId: string;
  feedId: string;
  version: string;
  versionKey: string;
}

/** Each package in the version that the release takes of it, once. Ids that are only known at the deployment are passed over. */
function chosenPackages(steps: readonly ProcessStep[], selected: readonly GivenSelection[]): ChosenPackage[] {
  const chosen = new Map<string, ChosenPackage>();
  for (const step of steps) {
    for (const action of step.Actions) {
      for (const { name, packageId, feedId } of packagesOf(action)) {
        const version = selectedVersion(selected, step, action, name);
        const key = version === undefined ? undefined : readVersion(version)?.key;
        if (version === undefined || key === undefined || packageId.includes("#{")) continue;
        chosen.set(`${feedId} ${packageId} ${key}`.toLowerCase(), { packageId, feedId, version, versionKey: key });
      }
    }
  }
  return [...chosen.values()];
}

async function packagesOfReleases(db: Queryable, rows: readonly ReleaseRow[]): Promise<ChosenPackage[][]> {
  const withPackages = rows.filter((row) => row.selected_packages.length > 0);
  const steps = await listSnapshotSteps(db, [...new Set(withPackages.map((row) => row.process_snapshot_id))]);
  return rows.map((row) => chosenPackages(steps.get(row.process_snapshot_id) ?? [], row.selected_packages as GivenSelection[]));
}

/** What is known now of how the packages of each release were built, in the order of the releases. */
export async function findBuildsOfReleases(db: Queryable, spaceId: string, rows: readonly ReleaseRow[]): Promise<object[][]> {
  const packages = await packagesOfReleases(db, rows);
  const all = packages.flat();
  const builds = all.length === 0 ? [] : await findBuildInformation(db, spaceId, all);
  let next = 0;
  return packages.map((ones) => ones.flatMap(() => builds[next++] ?? []));
}

/** Packages of the built-in feed that a release takes and that are not there. */
export async function findMissingPackages(db: Queryable, spaceId: string, row: ReleaseRow): Promise<{ Id: string; Version: string }[]> {
  const [packages] = await packagesOfReleases(db, [row]);
  const ours = packages!.filter((one) => one.feedId.toLowerCase() === builtInFeedId);
  const missing = await listMissingVersions(db, spaceId, ours);
  return missing.map(({ packageId, version }) => ({ Id: packageId, Version: version }));
}
