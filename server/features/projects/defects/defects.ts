// Defects: why a release must go no further. While one is unresolved, the release stays in the environments it has reached.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import { Defect, DefectBody } from "@cuttle/contract/rest/releases";
import { problem } from "../../../base/problems.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { change, created, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { getRelease } from "../releases/releases.ts";
import * as store from "./defect-store.ts";

export { findUnresolvedDefects } from "./defect-store.ts";

/** More than anybody reads before deciding that a release is broken. */
const descriptionCharactersMax = 10_000;

function present(spaceId: string, row: store.DefectRow) {
  const self = `/api/${spaceId}/releases/${row.release_id}/defects`;
  return {
    Id: `Defects-${row.id}`,
    Description: row.description,
    Status: row.resolved_at === null ? "Unresolved" : "Resolved",
    Links: { Self: self, Release: `/api/${spaceId}/releases/${row.release_id}` },
  };
}

export const defectRoutes: Route[] = [
  read({
    path: "/releases/{id}/defects",
    scope: "space",
    permission: "ReleaseView",
    query: Type.Object(listQuery),
    answer: page(Defect),
    handler: async ({ db, space, params, query }) => {
      const release = await getRelease(db, space.id, params.id);
      const wanted = pageWanted(query);
      const { rows, total } = await store.listDefects(db, release.id, wanted);
      const path = `/api/${space.id}/releases/${release.id}/defects`;
      return ok(pageOf({ itemType: "Defect", items: rows.map((row) => present(space.id, row)), total, wanted, path, query }));
    },
  }),
  change({
    method: "POST",
    path: "/releases/{id}/defects",
    scope: "space",
    permission: "DefectReport",
    body: DefectBody,
    answer: Defect,
    handler: async ({ tx, space, actor, params, body }) => {
      const description = body.Description.trim();
      if (description === "") throw problem.invalid("Description is required: say why the release must go no further.");
      if (description.length > descriptionCharactersMax)
        throw problem.invalid(`Description is longer than the limit of ${descriptionCharactersMax} characters.`);
      const release = await getRelease(tx, space.id, params.id, "FOR UPDATE");
      if ((await store.findUnresolvedDefects(tx, [release.id])).size > 0)
        throw problem.invalid(`The release ${release.version} already has an unresolved defect.`);
      const row = await store.insertDefect(tx, release.id, description);
      await recordEvent(tx, {
        spaceId: space.id,
        category: "DefectReported",
        actor,
        message: `A defect of release ${release.version} was reported: it goes no further`,
        relatedDocumentIds: [release.id, release.project_id],
      });
      return created(present(space.id, row));
    },
  }),
  change({
    method: "POST",
    path: "/releases/{id}/defects/resolve",
    scope: "space",
    permission: "DefectResolve",
    answer: Defect,
    handler: async ({ tx, space, actor, params }) => {
      const release = await getRelease(tx, space.id, params.id, "FOR UPDATE");
      const row = await store.resolveDefects(tx, release.id);
      if (row === undefined) throw problem.invalid(`The release ${release.version} has no unresolved defect.`);
      await recordEvent(tx, {
        spaceId: space.id,
        category: "DefectResolved",
        actor,
        message: `The defect of release ${release.version} was resolved`,
        relatedDocumentIds: [release.id, release.project_id],
      });
      return ok(present(space.id, row));
    },
  }),
];
