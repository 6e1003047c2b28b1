// Build information: what a build server says about a version of a package, whichever feed that is in. Links to commits and work items
// are made by trackers, of which there are none yet.

import { Type } from "typebox";
import type { Static } from "@cuttle/contract/rest/shapes";
import { page } from "@cuttle/contract/rest/shapes";
import { BuildInformationBody, MappedBuildInformation } from "@cuttle/contract/rest/build-information";
import { Problem, problem } from "../../../base/problems.ts";
import { requirePermission } from "../../../platform/access/access.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { readOverwriteMode, readVersion } from "../versions/versions.ts";
import * as store from "./build-information-store.ts";
import type { Build, BuildRow } from "./build-information-store.ts";

const idsMax = 1_000;
/** As long as ids of packages in any feed may be. */
const packageIdCharactersMax = 250;
const shortTextMax = 2_000;
const commentCharactersMax = 10_000;
const commitsMax = 1_000;

function present(row: BuildRow): object {
  return {
    Id: row.id,
    PackageId: row.package_id,
    Version: row.version,
    ...row.build,
    VcsCommitUrl: null,
    IssueTrackerName: null,
    IncompleteDataWarning: null,
    Created: row.created_at,
    Commits: row.build.Commits.map((commit) => ({ ...commit, LinkUrl: null })),
    WorkItems: [],
    Links: { Self: `/api/${row.space_id}/build-information/${row.id}` },
  };
}

/** For the documents of packages: what there is about each of these versions, in their order; null where there is nothing. */
export async function findBuildInformation(
  db: Queryable,
  spaceId: string,
  versions: readonly { packageId: string; versionKey: string }[],
): Promise<(object | null)[]> {
  const found = await store.findBuildsOf(db, spaceId, versions);
  return versions.map(({ packageId, versionKey }) => {
    const row = found.get(`${packageId.toLowerCase()} ${versionKey}`);
    return row === undefined ? null : present(row);
  });
}

function readBuild(body: Static<typeof BuildInformationBody>): { packageId: string; version: string; versionKey: string; build: Build } {
  const faults: string[] = [];
  const packageId = body.PackageId?.trim() ?? "";
  const version = body.Version?.trim() ?? "";
  const read = readVersion(version);
  const sent = body.OctopusBuildInformation;
  if (packageId === "" || packageId.length > packageIdCharactersMax)
    faults.push(`PackageId is required, with at most ${packageIdCharactersMax} characters.`);
  if (read === undefined) faults.push("Version is required, as one to four numbers that may end in a pre-release such as '-beta.1'.");
  if (!sent) faults.push("OctopusBuildInformation is required.");
  const short = (member: Exclude<keyof Build, "Commits">): string => {
    const text = sent?.[member] ?? "";
    if (text.length > shortTextMax)
      faults.push(`OctopusBuildInformation.${member} is longer than the limit of ${shortTextMax} characters.`);
    return text;
  };
  const commits = sent?.Commits ?? [];
  if (commits.length > commitsMax) faults.push(`OctopusBuildInformation.Commits has more than the limit of ${commitsMax} entries.`);
  const build: Build = {
    BuildEnvironment: short("BuildEnvironment"),
    BuildNumber: short("BuildNumber"),
    BuildUrl: short("BuildUrl"),
    Branch: short("Branch"),
    VcsType: short("VcsType"),
    VcsRoot: short("VcsRoot"),
    VcsCommitNumber: short("VcsCommitNumber"),
    Commits: commits.map(({ Id, Comment }) => ({ Id: Id.slice(0, shortTextMax), Comment: (Comment ?? "").slice(0, commentCharactersMax) })),
  };
  if (faults.length > 0 || read === undefined) throw problem.invalid(faults);
  return { packageId, version, versionKey: read.key, build };
}

async function remove(tx: Transaction, spaceId: string, actor: Actor, row: BuildRow): Promise<void> {
  await store.deleteBuild(tx, row.id);
  await recordEvent(tx, {
    spaceId,
    category: "Deleted",
    actor,
    message: `Build information of ${row.package_id} version ${row.version} was deleted`,
    relatedDocumentIds: [row.id],
  });
}

export const buildInformationRoutes: Route[] = [
  read({
    path: "/build-information",
    scope: "space",
    permission: "FeedView",
    query: Type.Object({
      skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
      take: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
      packageId: Type.Optional(Type.String()),
      filter: Type.Optional(Type.String()),
      latest: Type.Optional(Type.Boolean()),
    }),
    answer: page(MappedBuildInformation),
    handler: async ({ db, space, query }) => {
      const wanted = pageWanted(query);
      const filter = { packageId: query.packageId, partOfId: query.filter, latest: query.latest };
      const { rows, total } = await store.listBuilds(db, space.id, filter, wanted);
      const path = `/api/${space.id}/build-information`;
      return ok(pageOf({ itemType: "BuildInformation", items: rows.map(present), total, wanted, path, query }));
    },
  }),
  change({
    method: "POST",
    path: "/build-information",
    scope: "space",
    permission: "BuildInformationPush",
    query: Type.Object({ overwriteMode: Type.Optional(Type.String()), replace: Type.Optional(Type.Boolean()) }),
    body: BuildInformationBody,
    answer: MappedBuildInformation,
    handler: async ({ tx, space, actor, caller, query, body }) => {
      const inBody = body.OverwriteMode ? { overwriteMode: body.OverwriteMode } : {};
      const mode = readOverwriteMode(query.overwriteMode ? query : { ...query, ...inBody });
      const { packageId, version, versionKey, build } = readBuild(body);
      await store.lockBuilds(tx, space.id, packageId);
      const there = await store.findBuildOf(tx, space.id, packageId, versionKey);
      if (there !== undefined && mode === "IgnoreIfExists") return ok(present(there));
      if (there !== undefined && mode === "FailIfExists") {
        throw new Problem(
          409,
          // Scripts around the official clients look for the first sentence.
          `Metadata for the specified Package ID and version already exists. It is that of ${packageId} version ${version}: send overwriteMode=OverwriteExisting to replace it, ` +
            `or overwriteMode=IgnoreIfExists to keep what is there.`,
        );
      }
      if (there !== undefined) requirePermission(caller, "BuildInformationAdminister", { spaceId: space.id });
      const id = await store.putBuild(tx, { spaceId: space.id, packageId, version, versionKey, build });
      await recordEvent(tx, {
        spaceId: space.id,
        category: there === undefined ? "Created" : "Modified",
        actor,
        message: `Build information of ${packageId} version ${version} was ${there === undefined ? "pushed" : "replaced"}`,
        relatedDocumentIds: [id],
      });
      return ok(present((await store.findBuild(tx, space.id, id))!));
    },
  }),
  change({
    method: "DELETE",
    path: "/build-information/bulk",
    scope: "space",
    permission: "BuildInformationAdminister",
    query: Type.Object({ ids: Type.Array(Type.String(), { maxItems: idsMax }) }),
    answer: "nothing",
    handler: async ({ tx, space, actor, query }) => {
      for (const id of query.ids.toSorted()) {
        const row = await store.findBuild(tx, space.id, id, "FOR UPDATE");
        // One that somebody else deleted meanwhile is as wanted.
        if (row !== undefined) await remove(tx, space.id, actor, row);
      }
      return nothing();
    },
  }),
  read({
    path: "/build-information/{id}",
    scope: "space",
    permission: "FeedView",
    answer: MappedBuildInformation,
    handler: async ({ db, space, params }) => {
      const row = await store.findBuild(db, space.id, params.id);
      if (row === undefined) throw problem.notFound("build information", params.id);
      return ok(present(row));
    },
  }),
  change({
    method: "DELETE",
    path: "/build-information/{id}",
    scope: "space",
    permission: "BuildInformationAdminister",
    answer: "nothing",
    handler: async ({ tx, space, actor, params }) => {
      const row = await store.findBuild(tx, space.id, params.id, "FOR UPDATE");
      if (row === undefined) throw problem.notFound("build information", params.id);
      await remove(tx, space.id, actor, row);
      return nothing();
    },
  }),
];
