// Library variable sets: variables, or a script module, that several projects include. Their variables are a variable set like that of a project.

import { Type } from "typebox";
import { LibraryVariableSet, LibraryVariableSetBody, LibraryVariableSetUsages } from "@cuttle/contract/rest/variables";
import { problem } from "../../../base/problems.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import { presentTemplate, readTemplates, templatesOf } from "../variable-templates/variable-templates.ts";
import { createVariableSet, forgetVariablesOf, variableSetIdOf } from "../variables/variables.ts";
import { listUsages } from "./library-variable-set-store.ts";

export const libraryVariableSets = defineResource({
  kind: "LibraryVariableSet",
  collection: "LibraryVariableSets",
  path: "libraryvariablesets",
  table: {
    name: "library_variable_sets",
    orderBy: "lower(r.name)",
    slug: false,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      ContentType: { column: "content_type", empty: "Variables" },
      Templates: { column: "templates", empty: [], json: true },
    },
  },
  answer: LibraryVariableSet,
  body: LibraryVariableSetBody,
  permissions: {
    view: "LibraryVariableSetView",
    create: "LibraryVariableSetCreate",
    edit: "LibraryVariableSetEdit",
    delete: "LibraryVariableSetDelete",
  },
  filters: {
    contentType: { type: Type.String(), where: (value: string) => ({ sql: "lower(r.content_type) = lower($?)", values: [value] }) },
  },
  links: ({ Id }, base) => ({
    Variables: `${base}/variables/${variableSetIdOf(Id)}`,
    Usages: `${base}/libraryvariablesets/${Id}/usages`,
  }),
  present: (document) =>
    Object.assign(document, {
      Templates: templatesOf(document).map(presentTemplate),
      VariableSetId: variableSetIdOf(document.Id),
    }),
  beforeSave: async (_tx, { values, current }) => {
    if (current !== undefined && values["ContentType"] !== current["ContentType"])
      throw problem.invalid("The ContentType of a library variable set cannot be changed.");
    values["Templates"] = readTemplates(values["Templates"]);
  },
  afterSave: async (tx, { current, spaceId, id, values }) => {
    if (current === undefined) await createVariableSet(tx, spaceId, { kind: "librarySet", id, name: String(values["Name"]) });
  },
  beforeDelete: async (tx, { Id, SpaceId, ...rest }) => {
    await forgetVariablesOf(tx, SpaceId, { kind: "librarySet", id: Id, name: String(rest["Name"]) });
  },
});

export const libraryVariableSetRoutes: Route[] = [
  ...libraryVariableSets.routes,
  read({
    path: "/libraryvariablesets/{id}/usages",
    scope: "space",
    permission: "LibraryVariableSetView",
    answer: LibraryVariableSetUsages,
    handler: async ({ db, space, params }) => {
      const { Id } = await libraryVariableSets.get(db, space.id, params.id);
      const usages = await listUsages(db, space.id, Id, variableSetIdOf(Id));
      return ok({
        Projects: usages.map((one) => ({
          ProjectId: one.project_id,
          ProjectName: one.project_name,
          ProjectSlug: one.project_slug,
          IsCurrentlyBeingUsedInProject: one.is_included,
          Releases: one.releases.map(({ id, version }) => ({ ReleaseId: id, ReleaseVersion: version })),
          RunbookSnapshots: [],
        })),
        CountOfProjectsUserCannotSee: 0,
        CountOfReleasesUserCannotSee: 0,
        CountOfRunbookSnapshotsUserCannotSee: 0,
      });
    },
  }),
];
