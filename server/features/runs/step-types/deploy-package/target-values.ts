// What is known of a package on its target only while it is deployed: where it lies, what was there before. Joined with the values of the
// action, for fields, scripts and files.

import { createVariables, TemplateError } from "@cuttle/templates";
import type { Variable, Variables } from "@cuttle/templates";
import { ActionFault } from "../../../../engine/execution/execution.ts";
import type { ActionContext, ScriptVariable } from "../../../../engine/execution/execution.ts";
import type { JournalEntry } from "./journal.ts";

/** Values that a script at the target changes when the package comes to lie somewhere else. */
export const installationVariables = [
  "Octopus.Action.Package.InstallationDirectoryPath",
  "Octopus.Action.Package[].ExtractedPath",
  "Package.InstallationDirectoryPath",
] as const;

/** Their text is no value of a script: scripts of the step are files of their own. */
const scriptProperty = /^Octopus\.Action\.(?:CustomScripts\.|Script\.ScriptBody$)/i;

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

export interface TargetValues {
  variables: Variables;
  scriptVariables(): ScriptVariable[];
  /** A property of the action with its placeholders replaced; undefined when it is not there or comes to nothing. @throws ActionFault */
  evaluate(name: string): string | undefined;
  isTrue(name: string, otherwise?: boolean): boolean;
  /** Of `Octopus.Action.EnabledFeatures`. */
  hasFeature(name: string): boolean;
}

/** The values of the action alone, or with what is known of the target. */
export function valuesFor(context: ActionContext, facts?: TargetFacts): TargetValues {
  const variables =
    facts === undefined
      ? context.variables
      : createVariables([...ownValues(context), ...factValues(context, facts)], {
          nowMs: context.plan.nowMs,
          hearDerived: (text) => context.hide(text),
        });
  const evaluate = (name: string): string | undefined => {
    const raw = context.property(name);
    if (raw === undefined) return undefined;
    try {
      return variables.evaluate(raw).text || undefined;
    } catch (error) {
      if (error instanceof TemplateError) throw new ActionFault(`The field ${name} cannot be evaluated: ${error.message}`);
      throw error;
    }
  };
  const features = (evaluate("Octopus.Action.EnabledFeatures") ?? "").split(",").map((one) => one.trim().toLowerCase());
  return {
    variables,
    evaluate,
    isTrue: (name, otherwise = false) => {
      const text = evaluate(name)?.trim().toLowerCase();
      return text === undefined ? otherwise : text === "true";
    },
    hasFeature: (name) => features.includes(name.toLowerCase()),
    scriptVariables: () =>
      variables.names().flatMap((name) => (scriptProperty.test(name) ? [] : [{ name, value: valueOf(variables, name).text }])),
  };
}

function ownValues({ variables }: ActionContext): Variable[] {
  return variables.names().map((name) => {
    const value = variables.getUnevaluated(name) ?? "";
    // What is made of a secret is one too; a value without placeholders is not looked at twice.
    return { name, value, sensitive: valueOf(variables, name).sensitive };
  });
}

/** A value that cannot be evaluated stays as it is: it must not stop an action that does not use it. */
function valueOf(variables: Variables, name: string): { text: string; sensitive: boolean } {
  try {
    const found = variables.get(name);
    return { text: found?.text ?? "", sensitive: found?.sensitive ?? false };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return { text: variables.getUnevaluated(name) ?? "", sensitive: true };
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
