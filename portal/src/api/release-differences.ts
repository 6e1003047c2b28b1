// In what two releases of a project differ: packages, steps and variables as each release froze them.

import { queryOptions } from "@tanstack/react-query";
import type { DeploymentProcess, Release, VariableSet } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path } from "./request.ts";
import { changesOf, differencesIn, isSame } from "./row-merge.ts";
import type { Row } from "./row-merge.ts";
import { fieldName } from "./step-fields.ts";
import { comparable } from "./variable-texts.ts";

export interface Difference {
  id: string;
  /** "Step Start the page". */
  name: string;
  /** `other`: both have it, with the fields that follow. */
  kind: "added" | "removed" | "other";
  fields: readonly { field: string; before: string; after: string }[];
}

export interface ReleaseDifferences {
  differences: readonly Difference[];
  /** The steps are the same, and stand in another order. */
  isReordered: boolean;
}

/** What changes for an environment when `after` takes the place of `before`. Releases are frozen, so this never changes. */
export const releaseDifferencesQuery = (space: string, before: Release, after: Release) =>
  queryOptions({
    queryKey: keyOf("release-differences", space, before.Id, after.Id),
    queryFn: async ({ signal }): Promise<ReleaseDifferences> => {
      const process = (release: Release) =>
        api.get<DeploymentProcess>(path`/${space}/deploymentprocesses/${release.ProjectDeploymentProcessSnapshotId}`, { signal });
      const variables = async (release: Release): Promise<VariableSet | undefined> =>
        release.ProjectVariableSetSnapshotId === null
          ? undefined
          : await api.get<VariableSet>(path`/${space}/variables/${release.ProjectVariableSetSnapshotId}`, { signal });
      const [oldProcess, newProcess, oldSet, newSet] = await Promise.all([
        process(before),
        process(after),
        variables(before),
        variables(after),
      ]);
      const steps = differencesOf("Step", oldProcess.Steps, newProcess.Steps).map((one) => ({
        ...one,
        fields: one.fields.map((field) => ({ ...field, field: fieldName(field.field) })),
      }));
      const orderOf = (steps: DeploymentProcess["Steps"]): string[] => steps.map(({ Id }) => Id);
      return {
        differences: [
          ...packageDifferences(before, after),
          ...steps,
          ...differencesOf("Variable", variableRows(oldSet, newSet), variableRows(newSet, newSet)),
        ],
        isReordered:
          !isSame(orderOf(oldProcess.Steps), orderOf(newProcess.Steps)) &&
          isSame(orderOf(oldProcess.Steps).toSorted(), orderOf(newProcess.Steps).toSorted()),
      };
    },
    staleTime: Infinity,
  });

type NamedRow = Row & { Name: string };

function differencesOf<T extends NamedRow>(kind: string, before: readonly T[], after: readonly T[]): Difference[] {
  return changesOf(before, before, after).flatMap((change): Difference[] => {
    const { base, theirs } = change;
    const fields = differencesIn(change).map((one) => ({ field: one.field, before: one.base, after: one.theirs }));
    const isOther = base !== undefined && theirs !== undefined;
    // What differs only in what the server writes differs in nothing.
    if (isOther && fields.length === 0) return [];
    const name = `${kind} ${(theirs ?? base)!.Name}`;
    return [{ id: change.id, name, kind: isOther ? "other" : base === undefined ? "added" : "removed", fields: isOther ? fields : [] }];
  });
}

/** `names`: where the names of environments and targets come from. */
function variableRows(set: VariableSet | undefined, names: VariableSet | undefined): NamedRow[] {
  return (set?.Variables ?? []).map((one) => ({
    Id: one.Id,
    Name: one.Name,
    ...(comparable(one, (names ?? set)!.ScopeValues) as object),
  }));
}

function packageDifferences(before: Release, after: Release): Difference[] {
  const nameOf = ({ ActionName, StepName, PackageReferenceName }: Release["SelectedPackages"][number]): string =>
    `Package of ${ActionName ?? StepName ?? ""}${PackageReferenceName ? ` (${PackageReferenceName})` : ""}`;
  const versions = (release: Release) => new Map(release.SelectedPackages.map((one) => [nameOf(one), one.Version ?? ""]));
  const [old, next] = [versions(before), versions(after)];
  return [...new Set([...old.keys(), ...next.keys()])].flatMap((name): Difference[] => {
    const [was, is] = [old.get(name), next.get(name)];
    if (was === is) return [];
    const kind = was === undefined ? "added" : is === undefined ? "removed" : "other";
    return [{ id: name, name, kind, fields: [{ field: "Version", before: was ?? "", after: is ?? "" }] }];
  });
}
