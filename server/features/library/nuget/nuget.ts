// The built-in feed as NuGet clients know one: push as in version 2 of its protocol, reading as in version 3. The same packages and rules
// as in the rest of the API; of what lies in the feed NuGet clients see only the packages in NuGet's own format.

import { Type } from "typebox";
import { NugetLeaf, NugetRegistration, NugetSearch, NugetServices, NugetVersions } from "@cuttle/contract/rest/nuget";
import { problem } from "../../../base/problems.ts";
import type { Database, Queryable } from "../../../platform/database/database.ts";
import { act, nothing, ok, read, upload } from "../../../platform/http/http.ts";
import type { Answer, Route } from "../../../platform/http/http.ts";
import {
  deletePackage,
  downloadPackage,
  idOfPackage,
  listPackageIds,
  listPackages,
  packageBytesMax,
  readNuspecOf,
  requireReplace,
  storePackage,
} from "../packages/packages.ts";
import type { PackageFolder, PackageRow } from "../packages/packages.ts";
import { readOverwriteMode, readVersion } from "../versions/versions.ts";

/** NuGet clients read all versions of a package at once; older ones than these are left out. */
const versionsMax = 5_000;
/** In the answer to a search, which names versions for each package found. */
const searchTakeMax = 1_000;
const searchVersionsMax = 100;
const searchTakeDefault = 20;
const extension = ".nupkg";

/** Where the protocol's parts are, as the client sees this server. */
function addressesIn(origin: string, spaceId: string) {
  const base = `${origin}/api/${spaceId}/nuget`;
  const idOf = (row: PackageRow) => encodeURIComponent(row.package_key);
  const versionOf = (row: PackageRow) => encodeURIComponent(normalOf(row));
  return {
    push: `${base}/packages`,
    flat: `${base}/v3/flat/`,
    registrations: `${base}/v3/registrations/`,
    query: `${base}/v3/query`,
    content: (row: PackageRow) => `${base}/v3/flat/${idOf(row)}/${versionOf(row)}/${idOf(row)}.${versionOf(row)}.nupkg`,
    registration: (row: PackageRow) => `${base}/v3/registrations/${idOf(row)}/index.json`,
    leaf: (row: PackageRow) => `${base}/v3/registrations/${idOf(row)}/${versionOf(row)}.json`,
  };
}

/** As NuGet clients spell a version: three or four numbers, lower case, no metadata. */
function normalOf(row: PackageRow): string {
  return readVersion(row.version)!.normal.toLowerCase();
}

/** Newest first, one for each version as NuGet spells it. @throws Problem 404 when there are none */
async function versionsOf(db: Queryable, spaceId: string, packageId: string): Promise<PackageRow[]> {
  const rows = await listPackages(db, spaceId, { packageId, extension }, { skip: 0, take: versionsMax });
  if (rows.length === 0) throw problem.notFound("package", packageId);
  return distinct(rows);
}

/** Build metadata does not count for NuGet: of versions that differ only in it the last one stands for all. */
function distinct(rows: readonly PackageRow[]): PackageRow[] {
  const seen = new Set<string>();
  return rows.filter((row) => {
    const normal = normalOf(row);
    if (seen.has(normal)) return false;
    seen.add(normal);
    return true;
  });
}

/** @throws Problem 404 */
async function versionOf(db: Queryable, spaceId: string, packageId: string, text: string): Promise<PackageRow> {
  const version = readVersion(text);
  const range = version && { from: version.key, below: `${version.key}+~` };
  const [row] = range === undefined ? [] : await listPackages(db, spaceId, { packageId, extension, range }, { skip: 0, take: 1 });
  if (row === undefined) throw problem.notFound("package", `${packageId} ${text}`);
  return row;
}

const words = (text: string | undefined): string[] => (text ?? "").split(/[\s,]+/).filter((word) => word !== "");

function leafOf(row: PackageRow, origin: string): object {
  const at = addressesIn(origin, row.space_id);
  const about = row.description;
  return {
    "@id": at.leaf(row),
    packageContent: at.content(row),
    registration: at.registration(row),
    catalogEntry: {
      "@id": at.leaf(row),
      id: row.package_id,
      version: row.version,
      title: about.title || row.package_id,
      authors: about.authors ?? "",
      summary: about.summary ?? "",
      description: about.description ?? "",
      tags: words(about.tags),
      listed: true,
      published: row.published_at,
      packageContent: at.content(row),
      dependencyGroups: (about.dependencyGroups ?? []).map((group) => ({
        ...(group.targetFramework === "" ? {} : { targetFramework: group.targetFramework }),
        dependencies: group.dependencies,
      })),
    },
  };
}

export function nugetRoutes({ database, folder }: { database: Database; folder: PackageFolder }): Route[] {
  const parts = { database, folder };
  return [
    upload({
      method: "PUT",
      path: "/nuget/packages",
      scope: "space",
      permission: "BuiltInFeedPush",
      nuget: true,
      query: Type.Object({ overwriteMode: Type.Optional(Type.String()), replace: Type.Optional(Type.Boolean()) }),
      answer: "nothing",
      uploadBytesMax: packageBytesMax,
      handler: async ({ space, actor, caller, query, incoming }): Promise<Answer> => {
        await storePackage(parts, {
          spaceId: space.id,
          actor,
          mode: readOverwriteMode(query),
          requireReplace: requireReplace(caller, space.id),
          name: undefined,
          content: incoming.content,
        });
        return { status: 201 };
      },
    }),
    act({
      method: "DELETE",
      path: "/nuget/packages/{packageId}/{version}",
      scope: "space",
      permission: "BuiltInFeedAdminister",
      nuget: true,
      answer: "nothing",
      handler: async ({ space, actor, params }) => {
        const row = await versionOf(database, space.id, params.packageId, params.version);
        await deletePackage(parts, space.id, actor, idOfPackage(row.package_id, row.version));
        return nothing();
      },
    }),
    read({
      path: "/nuget/v3/index.json",
      scope: "space",
      permission: "signed-in",
      nuget: true,
      answer: NugetServices,
      handler: async ({ space, origin }) => {
        const at = addressesIn(origin, space.id);
        const of = (address: string, types: string[]) => types.map((type) => ({ "@id": address, "@type": type }));
        return ok({
          version: "3.0.0",
          resources: [
            ...of(at.push, ["PackagePublish/2.0.0"]),
            ...of(at.flat, ["PackageBaseAddress/3.0.0"]),
            ...of(at.registrations, ["RegistrationsBaseUrl", "RegistrationsBaseUrl/3.0.0-beta", "RegistrationsBaseUrl/3.6.0"]),
            ...of(at.query, ["SearchQueryService", "SearchQueryService/3.0.0-beta", "SearchQueryService/3.5.0"]),
          ],
        });
      },
    }),
    read({
      path: "/nuget/v3/flat/{packageId}/index.json",
      scope: "space",
      permission: "BuiltInFeedDownload",
      nuget: true,
      answer: NugetVersions,
      handler: async ({ db, space, params }) =>
        ok({ versions: (await versionsOf(db, space.id, params.packageId)).map(normalOf).toReversed() }),
    }),
    read({
      path: "/nuget/v3/flat/{packageId}/{version}/{file}",
      scope: "space",
      permission: "BuiltInFeedDownload",
      nuget: true,
      answer: "file",
      handler: async ({ db, space, params, range }): Promise<Answer> => {
        const row = await versionOf(db, space.id, params.packageId, params.version);
        const wanted = params.file.toLowerCase();
        if (wanted === `${row.package_key}.${normalOf(row)}.nupkg`) return downloadPackage(folder, row, range);
        if (wanted !== `${row.package_key}.nuspec`) throw problem.notFound("file", params.file);
        return { status: 200, body: await readNuspecOf(folder, row), contentType: "application/xml; charset=utf-8" };
      },
    }),
    read({
      path: "/nuget/v3/registrations/{packageId}/index.json",
      scope: "space",
      permission: "FeedView",
      nuget: true,
      answer: NugetRegistration,
      handler: async ({ db, space, params, origin }) => {
        const rows = (await versionsOf(db, space.id, params.packageId)).toReversed();
        const self = addressesIn(origin, space.id).registration(rows[0]!);
        const items = rows.map((row) => leafOf(row, origin));
        const one = { "@id": `${self}#page`, count: rows.length, lower: normalOf(rows[0]!), upper: normalOf(rows.at(-1)!), items };
        return ok({ "@id": self, count: 1, items: [one] });
      },
    }),
    read({
      path: "/nuget/v3/registrations/{packageId}/{leaf}",
      scope: "space",
      permission: "FeedView",
      nuget: true,
      answer: NugetLeaf,
      handler: async ({ db, space, params, origin }) =>
        ok(leafOf(await versionOf(db, space.id, params.packageId, params.leaf.replace(/\.json$/i, "")), origin)),
    }),
    read({
      path: "/nuget/v3/query",
      scope: "space",
      permission: "FeedView",
      nuget: true,
      query: Type.Object({
        q: Type.Optional(Type.String()),
        skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
        take: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
        prerelease: Type.Optional(Type.Boolean()),
      }),
      answer: NugetSearch,
      handler: async ({ db, space, query, origin }) => {
        const filter = { extension, prereleases: query.prerelease === true ? undefined : false };
        const window = { skip: query.skip ?? 0, take: Math.min(query.take ?? searchTakeDefault, searchTakeMax) };
        // NuGet clients write "id:" or "packageid:" before a term that is meant for the id only; here every term is.
        const term = (query.q ?? "").trim().replace(/^(packageid|id):/i, "");
        const { ids, total } = await listPackageIds(db, space.id, { ...filter, partOfId: term }, window);
        const at = addressesIn(origin, space.id);
        const data = [];
        for (const packageId of ids) {
          const rows = distinct(await listPackages(db, space.id, { ...filter, packageId }, { skip: 0, take: searchVersionsMax }));
          const [newest] = rows;
          // Deleted meanwhile.
          if (newest === undefined) continue;
          const about = newest.description;
          data.push({
            "@id": at.registration(newest),
            id: newest.package_id,
            version: newest.version,
            title: about.title || newest.package_id,
            authors: words(about.authors),
            summary: about.summary ?? "",
            description: about.description ?? "",
            tags: words(about.tags),
            registration: at.registration(newest),
            totalDownloads: 0,
            packageTypes: [{ name: "Dependency" }],
            versions: rows.toReversed().map((row) => ({ "@id": at.leaf(row), version: row.version, downloads: 0 })),
          });
        }
        return ok({ totalHits: total, data });
      },
    }),
  ];
}
