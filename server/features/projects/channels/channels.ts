// Channels: kinds of releases of a project, each with its own lifecycle or the project's. One of them is the default.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import { Channel, ChannelBody, VersionRuleTest, VersionRuleTestBody } from "@cuttle/contract/rest/projects";
import { randomUUID } from "node:crypto";
import { problem } from "../../../base/problems.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { ask, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import { checkVersionRules, testVersionRule } from "./version-rules.ts";
import type { ChannelRule } from "./version-rules.ts";

export { faultsByRules, ruleFor } from "./version-rules.ts";
export type { ChannelRule } from "./version-rules.ts";

export const channels = defineResource({
  kind: "Channel",
  collection: "Channels",
  path: "channels",
  table: {
    name: "channels",
    orderBy: "lower(r.name)",
    slug: true,
    fields: {
      Name: { column: "name" },
      ProjectId: { column: "project_id", references: { table: "projects", kind: "project" } },
      Description: { column: "description", empty: "" },
      IsDefault: { column: "is_default", empty: false },
      LifecycleId: { column: "lifecycle_id", empty: null, references: { table: "lifecycles", kind: "lifecycle" } },
      Rules: { column: "rules", empty: [], json: true },
      TenantTags: { column: "tenant_tags", empty: [] },
    },
  },
  answer: Channel,
  body: ChannelBody,
  permissions: { view: "ProcessView", create: "ProcessEdit", edit: "ProcessEdit", delete: "ProcessEdit" },
  uniqueWithin: { member: "ProjectId" },
  oneDefault: true,
  links: ({ Id, ...rest }, base) => ({
    Releases: `${base}/channels/${Id}/releases{/version}{?skip,take,searchByVersion}`,
    Project: `${base}/projects/${String(rest["ProjectId"])}`,
    ...(rest["LifecycleId"] ? { Lifecycle: `${base}/lifecycles/${rest["LifecycleId"] as string}` } : {}),
  }),
  present: (document) => Object.assign(document, { GitReferenceRules: [], GitResourceRules: [], Type: "Lifecycle" }),
  beforeSave: async (_tx, { values, current }) => {
    if (current !== undefined && values["ProjectId"] !== current["ProjectId"])
      throw problem.invalid("A channel cannot move to another project.");
    checkVersionRules(values["Rules"] as ChannelRule[]);
    values["Rules"] = (values["Rules"] as { Id?: string | null }[]).map((rule) => ({ ...rule, Id: rule.Id || randomUUID() }));
  },
});

export async function createDefaultChannel(tx: Transaction, spaceId: string, actor: Actor, projectId: string): Promise<void> {
  await channels.create(tx, spaceId, actor, { Name: "Default", ProjectId: projectId, IsDefault: true });
}

export async function channelsOfProject(db: Queryable, spaceId: string, projectId: string): Promise<Document[]> {
  return channels.all(db, spaceId, {}, [{ sql: "r.project_id = $?", values: [projectId] }]);
}

/** Gives a new project the channels of another one, its default among them. Answers the new id of each. */
export async function copyChannels(
  tx: Transaction,
  { spaceId, actor, from, to }: { spaceId: string; actor: Actor; from: string; to: string },
): Promise<Map<string, string>> {
  const [made] = await channelsOfProject(tx, spaceId, to);
  const ids = new Map<string, string>();
  for (const { Name, Description, LifecycleId, Rules, TenantTags, ...one } of await channelsToChooseFrom(tx, spaceId, from)) {
    const rules = (Rules as object[]).map((rule) => ({ ...rule, Id: null }));
    const body = { Name, Description, LifecycleId, Rules: rules, TenantTags, ProjectId: to, IsDefault: one["IsDefault"] };
    const copy =
      one["IsDefault"] === true
        ? await channels.update(tx, spaceId, actor, made!.Id, body)
        : await channels.create(tx, spaceId, actor, body);
    ids.set(one.Id, copy.Id);
  }
  return ids;
}

/** The channel a client named by name, id or slug; the default one when it named none. @throws Problem 400 */
export async function chooseChannel(
  db: Queryable,
  spaceId: string,
  projectId: string,
  wanted: string | null | undefined,
): Promise<Document> {
  const all = await channelsOfProject(db, spaceId, projectId);
  if (!wanted) return all.find((one) => one["IsDefault"] === true)!;
  const text = wanted.trim().toLowerCase();
  const found = all.find((one) => [one.Id, one["Name"], one["Slug"]].some((name) => String(name).toLowerCase() === text));
  if (found === undefined) throw problem.invalid(`The project has no channel '${wanted}'.`);
  return found;
}

/** The channels that a release without a named one may go to, the default first. */
export async function channelsToChooseFrom(db: Queryable, spaceId: string, projectId: string): Promise<Document[]> {
  const all = await channelsOfProject(db, spaceId, projectId);
  return [...all.filter((one) => one["IsDefault"] === true), ...all.filter((one) => one["IsDefault"] !== true)];
}

export const channelPage = page(Channel);
export const channelQuery = Type.Object({
  skip: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  take: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
  partialName: Type.Optional(Type.String()),
});

const ruleTest = { path: "/channels/rule-test", scope: "space", permission: "ProcessView", answer: VersionRuleTest } as const;
export const channelRoutes: Route[] = [
  ...channels.routes,
  read({ ...ruleTest, query: VersionRuleTestBody, handler: async ({ query }) => ok(await testVersionRule(query)) }),
  ask({ ...ruleTest, body: VersionRuleTestBody, handler: async ({ body }) => ok(await testVersionRule(body)) }),
];
