// Project groups: folders for projects.

import { ProjectGroup, ProjectGroupBody } from "@cuttle/contract/rest/projects";
import { defineResource } from "../../../platform/resources/resources.ts";
import type { SpaceFiller } from "../../organization/organization.ts";

export const projectGroups = defineResource({
  kind: "ProjectGroup",
  collection: "ProjectGroups",
  path: "projectgroups",
  table: {
    name: "project_groups",
    orderBy: "lower(r.name)",
    slug: true,
    fields: { Name: { column: "name" }, Description: { column: "description", empty: "" } },
  },
  answer: ProjectGroup,
  body: ProjectGroupBody,
  permissions: { view: "ProjectGroupView", create: "ProjectGroupCreate", edit: "ProjectGroupEdit", delete: "ProjectGroupDelete" },
  links: ({ Id }, base) => ({ Projects: `${base}/projectgroups/${Id}/projects` }),
  present: (document) => Object.assign(document, { EnvironmentIds: [], RetentionPolicyId: null }),
});

export const fillProjectGroups: SpaceFiller = async (tx, spaceId, actor) => {
  await projectGroups.create(tx, spaceId, actor, { Name: "Default Project Group" });
};
