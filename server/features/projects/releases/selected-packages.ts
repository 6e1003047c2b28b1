// Which packages the steps of a process deploy, and which version of each a release takes. Pure: what the feed has is handed in.

import { problem } from "../../../base/problems.ts";
import type { ProcessAction, ProcessStep } from "../processes/processes.ts";

/** A package that an action refers to; the action's own has an empty name. */
export interface PackageUse {
  name: string;
  packageId: string;
  feedId: string;
  properties: { readonly [name: string]: string };
  /** Nobody brings it to where the action runs: the action fetches it itself. */
  isNotAcquired?: true;
}

/** What a release keeps for each. */
export interface SelectedPackage {
  ActionName: string;
  StepName: string;
  PackageReferenceName: string;
  Version: string;
}

export interface GivenSelection {
  ActionName?: string | null | undefined;
  StepName?: string | null | undefined;
  PackageReferenceName?: string | null | undefined;
  Version?: string | null | undefined;
}

const packageProperty = { id: "Octopus.Action.Package.PackageId", feed: "Octopus.Action.Package.FeedId" } as const;
const feedDefault = "feeds-builtin";
/** Versions travel with every plan and go into names of folders. */
const versionCharactersMax = 100;

/** In their order. An action that names its own package in its properties only, as older clients write it, has it all the same. */
export function packagesOf(action: Pick<ProcessAction, "Packages" | "Properties">): PackageUse[] {
  const uses = (action.Packages as Record<string, unknown>[]).flatMap((one): PackageUse[] => {
    const text = (name: string): string => (typeof one[name] === "string" ? one[name] : "");
    const properties = Object.entries((one["Properties"] as Record<string, unknown> | null) ?? {}).flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value]] : [],
    );
    if (text("PackageId") === "") return [];
    const feedId = text("FeedId") || feedDefault;
    const use = { name: text("Name"), packageId: text("PackageId"), feedId, properties: Object.fromEntries(properties) };
    return [text("AcquisitionLocation").toLowerCase() === "notacquired" ? { ...use, isNotAcquired: true } : use];
  });
  const id = action.Properties[packageProperty.id];
  const feed = action.Properties[packageProperty.feed];
  if (typeof id === "string" && id !== "" && !uses.some((use) => use.name === ""))
    uses.unshift({ name: "", packageId: id, feedId: typeof feed === "string" && feed !== "" ? feed : feedDefault, properties: {} });
  return uses;
}

/** The version that a release selected for it, if any. */
export function selectedVersion(
  selected: readonly GivenSelection[],
  step: Pick<ProcessStep, "Name">,
  action: Pick<ProcessAction, "Name">,
  name: string,
): string | undefined {
  const same = (one: string | null | undefined, other: string): boolean => one?.trim().toLowerCase() === other.toLowerCase();
  const found = selected.find(
    (one) =>
      // Old clients write the action into StepName too.
      (same(one.ActionName, action.Name) || (!one.ActionName && (same(one.StepName, action.Name) || same(one.StepName, step.Name)))) &&
      same(one.PackageReferenceName ?? "", name),
  );
  return found?.Version?.trim() || undefined;
}

/** Every package of the process with its version. `otherwise` is asked where none was given. @throws Problem 400 */
export async function selectPackages(
  steps: readonly ProcessStep[],
  given: readonly GivenSelection[],
  otherwise: (use: PackageUse, action: ProcessAction, step: ProcessStep) => Promise<string | undefined>,
): Promise<SelectedPackage[]> {
  const selected: SelectedPackage[] = [];
  for (const step of steps) {
    for (const action of step.Actions) {
      if (action.IsDisabled) continue;
      for (const use of packagesOf(action)) {
        const version = selectedVersion(given, step, action, use.name) ?? (await otherwise(use, action, step));
        if (version === undefined)
          throw problem.invalid(
            `The step '${action.Name}' deploys the package ${use.packageId}, and no version of it was selected. Name one in SelectedPackages.`,
          );
        if (version.length > versionCharactersMax || !/^[A-Za-z0-9][A-Za-z0-9._+-]*$/.test(version))
          throw problem.invalid(`'${version.slice(0, 40)}', selected for the step '${action.Name}', is not a version of a package.`);
        selected.push({ ActionName: action.Name, StepName: step.Name, PackageReferenceName: use.name, Version: version });
      }
    }
  }
  return selected;
}

/** One of the texts that command-line clients send: who (a step, a package or `*`), perhaps the name of the reference, and the version. */
export interface VersionWish {
  who: string;
  /** Undefined: whatever reference. */
  name: string | undefined;
  version: string;
}

/** Of the form `Step:Version` or `Step:Reference:Version`; separators are `:`, `/` and `=`, and a backslash escapes one. @throws Problem 400 */
export function readVersionWish(text: string): VersionWish {
  const parts = [""];
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === "\\" && at + 1 < text.length) parts[parts.length - 1] += text[(at += 1)]!;
    else if (":/=".includes(character)) parts.push("");
    else parts[parts.length - 1] += character;
  }
  const [who, second, third] = parts.map((part) => part.trim());
  if (parts.length < 2 || parts.length > 3 || !who || !(third ?? second))
    throw problem.invalid(`'${text.slice(0, 60)}' is not of the form Step:Version, Package:Version or Step:Reference:Version.`);
  return { who, name: parts.length === 3 ? second : undefined, version: (third ?? second)! };
}

/** The version that one of the wishes asks for: those that name the step or package go before `*`. */
export function wishedVersion(
  wishes: readonly VersionWish[],
  use: PackageUse,
  action: Pick<ProcessAction, "Name">,
  step: Pick<ProcessStep, "Name">,
): string | undefined {
  const names = [action.Name, step.Name, use.packageId].map((name) => name.toLowerCase());
  const fits = (wish: VersionWish): boolean =>
    wish.name === undefined || wish.name === "*" || wish.name.toLowerCase() === use.name.toLowerCase();
  const named = wishes.find((wish) => names.includes(wish.who.toLowerCase()) && fits(wish));
  return (named ?? wishes.find((wish) => wish.who === "*" && fits(wish)))?.version;
}
