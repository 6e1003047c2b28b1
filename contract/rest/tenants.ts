// Tenants, and the tag sets by which they and deployment targets are grouped, as clients see them. A tag's canonical name is
// "Set/Tag"; that is how everything else names it.

import { flag, id, links, list, map, name, object, oneOf, orNull, text, whole, written } from "./shapes.ts";

const tenantMembers = {
  Name: name(),
  Slug: text(),
  SpaceId: id(),
  Description: text(),
  IsDisabled: flag(),
  TenantTags: list(text()),
  ProjectEnvironments: map(list(id())),
};
export const Tenant = object({ Id: id(), ...tenantMembers, ClonedFromTenantId: orNull(id()), Links: links() });
export const TenantBody = written(tenantMembers);
export const TenantsStatus = object({ Enabled: flag() });

const tagMembers = { Id: id(), Name: name(), Color: text(), Description: text(), SortOrder: whole() };
const setMembers = { Name: name(), SpaceId: id(), Description: text(), SortOrder: whole() };
export const TagSet = object({
  Id: id(),
  ...setMembers,
  Type: oneOf(["MultiSelect"]),
  Scopes: list(oneOf(["Tenant"])),
  IsSystem: flag(),
  Tags: list(object({ ...tagMembers, CanonicalTagName: text() })),
  Links: links(),
});
export const TagSetBody = written({ ...setMembers, Type: text(), Scopes: list(text()), Tags: list(written(tagMembers)) });
