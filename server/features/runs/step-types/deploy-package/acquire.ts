// The first part of a package step: its archive is made where it is not yet, the target gets what it lacks of it, reserves a folder and
// tells what is known there. All of it may be done again by whoever takes over.

import { ActionFault } from "../../../../engine/execution/execution.ts";
import type { ActionContext, PlannedPackage } from "../../../../engine/execution/execution.ts";
import { ArchiveDamaged, plainBlocksOf, sendArchive, untilGone } from "../../../../engine/transfer/transfer.ts";
import { SharedFolderError } from "../../../../platform/files/files.ts";
import type { DeployablePackages } from "../../../library/library.ts";
import { bringPackages, sayMaking } from "../brought-packages/brought-packages.ts";
import type { BroughtPackages } from "../brought-packages/brought-packages.ts";
import { findPrevious, journalBytesMax, readJournal } from "./journal.ts";
import type { JournalEntry } from "./journal.ts";
import { readSaid, readToldJournal, reserveFolder } from "./package-scripts.ts";
import type { TargetFacts } from "./target-values.ts";

/** An agent that is restarted, or a network that comes back within this, costs nothing. */
export const agentGoneMs = 2 * 60_000;
const journalFile = "DeploymentJournal.xml";

export interface Acquired {
  /** Packages that the step refers to besides. */
  brought: BroughtPackages | undefined;
  archiveSha256: string;
  plainBlocks: string;
  facts: TargetFacts;
  journal: readonly JournalEntry[];
  /** What the target's clock says, as its journal has times. */
  now: string;
}

/** Names this deployment of this action on this target; lower-case letters, digits and hyphens. */
export function ownerOf({ plan, action, target }: Pick<ActionContext, "plan" | "action" | "target">): string {
  return `${plan.taskId}-${action.id}-${target?.machineId ?? ""}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

/** @throws ActionFault */
export async function acquire(context: ActionContext, wanted: PlannedPackage, packages: DeployablePackages): Promise<Acquired> {
  const { run, agents, target, variables } = context;
  if (target === undefined) throw new ActionFault("A package is deployed to targets, and this step has none.");
  const valueOf = (name: string): string => variables.get(name)?.text ?? "";
  const found = await packages.find(
    { ...wanted, spaceId: valueOf("Octopus.Space.Id") },
    sayMaking(context, `${wanted.packageId} ${wanted.version}`),
  );
  if (!found.ok) throw new ActionFault(found.message);

  const owner = ownerOf(context);
  const place = [valueOf("Octopus.Deployment.Tenant.Name"), valueOf("Octopus.Environment.Name"), found.packageId];
  const further = reserveFolder(owner, place.filter((part) => part !== "").map(folderName), folderName(wanted.version));
  const { agent } = target;
  const sent = await sendArchive(agents, { agent, owner, group: found.packageId, agentGoneMs }, found.archive, further, run).catch(
    (error: unknown) => {
      if (error instanceof ArchiveDamaged || error instanceof SharedFolderError) throw new ActionFault(error.message);
      throw error;
    },
  );
  if (!sent.ok) throw new ActionFault(`The package could not be brought to ${target.name}: ${sent.message}.`);
  const { sentBytes, said } = sent.reply;
  const story =
    sentBytes === 0
      ? "is there already"
      : sentBytes < found.archive.bytes
        ? `was sent in part: ${sentBytes} of ${found.archive.bytes} bytes, the rest is there already`
        : `was sent whole, ${sentBytes} bytes`;
  await context.log("Verbose", `${found.packageId} ${wanted.version} ${story}.`);

  const told = readSaid(said);
  const folder = told.get("folder");
  if (folder === undefined || !folder.startsWith("/")) throw new ActionFault(`${target.name} did not say where the package is to lie.`);
  const journalText = readToldJournal(said);
  const journal = journalText === undefined ? await readTargetJournal(context) : readJournal(journalText);
  const retentionPolicySet = retentionPolicySetOf(context);
  const referred = context.action.packages.filter((one) => one.name !== "" && one.isNotAcquired !== true);
  return {
    brought: referred.length === 0 ? undefined : await bringPackages(context, referred, packages),
    archiveSha256: found.archive.sha256,
    plainBlocks: plainBlocksOf(found.archive),
    journal,
    now: told.get("now") ?? "",
    facts: {
      folder,
      applications: told.get("applications") ?? "",
      instance: told.get("instance") ?? "",
      program: told.get("program") ?? "",
      retentionPolicySet,
      ...findPrevious(journal, { retentionPolicySet, ownId: owner }),
    },
  };
}

function retentionPolicySetOf({ variables, step, target }: ActionContext): string {
  const valueOf = (name: string): string => variables.get(name)?.text ?? "";
  const tenant = valueOf("Octopus.Deployment.Tenant.Id") || "<default>";
  return `${valueOf("Octopus.Environment.Id")}/${valueOf("Octopus.Project.Id")}/Step-${step.name}/${target?.machineId ?? ""}/${tenant}`;
}

/** One that cannot be read counts as empty, and is said. */
async function readTargetJournal(context: ActionContext): Promise<JournalEntry[]> {
  const { run, agents, target } = context;
  const terms = { beforeSend: async () => {}, lease: run.lease, signal: run.lost };
  const answer = await untilGone(run, agentGoneMs, () => agents.downloadFile(target!.agent, journalFile, terms));
  if (!answer.ok) throw new ActionFault(`The journal of deployments on ${target!.name} could not be fetched: ${answer.message}.`);
  const file = answer.reply;
  if (file === null) return [];
  try {
    if (file.length > journalBytesMax) {
      await context.log(
        "Warning",
        `The journal of deployments on ${target!.name} is larger than ${journalBytesMax} bytes and is not read.`,
      );
      return [];
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of file.open()) pieces.push(Buffer.from(piece));
    return readJournal(Buffer.concat(pieces).toString("utf8"));
  } finally {
    await file.dispose?.();
  }
}

/** A name of one folder. */
function folderName(name: string): string {
  const plain = name
    // oxlint-disable-next-line no-control-regex -- control characters are what must go
    .replace(/[/\\\u0000-\u001f\u007f]/g, "_")
    .trim()
    .slice(0, 120);
  return /^\.*$/.test(plain) ? "_" : plain;
}
