// Tag sets: words for grouping tenants and the deployment targets that serve them. Renaming a set or a tag renames it wherever it is
// used; a tag in use is not taken away.

import { SortOrderBody } from "@cuttle/contract/rest/environments";
import { TagSet, TagSetBody } from "@cuttle/contract/rest/tenants";
import { problem } from "../../../base/problems.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { nextId, violatedConstraint } from "../../../platform/database/database.ts";
import type { Transaction } from "../../../platform/database/database.ts";
import { change, nothing } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource, resolveIds } from "../../../platform/resources/resources.ts";
import type { Save } from "../../../platform/resources/resources.ts";
import { changeTags, faultOfTagPart } from "./tag-set-rules.ts";
import type { SentTag, StoredTag, TagChanges } from "./tag-set-rules.ts";
import * as store from "./tag-set-store.ts";

const tagSets = defineResource({
  kind: "TagSet",
  collection: "TagSets",
  path: "tagsets",
  table: {
    name: "tag_sets",
    orderBy: "r.sort_order, lower(r.name)",
    slug: false,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      SortOrder: { column: "sort_order", empty: null },
      Tags: {
        column: "tags",
        select: `(SELECT COALESCE(jsonb_agg(jsonb_build_object('Id', t.id, 'Name', t.name, 'CanonicalTagName', t.canonical_name,
                   'Color', t.color, 'Description', t.description, 'SortOrder', t.sort_order) ORDER BY t.sort_order, lower(t.name)), '[]')
                    FROM tags t WHERE t.tag_set_id = r.id)`,
        empty: [],
      },
    },
  },
  answer: TagSet,
  body: TagSetBody,
  permissions: { view: "TenantView", create: "TagSetCreate", edit: "TagSetEdit", delete: "TagSetDelete" },
  present: (document) => Object.assign(document, { Type: "MultiSelect", Scopes: ["Tenant"], IsSystem: false }),
  beforeSave: async (tx, save) => {
    const { values, current, body } = save;
    const faults = [...changesOf(save).faults];
    const fault = faultOfTagPart("The name of a tag set", String(values["Name"]));
    if (fault !== undefined) faults.push(fault);
    const type = body["Type"] as string | null | undefined;
    if (type && type.toLowerCase() !== "multiselect")
      faults.push("Type must be MultiSelect. Other kinds of tag sets are not supported yet.");
    const scopes = (body["Scopes"] as string[] | null | undefined) ?? [];
    if (scopes.some((one) => one.toLowerCase() !== "tenant"))
      faults.push("Scopes can only hold Tenant. Tags of other things are not supported yet.");
    if (faults.length > 0) throw problem.invalid(faults);
    // A new set goes last. The Go and .NET clients cannot leave the member out: they send 0 for it.
    if (values["SortOrder"] === null || (current === undefined && values["SortOrder"] === 0))
      values["SortOrder"] = current?.["SortOrder"] ?? (await store.nextSortOrder(tx, save.spaceId));
  },
  afterSave: async (tx, save) => saveTags(tx, save, changesOf(save)),
});

function changesOf({ values, current }: Save): TagChanges {
  return changeTags(String(values["Name"]), (current?.["Tags"] ?? []) as StoredTag[], values["Tags"] as SentTag[]);
}

async function saveTags(tx: Transaction, { id: setId, spaceId, current }: Save, { wanted, gone }: TagChanges): Promise<void> {
  const before = new Map(((current?.["Tags"] ?? []) as StoredTag[]).map((tag) => [tag.Id, tag]));
  for (const tag of gone) {
    try {
      await store.deleteTag(tx, tag.Id);
    } catch (error) {
      const violated = violatedConstraint(error);
      if (violated?.kind !== "foreign-key") throw error;
      const users = violated.constraint.replace(/_use_tag$/, "").replaceAll("_", " ");
      throw problem.invalid(`The tag '${tag.CanonicalTagName}' cannot be removed because ${users} still use it.`);
    }
  }
  const renamed = wanted.filter((tag) => tag.Id !== undefined && before.get(tag.Id)?.CanonicalTagName !== tag.CanonicalTagName);
  if (renamed.length > 0)
    await store.freeNames(
      tx,
      renamed.map((tag) => tag.Id!),
    );
  for (const tag of wanted) {
    if (tag.Id !== undefined) await store.updateTag(tx, { ...tag, Id: tag.Id });
    else await store.insertTag(tx, { ...tag, Id: `${setId}/${(await nextId(tx, "Tags")).id}`, setId, spaceId });
  }
}

export const tagSetRoutes: Route[] = [
  ...tagSets.routes,
  change({
    method: "PUT",
    path: "/tagsets/sortorder",
    scope: "space",
    permission: "TagSetEdit",
    body: SortOrderBody,
    answer: "nothing",
    handler: async ({ tx, space, actor, body }) => {
      const ids = await resolveIds(tx, "tag_sets", "tag set", space.id, body);
      await store.setSortOrder(tx, space.id, ids);
      await recordEvent(tx, {
        spaceId: space.id,
        category: "Modified",
        actor,
        message: "The order of the tag sets was changed",
        relatedDocumentIds: ids,
      });
      return nothing();
    },
  }),
];
