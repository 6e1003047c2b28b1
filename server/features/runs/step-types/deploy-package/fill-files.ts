// The files of a package into which values are filled or to which transforms are applied: which they are, and how they come to the server and back. The target has laid them
// ready in one tar; it stays there, so whoever takes over finds the same. What comes back holds only the files that changed.

import { ActionFault } from "../../../../engine/execution/execution.ts";
import type { ActionContext } from "../../../../engine/execution/execution.ts";
import { sendFile, untilGone } from "../../../../engine/transfer/transfer.ts";
import { ArchiveRefused, endOfTar, paddingOf, readTar, tarHeader } from "../../../../platform/archives/archives.ts";
import { FileNotFilled, fillFile, filledBytesMax, transformFile } from "../../file-values/file-values.ts";
import type { FileJobs } from "../../file-values/file-values.ts";
import { agentGoneMs, ownerOf } from "./acquire.ts";
import { patternExpression, readPatterns } from "./name-patterns.ts";
import { collectedFile, runningFolder } from "./package-scripts.ts";
import type { TargetValues } from "./target-values.ts";
import { pairTransforms, patternsOfRules, readTransformRules } from "./transform-pairs.ts";
import type { TransformRule } from "./transform-pairs.ts";

/** All files of one deployment on one target together; they are held in memory. */
const collectedBytesMax = 64 * 1024 * 1024;
const warningsMax = 50;
const dotNetFiles = ["**/*.config"];
const additionalTransforms = "Octopus.Action.Package.AdditionalXmlConfigurationTransforms";

/** What is to be filled in, and in which files. */
export interface FillPlan {
  substitute: readonly string[];
  transform: readonly string[];
  structured: readonly string[];
  dotNet: readonly string[];
}

interface CollectedFile {
  name: string;
  isExecutable: boolean;
  bytes: Buffer;
}

/** Undefined when nothing is. @throws ActionFault */
export function planFilling(values: TargetValues): FillPlan | undefined {
  const has = (feature: string, flag: string): boolean => values.hasFeature(`Octopus.Features.${feature}`) || values.isTrue(flag);
  const structuredFlag = "Octopus.Action.Package.JsonConfigurationVariablesEnabled";
  const plan: FillPlan = {
    substitute: has("SubstituteInFiles", "Octopus.Action.SubstituteInFiles.Enabled")
      ? patternsOf(values, "Octopus.Action.SubstituteInFiles.TargetFiles")
      : [],
    transform: values.hasFeature("Octopus.Features.ConfigurationTransforms")
      ? patternsOfRules(rulesOf(values), runsAutomatically(values))
      : [],
    structured: has("JsonConfigurationVariables", structuredFlag)
      ? patternsOf(values, "Octopus.Action.Package.JsonConfigurationVariablesTargets")
      : [],
    dotNet:
      values.hasFeature("Octopus.Features.ConfigurationVariables") &&
      values.isTrue("Octopus.Action.Package.AutomaticallyUpdateAppSettingsAndConnectionStrings", true)
        ? dotNetFiles
        : [],
  };
  return Object.values(plan).some((patterns: readonly string[]) => patterns.length > 0) ? plan : undefined;
}

/** All patterns together, for the target. */
export function patternsIn(plan: FillPlan): string[] {
  return [...new Set([...plan.substitute, ...plan.transform, ...plan.structured, ...plan.dotNet])];
}

/**
 * Fetches the files, fills them in and sends them back; answers the name under which they lie at the target, or undefined when nothing changed
 * or they are no longer there. @throws ActionFault
 */
export async function fillFiles(context: ActionContext, plan: FillPlan, values: TargetValues): Promise<string | undefined> {
  const collected = await fetchCollected(context);
  // PreDeploy has ended the rest in success, or the last script is over already.
  if (collected === undefined) return undefined;
  const warnings = values.isTrue("Octopus.Action.SubstituteInFiles.EnableNoMatchWarning", true)
    ? withoutFile([...plan.substitute, ...plan.structured], collected)
    : [];
  const now = collected.map((file) => ({ ...file }));
  await fill(now, plan, "substitute", values, warnings);
  if (plan.transform.length > 0) await transformFiles(context, now, values, warnings);
  await fill(now, plan, "settings", values, warnings);
  const filled: Buffer[] = [];
  let count = 0;
  for (const [n, { name, isExecutable, bytes }] of now.entries()) {
    if (bytes.equals(collected[n]!.bytes)) continue;
    count += 1;
    const entry = { name, kind: "file", isExecutable, bytes: bytes.length, linkTarget: "" } as const;
    filled.push(tarHeader(entry), bytes, paddingOf(bytes.length));
  }
  for (const warning of warnings.slice(0, warningsMax)) await context.log("Warning", warning);
  await context.log("Verbose", `Filled values into ${count} of ${collected.length} files.`);
  if (count === 0) return undefined;
  const tar = Buffer.concat([...filled, endOfTar()]);
  const name = `${ownerOf(context)}-${context.run.task.epoch}-filled.tar`;
  const contents = {
    length: tar.length,
    async *open() {
      yield tar;
    },
  };
  const sent = await sendFile(context.agents, { agent: context.target!.agent, agentGoneMs }, name, contents, context.run);
  if (!sent.ok) throw new ActionFault(`The files could not be brought back to ${context.target!.name}: ${sent.message}.`);
  return name;
}

/** Placeholders come before transforms, settings behind them. */
async function fill(
  files: CollectedFile[],
  plan: FillPlan,
  stage: "substitute" | "settings",
  values: TargetValues,
  warnings: string[],
): Promise<void> {
  const jobsOf = jobsBy(plan, stage);
  const outputEncoding = values.evaluate("Octopus.Action.SubstituteInFiles.OutputEncoding");
  const isStrict = values.variables.isTruthy("#{OctopusShouldFailDeploymentOnSubstitutionFails}");
  const mayStay = values.isTrue("Octopus.Action.Package.IgnoreVariableReplacementErrors");
  for (const file of files) {
    const jobs = jobsOf(file.name);
    if (!jobs.substitute && !jobs.dotNetSettings && !jobs.structured) continue;
    try {
      const result = await fillFile(file.name, file.bytes, jobs, values.variables, outputEncoding);
      if (isStrict && result.warnings[0] !== undefined) throw new ActionFault(result.warnings[0]);
      warnings.push(...result.warnings);
      file.bytes = result.bytes;
    } catch (error) {
      if (!(error instanceof FileNotFilled)) throw error;
      if (!mayStay) throw new ActionFault(error.message);
      warnings.push(`${error.message} It stays as it is.`);
    }
  }
}

function rulesOf(values: TargetValues): TransformRule[] {
  return refusing(() => readTransformRules(values.evaluate(additionalTransforms)));
}

function runsAutomatically(values: TargetValues): boolean {
  return values.isTrue("Octopus.Action.Package.AutomaticallyRunConfigurationTransformationFiles", true);
}

/** Applies the transforms in place, each in the order of the rules. @throws ActionFault */
async function transformFiles(context: ActionContext, files: CollectedFile[], values: TargetValues, warnings: string[]): Promise<void> {
  const prefix = "Octopus.Action.Package";
  const mayFail = values.isTrue(`${prefix}.IgnoreConfigTransformationErrors`);
  const isStrict = values.isTrue(`${prefix}.TreatConfigTransformationWarningsAsErrors`, true);
  const isSilent = values.isTrue(`${prefix}.SuppressConfigTransformationLogging`);
  const isDiagnostic = values.isTrue(`${prefix}.EnableDiagnosticsConfigTransformationLogging`);
  const names = ["#{Octopus.Environment.Name}", "#{Octopus.Deployment.Tenant.Name}"].flatMap((name) => {
    const { text, unresolved } = values.variables.evaluate(name);
    return unresolved.length > 0 || !text ? [] : [text];
  });
  const middles = runsAutomatically(values) ? ["Release", ...names] : [];
  const rules = rulesOf(values);
  const { pairs, unused } = refusing(() =>
    pairTransforms(
      files.map((file) => file.name),
      rules,
      middles,
    ),
  );
  if (isDiagnostic) {
    await context.log("Verbose", `Looking for transforms by ${[...rules.map((rule) => rule.line), ...middles].join(", ") || "no rule"}.`);
    for (const { name } of files) await context.log("Verbose", `Found ${name}.`);
  }
  for (const line of unused) await context.log("Info", `No two files of the package fit the transform '${line}', so it is not applied.`);
  const byName = new Map(files.map((file) => [file.name, file]));
  for (const pair of pairs) {
    const target = byName.get(pair.target)!;
    await context.log("Info", `Transforming '${pair.target}' with '${pair.transform}'.`);
    let faults: string[];
    try {
      const result = await transformFile(target, byName.get(pair.transform)!);
      target.bytes = result.bytes;
      if (!isSilent) for (const note of result.notes) await context.log("Verbose", `${note}.`);
      faults = [...result.errors, ...(isStrict ? result.warnings : [])].map((fault) => `${fault}.`);
      if (!isStrict && !isSilent) warnings.push(...result.warnings.map((one) => `${one}.`));
    } catch (error) {
      if (!(error instanceof FileNotFilled)) throw error;
      faults = [error.message];
    }
    if (faults.length === 0) continue;
    if (!mayFail)
      throw new ActionFault(
        `${pair.target} could not be transformed with ${pair.transform}. ${faults.slice(0, 5).join(" ")} ` +
          `The variable ${prefix}.IgnoreConfigTransformationErrors set to True lets the deployment go on all the same.`,
      );
    for (const fault of faults) await context.log("Info", fault);
  }
}

function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw new ActionFault(error.message);
    throw error;
  }
}

function withoutFile(patterns: readonly string[], files: readonly { name: string }[]): string[] {
  return patterns
    .filter((pattern) => !files.some(({ name }) => new RegExp(patternExpression(pattern)).test(name)))
    .map((pattern) => `No file of the package fits '${pattern}', so no values are filled in there.`);
}

function jobsBy(plan: FillPlan, stage: "substitute" | "settings"): (name: string) => FileJobs {
  const fits = (patterns: readonly string[]): ((name: string) => boolean) => {
    const expressions = patterns.map((pattern) => new RegExp(patternExpression(pattern)));
    return (name) => expressions.some((one) => one.test(name));
  };
  const [substitute, structured, dotNet] = [fits(plan.substitute), fits(plan.structured), fits(plan.dotNet)];
  return (name) =>
    stage === "substitute"
      ? { substitute: substitute(name), structured: false, dotNetSettings: false }
      : { substitute: false, structured: structured(name), dotNetSettings: dotNet(name) };
}

async function fetchCollected(context: ActionContext): Promise<CollectedFile[] | undefined> {
  const { run, agents, target } = context;
  const terms = { beforeSend: async () => {}, lease: run.lease, signal: run.lost };
  const path = `${runningFolder}/${ownerOf(context)}/${collectedFile}`;
  const answer = await untilGone(run, agentGoneMs, () => agents.downloadFile(target!.agent, path, terms));
  if (!answer.ok) throw new ActionFault(`The files of the package could not be fetched from ${target!.name}: ${answer.message}.`);
  const file = answer.reply;
  if (file === null) return undefined;
  const files = new Map<string, CollectedFile>();
  try {
    if (file.length > collectedBytesMax)
      throw new ActionFault(`The files into which values are to be filled have more than ${collectedBytesMax} bytes. Name fewer of them.`);
    for await (const entry of readTar(file.open())) {
      if (entry.kind !== "file") continue;
      const name = entry.name.replace(/^\.\//, "");
      if (entry.bytes > filledBytesMax)
        throw new ActionFault(`${name} is larger than ${filledBytesMax} bytes, too large to fill values into. Name it in no pattern.`);
      const pieces: Buffer[] = [];
      for await (const piece of entry.content()) pieces.push(Buffer.from(piece));
      files.set(name, { name, isExecutable: entry.isExecutable, bytes: Buffer.concat(pieces) });
    }
  } catch (error) {
    if (error instanceof ArchiveRefused)
      throw new ActionFault(`What ${target!.name} sent of the package's files cannot be read: ${error.message}.`);
    throw error;
  } finally {
    await file.dispose?.();
  }
  return [...files.values()];
}

function patternsOf(values: TargetValues, name: string): string[] {
  return refusing(() => readPatterns(values.evaluate(name)));
}
