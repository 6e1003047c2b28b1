// The journal of a target, DeploymentJournal.xml in its agent's home: which package was unpacked where, by which deployment. Read here to
// find what was there before and what may go; written by a script at the target. The form is the one that other servers' tools write.

/** One deployment of a package on a target. */
export interface JournalEntry {
  id: string;
  environmentId: string;
  tenantId: string;
  projectId: string;
  /** `yyyy-MM-dd HH:mm:ss`, in UTC. */
  installedOn: string;
  /** Deployments of one step to one environment (and tenant) on one target: they follow each other. */
  retentionPolicySet: string;
  extractedTo: string;
  customInstallationDirectory: string;
  wasSuccessful: boolean;
  packages: readonly { packageId: string; packageVersion: string; deployedFrom: string }[];
}

/** A larger journal is not read: the deployment goes on as if it were the first. */
export const journalBytesMax = 8 * 1024 * 1024;

/** Entries in their order. What cannot be read as an entry is passed over: the script that writes keeps it. */
export function readJournal(text: string): JournalEntry[] {
  const entries: JournalEntry[] = [];
  for (const [, attributes = "", closed = "", inside = ""] of text.matchAll(/<Deployment\s([^<>]*?)(\/?)>(?:([\s\S]*?)<\/Deployment>)?/g)) {
    const read = readAttributes(attributes);
    const id = read.get("id");
    const extractedTo = read.get("extractedto");
    if (id === undefined || extractedTo === undefined) continue;
    const packages = closed === "/" ? [] : [...inside.matchAll(/<Package\s([^<>]*?)\/?>/g)].map(([, of = ""]) => readAttributes(of));
    entries.push({
      id,
      environmentId: read.get("environmentid") ?? "",
      tenantId: read.get("tenantid") ?? "",
      projectId: read.get("projectid") ?? "",
      installedOn: read.get("installedon") ?? "",
      retentionPolicySet: read.get("retentionpolicyset") ?? "",
      extractedTo,
      customInstallationDirectory: read.get("custominstallationdirectory") ?? "",
      wasSuccessful: read.get("wassuccessful")?.toLowerCase() === "true",
      packages: packages.map((one) => ({
        packageId: one.get("packageid") ?? "",
        packageVersion: one.get("packageversion") ?? "",
        deployedFrom: one.get("deployedfrom") ?? "",
      })),
    });
  }
  return entries;
}

/** The entry as lines of the file. One whose attributes hold line breaks has them escaped. */
export function writeEntry(entry: JournalEntry): string {
  const attributes = [
    ["Id", entry.id],
    ["EnvironmentId", entry.environmentId],
    ["TenantId", entry.tenantId],
    ["ProjectId", entry.projectId],
    ["InstalledOn", entry.installedOn],
    ["RetentionPolicySet", entry.retentionPolicySet],
    ["ExtractedTo", entry.extractedTo],
    ["CustomInstallationDirectory", entry.customInstallationDirectory],
    ["WasSuccessful", entry.wasSuccessful ? "True" : "False"],
  ];
  const packages = entry.packages.map(
    (one) =>
      `    <Package PackageId="${escaped(one.packageId)}" PackageVersion="${escaped(one.packageVersion)}" DeployedFrom="${escaped(one.deployedFrom)}" />`,
  );
  return [
    `  <Deployment ${attributes.map(([name, value]) => `${name}="${escaped(value!)}"`).join(" ")}>`,
    ...packages,
    "  </Deployment>",
  ].join("\n");
}

/** The newest of its kind that is not `ownId`: the journal may hold the deployment that asks. */
export function findPrevious(
  entries: readonly JournalEntry[],
  wanted: { retentionPolicySet: string; ownId: string },
): { latest: JournalEntry | undefined; latestSuccessful: JournalEntry | undefined } {
  const mine = othersOf(entries, wanted);
  return { latest: mine[0], latestSuccessful: mine.find((entry) => entry.wasSuccessful) };
}

/** Newest first; of one second, the one that was written last. */
function othersOf(entries: readonly JournalEntry[], wanted: { retentionPolicySet: string; ownId: string }): JournalEntry[] {
  return entries
    .filter((entry) => entry.retentionPolicySet === wanted.retentionPolicySet && entry.id !== wanted.ownId)
    .toReversed()
    .toSorted((a, b) => (a.installedOn < b.installedOn ? 1 : a.installedOn > b.installedOn ? -1 : 0));
}

/** How long unpacked packages stay on targets. */
export type TargetRetention = { keep: "forever" } | { keep: "items" | "days"; quantity: number };

/**
 * Which deployments before this one a target may forget, with their folders. The one that ran well last stays in any case, and so does a
 * folder that a kept deployment uses.
 */
export function chooseForgotten(
  entries: readonly JournalEntry[],
  wanted: { retentionPolicySet: string; ownId: string; retention: TargetRetention; now: string; ownFolder: string },
): { ids: string[]; folders: string[] } {
  const { retention } = wanted;
  if (retention.keep === "forever") return { ids: [], folders: [] };
  const mine = othersOf(entries, wanted);
  const lastGood = mine.find((entry) => entry.wasSuccessful);
  const nowMs = Date.parse(`${wanted.now.replace(" ", "T")}Z`);
  if (Number.isNaN(nowMs)) return { ids: [], folders: [] };
  const oldest = writeTime(new Date(nowMs - (retention.keep === "days" ? retention.quantity : 0) * 86_400_000));
  let good = 0;
  const forgotten = mine.filter((entry) => {
    if (entry === lastGood) return (good += 1) < 0;
    if (retention.keep === "days") return entry.installedOn < oldest;
    // Failed ones go with the good ones that are older than what is kept.
    return entry.wasSuccessful ? (good += 1) > retention.quantity : good >= retention.quantity;
  });
  const gone = new Set(forgotten);
  const used = new Set([wanted.ownFolder, ...entries.filter((entry) => !gone.has(entry)).map((entry) => entry.extractedTo)]);
  return {
    ids: forgotten.map((entry) => entry.id),
    folders: [...new Set(forgotten.map((entry) => entry.extractedTo))].filter((folder) => folder !== "" && !used.has(folder)),
  };
}

/** As the journal has times. */
function writeTime(at: Date): string {
  return at.toISOString().slice(0, 19).replace("T", " ");
}

function readAttributes(text: string): Map<string, string> {
  return new Map([...text.matchAll(/([A-Za-z]+)\s*=\s*"([^"]*)"/g)].map(([, name, value]) => [name!.toLowerCase(), unescaped(value!)]));
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]+));/gi, (whole, hex: string, decimal: string, name: string) => {
    const code = hex !== undefined ? Number.parseInt(hex, 16) : decimal !== undefined ? Number(decimal) : undefined;
    if (code !== undefined) return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    return entities[name.toLowerCase()] ?? whole;
  });
}

function escaped(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must go
  return text.replace(/[&<>"\u0000-\u001f]/g, (one) => {
    const code = one.charCodeAt(0);
    if (code >= 32) return `&#${code};`;
    return code === 9 || code === 10 || code === 13 ? `&#${code};` : "";
  });
}
