// From what a client sent to a process that can be stored: ids given out and kept, names unique, secrets replaced by their ids. Pure
// but for random ids; secrets that came in are handed back for storing.

import { randomUUID } from "node:crypto";
import type { Static } from "@cuttle/contract/rest/shapes";
import type { DeploymentProcessBody } from "@cuttle/contract/rest/deployment-processes";
import { freeSlug, slugOf } from "../../../platform/resources/resources.ts";
import type { ProcessAction, ProcessStep, StoredProperties, StoredProperty } from "./process.ts";

type SentStep = Static<typeof DeploymentProcessBody>["Steps"][number];
type SentAction = NonNullable<SentStep["Actions"]>[number];
type SentProperties = SentStep["Properties"];

/** Hundreds of steps are real; thousands are a generator gone wrong. */
export const stepsMax = 1_000;
export const actionsOfStepMax = 100;
/** Room for certificates and key files; larger secrets cannot be encrypted as one value. */
export const secretBytesMax = 256 * 1024;

export interface ReadProcess {
  steps: ProcessStep[];
  /** Secrets to store under the ids that the steps already name. */
  newSecrets: { id: string; text: string }[];
  faults: string[];
}

/** `stored` are the steps before, for secrets that are to be kept. */
export function readProcess(sent: readonly SentStep[], stored: readonly ProcessStep[]): ReadProcess {
  const result: ReadProcess = { steps: [], newSecrets: [], faults: [] };
  if (sent.length > stepsMax) result.faults.push(`A process may have ${stepsMax} steps at most.`);
  const ids = new Set<string>();
  const stepNames = new Set<string>();
  const actionNames = new Set<string>();
  const slugs = new Set<string>();
  const kept = secretsOf(stored);

  const idFor = (wanted: string | null | undefined, what: string): string => {
    if (!wanted) return randomUUID();
    if (ids.has(wanted.toLowerCase())) result.faults.push(`${what} has the same Id as another step or action.`);
    ids.add(wanted.toLowerCase());
    return wanted;
  };
  const slugFor = (name: string): string => {
    const slug = freeSlug(slugOf(name, "step"), slugs);
    slugs.add(slug);
    return slug;
  };
  const properties = (owner: string, what: string, given: SentProperties): StoredProperties => {
    const entries = Object.entries(given ?? {}).map(([name, value]): [string, StoredProperty] => {
      if (value === null || value === undefined) return [name, null];
      if (typeof value === "string") return [name, value];
      if (typeof value === "boolean") return [name, value ? "True" : "False"];
      if (typeof value === "number") return [name, String(value)];
      if (typeof value.NewValue === "string") {
        if (Buffer.byteLength(value.NewValue) > secretBytesMax)
          result.faults.push(`${what}: the sensitive property ${name} is larger than the limit of ${secretBytesMax} bytes.`);
        const id = randomUUID();
        result.newSecrets.push({ id, text: value.NewValue });
        return [name, { secretId: id }];
      }
      if (value.HasValue !== true) return [name, null];
      const secretId = kept.get(`${owner}\n${name}`);
      if (secretId === undefined)
        result.faults.push(`${what}: the sensitive property ${name} has no stored value to keep. Send it in NewValue.`);
      return [name, secretId === undefined ? null : { secretId }];
    });
    return Object.fromEntries(entries);
  };
  const action = (given: SentAction, stepName: string | undefined): ProcessAction => {
    const name = (given.Name ?? stepName ?? "").trim();
    const what = `The action '${name}'`;
    if (name === "") result.faults.push("Every action needs a Name.");
    if (actionNames.has(name.toLowerCase())) result.faults.push(`There are two actions named '${name}'.`);
    actionNames.add(name.toLowerCase());
    const id = idFor(given.Id, what);
    return {
      Id: id,
      Name: name,
      Slug: slugFor(name),
      ActionType: given.ActionType,
      Notes: given.Notes ?? null,
      IsDisabled: given.IsDisabled ?? false,
      IsRequired: given.IsRequired ?? false,
      Condition: given.Condition ?? "Success",
      Environments: given.Environments ?? [],
      ExcludedEnvironments: given.ExcludedEnvironments ?? [],
      Channels: given.Channels ?? [],
      TenantTags: given.TenantTags ?? [],
      WorkerPoolId: given.WorkerPoolId || null,
      WorkerPoolVariable: given.WorkerPoolVariable || null,
      Container: given.Container ?? null,
      Packages: (given.Packages ?? []).map((reference) => ({ ...reference, Id: reference.Id || randomUUID() })),
      GitDependencies: given.GitDependencies ?? [],
      Properties: properties(id, what, given.Properties),
    };
  };

  result.steps = sent.map((step) => {
    const given = step.Actions ?? [];
    const name = (step.Name ?? given[0]?.Name ?? "").trim();
    const what = `The step '${name}'`;
    if (name === "") result.faults.push("Every step needs a Name.");
    if (stepNames.has(name.toLowerCase())) result.faults.push(`There are two steps named '${name}'.`);
    stepNames.add(name.toLowerCase());
    if (given.length === 0) result.faults.push(`${what} has no action.`);
    if (given.length > actionsOfStepMax) result.faults.push(`${what} has more than ${actionsOfStepMax} actions.`);
    const id = idFor(step.Id, what);
    const actions = given.map((one) => action(one, given.length === 1 ? name : undefined));
    return {
      Id: id,
      Name: name,
      Slug: actions.length === 1 ? actions[0]!.Slug : slugFor(name),
      Condition: step.Condition ?? "Success",
      StartTrigger: step.StartTrigger ?? "StartAfterPrevious",
      PackageRequirement: step.PackageRequirement ?? "LetOctopusDecide",
      Properties: properties(id, what, step.Properties),
      Actions: actions,
    };
  });
  return result;
}

/** owner id and property name → secret id */
function secretsOf(steps: readonly ProcessStep[]): Map<string, string> {
  const owners = steps.flatMap((step) => [step, ...step.Actions]);
  return new Map(
    owners.flatMap(({ Id, Properties }) =>
      Object.entries(Properties).flatMap(([name, value]): [string, string][] =>
        typeof value === "object" && value !== null ? [[`${Id}\n${name}`, value.secretId]] : [],
      ),
    ),
  );
}

/** What clients see of a property: a secret only says that it is there. */
function shown(properties: StoredProperties): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      name,
      typeof value === "object" && value !== null ? { HasValue: true, NewValue: null, Hint: null } : value,
    ]),
  );
}

export function presentSteps(steps: readonly ProcessStep[]): object[] {
  return steps.map((step) => ({
    ...step,
    Properties: shown(step.Properties),
    Links: {},
    Actions: step.Actions.map((action) => ({
      ...action,
      CanBeUsedForProjectVersioning: action.Packages.length > 0,
      Properties: shown(action.Properties),
      Links: {},
    })),
  }));
}
