// Artifacts in the API: list, read, create with or without a task, content up and down, rename, delete.

import { Type } from "typebox";
import { Artifact, ArtifactBody } from "@cuttle/contract/rest/artifacts";
import { page } from "@cuttle/contract/rest/shapes";
import { Problem, problem } from "../../../base/problems.ts";
import {
  artifactBytesMax,
  ArtifactGone,
  artifactsPerTaskMax,
  ArtifactTooLarge,
  countArtifactsOfTask,
  deleteArtifact,
  filenameCharactersMax,
  findArtifact,
  insertArtifact,
  listArtifacts,
  readContent,
  renameArtifact,
  storageProblem,
  storeContent,
  sweepArtifactFiles,
} from "../../../engine/artifacts/artifacts.ts";
import type { ArtifactFolder, ArtifactRow } from "../../../engine/artifacts/artifacts.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Database, Queryable } from "../../../platform/database/database.ts";
import { act, change, created, nothing, ok, read, readByteRange, upload } from "../../../platform/http/http.ts";
import type { Answer, Route } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { findTask } from "../tasks/tasks.ts";

function present(row: ArtifactRow) {
  const self = `/api/${row.space_id}/artifacts/${row.id}`;
  return {
    Id: row.id,
    SpaceId: row.space_id,
    Filename: row.filename,
    Source: row.source,
    ServerTaskId: row.server_task_id,
    LogCorrelationId: row.log_correlation_id,
    Created: row.created_at,
    Links: { Self: self, Content: `${self}/content` },
  };
}

async function getArtifact(db: Queryable, spaceId: string, id: string): Promise<ArtifactRow> {
  const row = await findArtifact(db, spaceId, id);
  if (row === undefined) throw problem.notFound("artifact", id);
  return row;
}

/** @throws Problem 400 */
function readFilename(text: string | null | undefined): string {
  const name = text?.trim() ?? "";
  if (name === "") throw problem.invalid("An artifact needs a Filename.");
  if (name.length > filenameCharactersMax) throw problem.invalid(`A Filename has at most ${filenameCharactersMax} characters.`);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(name)) throw problem.invalid("A Filename holds no control characters.");
  return name;
}

/** The content, or the part of it that a Range header names: always as a file to keep, never as a page to show. */
async function downloadContent(
  folder: ArtifactFolder,
  row: ArtifactRow,
  range: { wanted: string | undefined; unless: string | undefined },
): Promise<Answer> {
  if (row.file_id === null || row.bytes === null) throw problem.notFound("content of the artifact", row.id);
  const etag = `"${row.sha256}"`;
  const wanted = range.unless === undefined || range.unless === etag ? readByteRange(range.wanted, row.bytes) : "whole";
  if (wanted === "unsatisfiable")
    throw new Problem(416, `The artifact has ${row.bytes} bytes; the range that was asked for begins after its end.`);
  const { from, to } = wanted === "whole" ? { from: 0, to: row.bytes } : wanted;
  const name = row.filename.split(/[/\\]/).at(-1) || "artifact";
  const plain = name.replace(/[^A-Za-z0-9._+-]/g, "_");
  return {
    status: wanted === "whole" ? 200 : 206,
    body: await readContent(folder, row.file_id, from, to),
    contentType: "application/octet-stream",
    headers: {
      "content-length": String(to - from),
      "content-disposition": `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)}`,
      "content-security-policy": "default-src 'none'; sandbox",
      "accept-ranges": "bytes",
      etag,
      ...(wanted === "whole" ? {} : { "content-range": `bytes ${from}-${to - 1}/${row.bytes}` }),
    },
  };
}

export function artifactRoutes({ database, artifactFolder: folder }: { database: Database; artifactFolder: ArtifactFolder }): Route[] {
  return [
    read({
      path: "/artifacts",
      scope: "space",
      permission: "ArtifactView",
      query: Type.Object({
        ...listQuery,
        regarding: Type.Optional(Type.String()),
        partialName: Type.Optional(Type.String()),
        order: Type.Optional(Type.String()),
      }),
      answer: page(Artifact),
      handler: async ({ db, space, query }) => {
        const window = pageWanted(query);
        const ascending = /^asc/i.test(query.order ?? "");
        const { rows, total } = await listArtifacts(db, space.id, query, { ...window, ascending });
        return ok(
          pageOf({ itemType: "Artifact", items: rows.map(present), total, wanted: window, path: `/api/${space.id}/artifacts`, query }),
        );
      },
    }),
    change({
      method: "POST",
      path: "/artifacts",
      scope: "space",
      permission: "ArtifactCreate",
      body: ArtifactBody,
      answer: Artifact,
      handler: async ({ tx, space, actor, body }) => {
        const filename = readFilename(body.Filename);
        const task = body.ServerTaskId ? await findTask(tx, space.id, body.ServerTaskId) : undefined;
        if (body.ServerTaskId && task === undefined) throw problem.invalid(`There is no task '${body.ServerTaskId}' in this space.`);
        if (task !== undefined && (await countArtifactsOfTask(tx, task.id)) >= artifactsPerTaskMax)
          throw problem.invalid(`A task has at most ${artifactsPerTaskMax} artifacts.`);
        const id = await insertArtifact(tx, {
          spaceId: space.id,
          filename,
          taskId: task?.id ?? null,
          logCorrelationId: body.LogCorrelationId?.trim() || null,
          source: body.Source?.trim() || null,
        });
        await recordEvent(tx, {
          spaceId: space.id,
          category: "Created",
          actor,
          message: `Artifact ${filename} was created`,
          relatedDocumentIds: [id, ...(task === undefined ? [] : [task.id])],
        });
        return created(present(await getArtifact(tx, space.id, id)));
      },
    }),
    read({
      path: "/artifacts/{id}",
      scope: "space",
      permission: "ArtifactView",
      answer: Artifact,
      handler: async ({ db, space, params }) => ok(present(await getArtifact(db, space.id, params.id))),
    }),
    change({
      method: "PUT",
      path: "/artifacts/{id}",
      scope: "space",
      permission: "ArtifactEdit",
      body: ArtifactBody,
      answer: Artifact,
      handler: async ({ tx, space, actor, params, body }) => {
        const row = await getArtifact(tx, space.id, params.id);
        const filename = readFilename(body.Filename ?? row.filename);
        await renameArtifact(tx, row.id, filename);
        await recordEvent(tx, {
          spaceId: space.id,
          category: "Modified",
          actor,
          message: `Artifact ${row.filename} was changed`,
          relatedDocumentIds: [row.id],
        });
        return ok(present(await getArtifact(tx, space.id, row.id)));
      },
    }),
    act({
      method: "DELETE",
      path: "/artifacts/{id}",
      scope: "space",
      permission: "ArtifactDelete",
      answer: "nothing",
      handler: async ({ space, actor, params }) => {
        await database.transaction(
          async (tx) => {
            const row = await getArtifact(tx, space.id, params.id);
            await deleteArtifact(tx, row.id);
            await recordEvent(tx, {
              spaceId: space.id,
              category: "Deleted",
              actor,
              message: `Artifact ${row.filename} was deleted`,
              relatedDocumentIds: [row.id, ...(row.server_task_id === null ? [] : [row.server_task_id])],
            });
          },
          { readBack: true },
        );
        // The artifact is gone already; a file that cannot be removed now is found by the next sweep.
        await sweepArtifactFiles({ database, folder }).catch(() => undefined);
        return nothing();
      },
    }),
    read({
      path: "/artifacts/{id}/content",
      scope: "space",
      permission: "ArtifactView",
      answer: "file",
      handler: async ({ db, space, params, range }) => downloadContent(folder, await getArtifact(db, space.id, params.id), range),
    }),
    upload({
      method: "PUT",
      path: "/artifacts/{id}/content",
      scope: "space",
      permission: "ArtifactCreate",
      answer: "nothing",
      uploadBytesMax: artifactBytesMax,
      handler: async ({ space, actor, params, incoming }) => {
        const row = await getArtifact(database, space.id, params.id);
        try {
          if ((await folder.space()).belowFloor) throw problem.storageFull("artifacts");
          await storeContent({ database, folder }, row.id, incoming.content, artifactBytesMax, (work) =>
            database.transaction(async (tx) => {
              if (!(await work(tx))) throw problem.notFound("artifact", params.id);
              await recordEvent(tx, {
                spaceId: space.id,
                category: "Modified",
                actor,
                message: `The content of artifact ${row.filename} was stored`,
                relatedDocumentIds: [row.id],
              });
            }),
          );
        } catch (error) {
          if (error instanceof ArtifactTooLarge) throw problem.tooLarge("The artifact", artifactBytesMax, "bytes");
          if (error instanceof ArtifactGone) throw problem.notFound("artifact", params.id);
          throw storageProblem(error);
        }
        // What it had before is used by nothing any more.
        if (row.file_id !== null) await sweepArtifactFiles({ database, folder }).catch(() => undefined);
        return nothing();
      },
    }),
  ];
}
