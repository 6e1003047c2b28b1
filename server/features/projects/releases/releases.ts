// Releases: a version of a project with its process frozen. Made by the resource form or by the command form; both do the same.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import type { Static } from "@cuttle/contract/rest/shapes";
import { CreateReleaseCommand, CreateReleaseResponse, MissingPackages, Release, ReleaseBody } from "@cuttle/contract/rest/releases";
import { ReleaseTemplate } from "@cuttle/contract/rest/deployment-processes";
import { problem } from "../../../base/problems.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { nextId, violatedConstraint } from "../../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, created, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import { channels, channelsToChooseFrom, chooseChannel, faultsByRules, ruleFor } from "../channels/channels.ts";
import type { ChannelRule } from "../channels/channels.ts";
import { findSnapshotSteps, freezeProcess, getProcess } from "../processes/processes.ts";
import type { ProcessAction, ProcessStep } from "../processes/processes.ts";
import { findProjectByText, getProjectId, projectOfVariables, projects } from "../projects/projects.ts";
import { freezeVariables, loadCurrentVariables, loadVariableSnapshots } from "../variables/variables.ts";
import type { ReleaseVariables } from "../variables/variables.ts";
import { newestVersionWithin } from "../../library/feeds/feeds.ts";
import type { PrepareArchives } from "../../library/library.ts";
import { nameOfFeed, newestVersion } from "../../library/library.ts";
import { findBuildsOfReleases, findMissingPackages } from "./release-packages.ts";
import * as store from "./release-store.ts";
import type { ReleaseFilter, ReleaseRow } from "./release-store.ts";
import { donorPackageOf, nextReleaseVersion } from "./next-release-version.ts";
import { isReleaseVersion } from "./release-version.ts";
import { packagesOf, readVersionWish, selectedVersion, selectPackages, wishedVersion } from "./selected-packages.ts";
import type { GivenSelection, PackageUse, SelectedPackage } from "./selected-packages.ts";

export { findRelease, findReleaseByVersion, listReleases } from "./release-store.ts";
export type { ReleaseRow } from "./release-store.ts";
export { listReleasesBetween } from "./releases-between.ts";
export { packagesOf, selectedVersion } from "./selected-packages.ts";
export type { PackageUse } from "./selected-packages.ts";

/** Extension point: what still needs a release may refuse its deletion, or go with it. */
export type BeforeReleaseDelete = (tx: Transaction, release: ReleaseRow) => Promise<void>;

/** Extension point: what a new release sets going, in the transaction that makes it. */
export type AfterReleaseCreate = (tx: Transaction, release: ReleaseRow) => Promise<void>;

/** `builds`: how its packages were built, where the document says it. */
export function presentRelease(row: ReleaseRow, builds: readonly object[] = []) {
  const base = `/api/${row.space_id}`;
  const self = `${base}/releases/${row.id}`;
  return {
    Id: row.id,
    SpaceId: row.space_id,
    ProjectId: row.project_id,
    ChannelId: row.channel_id,
    Version: row.version,
    ReleaseNotes: row.release_notes,
    Assembled: row.assembled_at,
    IgnoreChannelRules: row.ignore_channel_rules,
    SelectedPackages: row.selected_packages,
    SelectedGitResources: [],
    BuildInformation: builds,
    CustomFields: row.custom_fields,
    VersionControlReference: null,
    ProjectDeploymentProcessSnapshotId: row.process_snapshot_id,
    ProjectVariableSetSnapshotId: row.variable_snapshot_id,
    LibraryVariableSetSnapshotIds: row.library_variable_snapshot_ids,
    Links: {
      Self: self,
      Project: `${base}/projects/${row.project_id}`,
      Channel: `${base}/channels/${row.channel_id}`,
      Deployments: `${self}/deployments{?skip,take}`,
      DeploymentTemplate: `${self}/deployments/template`,
      DeploymentPreviews: `${self}/deployments/previews`,
      Progression: `${self}/progression`,
      ProjectDeploymentProcessSnapshot: `${base}/deploymentprocesses/${row.process_snapshot_id}`,
      MissingPackages: `${self}/missingpackages`,
      SnapshotVariables: `${self}/snapshot-variables`,
      ...(row.variable_snapshot_id === null ? {} : { ProjectVariableSnapshot: `${base}/variables/${row.variable_snapshot_id}` }),
      Defects: `${self}/defects`,
      ReportDefect: `${self}/defects`,
      ResolveDefect: `${self}/defects/resolve`,
      Artifacts: `${base}/artifacts?regarding=${row.id}{&skip,take,order}`,
      Web: `/app#/${row.space_id}/releases/${row.id}`,
    },
  };
}

/** With how their packages were built. */
async function presentReleases(db: Queryable, spaceId: string, rows: readonly ReleaseRow[]) {
  const builds = await findBuildsOfReleases(db, spaceId, rows);
  return rows.map((row, n) => presentRelease(row, builds[n]));
}

async function presentWhole(db: Queryable, row: ReleaseRow) {
  return (await presentReleases(db, row.space_id, [row]))[0]!;
}

/** @throws Problem 404 */
export async function getRelease(
  db: Queryable,
  spaceId: string,
  id: string,
  lock: "" | "FOR UPDATE" | "FOR SHARE" = "",
): Promise<ReleaseRow> {
  const row = await store.findRelease(db, spaceId, id, lock);
  if (row === undefined) throw problem.notFound("release", id);
  return row;
}

/** What follows the making of a release. */
interface MadeRelease {
  afterCreate: AfterReleaseCreate;
  prepareArchives: PrepareArchives;
}

interface NewRelease {
  project: Document;
  /** The first one that the packages fit; where they fit none, the first one is refused. */
  channels: readonly Document[];
  version: string | null | undefined;
  notes: string | null | undefined;
  ignoreChannelRules: boolean;
  customFields: Record<string, string | null>;
  made: MadeRelease;
  selectedPackages: readonly GivenSelection[];
  /** The version of a package for which none was selected. */
  otherwise: (use: PackageUse, action: ProcessAction, step: ProcessStep, channel: Document) => Promise<string | undefined>;
}

const rulesOf = (channel: Document): ChannelRule[] => channel["Rules"] as ChannelRule[];

/** What a release selected does not fit the rules of a channel: each package in a sentence, with what to do. */
async function faultsInChannel(channel: Document, steps: readonly ProcessStep[], selected: readonly GivenSelection[]): Promise<string[]> {
  const actions = steps.flatMap((step) => step.Actions);
  const packages = selected.flatMap(({ ActionName, PackageReferenceName, Version }) =>
    actions
      .filter((action) => action.Name === ActionName)
      .map((action) => ({ action, reference: PackageReferenceName ?? "", version: Version ?? "" })),
  );
  const faults = await faultsByRules(String(channel["Name"]), rulesOf(channel), packages);
  return faults.length === 0
    ? []
    : [...faults, "Select other versions or another channel, or set IgnoreChannelRules to make the release all the same."];
}

/** Where a release goes, with its packages. @throws Problem 400 when they fit no channel that it may go to */
async function placeRelease(
  wanted: NewRelease,
  steps: readonly ProcessStep[],
): Promise<{ channel: Document; selected: SelectedPackage[] }> {
  let refusal: string[] | undefined;
  for (const channel of wanted.channels) {
    const selected = await selectPackages(steps, wanted.selectedPackages, (use, action, step) =>
      wanted.otherwise(use, action, step, channel),
    );
    const faults = wanted.ignoreChannelRules ? [] : await faultsInChannel(channel, steps, selected);
    if (faults.length === 0) return { channel, selected };
    refusal ??= faults;
  }
  throw problem.invalid(refusal ?? ["The project has no channel."]);
}

async function createRelease(tx: Transaction, spaceId: string, actor: Actor, wanted: NewRelease): Promise<ReleaseRow> {
  const { project } = wanted;
  const projectId = project.Id;
  if (project["IsDisabled"] === true)
    throw problem.invalid(`The project '${String(project["Name"])}' is disabled. Enable it before you create a release.`);
  await store.lockReleases(tx, projectId);
  const named = wanted.version?.trim() || undefined;
  if (named !== undefined) await refuseVersion(tx, projectId, named);
  const { snapshotId, steps } = await freezeProcess(tx, spaceId, projectId);
  const { channel, selected } = await placeRelease(wanted, steps);
  const frozen = await freezeVariables(tx, spaceId, projectOfVariables(project));
  const version = named ?? (await computedVersion(tx, { project, channel, steps, selected, frozen }));
  if (named === undefined) await refuseVersion(tx, projectId, version);
  const { id, number } = await nextId(tx, "Releases");
  await store.insertRelease(tx, {
    id,
    number,
    space_id: spaceId,
    project_id: projectId,
    channel_id: channel.Id,
    version,
    release_notes: wanted.notes ?? null,
    ignore_channel_rules: wanted.ignoreChannelRules,
    selected_packages: selected,
    custom_fields: Object.fromEntries(Object.entries(wanted.customFields).map(([name, value]) => [name, value ?? ""])),
    process_snapshot_id: snapshotId,
    variable_snapshot_id: frozen.projectSnapshotId,
    library_variable_snapshot_ids: frozen.librarySnapshotIds,
  });
  await recordEvent(tx, {
    spaceId,
    category: "Created",
    actor,
    message: `Release ${version} of ${String(project["Name"])} was created`,
    relatedDocumentIds: [id, projectId, channel.Id],
  });
  const release = await getRelease(tx, spaceId, id);
  // Only begun, and of use even if this transaction fails: it depends on the feed alone.
  wanted.made.prepareArchives(packagesToUnpack(spaceId, steps, selected));
  await wanted.made.afterCreate(tx, release);
  return release;
}

function packagesToUnpack(spaceId: string, steps: readonly ProcessStep[], selected: readonly SelectedPackage[]) {
  return steps.flatMap((step) =>
    step.Actions.flatMap((action) =>
      packagesOf(action).flatMap((use) => {
        const version = selectedVersion(selected, step, action, use.name);
        const isKept = use.name !== "" && use.properties["Extract"]?.toLowerCase() === "false";
        return version === undefined || isKept || use.isNotAcquired === true ? [] : [{ ...use, spaceId, version }];
      }),
    ),
  );
}

/** Gives a release the variables as they are now; everything else of it stays frozen. @throws Problem 404 */
export async function refreshVariables(tx: Transaction, spaceId: string, actor: Actor, id: string): Promise<ReleaseRow> {
  const row = await getRelease(tx, spaceId, id, "FOR UPDATE");
  const project = projectOfVariables(await projects.get(tx, spaceId, row.project_id));
  await store.updateReleaseVariables(tx, row.id, await freezeVariables(tx, spaceId, project));
  await recordEvent(tx, {
    spaceId,
    category: "Modified",
    actor,
    message: `Release ${row.version} of ${project.name} took the variables as they are now`,
    relatedDocumentIds: [row.id, row.project_id],
  });
  return getRelease(tx, spaceId, row.id);
}

/** Ids of the snapshots a release carries, the project's first; none for one made before there were variables. */
export function variableSnapshotIds(release: Pick<ReleaseRow, "variable_snapshot_id" | "library_variable_snapshot_ids">): string[] {
  return [release.variable_snapshot_id ?? [], release.library_variable_snapshot_ids].flat();
}

function versionTaken(version: string) {
  return problem.invalid(`The project already has a release ${version}. Use another version.`);
}

/** @throws Problem 400 for what is no version or is taken */
async function refuseVersion(tx: Transaction, projectId: string, version: string): Promise<void> {
  if (!isReleaseVersion(version))
    throw problem.invalid(`'${version}' is not a version. Use letters, digits and . _ + - such as 1.0.0 or 2.1.0-beta.3.`);
  if (await store.findReleaseByVersion(tx, projectId, version)) throw versionTaken(version);
}

async function computedVersion(
  tx: Transaction,
  of: {
    project: Document;
    channel: Document;
    steps: readonly ProcessStep[];
    selected: readonly SelectedPackage[];
    frozen: ReleaseVariables;
  },
): Promise<string> {
  const { frozen } = of;
  const variables = await loadVariableSnapshots(tx, [frozen.projectSnapshotId, ...frozen.librarySnapshotIds]);
  const next = await nextReleaseVersion(tx, { ...of, variables, nowMs: Date.now() });
  if (!next.ok) throw problem.invalid(next.reason);
  return next.version;
}

async function createByCommand(
  tx: Transaction,
  spaceId: string,
  actor: Actor,
  body: Static<typeof CreateReleaseCommand>,
  made: MadeRelease,
): Promise<ReleaseRow> {
  const project = await findProjectByText(tx, spaceId, body.ProjectName);
  if (body.GitRef || body.GitCommit)
    throw problem.invalid(`The project '${String(project["Name"])}' is not stored in Git, so GitRef and GitCommit cannot be used.`);
  const wishes = (body.Packages ?? []).map(readVersionWish);
  const version = body.PackageVersion?.trim() || undefined;
  if (body.IgnoreIfAlreadyExists && body.ReleaseVersion) {
    await store.lockReleases(tx, project.Id);
    const found = await store.findReleaseByVersion(tx, project.Id, body.ReleaseVersion.trim());
    if (found !== undefined) return found;
  }
  return createRelease(tx, spaceId, actor, {
    project,
    channels: body.ChannelName
      ? [await chooseChannel(tx, spaceId, project.Id, body.ChannelName)]
      : await channelsToChooseFrom(tx, spaceId, project.Id),
    version: body.ReleaseVersion,
    notes: body.ReleaseNotes,
    ignoreChannelRules: body.IgnoreChannelRules ?? false,
    customFields: body.CustomFields ?? {},
    made,
    selectedPackages: [],
    otherwise: async (use, action, step, channel) => {
      const wished = wishedVersion(wishes, use, action, step) ?? version;
      if (wished !== undefined) return wished;
      const rule = body.IgnoreChannelRules === true ? undefined : ruleFor(rulesOf(channel), action, use.name);
      const within = { range: rule?.VersionRange ?? "", tag: rule?.Tag ?? "" };
      // Where nothing fits, the newest one is what the refusal speaks of.
      const fitting = rule === undefined ? undefined : await newestVersionWithin(tx, spaceId, use.packageId, within);
      return fitting ?? newestVersion(tx, spaceId, use.packageId);
    },
  });
}

/** What a form for a new release asks of each package. */
async function packageQuestions(db: Queryable, project: Document, steps: readonly ProcessStep[]) {
  const latest = await store.latestVersion(db, project.Id);
  const last = latest === undefined ? undefined : await store.findReleaseByVersion(db, project.Id, latest);
  return steps.flatMap((step) =>
    step.Actions.filter((action) => !action.IsDisabled).flatMap((action) =>
      packagesOf(action).map((use) => ({
        ActionName: action.Name,
        StepName: step.Name,
        PackageReferenceName: use.name,
        PackageId: use.packageId,
        FeedId: use.feedId,
        FeedName: nameOfFeed(use.feedId),
        NuGetPackageId: use.packageId,
        NuGetFeedId: use.feedId,
        NuGetFeedName: nameOfFeed(use.feedId),
        ProjectName: String(project["Name"]),
        IsResolvable: !use.packageId.includes("#{") && !use.feedId.includes("#{"),
        FixedVersion: null,
        VersionSelectedLastRelease: selectedVersion((last?.selected_packages ?? []) as GivenSelection[], step, action, use.name) ?? null,
      })),
    ),
  );
}

const query = Type.Object({ ...listQuery, searchByVersion: Type.Optional(Type.String()) });

async function releasePage(db: Queryable, spaceId: string, wanted: Static<typeof query>, path: string, filter: ReleaseFilter) {
  const window = pageWanted(wanted);
  const { rows, total } = await store.listReleases(
    db,
    spaceId,
    {
      ...filter,
      ...(wanted.ids ? { ids: wanted.ids } : {}),
      ...(wanted.searchByVersion ? { searchByVersion: wanted.searchByVersion } : {}),
    },
    window,
  );
  return pageOf({
    itemType: "Release",
    items: await presentReleases(db, spaceId, rows),
    total,
    wanted: window,
    path: `/api/${spaceId}/${path}`,
    query: wanted,
  });
}

export function releaseRoutes({
  beforeReleaseDelete: beforeDelete,
  afterReleaseCreate: afterCreate,
  prepareArchives,
}: {
  beforeReleaseDelete: BeforeReleaseDelete;
  afterReleaseCreate: AfterReleaseCreate;
  prepareArchives: PrepareArchives;
}): Route[] {
  const made = { afterCreate, prepareArchives };
  return [
    read({
      path: "/releases",
      scope: "space",
      permission: "ReleaseView",
      query,
      answer: page(Release),
      handler: async ({ db, space, query: wanted }) => ok(await releasePage(db, space.id, wanted, "releases", {})),
    }),
    read({
      path: "/projects/{id}/releases",
      scope: "space",
      permission: "ReleaseView",
      query,
      answer: page(Release),
      handler: async ({ db, space, params, query: wanted }) => {
        const projectId = await getProjectId(db, space.id, params.id);
        return ok(await releasePage(db, space.id, wanted, `projects/${projectId}/releases`, { projectId }));
      },
    }),
    read({
      path: "/channels/{id}/releases",
      scope: "space",
      permission: "ReleaseView",
      query,
      answer: page(Release),
      handler: async ({ db, space, params, query: wanted }) => {
        const channel = await channels.get(db, space.id, params.id);
        return ok(await releasePage(db, space.id, wanted, `channels/${channel.Id}/releases`, { channelId: channel.Id }));
      },
    }),
    read({
      path: "/channels/{id}/releases/{version}",
      scope: "space",
      permission: "ReleaseView",
      answer: Release,
      handler: async ({ db, space, params }) => {
        const channel = await channels.get(db, space.id, params.id);
        const row = await store.findReleaseByVersion(db, String(channel["ProjectId"]), params.version);
        if (row === undefined || row.channel_id !== channel.Id) throw problem.notFound("release", params.version);
        return ok(await presentWhole(db, row));
      },
    }),
    read({
      path: "/projects/{id}/channels/{channel}/releases",
      scope: "space",
      permission: "ReleaseView",
      query,
      answer: page(Release),
      handler: async ({ db, space, params, query: wanted }) => {
        const projectId = await getProjectId(db, space.id, params.id);
        const channel = await channels.get(db, space.id, params.channel);
        if (channel["ProjectId"] !== projectId) throw problem.notFound("channel", params.channel);
        const path = `projects/${projectId}/channels/${channel.Id}/releases`;
        return ok(await releasePage(db, space.id, wanted, path, { channelId: channel.Id }));
      },
    }),
    read({
      path: "/projects/{id}/releases/{version}",
      scope: "space",
      permission: "ReleaseView",
      answer: Release,
      handler: async ({ db, space, params }) => {
        const row = await store.findReleaseByVersion(db, await getProjectId(db, space.id, params.id), params.version);
        if (row === undefined) throw problem.notFound("release", params.version);
        return ok(await presentWhole(db, row));
      },
    }),
    read({
      path: "/releases/{id}",
      scope: "space",
      permission: "ReleaseView",
      answer: Release,
      handler: async ({ db, space, params }) => ok(await presentWhole(db, await getRelease(db, space.id, params.id))),
    }),
    read({
      path: "/releases/{id}/missingpackages",
      scope: "space",
      permission: "ReleaseView",
      answer: MissingPackages,
      handler: async ({ db, space, params }) =>
        ok({ Packages: await findMissingPackages(db, space.id, await getRelease(db, space.id, params.id)) }),
    }),
    read({
      path: "/deploymentprocesses/{id}/template",
      scope: "space",
      permission: "ProcessView",
      query: Type.Object({ channel: Type.Optional(Type.String()) }),
      answer: ReleaseTemplate,
      handler: async ({ db, space, params, query: wanted }) => {
        const process = await getProcess(db, space.id, params.id);
        const project = await projects.get(db, space.id, process.projectId);
        const channel = await chooseChannel(db, space.id, project.Id, wanted.channel);
        const donor = donorPackageOf(project, process.steps)?.found;
        const variables = await loadCurrentVariables(db, space.id, projectOfVariables(project));
        const next = await nextReleaseVersion(db, { project, channel, steps: process.steps, variables, nowMs: Date.now() });
        return ok({
          Id: null,
          DeploymentProcessId: process.id,
          LastReleaseVersion: (await store.latestVersion(db, project.Id)) ?? null,
          NextVersionIncrement: next.ok ? next.version : null,
          VersioningPackageStepName: donor?.action.Name ?? null,
          VersioningPackageReferenceName: donor?.reference || null,
          Packages: await packageQuestions(db, project, process.steps),
          GitResources: [],
          Links: { Self: `/api/${space.id}/deploymentprocesses/${process.id}/template` },
        });
      },
    }),
    change({
      method: "POST",
      path: "/releases",
      scope: "space",
      permission: "ReleaseCreate",
      query: Type.Object({ ignoreChannelRules: Type.Optional(Type.Boolean()) }),
      body: ReleaseBody,
      answer: Release,
      handler: async ({ tx, space, actor, query: wanted, body }) => {
        if (!body.ProjectId) throw problem.invalid("ProjectId is required.");
        const project = await projects.find(tx, space.id, body.ProjectId);
        if (project === undefined) throw problem.invalid(`There is no project '${body.ProjectId}' in this space.`);
        const row = await createRelease(tx, space.id, actor, {
          project,
          channels: [await chooseChannel(tx, space.id, project.Id, body.ChannelId)],
          version: body.Version,
          notes: body.ReleaseNotes,
          ignoreChannelRules: wanted.ignoreChannelRules ?? body.IgnoreChannelRules ?? false,
          customFields: body.CustomFields ?? {},
          made,
          selectedPackages: body.SelectedPackages ?? [],
          otherwise: async () => undefined,
        });
        return created(await presentWhole(tx, row));
      },
    }),
    change({
      method: "POST",
      path: "/releases/create/v1",
      scope: "space",
      permission: "ReleaseCreate",
      body: CreateReleaseCommand,
      answer: CreateReleaseResponse,
      handler: async ({ tx, space, actor, body }) => {
        const row = await createByCommand(tx, space.id, actor, body, made);
        return created({ ReleaseId: row.id, ReleaseVersion: row.version }, `/api/${space.id}/releases/${row.id}`);
      },
    }),
    change({
      method: "PUT",
      path: "/releases/{id}",
      scope: "space",
      permission: "ReleaseEdit",
      query: Type.Object({ ignoreChannelRules: Type.Optional(Type.Boolean()) }),
      body: ReleaseBody,
      answer: Release,
      handler: async ({ tx, space, actor, params, query: wanted, body }) => {
        const row = await getRelease(tx, space.id, params.id, "FOR UPDATE");
        if (body.ProjectId && body.ProjectId.toLowerCase() !== row.project_id.toLowerCase())
          throw problem.invalid("A release cannot move to another project.");
        const version = body.Version?.trim() || row.version;
        if (!isReleaseVersion(version))
          throw problem.invalid(`'${version}' is not a version. Use letters, digits and . _ + - such as 1.0.0 or 2.1.0-beta.3.`);
        const channel = body.ChannelId ? await chooseChannel(tx, space.id, row.project_id, body.ChannelId) : undefined;
        if (channel !== undefined && channel.Id !== row.channel_id && !(wanted.ignoreChannelRules ?? body.IgnoreChannelRules ?? false)) {
          const steps = (await findSnapshotSteps(tx, row.process_snapshot_id)) ?? [];
          const faults = await faultsInChannel(channel, steps, row.selected_packages as GivenSelection[]);
          if (faults.length > 0) throw problem.invalid(faults);
        }
        await store.lockReleases(tx, row.project_id);
        const holder = await store.findReleaseByVersion(tx, row.project_id, version);
        if (holder !== undefined && holder.id !== row.id) throw versionTaken(version);
        await store.updateRelease(tx, row.id, {
          version,
          channelId: channel?.Id ?? row.channel_id,
          notes: body.ReleaseNotes === undefined ? row.release_notes : body.ReleaseNotes,
          customFields: body.CustomFields ?? row.custom_fields,
        });
        await recordEvent(tx, {
          spaceId: space.id,
          category: "Modified",
          actor,
          message: `Release ${version} was changed`,
          relatedDocumentIds: [row.id, row.project_id],
        });
        return ok(await presentWhole(tx, await getRelease(tx, space.id, row.id)));
      },
    }),
    change({
      method: "POST",
      path: "/releases/{id}/snapshot-variables",
      scope: "space",
      permission: "ReleaseEdit",
      answer: Release,
      handler: async ({ tx, space, actor, params }) => {
        return ok(await presentWhole(tx, await refreshVariables(tx, space.id, actor, params.id)));
      },
    }),
    change({
      method: "DELETE",
      path: "/releases/{id}",
      scope: "space",
      permission: "ReleaseDelete",
      answer: "nothing",
      handler: async ({ tx, space, actor, params }) => {
        const row = await getRelease(tx, space.id, params.id, "FOR UPDATE");
        await beforeDelete(tx, row);
        try {
          await store.deleteRelease(tx, row.id);
        } catch (error) {
          if (violatedConstraint(error)?.kind === "foreign-key")
            throw problem.invalid(`The release ${row.version} cannot be deleted because it is still in use.`);
          throw error;
        }
        await recordEvent(tx, {
          spaceId: space.id,
          category: "Deleted",
          actor,
          message: `Release ${row.version} was deleted`,
          relatedDocumentIds: [row.id, row.project_id],
        });
        return nothing();
      },
    }),
  ];
}
