// What is known of a package on its target only while it is deployed: where it lies, what was there before. Joined with the values of the
// action, for fields, scripts and files.

import { TemplateError } from "@cuttle/templates";
import type { Variable } from "@cuttle/templates";
import { ActionFault } from "../../../../engine/execution/execution.ts";
import type { ActionContext } from "../../../../engine/execution/execution.ts";
import { valuesWith } from "../action-values/action-values.ts";
import type { ActionValues } from "../action-values/action-values.ts";
import type { JournalEntry } from "./journal.ts";

/** Values that a script at the target changes when the package comes to lie somewhere else. */
export const installationVariables = [
  "Octopus.Action.Package.InstallationDirectoryPath",
  "Octopus.Action.Package[].ExtractedPath",
  "Package.InstallationDirectoryPath",
] as const;

export interface TargetFacts {
  folder: string;
  /** As the target's own environment says; empty when it does not. */
  applications: string;
  instance: string;
  program: string;
  retentionPolicySet: string;
  latest: JournalEntry | undefined;
  latestSuccessful: JournalEntry | undefined;
}

export interface TargetValues extends ActionValues {
  /** A field of the step, else a variable of this name. */
  isTrue(name: string, otherwise?: boolean): boolean;
  /** Of `Octopus.Action.EnabledFeatures`. */
  hasFeature(name: string): boolean;
}

/** The values of the action alone, or with what is known of the target, and of packages that came along. */
export function valuesFor(context: ActionContext, facts?: TargetFacts, further: readonly Variable[] = []): TargetValues {
  const values = valuesWith(context, facts === undefined ? [] : [...factValues(context, facts), ...further]);
  const features = (values.evaluate("Octopus.Action.EnabledFeatures") ?? "").split(",").map((one) => one.trim().toLowerCase());
  return {
    ...values,
    isTrue: (name, otherwise = false) => {
      const text = (values.evaluate(name) ?? variableText(values, name))?.trim().toLowerCase();
      return text === undefined || text === "" ? otherwise : text === "true";
    },
    hasFeature: (name) => features.includes(name.toLowerCase()),
  };
}

function variableText({ variables }: ActionValues, name: string): string | undefined {
  try {
    return variables.get(name)?.text ?? undefined;
  } catch (error) {
    if (error instanceof TemplateError) throw new ActionFault(`The variable ${name} cannot be evaluated: ${error.message}`);
    throw error;
  }
}

function factValues({ step, target, outputs }: ActionContext, facts: TargetFacts): Variable[] {
  const roles = new Set((target?.roles ?? []).map((role) => role.toLowerCase()));
  const values: [string, string][] = [
    // What PreDeploy has set, by its plain name.
    ...outputs(),
    ...installationVariables.map((name): [string, string] => [name, facts.folder]),
    ["OctopusOriginalPackageDirectoryPath", facts.folder],
    ["Octopus.Tentacle.Agent.ApplicationDirectoryPath", facts.applications],
    ["Octopus.Tentacle.Agent.InstanceName", facts.instance],
    ["Octopus.Tentacle.Agent.ProgramDirectoryPath", facts.program],
    ["Octopus.Tentacle.CurrentDeployment.RetentionPolicySubset", facts.retentionPolicySet],
    ["Octopus.Tentacle.CurrentDeployment.TargetedRoles", step.roles.filter((role) => roles.has(role.toLowerCase())).join(",")],
    ...installation("PreviousInstallation", facts.latest),
    ...installation("PreviousSuccessfulInstallation", facts.latestSuccessful),
  ];
  return values.map(([name, value]) => ({ name, value }));
}

function installation(which: string, entry: JournalEntry | undefined): [string, string][] {
  if (entry === undefined) return [];
  const prefix = `Octopus.Tentacle.${which}`;
  return [
    [`${prefix}.OriginalInstalledPath`, entry.extractedTo],
    [`${prefix}.CustomInstallationDirectory`, entry.customInstallationDirectory],
    [`${prefix}.PackageFilePath`, entry.packages[0]?.deployedFrom ?? ""],
    [`${prefix}.PackageVersion`, entry.packages[0]?.packageVersion ?? ""],
  ];
}
