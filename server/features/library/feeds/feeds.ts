// Feeds: where packages come from. So far the one that every space has by itself; it cannot be made or deleted. Its id is the same in
// every space, because clients write it down.

import { Type } from "typebox";
import { Feed, FeedBody, FeedStatistics, PackageDescription, PackageNotes, PackageVersion } from "@cuttle/contract/rest/feeds";
import { page } from "@cuttle/contract/rest/shapes";
import { problem } from "../../../base/problems.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import type { SpaceFiller } from "../../organization/organization.ts";
import { builtInFeedId, countPackages, findPackage, idOfPackage, listPackages } from "../packages/packages.ts";
import type { PackageRow } from "../packages/packages.ts";
import { readVersion, readVersionRange } from "../versions/versions.ts";
import * as store from "./feed-store.ts";
import type { FeedRow } from "./feed-store.ts";
import { matchPrereleases } from "./match-prereleases.ts";

export { matchPrereleases } from "./match-prereleases.ts";

const feedsMax = 50_000;
/** Versions of one package whose pre-release part is compared with a regular expression; older ones are not looked at. */
const matchedVersionsMax = 10_000;

const builtIn = { id: builtInFeedId, name: "Octopus Server (built-in)", slug: "octopus-server-built-in", feed_type: "BuiltIn" };

/** As a person knows it; the id where there is no such feed. */
export const nameOfFeed = (id: string): string => (id.toLowerCase() === builtInFeedId ? builtIn.name : id);

/** Every space has the built-in feed. Also those that a node of an earlier version made during an upgrade. Harmless at any time. */
export async function ensureBuiltInFeeds(tx: Transaction, actor: Actor): Promise<void> {
  for (const spaceId of await store.insertMissingFeeds(tx, builtIn)) {
    const message = `Feed ${builtIn.name} was created`;
    await recordEvent(tx, { spaceId, category: "Created", actor, message, relatedDocumentIds: [builtInFeedId] });
  }
}

export const fillFeeds: SpaceFiller = async (tx, _spaceId, actor) => ensureBuiltInFeeds(tx, actor);

function present(row: FeedRow): object {
  const base = `/api/${row.space_id}`;
  const self = `${base}/feeds/${row.id}`;
  return {
    Id: row.id,
    SpaceId: row.space_id,
    Name: row.name,
    Slug: row.slug,
    FeedType: row.feed_type,
    PackageAcquisitionLocationOptions: ["Server", "NotAcquired"],
    DeleteUnreleasedPackagesAfterDays: row.settings.deleteUnreleasedPackagesAfterDays ?? null,
    DeletePackagesAssociatedWithReleases: row.settings.deletePackagesAssociatedWithReleases ?? false,
    // Nothing is ever indexed at start: the database is the index.
    IsBuiltInRepoSyncEnabled: false,
    Links: {
      Self: self,
      Packages: `${base}/packages`,
      SearchTemplate: `${self}/packages{?packageId,partialMatch,includeMultipleVersions,includeNotes,includePreRelease,versionRange,preReleaseTag,take}`,
      VersionsTemplate: `${self}/packages{?packageIds}`,
      SearchPackagesTemplate: `${self}/packages/search{?term,skip,take}`,
      SearchPackageVersionsTemplate: `${self}/packages/versions{?packageId,take,skip,includePreRelease,versionRange,preReleaseTag,filter,includeReleaseNotes}`,
      NotesTemplate: `${self}/packages/notes{?packageId,version}`,
      BuiltInStatus: `${base}/feeds/stats`,
    },
  };
}

/** @throws Problem 404 */
async function getFeed(db: Queryable, spaceId: string, id: string): Promise<FeedRow> {
  const row = await store.findFeed(db, spaceId, id);
  if (row === undefined) throw problem.notFound("feed", id);
  return row;
}

function presentVersion(row: PackageRow, withNotes: boolean): object {
  const id = idOfPackage(row.package_id, row.version);
  return {
    Id: id,
    FeedId: builtInFeedId,
    PackageId: row.package_id,
    Title: row.description.title || row.package_id,
    Version: row.version,
    Published: row.published_at,
    ReleaseNotes: withNotes ? (row.description.releaseNotes ?? "") : "",
    SizeBytes: row.bytes,
    Links: { Self: `/api/${row.space_id}/packages/${encodeURIComponent(id)}` },
  };
}

interface VersionsWanted {
  packageId?: string;
  filter?: string;
  includePreRelease?: boolean;
  versionRange?: string;
  preReleaseTag?: string;
}

async function versionsOf(
  db: Queryable,
  spaceId: string,
  query: VersionsWanted,
  window: { skip: number; take: number },
): Promise<{ rows: PackageRow[]; total: number }> {
  const filter = {
    packageId: query.packageId ?? "",
    partOfVersion: query.filter,
    prereleases: query.includePreRelease,
    range: query.versionRange ? readVersionRange(query.versionRange) : undefined,
  };
  if (!query.preReleaseTag)
    return { rows: await listPackages(db, spaceId, filter, window), total: await countPackages(db, spaceId, filter) };
  const all = await listPackages(db, spaceId, filter, { skip: 0, take: matchedVersionsMax });
  // Build metadata belongs to what is compared: ^$ means neither pre-release nor metadata.
  const parts = all.map((row) => /^[^-+]*[-]?(.*)$/s.exec(row.version)?.[1] ?? "");
  const fits = await matchPrereleases(query.preReleaseTag, parts);
  const matched = all.filter((_, n) => fits[n]);
  return { rows: matched.slice(window.skip, window.skip + window.take), total: matched.length };
}

/** The newest version of a package within a range and with a pre-release part that matches; undefined when none does. @throws Problem 400 */
export async function newestVersionWithin(
  db: Queryable,
  spaceId: string,
  packageId: string,
  within: { range: string; tag: string },
): Promise<string | undefined> {
  const wanted = { packageId, versionRange: within.range, preReleaseTag: within.tag };
  return (await versionsOf(db, spaceId, wanted, { skip: 0, take: 1 })).rows[0]?.version;
}

const versionsQuery = {
  packageId: Type.Optional(Type.String()),
  filter: Type.Optional(Type.String()),
  includePreRelease: Type.Optional(Type.Boolean()),
  includeReleaseNotes: Type.Optional(Type.Boolean()),
  versionRange: Type.Optional(Type.String()),
  preReleaseTag: Type.Optional(Type.String({ maxLength: 500 })),
};
const window = { skip: listQuery.skip, take: listQuery.take };
const feedQuery = Type.Object({
  ...listQuery,
  name: Type.Optional(Type.String()),
  partialName: Type.Optional(Type.String()),
  feedType: Type.Optional(Type.Array(Type.String(), { maxItems: 100 })),
});

export const feedRoutes: Route[] = [
  read({
    path: "/feeds",
    scope: "space",
    permission: "FeedView",
    query: feedQuery,
    answer: page(Feed),
    handler: async ({ db, space, query }) => {
      const wanted = pageWanted(query);
      const { rows, total } = await store.listFeeds(db, space.id, { ...query, feedTypes: query.feedType }, wanted);
      return ok(pageOf({ itemType: "Feed", items: rows.map(present), total, wanted, path: `/api/${space.id}/feeds`, query }));
    },
  }),
  read({
    path: "/feeds/all",
    scope: "space",
    permission: "FeedView",
    query: feedQuery,
    answer: Type.Array(Feed),
    handler: async ({ db, space, query }) => {
      const found = await store.listFeeds(db, space.id, { ...query, feedTypes: query.feedType }, { skip: 0, take: feedsMax });
      return ok(found.rows.map(present));
    },
  }),
  read({
    path: "/feeds/stats",
    scope: "space",
    permission: "FeedView",
    answer: FeedStatistics,
    handler: async ({ db, space }) =>
      ok({ TotalPackages: await countPackages(db, space.id, {}), Links: { Self: `/api/${space.id}/feeds/stats` } }),
  }),
  read({
    path: "/feeds/{id}",
    scope: "space",
    permission: "FeedView",
    answer: Feed,
    handler: async ({ db, space, params }) => ok(present(await getFeed(db, space.id, params.id))),
  }),
  change({
    method: "PUT",
    path: "/feeds/{id}",
    scope: "space",
    permission: "FeedEdit",
    body: FeedBody,
    answer: Feed,
    handler: async ({ tx, space, actor, params, body }) => {
      const row = await store.findFeed(tx, space.id, params.id, "FOR UPDATE");
      if (row === undefined) throw problem.notFound("feed", params.id);
      const faults: string[] = [];
      if (body.Name && body.Name !== row.name) faults.push("The name of the built-in feed cannot be changed.");
      if (body.FeedType && body.FeedType !== row.feed_type) faults.push("The type of a feed cannot be changed.");
      if (body.SpaceId && body.SpaceId.toLowerCase() !== row.space_id.toLowerCase()) faults.push("SpaceId cannot be changed.");
      if (faults.length > 0) throw problem.invalid(faults);
      const days = body.DeleteUnreleasedPackagesAfterDays;
      const settings = {
        deleteUnreleasedPackagesAfterDays: days === undefined ? (row.settings.deleteUnreleasedPackagesAfterDays ?? null) : days,
        deletePackagesAssociatedWithReleases:
          body.DeletePackagesAssociatedWithReleases ?? row.settings.deletePackagesAssociatedWithReleases ?? false,
      };
      await store.setFeedSettings(tx, row, settings);
      await recordEvent(tx, {
        spaceId: space.id,
        category: "Modified",
        actor,
        message: `Feed ${row.name} was changed`,
        relatedDocumentIds: [row.id],
      });
      return ok(present({ ...row, settings }));
    },
  }),
  read({
    path: "/feeds/{id}/packages/versions",
    scope: "space",
    permission: "FeedView",
    query: Type.Object({ ...window, ...versionsQuery }),
    answer: page(PackageVersion),
    handler: async ({ db, space, params, query }) => {
      const feed = await getFeed(db, space.id, params.id);
      const wanted = pageWanted(query);
      const { rows, total } = await versionsOf(db, space.id, query, wanted);
      const items = rows.map((row) => presentVersion(row, query.includeReleaseNotes === true));
      const path = `/api/${space.id}/feeds/${feed.id}/packages/versions`;
      return ok(pageOf({ itemType: "PackageVersion", items, total, wanted, path, query }));
    },
  }),
  read({
    path: "/feeds/{id}/packages/search",
    scope: "space",
    permission: "FeedView",
    query: Type.Object({ ...window, term: Type.Optional(Type.String()) }),
    answer: page(PackageDescription),
    handler: async ({ db, space, params, query }) => {
      const feed = await getFeed(db, space.id, params.id);
      const wanted = pageWanted(query);
      const filter = { partOfId: query.term, latest: true };
      const rows = await listPackages(db, space.id, filter, wanted);
      const path = `/api/${space.id}/feeds/${feed.id}/packages/search`;
      return ok(
        pageOf({
          itemType: "PackageDescription",
          items: rows.map((row) => ({
            Id: row.package_id,
            Name: row.package_id,
            Description: row.description.description ?? "",
            LatestVersion: row.version,
            Links: { Self: `/api/${space.id}/packages/${encodeURIComponent(idOfPackage(row.package_id, row.version))}` },
          })),
          total: await countPackages(db, space.id, filter),
          wanted,
          path,
          query,
        }),
      );
    },
  }),
  read({
    path: "/feeds/{id}/packages/notes",
    scope: "space",
    permission: "FeedView",
    query: Type.Object({ packageId: Type.Optional(Type.String()), version: Type.Optional(Type.String()) }),
    answer: PackageNotes.properties.Packages.items,
    handler: async ({ db, space, params, query }) => {
      const feed = await getFeed(db, space.id, params.id);
      const { packageId = "", version = "" } = query;
      const read = readVersion(version);
      const row = read && (await findPackage(db, space.id, packageId, read.key));
      return ok({
        FeedId: feed.id,
        PackageId: row?.package_id ?? packageId,
        Version: row?.version ?? version,
        Notes: {
          Succeeded: row !== undefined,
          Notes: row?.description.releaseNotes ?? "",
          FailureReason: row === undefined ? "The package is not in the feed." : null,
          DisplayMessage: null,
        },
      });
    },
  }),
  read({
    path: "/feeds/{id}/packages",
    scope: "space",
    permission: "FeedView",
    query: Type.Object({
      ...versionsQuery,
      take: listQuery.take,
      partialMatch: Type.Optional(Type.Boolean()),
      includeMultipleVersions: Type.Optional(Type.Boolean()),
      includeNotes: Type.Optional(Type.Boolean()),
      packageIds: Type.Optional(Type.Array(Type.String(), { maxItems: 1_000 })),
    }),
    answer: Type.Array(PackageVersion),
    handler: async ({ db, space, params, query }) => {
      await getFeed(db, space.id, params.id);
      const { take } = pageWanted(query);
      const rows: PackageRow[] = [];
      if (query.packageIds && query.packageIds.length > 0) {
        for (const packageId of query.packageIds)
          rows.push(...(await listPackages(db, space.id, { packageId, latest: true }, { skip: 0, take: 1 })));
      } else if (query.partialMatch === true) {
        const several = query.includeMultipleVersions === true;
        rows.push(
          ...(await listPackages(db, space.id, { partOfId: query.packageId, latest: several ? undefined : true }, { skip: 0, take })),
        );
      } else {
        const found = await versionsOf(db, space.id, query, { skip: 0, take: query.includeMultipleVersions === true ? take : 1 });
        rows.push(...found.rows);
      }
      return ok(rows.map((row) => presentVersion(row, query.includeNotes === true)));
    },
  }),
];
