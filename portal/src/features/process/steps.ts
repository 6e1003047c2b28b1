// Steps of a process as the editor changes them. What it does not know of a step stays as it is. Pure but for random ids.

import type { DeploymentStep } from "../../api/documents.ts";
import { newRowId } from "../../api/idempotency-key.ts";
import { builtInFeed } from "../../api/processes.ts";
import { property } from "../../api/step-fields.ts";

export type Step = DeploymentStep;
export type Action = Step["Actions"][number];
export type StepKind = "Octopus.Script" | "Octopus.TentaclePackage" | "Octopus.Manual";

export const kinds: readonly { id: StepKind; name: string; firstName: string }[] = [
  { id: "Octopus.Script", name: "Run a script", firstName: "Run a script" },
  { id: "Octopus.TentaclePackage", name: "Deploy a package", firstName: "Deploy a package" },
  { id: "Octopus.Manual", name: "Manual intervention", firstName: "Approve" },
];

export function kindName(type: string): string {
  return kinds.find(({ id }) => id === type)?.name ?? type;
}

export function newStep(kind: StepKind, steps: readonly Step[]): Step {
  const name = freeName(kinds.find(({ id }) => id === kind)!.firstName, steps);
  const isPackage = kind === "Octopus.TentaclePackage";
  return {
    Id: newRowId(),
    Name: name,
    Slug: "",
    Condition: "Success",
    StartTrigger: "StartAfterPrevious",
    PackageRequirement: "LetOctopusDecide",
    Properties: {},
    Actions: [
      {
        Id: newRowId(),
        Name: name,
        Slug: "",
        ActionType: kind,
        Notes: null,
        IsDisabled: false,
        IsRequired: false,
        CanBeUsedForProjectVersioning: isPackage,
        Condition: "Success",
        Environments: [],
        ExcludedEnvironments: [],
        Channels: [],
        TenantTags: [],
        WorkerPoolId: null,
        WorkerPoolVariable: null,
        Container: null,
        Packages: isPackage
          ? [{ Id: newRowId(), Name: "", PackageId: "", FeedId: builtInFeed, AcquisitionLocation: "Server", Properties: {} }]
          : [],
        GitDependencies: [],
        Properties:
          kind === "Octopus.Script"
            ? { [property.source]: "Inline", [property.syntax]: "Bash", [property.body]: "" }
            : isPackage
              ? { [property.feedId]: builtInFeed, [property.packageId]: "" }
              : { [property.instructions]: "" },
        Links: {},
      },
    ],
    Links: {},
  };
}

/** Names are unique in a process, in any case. */
function freeName(wanted: string, steps: readonly Step[]): string {
  const taken = new Set(steps.flatMap((step) => [step.Name, ...step.Actions.map(({ Name }) => Name)]).map((name) => name.toLowerCase()));
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted} ${n}`;
    if (!taken.has(name.toLowerCase())) return name;
  }
}

/** A text property; empty when it is not there. A secret is none. */
export function textOf(owner: Pick<Action, "Properties">, name: string): string {
  const value = owner.Properties[name];
  return typeof value === "string" ? value : "";
}

/** An empty text takes the property away. */
export function withText<T extends Pick<Action, "Properties">>(owner: T, name: string, text: string): T {
  const { [name]: _, ...rest } = owner.Properties;
  return { ...owner, Properties: text === "" ? rest : { ...owner.Properties, [name]: text } };
}

export function withAction(step: Step, action: Action): Step {
  return { ...step, Actions: step.Actions.map((one) => (one.Id === action.Id ? action : one)) };
}

/** A step of one action shares its name with it. */
export function renamed(step: Step, name: string): Step {
  return { ...step, Name: name, Actions: step.Actions.length === 1 ? step.Actions.map((one) => ({ ...one, Name: name })) : step.Actions };
}

export function isDisabled(step: Step): boolean {
  return step.Actions.length > 0 && step.Actions.every((one) => one.IsDisabled);
}

export function withDisabled(step: Step, disabled: boolean): Step {
  return { ...step, Actions: step.Actions.map((one) => ({ ...one, IsDisabled: disabled })) };
}

export function moved(steps: readonly Step[], id: string, by: -1 | 1): readonly Step[] {
  const from = steps.findIndex((one) => one.Id === id);
  const to = from + by;
  if (from < 0 || to < 0 || to >= steps.length) return steps;
  const next = [...steps];
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

/** The package a step is for; further ones of the action stay as they are. */
export function packageOf(action: Action): string {
  return action.Packages.find((one) => (one.Name ?? "") === "")?.PackageId ?? textOf(action, property.packageId);
}

export function withPackage(action: Action, packageId: string): Action {
  const first = action.Packages.find((one) => (one.Name ?? "") === "");
  const reference = {
    Id: newRowId(),
    Name: "",
    AcquisitionLocation: "Server",
    Properties: {},
    FeedId: builtInFeed,
    ...first,
    PackageId: packageId,
  };
  return {
    ...action,
    Packages: [reference, ...action.Packages.filter((one) => one !== first)],
    Properties: { ...action.Properties, [property.packageId]: packageId, [property.feedId]: reference.FeedId ?? builtInFeed },
  };
}

export function withFeature(action: Action, feature: string, isOn: boolean): Action {
  const rest = textOf(action, property.features)
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "" && one.toLowerCase() !== feature.toLowerCase());
  return withText(action, property.features, [...rest, ...(isOn ? [feature] : [])].join(","));
}

export function withFolder(action: Action, folder: string): Action {
  return withFeature(withText(action, property.folder, folder), "Octopus.Features.CustomDirectory", folder !== "");
}

export function withSubstitution(action: Action, files: string): Action {
  const filled = withText(withText(action, property.substitutionFiles, files), property.substitution, files === "" ? "" : "True");
  return withFeature(filled, "Octopus.Features.SubstituteInFiles", files !== "");
}

/** What would be refused or fail later, in sentences; nobody is kept from saving half a process. */
export function gapsOf(step: Step): string[] {
  return step.Actions.flatMap((action): string[] => {
    if (action.ActionType === "Octopus.Manual")
      return textOf(action, property.instructions) === "" ? ["It says nothing to the person it asks."] : [];
    const gaps: string[] = [];
    const isOnServer = textOf(action, property.onServer).toLowerCase() === "true";
    if (textOf(step, property.roles) === "" && textOf(action, property.roles) === "" && !isOnServer)
      gaps.push("It names no target tags, so nobody knows where to run it.");
    const isInline = ["", "Inline"].includes(textOf(action, property.source));
    if (action.ActionType === "Octopus.Script" && isInline && textOf(action, property.body).trim() === "") gaps.push("It has no script.");
    if (action.ActionType === "Octopus.TentaclePackage" && packageOf(action) === "") gaps.push("It names no package.");
    return gaps;
  });
}
