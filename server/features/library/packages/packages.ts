// The packages of the built-in feed: upload, list, read, download, delete. Files lie once in the shared folder, by their content.

import { Type } from "typebox";
import { PackageNotes } from "@cuttle/contract/rest/feeds";
import { Package, PackageSignature } from "@cuttle/contract/rest/packages";
import type { Static } from "@cuttle/contract/rest/shapes";
import { page } from "@cuttle/contract/rest/shapes";
import type { Content } from "../../../base/content.ts";
import { Problem, problem } from "../../../base/problems.ts";
import { requirePermission } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import type { Database, Queryable } from "../../../platform/database/database.ts";
import { act, created, nothing, ok, read, readByteRange, upload } from "../../../platform/http/http.ts";
import type { Answer, Route } from "../../../platform/http/http.ts";
import { pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { findBuildInformation } from "../build-information/build-information.ts";
import { applyDelta, signatureOf, signedBytesMax } from "../deltas/deltas.ts";
import { readOverwriteMode, readVersion } from "../versions/versions.ts";
import { checkArchive } from "./archive-check.ts";

import { readStored, removeIfUnused, storedFile } from "./package-files.ts";
import type { PackageFilesParts, PackageFolder } from "./package-files.ts";
import { readPackageFileName } from "./package-name.ts";
import * as store from "./package-store.ts";
import type { PackageRow } from "./package-store.ts";
import { idOfPackage, storePackage } from "./store-package.ts";

export { listMissingVersions } from "./package-store.ts";
export { createDeployablePackages, newestVersion } from "./deployable-packages.ts";
export type { DeployablePackages, FoundPackage, PrepareArchives, WantedPackage } from "./deployable-packages.ts";
export { sweepPackageFiles } from "./package-files.ts";
export type { PackageFolder } from "./package-files.ts";
export { countPackages, findPackage, listPackageIds, listPackages } from "./package-store.ts";
export type { PackageFilter, PackageRow } from "./package-store.ts";
export { idOfPackage, storePackage } from "./store-package.ts";

/** Largest package. More in one file wants another way than one request of hours. */
export const packageBytesMax = 5 * 1024 ** 3;
/** Ids of one request to delete or to read notes. */
const idsMax = 1_000;
export const builtInFeedId = "feeds-builtin";

const uploadQuery = Type.Object({
  overwriteMode: Type.Optional(Type.String()),
  replace: Type.Optional(Type.Boolean()),
  fileName: Type.Optional(Type.String({ maxLength: 500 })),
});

async function presentAll(db: Queryable, spaceId: string, rows: readonly PackageRow[], withNotes: boolean): Promise<object[]> {
  const versions = rows.map((row) => ({ packageId: row.package_id, versionKey: row.version_key }));
  const builds = await findBuildInformation(db, spaceId, versions);
  return rows.map((row, n) => document(row, builds[n] ?? null, withNotes));
}

async function present(db: Queryable, row: PackageRow, withNotes: boolean): Promise<object> {
  const [one] = await presentAll(db, row.space_id, [row], withNotes);
  return one!;
}

function document(row: PackageRow, build: object | null, withNotes: boolean): object {
  const base = `/api/${row.space_id}`;
  const id = idOfPackage(row.package_id, row.version);
  const about = row.description;
  return {
    Id: id,
    FeedId: builtInFeedId,
    PackageId: row.package_id,
    Version: row.version,
    NuGetFeedId: builtInFeedId,
    NuGetPackageId: row.package_id,
    Title: about.title || row.package_id,
    Summary: about.summary ?? "",
    Description: about.description ?? "",
    // The Go client reads this member as a time: no text must mean null, also the text of none.
    ReleaseNotes: (withNotes && about.releaseNotes) || null,
    Published: row.published_at,
    FileExtension: row.file_extension,
    Hash: row.sha1,
    PackageSizeBytes: row.bytes,
    PackageVersionBuildInformation: build,
    Links: {
      Self: `${base}/packages/${encodeURIComponent(id)}`,
      Raw: `${base}/packages/${encodeURIComponent(id)}/raw`,
      Feed: `${base}/feeds/${builtInFeedId}`,
      AllVersions: `${base}/feeds/${builtInFeedId}/packages/versions?packageId=${encodeURIComponent(row.package_id)}{&take,skip,includePreRelease,versionRange,preReleaseTag,filter,includeReleaseNotes}`,
      NotesTemplate: `${base}/packages/notes{?packageIds}`,
    },
  };
}

/** By `packages-Acme.1.0.0` or `Acme.1.0.0`. @throws Problem 404 */
async function getPackage(db: Queryable, spaceId: string, id: string): Promise<PackageRow> {
  const found =
    (await store.findPackageByName(db, spaceId, id.replace(/^packages-/i, ""))) ??
    // A package may itself be named "packages-…".
    (await store.findPackageByName(db, spaceId, id));
  if (found === undefined) throw problem.notFound("package", id);
  return found;
}

/** Deletes one with its event; its file goes when nothing else uses it. @throws Problem 404 */
export async function deletePackage(parts: PackageFilesParts, spaceId: string, actor: Actor, id: string): Promise<void> {
  const row = await parts.database.transaction(
    async (tx) => {
      const found = await getPackage(tx, spaceId, id);
      await store.lockPackageId(tx, spaceId, found.package_id);
      // What was read before the lock may be another file by now.
      const current = await getPackage(tx, spaceId, id);
      await store.deletePackage(tx, current);
      await recordEvent(tx, {
        spaceId,
        category: "Deleted",
        actor,
        message: `Package ${current.package_id} version ${current.version} was deleted`,
        relatedDocumentIds: [idOfPackage(current.package_id, current.version), builtInFeedId],
      });
      return current;
    },
    { readBack: true },
  );
  // The package is gone already; a file that cannot be removed now is found by the sweep.
  await removeIfUnused(parts, row.sha256).catch(() => undefined);
}

/** An upload's caller may replace a version only with this permission. */
export function requireReplace(caller: Caller, spaceId: string): () => void {
  return () => requirePermission(caller, "BuiltInFeedAdminister", { spaceId });
}

/** The nuspec as it lies in the package's file. @throws Problem 404 when there is none */
export async function readNuspecOf(folder: PackageFolder, row: PackageRow): Promise<string> {
  const { nuspec } = await checkArchive(row.file_extension, storedFile(folder, row));
  if (nuspec === undefined) throw problem.notFound("nuspec of the package", `${row.package_id} ${row.version}`);
  return nuspec;
}

/** The file of a package, or the part of it that a Range header names. */
export async function downloadPackage(
  folder: PackageFolder,
  row: PackageRow,
  range: { wanted: string | undefined; unless: string | undefined },
): Promise<Answer> {
  const etag = `"${row.sha256}"`;
  const wanted = range.unless === undefined || range.unless === etag ? readByteRange(range.wanted, row.bytes) : "whole";
  if (wanted === "unsatisfiable")
    throw new Problem(416, `The package has ${row.bytes} bytes; the range that was asked for begins after its end.`);
  const { from, to } = wanted === "whole" ? { from: 0, to: row.bytes } : wanted;
  const fileName = `${row.package_id}.${row.version}${row.file_extension}`;
  const plain = fileName.replace(/[^A-Za-z0-9._+-]/g, "_");
  return {
    status: wanted === "whole" ? 200 : 206,
    body: await readStored(folder, row, from, to),
    contentType: "application/octet-stream",
    headers: {
      "content-length": String(to - from),
      "content-disposition": `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(fileName)}`,
      "accept-ranges": "bytes",
      etag,
      ...(wanted === "whole" ? {} : { "content-range": `bytes ${from}-${to - 1}/${row.bytes}` }),
    },
  };
}

export function packageRoutes({ database, folder }: { database: Database; folder: PackageFolder }): Route[] {
  const parts = { database, folder };

  async function putUploaded(
    by: { spaceId: string; actor: Actor; caller: Caller; query: Static<typeof uploadQuery> },
    file: { fileName: string | undefined; content: Content },
  ): Promise<Answer> {
    const mode = readOverwriteMode(by.query);
    const fileName = file.fileName ?? by.query.fileName;
    if (fileName === undefined) {
      throw problem.invalid(
        "The file has no name. Send it as a part with a file name of a multipart form, or as the body with fileName in the query.",
      );
    }
    const { row, outcome } = await storePackage(parts, {
      spaceId: by.spaceId,
      actor: by.actor,
      mode,
      requireReplace: requireReplace(by.caller, by.spaceId),
      name: readPackageFileName(fileName),
      content: file.content,
    });
    const stored = await present(database, row, true);
    return outcome === "created" ? created(stored) : ok(stored);
  }

  return [
    read({
      path: "/packages",
      scope: "space",
      permission: "FeedView",
      query: Type.Object({
        skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
        take: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
        nuGetPackageId: Type.Optional(Type.String()),
        filter: Type.Optional(Type.String()),
        latest: Type.Optional(Type.Boolean()),
        includeNotes: Type.Optional(Type.Boolean()),
      }),
      answer: page(Package),
      handler: async ({ db, space, query }) => {
        const filter = { packageId: query.nuGetPackageId || undefined, partOfId: query.filter, latest: query.latest };
        const wanted = pageWanted(query);
        const rows = await store.listPackages(db, space.id, filter, wanted);
        return ok(
          pageOf({
            itemType: "PackageFromBuiltInFeed",
            items: await presentAll(db, space.id, rows, query.includeNotes === true),
            total: await store.countPackages(db, space.id, filter),
            wanted,
            path: `/api/${space.id}/packages`,
            query,
          }),
        );
      },
    }),
    upload({
      method: "POST",
      path: "/packages/raw",
      scope: "space",
      permission: "BuiltInFeedPush",
      query: uploadQuery,
      answer: Package,
      uploadBytesMax: packageBytesMax,
      handler: async ({ space, actor, caller, query, incoming }) => {
        return await putUploaded({ spaceId: space.id, actor, caller, query }, incoming);
      },
    }),
    read({
      path: "/packages/notes",
      scope: "space",
      permission: "FeedView",
      query: Type.Object({ packageIds: Type.Optional(Type.Array(Type.String(), { maxItems: idsMax })) }),
      answer: PackageNotes,
      handler: async ({ db, space, query }) => {
        const notes = [];
        for (const id of query.packageIds ?? []) {
          const row =
            (await store.findPackageByName(db, space.id, id.replace(/^packages-/i, ""))) ??
            (await store.findPackageByName(db, space.id, id));
          notes.push({
            FeedId: builtInFeedId,
            PackageId: row?.package_id ?? id,
            Version: row?.version ?? "",
            Notes: {
              Succeeded: row !== undefined,
              Notes: row?.description.releaseNotes ?? "",
              FailureReason: row === undefined ? "The package is not in the built-in feed." : null,
              DisplayMessage: null,
            },
          });
        }
        return ok({ Packages: notes });
      },
    }),
    act({
      method: "DELETE",
      path: "/packages/bulk",
      scope: "space",
      permission: "BuiltInFeedAdminister",
      query: Type.Object({ ids: Type.Array(Type.String(), { maxItems: idsMax }) }),
      answer: "nothing",
      handler: async ({ space, actor, query }) => {
        for (const id of query.ids) {
          await deletePackage(parts, space.id, actor, id).catch((error: unknown) => {
            // One that somebody else deleted meanwhile is as wanted.
            if (!(error instanceof Problem && error.status === 404)) throw error;
          });
        }
        return nothing();
      },
    }),
    read({
      path: "/packages/{id}",
      scope: "space",
      permission: "FeedView",
      query: Type.Object({ includeNotes: Type.Optional(Type.Boolean()) }),
      answer: Package,
      handler: async ({ db, space, params, query }) =>
        ok(await present(db, await getPackage(db, space.id, params.id), query.includeNotes === true)),
    }),
    act({
      method: "DELETE",
      path: "/packages/{id}",
      scope: "space",
      permission: "BuiltInFeedAdminister",
      answer: "nothing",
      handler: async ({ space, actor, params }) => {
        await deletePackage(parts, space.id, actor, params.id);
        return nothing();
      },
    }),
    read({
      path: "/packages/{packageId}/{version}/delta-signature",
      scope: "space",
      permission: "BuiltInFeedPush",
      answer: PackageSignature,
      handler: async ({ db, space, params }) => {
        const version = readVersion(params.version);
        const below = version && `${version.key}+~`;
        // The closest version up to the wanted one. None is the usual answer for a first upload, and clients then send the whole file.
        const [base] =
          below === undefined
            ? []
            : await store.listPackages(
                db,
                space.id,
                { packageId: params.packageId, range: { from: undefined, below } },
                { skip: 0, take: 1 },
              );
        if (base === undefined || base.bytes > signedBytesMax) throw problem.notFound("earlier version of the package", params.packageId);
        const signature = await signatureOf(storedFile(folder, base));
        return ok({ BaseVersion: base.version, Signature: signature.toString("base64") });
      },
    }),
    upload({
      method: "POST",
      path: "/packages/{packageId}/{baseVersion}/delta",
      scope: "space",
      permission: "BuiltInFeedPush",
      query: uploadQuery,
      answer: Package,
      uploadBytesMax: packageBytesMax,
      handler: async ({ space, actor, caller, params, query, incoming }) => {
        const version = readVersion(params.baseVersion);
        const base = version && (await store.findPackage(database, space.id, params.packageId, version.key));
        if (base === undefined) throw problem.notFound("package", `${params.packageId} ${params.baseVersion}`);
        return await putUploaded(
          { spaceId: space.id, actor, caller, query },
          { fileName: incoming.fileName, content: applyDelta(storedFile(folder, base), incoming.content, packageBytesMax) },
        );
      },
    }),
    read({
      path: "/packages/{id}/raw",
      scope: "space",
      permission: "BuiltInFeedDownload",
      answer: "file",
      handler: async ({ db, space, params, range }) => downloadPackage(folder, await getPackage(db, space.id, params.id), range),
    }),
  ];
}
