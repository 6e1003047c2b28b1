// Library variable sets: variables, or a script module, that several projects include. Their variables are a variable set like that of a project.

import { Type } from "typebox";
import { LibraryVariableSet, LibraryVariableSetBody } from "@cuttle/contract/rest/variables";
import { problem } from "../../../base/problems.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import { createVariableSet, forgetVariablesOf, variableSetIdOf } from "../variables/variables.ts";

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
  links: ({ Id }, base) => ({ Variables: `${base}/variables/${variableSetIdOf(Id)}` }),
  present: (document) => Object.assign(document, { VariableSetId: variableSetIdOf(document.Id) }),
  beforeSave: async (_tx, { values, current }) => {
    if (current !== undefined && values["ContentType"] !== current["ContentType"])
      throw problem.invalid("The ContentType of a library variable set cannot be changed.");
  },
  afterSave: async (tx, { current, spaceId, id, values }) => {
    if (current === undefined) await createVariableSet(tx, spaceId, { kind: "librarySet", id, name: String(values["Name"]) });
  },
  beforeDelete: async (tx, { Id, SpaceId, ...rest }) => {
    await forgetVariablesOf(tx, SpaceId, { kind: "librarySet", id: Id, name: String(rest["Name"]) });
  },
});
