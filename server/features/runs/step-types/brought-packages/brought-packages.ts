// Brings the packages that a script works with to where it runs, and says in bash how they get into place there. Bringing them may be done
// again by whoever takes over; unpacking belongs to the script, which is begun once. Needs bash, tar, gzip and sha256sum there.

import type { Variable } from "@cuttle/templates";
import { ActionFault, askByScript, bashWord } from "../../../../engine/execution/execution.ts";
import type { ActionContext, PlannedPackage, PlannedTarget } from "../../../../engine/execution/execution.ts";
import { ArchiveDamaged, cacheGroup, plainBlocksOf, sendArchive, targetCacheFunctions } from "../../../../engine/transfer/transfer.ts";
import type { SentArchive } from "../../../../engine/transfer/transfer.ts";
import { SharedFolderError } from "../../../../platform/files/files.ts";
import type { DeployablePackages } from "../../../library/library.ts";
import { sayMaking } from "./making-progress.ts";

export { sayMaking };

/** An agent that is restarted, or a network that comes back within this, costs nothing. */
const agentGoneMs = 2 * 60_000;
const tidyTimeoutMs = 60_000;
/** Other scripts may be about to unpack what was asked for a moment ago. */
const forgetAfterMinutes = 60;
/** What a node that died in between left behind goes with a later script. */
const leftMinutesMax = 7 * 24 * 60;
/** Of all packages of one action together with the script: each costs questions and room. */
export const broughtPackagesMax = 50;
const windows = "Write-Error 'Packages can be brought to machines with bash and tar only.'; exit 1";

export interface BroughtPackages {
  /** What scripts and fields call the places by. */
  values: Variable[];
  /** Bash that puts them there, or ends the script with a sentence. */
  unpack: string;
  /** Of the action's own package; undefined when it has none. */
  ownFolder: string | undefined;
}

interface Place {
  wanted: PlannedPackage;
  isExtracted: boolean;
  group: string;
  sha256: string;
  plainBlocks: string;
  /** Below the folder of this run. */
  path: string;
  fileName: string;
}

/** Where the scripts of this action run. @throws ActionFault */
export function placeOf({ action, target }: Pick<ActionContext, "action" | "target">): PlannedTarget {
  const on = action.worker ?? target;
  if (on === undefined) throw new ActionFault("It has neither a target nor a worker to run on.");
  return on;
}

/** @throws ActionFault */
export async function bringPackages(
  context: ActionContext,
  wanted: readonly PlannedPackage[],
  packages: DeployablePackages,
): Promise<BroughtPackages> {
  if (wanted.length > broughtPackagesMax)
    throw new ActionFault(`It refers to ${wanted.length} packages; ${broughtPackagesMax} are brought along at most.`);
  const on = placeOf(context);
  const places: Place[] = [];
  let root = "";
  for (const [n, one] of wanted.entries()) {
    const { place, archive } = await find(context, one, n, packages);
    const bytes = archive.blocks.reduce((sum, block) => sum + block.bytes, 0);
    const sent = await sendArchive(
      context.agents,
      { agent: on.agent, owner: ownerOf(context), group: place.group, agentGoneMs },
      archive,
      `echo "folder $(printf '%s' "$cuttle_cache/running/${ownerOf(context)}" | base64 | tr -d '\\n')"`,
      context.run,
    ).catch((error: unknown) => {
      if (error instanceof ArchiveDamaged || error instanceof SharedFolderError) throw new ActionFault(error.message);
      throw error;
    });
    if (!sent.ok) throw new ActionFault(`The package ${one.packageId} could not be brought to ${on.name}: ${sent.message}.`);
    const { sentBytes, said } = sent.reply;
    const story =
      sentBytes === 0
        ? "is there already"
        : sentBytes < bytes
          ? `was sent in part: ${sentBytes} of ${bytes} bytes, the rest is there already`
          : `was sent whole, ${sentBytes} bytes`;
    await context.log("Verbose", `${one.packageId} ${one.version} ${story}.`);
    const told = said.flatMap((line) => /^folder ([A-Za-z0-9+/=]+)$/.exec(line)?.[1] ?? [])[0];
    root = told === undefined ? "" : Buffer.from(told, "base64").toString("utf8");
    if (!root.startsWith("/")) throw new ActionFault(`${on.name} did not say where packages are to lie.`);
    places.push(place);
  }
  const own = places.find(({ wanted: { name } }) => name === "");
  return {
    values: places.flatMap((place) => valuesOf(place, root)),
    unpack: unpacking(context, places, root),
    ownFolder: own === undefined ? undefined : `${root}/${own.path}`,
  };
}

/** Removes what the script had. Nothing depends on it: what it leaves, a later script takes away. */
export async function removeBrought(context: ActionContext): Promise<void> {
  const bash = [targetCacheFunctions, `rm -rf -- "$cuttle_cache/running/${ownerOf(context)}"`, ""].join("\n");
  const script = { taskId: context.run.task.id, bash, powerShell: windows, timeoutMs: tidyTimeoutMs, mutexName: "CuttleTransfer" };
  await askByScript(context.agents, placeOf(context).agent, script, context.run);
}

/** Names this attempt of this action at this place; lower-case letters, digits and hyphens. */
function ownerOf({ plan, action, target, attempt }: ActionContext): string {
  return `${plan.taskId}-${action.id}-${target?.machineId ?? "once"}-script-${attempt}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

async function find(
  context: ActionContext,
  wanted: PlannedPackage,
  n: number,
  packages: DeployablePackages,
): Promise<{ place: Place; archive: SentArchive }> {
  const asked = { ...wanted, spaceId: context.variables.get("Octopus.Space.Id")?.text ?? "" };
  if (isExtracted(context, wanted)) {
    const found = await packages.find(asked, sayMaking(context, `${wanted.packageId} ${wanted.version}`));
    if (!found.ok) throw new ActionFault(found.message);
    const path = `${n}/${folderName(wanted.name || wanted.packageId)}`;
    const { sha256 } = found.archive;
    const plainBlocks = plainBlocksOf(found.archive);
    const group = cacheGroup(found.packageId);
    return { place: { wanted, isExtracted: true, group, sha256, plainBlocks, path, fileName: "" }, archive: found.archive };
  }
  const found = await packages.findFile(asked);
  if (!found.ok) throw new ActionFault(found.message);
  const fileName = folderName(found.fileName);
  const group = cacheGroup(`file-${found.packageId}`);
  return {
    place: { wanted, isExtracted: false, group, sha256: found.file.sha256, plainBlocks: "", path: `${n}/${fileName}`, fileName },
    archive: found.file,
  };
}

/** The action's own package always is; a further one unless its `Extract` says otherwise. */
function isExtracted(context: ActionContext, { name, properties }: PlannedPackage): boolean {
  if (name === "") return true;
  const text = Object.entries(properties).find(([key]) => key.toLowerCase() === "extract")?.[1] ?? "";
  return context.evaluateText(text).trim().toLowerCase() !== "false";
}

function valuesOf({ wanted, isExtracted: extracted, path, fileName }: Place, root: string): Variable[] {
  const prefixes = wanted.name === "" ? ["Octopus.Action.Package", "Octopus.Action.Package[]"] : [`Octopus.Action.Package[${wanted.name}]`];
  const values: [string, string][] = extracted
    ? [
        ["Extract", "True"],
        ["ExtractedPath", `${root}/${path}`],
      ]
    : [
        ["Extract", "False"],
        ["PackageFilePath", `${root}/${path}`],
        ["PackageFileName", fileName],
      ];
  return prefixes.flatMap((prefix) => values.map(([name, value]) => ({ name: `${prefix}.${name}`, value })));
}

function unpacking(context: ActionContext, places: readonly Place[], root: string): string {
  const steps = places.flatMap(({ isExtracted: extracted, group, sha256, plainBlocks, path }) => {
    const place = bashWord(`${root}/${path}`);
    return [
      `  cuttle_accept ${ownerOf(context)} ${sha256}`,
      extracted
        ? `  mkdir -p -- ${place} && cuttle_unpack ${group} ${sha256} ${place} ${plainBlocks} || return 1`
        : `  mkdir -p -- ${bashWord(`${root}/${path.split("/")[0]}`)} && cuttle_join ${group} ${sha256} ${place} || return 1`,
      `  cuttle_forget ${group} ${forgetAfterMinutes} >/dev/null`,
    ];
  });
  const rootWord = bashWord(root);
  return [
    targetCacheFunctions,
    "cuttle_bring() {",
    `  rm -rf -- ${rootWord} && (umask 077 && mkdir -p -- ${rootWord}) || { echo "The folder "${rootWord}" cannot be made. May this user write there?" >&2; return 1; }`,
    ...steps,
    `  find "$cuttle_cache/running" -mindepth 1 -maxdepth 1 -mmin +${leftMinutesMax} -exec rm -rf -- {} + 2>/dev/null`,
    "  return 0",
    "}",
    "cuttle_bring || exit 1",
    "",
  ].join("\n");
}

/** A name of one folder or file. */
function folderName(name: string): string {
  const plain = name
    // oxlint-disable-next-line no-control-regex -- control characters are what must go
    .replace(/[/\\\u0000-\u001f\u007f]/g, "_")
    .trim()
    .slice(0, 120);
  return /^\.*$/.test(plain) ? "_" : plain;
}
