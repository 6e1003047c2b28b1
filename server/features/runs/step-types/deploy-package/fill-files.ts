// The files of a package into which values are filled: which they are, and how they come to the server and back. The target has laid them
// ready in one tar; it stays there, so whoever takes over finds the same. What comes back holds only the files that changed.

import { ActionFault } from "../../../../engine/execution/execution.ts";
import type { ActionContext } from "../../../../engine/execution/execution.ts";
import { sendFile, untilGone } from "../../../../engine/transfer/transfer.ts";
import { ArchiveRefused, endOfTar, paddingOf, readTar, tarHeader } from "../../../../platform/archives/archives.ts";
import { FileNotFilled, fillFile, filledBytesMax } from "../../file-values/file-values.ts";
import type { FileJobs } from "../../file-values/file-values.ts";
import { agentGoneMs, ownerOf } from "./acquire.ts";
import { patternExpression, readPatterns } from "./name-patterns.ts";
import { collectedFile, runningFolder } from "./package-scripts.ts";
import type { TargetValues } from "./target-values.ts";

/** All files of one deployment on one target together; they are held in memory. */
const collectedBytesMax = 64 * 1024 * 1024;
const warningsMax = 50;
const dotNetFiles = ["**/*.config"];

/** What is to be filled in, and in which files. */
export interface FillPlan {
  substitute: readonly string[];
  structured: readonly string[];
  dotNet: readonly string[];
}

/** Undefined when nothing is. @throws ActionFault */
export function planFilling(values: TargetValues): FillPlan | undefined {
  const has = (feature: string, flag: string): boolean => values.hasFeature(`Octopus.Features.${feature}`) || values.isTrue(flag);
  const structuredFlag = "Octopus.Action.Package.JsonConfigurationVariablesEnabled";
  const plan: FillPlan = {
    substitute: has("SubstituteInFiles", "Octopus.Action.SubstituteInFiles.Enabled")
      ? patternsOf(values, "Octopus.Action.SubstituteInFiles.TargetFiles")
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
  return [...new Set([...plan.substitute, ...plan.structured, ...plan.dotNet])];
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
  const jobsOf = jobsBy(plan);
  const outputEncoding = values.evaluate("Octopus.Action.SubstituteInFiles.OutputEncoding");
  const isStrict = values.variables.isTruthy("#{OctopusShouldFailDeploymentOnSubstitutionFails}");
  const mayStay = values.isTrue("Octopus.Action.Package.IgnoreVariableReplacementErrors");
  const filled: Buffer[] = [];
  let count = 0;
  for (const { name, isExecutable, bytes } of collected) {
    try {
      const result = await fillFile(name, bytes, jobsOf(name), values.variables, outputEncoding);
      if (isStrict && result.warnings[0] !== undefined) throw new ActionFault(result.warnings[0]);
      warnings.push(...result.warnings);
      if (result.bytes === bytes) continue;
      count += 1;
      const entry = { name, kind: "file", isExecutable, bytes: result.bytes.length, linkTarget: "" } as const;
      filled.push(tarHeader(entry), result.bytes, paddingOf(result.bytes.length));
    } catch (error) {
      if (!(error instanceof FileNotFilled)) throw error;
      if (!mayStay) throw new ActionFault(error.message);
      warnings.push(`${error.message} It stays as it is.`);
    }
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

function withoutFile(patterns: readonly string[], files: readonly { name: string }[]): string[] {
  return patterns
    .filter((pattern) => !files.some(({ name }) => new RegExp(patternExpression(pattern)).test(name)))
    .map((pattern) => `No file of the package fits '${pattern}', so no values are filled in there.`);
}

function jobsBy(plan: FillPlan): (name: string) => FileJobs {
  const fits = (patterns: readonly string[]): ((name: string) => boolean) => {
    const expressions = patterns.map((pattern) => new RegExp(patternExpression(pattern)));
    return (name) => expressions.some((one) => one.test(name));
  };
  const [substitute, structured, dotNet] = [fits(plan.substitute), fits(plan.structured), fits(plan.dotNet)];
  return (name) => ({ substitute: substitute(name), structured: structured(name), dotNetSettings: dotNet(name) });
}

async function fetchCollected(context: ActionContext): Promise<{ name: string; isExecutable: boolean; bytes: Buffer }[] | undefined> {
  const { run, agents, target } = context;
  const terms = { beforeSend: async () => {}, lease: run.lease, signal: run.lost };
  const path = `${runningFolder}/${ownerOf(context)}/${collectedFile}`;
  const answer = await untilGone(run, agentGoneMs, () => agents.downloadFile(target!.agent, path, terms));
  if (!answer.ok) throw new ActionFault(`The files of the package could not be fetched from ${target!.name}: ${answer.message}.`);
  const file = answer.reply;
  if (file === null) return undefined;
  const files = new Map<string, { name: string; isExecutable: boolean; bytes: Buffer }>();
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
  try {
    return readPatterns(values.evaluate(name));
  } catch (error) {
    if (error instanceof RangeError) throw new ActionFault(error.message);
    throw error;
  }
}
