// The step type Octopus.TentaclePackage: a package on a target that has a shell and tar. Its effects are durable parts:
//
//   acquire   the package's archive is made, and what the target lacks of it is sent     (repeated after a takeover: harmless)
//   deploy    one script: unpack, PreDeploy, copy, Deploy, PostDeploy, journal            (at most once, joined by its ticket)
//
// and where values are to be filled into files, instead of deploy:
//
//   prepare   one script: unpack, PreDeploy, lay the files ready                          (at most once)
//   fill      the files are fetched, filled in and sent back                              (repeated: what was laid ready stays as it was)
//   complete  one script: put them in place, copy, Deploy, PostDeploy, journal            (at most once)
//   failed    one script when fill could not be done: DeployFailed                        (at most once)

import { ActionFault, composeBashScript, refusalOfBash, scriptBytesMax } from "../../../../engine/execution/execution.ts";
import type { ActionContext, ActionOutcome, PartResult, ScriptForAgents, StepType } from "../../../../engine/execution/execution.ts";
import type { DeployablePackages } from "../../../library/library.ts";
import { acquire, ownerOf } from "./acquire.ts";
import type { Acquired } from "./acquire.ts";
import { removeBrought } from "../brought-packages/brought-packages.ts";
import { chooseForgotten } from "./journal.ts";
import type { TargetRetention } from "./journal.ts";
import { patternExpression, readPatterns } from "./name-patterns.ts";
import { fillFiles, patternsIn, planFilling } from "./fill-files.ts";
import {
  composeCompletion,
  composeDeployment,
  composeFailure,
  composePassOver,
  composePreparation,
  stages,
  targetTime,
} from "./package-scripts.ts";
import type { ComposedScript, PackageOnTarget, PackageStages } from "./package-scripts.ts";
import { installationVariables, valuesFor } from "./target-values.ts";
import type { TargetValues } from "./target-values.ts";

const prefix = "Octopus.Action.Package";
const part = { acquire: "acquire", deploy: "deploy", prepare: "prepare", fill: "fill", complete: "complete", failed: "failed" } as const;
/** How long unpacked packages stay on targets, as the plan says it: `forever`, `items 3`, `days 30`. */
export const targetRetentionValue = "Cuttle.TargetRetention";
/** Most packages are in place by then, without a word; each look at a script costs time of both sides. */
const quietMs = 1_000;
/** A folder nearer to the root is never emptied. */
const purgedDepthMin = 2;
const succeeded: PartResult = { outcome: "succeeded", exitCode: null, message: null };

export function createPackageStepType(packages: DeployablePackages): StepType {
  return {
    name: "Octopus.TentaclePackage",
    runs: "targets",
    firstPart: part.acquire,

    check({ name, packageNames, runsOnServer }) {
      const faults: string[] = [];
      if (runsOnServer)
        faults.push(`Step '${name}' asks to run on the server; a package is deployed to targets. Give it target roles instead.`);
      if (!packageNames.includes("")) faults.push(`Step '${name}' names no package (${prefix}.PackageId).`);
      return faults;
    },

    async run(context) {
      const seen: { acquired?: Acquired } = {};
      const outcome = await runParts(context, packages, seen);
      if (seen.acquired?.brought !== undefined && outcome.outcome !== "unknown") await removeBrought(context);
      return outcome;
    },
  };
}

/** `seen`: what this node has brought to the target, for when all is over. */
async function runParts(context: ActionContext, packages: DeployablePackages, seen: { acquired?: Acquired }): Promise<ActionOutcome> {
  const wanted = context.action.packages.find((one) => one.name === "");
  if (wanted === undefined) throw new ActionFault("The plan of this deployment names no package for it.");
  const brought = await context.runEffect({
    part: part.acquire,
    work: () =>
      asResult(async () => {
        seen.acquired = await acquire(context, wanted, packages);
      }),
  });
  if (brought.outcome !== "succeeded") return outcomeOf(brought);
  // After a takeover the target is asked again: it answers with the same folder.
  const again = async (): Promise<Acquired> => (seen.acquired ??= await acquire(context, wanted, packages));
  const plain = valuesFor(context);
  const filling = planFilling(plain);
  if (filling === undefined) {
    const body = async () => scriptFor(context, await again(), composeDeployment, "begins");
    return outcomeOf(await context.runScript({ part: part.deploy, ends: true, quietMs, body }));
  }

  const prepared = await context.runScript({
    part: part.prepare,
    quietMs,
    body: async () => scriptFor(context, await again(), (on, stagesOf) => composePreparation(on, stagesOf, patternsIn(filling)), "begins"),
  });
  if (prepared.outcome !== "succeeded") return outcomeOf(prepared);
  let filled: { name: string | undefined } | undefined;
  const fill = async (): Promise<string | undefined> => {
    if (filled === undefined) {
      const got = await again();
      const values = valuesFor(context, got.facts, got.brought?.values);
      filled = { name: isPassedOver(context, got, values) ? undefined : await fillFiles(context, filling, values) };
    }
    return filled.name;
  };
  const work = () => asResult(async () => void (await fill()));
  const done = await context.runEffect({ part: part.fill, work });
  if (done.outcome !== "succeeded") {
    const body = async () => scriptFor(context, await again(), composeFailure);
    await context.runScript({ part: part.failed, body });
    return outcomeOf(done);
  }
  const body = async () => {
    // After a takeover once more: what a former owner sent may lie there under another name.
    const name = await fill();
    return scriptFor(context, await again(), (on, stagesOf) => composeCompletion(on, stagesOf, name));
  };
  return outcomeOf(await context.runScript({ part: part.complete, ends: true, quietMs, body }));
}

async function asResult(work: () => Promise<void>): Promise<PartResult> {
  try {
    await work();
    return succeeded;
  } catch (error) {
    if (!(error instanceof ActionFault)) throw error;
    return { outcome: "failed", exitCode: null, message: error.message };
  }
}

function outcomeOf({ outcome, message }: PartResult): ActionOutcome {
  return outcome === "succeeded" ? { outcome } : { outcome, message: message ?? "The package was not deployed." };
}

type Compose = (target: PackageOnTarget, stagesOf: PackageStages) => ComposedScript;

/** The script that `begins` puts the packages into place that the step refers to. */
function scriptFor(context: ActionContext, acquired: Acquired, compose: Compose, begins?: "begins"): ScriptForAgents {
  const values = valuesFor(context, acquired.facts, acquired.brought?.values);
  const wanted = context.action.packages.find((one) => one.name === "")!;
  const target: PackageOnTarget = {
    owner: ownerOf(context),
    packageId: wanted.packageId,
    archiveSha256: acquired.archiveSha256,
    plainBlocks: acquired.plainBlocks,
    folder: acquired.facts.folder,
  };
  const stagesOf = stagesFor(context, acquired, values);
  const there = isPassedOver(context, acquired, values) ? acquired.facts.latest : undefined;
  if (there !== undefined) return asScript(context, values, composePassOver(target, stagesOf, there));
  const composed = compose(target, stagesOf);
  const before = begins === undefined ? "" : (acquired.brought?.unpack ?? "");
  return asScript(context, values, { ...composed, text: `${before}${composed.text}` });
}

/** Whether the last deployment of this step here installed just this version, and the step wants to be passed over then. */
function isPassedOver({ action }: ActionContext, { facts: { latest } }: Acquired, values: TargetValues): boolean {
  const wanted = action.packages.find((one) => one.name === "")!;
  const isSame = latest?.packages.some(
    (one) => one.packageId.toLowerCase() === wanted.packageId.toLowerCase() && one.packageVersion === wanted.version,
  );
  const isForced = values.variables.isTruthy("#{Octopus.Deployment.ForcePackageRedeployment}");
  return latest?.wasSuccessful === true && isSame === true && !isForced && values.isTrue(`${prefix}.SkipIfAlreadyInstalled`);
}

function asScript({ step }: ActionContext, values: TargetValues, composed: ComposedScript): ScriptForAgents {
  const bash = composeBashScript(values.scriptVariables(), composed.text);
  const bytes = composed.files.reduce((sum, file) => sum + file.Contents.length, Buffer.byteLength(bash));
  if (bytes > scriptBytesMax)
    throw new ActionFault(
      `The scripts of step ${step.number} (${step.name}) with their variables are larger than ${scriptBytesMax} bytes.`,
    );
  return { bash, powerShell: refusalOfBash, files: composed.files };
}

function stagesFor(context: ActionContext, { facts, journal, now }: Acquired, values: TargetValues): PackageStages {
  const { plan, action } = context;
  const wanted = action.packages.find((one) => one.name === "")!;
  const owner = ownerOf(context);
  const own = values.hasFeature("Octopus.Features.CustomScripts")
    ? Object.fromEntries(
        stages.flatMap((stage) => {
          const text = values.evaluate(`Octopus.Action.CustomScripts.${stage}.sh`);
          return text === undefined ? [] : [[stage, text]];
        }),
      )
    : {};
  const custom = customFolder(values);
  return {
    own,
    custom,
    skips: values.variables.get("Octopus.Action.SkipRemainingConventions")?.text ?? "",
    installationVariables,
    runsPackaged: values.isTrue(`${prefix}.RunScripts`, true),
    removesPackaged: values.variables.get("OctopusDeleteScriptsOnCleanup")?.text?.toLowerCase() !== "false",
    journal: {
      id: owner,
      environmentId: plan.scope.environment ?? "",
      tenantId: plan.scope.tenant ?? "",
      projectId: plan.scope.project ?? "",
      installedOn: targetTime,
      retentionPolicySet: facts.retentionPolicySet,
      extractedTo: facts.folder,
      customInstallationDirectory: custom?.folder ?? "",
      wasSuccessful: true,
      packages: [{ packageId: wanted.packageId, packageVersion: wanted.version, deployedFrom: "" }],
    },
    forgotten: chooseForgotten(journal, {
      retentionPolicySet: facts.retentionPolicySet,
      ownId: owner,
      ownFolder: facts.folder,
      now,
      retention: readTargetRetention(values.variables.get(targetRetentionValue)?.text ?? ""),
    }),
  };
}

function customFolder(values: TargetValues): PackageStages["custom"] {
  const folder = values.evaluate(`${prefix}.CustomInstallationDirectory`)?.trim();
  if (folder === undefined || folder === "") return undefined;
  const parts = folder.split("/").filter((one) => one !== "" && one !== ".");
  if (!folder.startsWith("/") || parts.includes("..") || folder.includes("\n") || parts.length === 0)
    throw new ActionFault(`'${folder.slice(0, 200)}' is no custom folder for a package: name one by its whole path, such as /srv/shop.`);
  const purge = values.isTrue(`${prefix}.CustomInstallationDirectoryShouldBePurgedBeforeDeployment`);
  if (purge && parts.length < purgedDepthMin)
    throw new ActionFault(
      `The folder /${parts.join("/")} is not emptied: it is too near to the root. Name a folder below it, or do not ask for that.`,
    );
  return {
    folder: `/${parts.join("/")}`,
    purge,
    exclusions: patterns(values.evaluate(`${prefix}.CustomInstallationDirectoryPurgeExclusions`)),
  };
}

function patterns(text: string | undefined): string[] {
  try {
    return readPatterns(text).map(patternExpression);
  } catch (error) {
    if (error instanceof RangeError) throw new ActionFault(error.message);
    throw error;
  }
}

function readTargetRetention(text: string): TargetRetention {
  const [, keep, quantity] = /^(items|days) ([1-9][0-9]{0,5})$/.exec(text) ?? [];
  return keep === undefined ? { keep: "forever" } : { keep: keep as "items" | "days", quantity: Number(quantity) };
}
