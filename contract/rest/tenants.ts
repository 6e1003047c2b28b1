// Tenants, and the tag sets by which they and deployment targets are grouped, as clients see them. A tag's canonical name is
// "Set/Tag"; that is how everything else names it.

import { Type } from "typebox";
import {
  anything,
  flag,
  id,
  links,
  list,
  map,
  name,
  object,
  oneOf,
  optional,
  orNull,
  SensitiveValue,
  text,
  whole,
  written,
} from "./shapes.ts";

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
/** What a tenant gives to variable templates: a text, or a sensitive value that is read without its text. */
const templateValue = Type.Union([text(), SensitiveValue]);
const writtenValue = orNull(Type.Union([text(), Type.Integer(), flag(), written(SensitiveValue.properties)]));

/** Values of a tenant: by template for library sets, by environment and template for projects. */
export const TenantVariables = object({
  Id: id(),
  TenantId: id(),
  TenantName: name(),
  SpaceId: id(),
  ConcurrencyToken: text(),
  LibraryVariables: map(
    object({
      LibraryVariableSetId: id(),
      LibraryVariableSetName: name(),
      Templates: list(anything()),
      Variables: map(templateValue),
      Links: links(),
    }),
  ),
  ProjectVariables: map(
    object({ ProjectId: id(), ProjectName: name(), Templates: list(anything()), Variables: map(map(templateValue)), Links: links() }),
  ),
  Links: links(),
});
export const TenantVariablesBody = object({
  TenantId: optional(orNull(id())),
  SpaceId: optional(orNull(id())),
  ConcurrencyToken: optional(orNull(text())),
  LibraryVariables: optional(orNull(map(object({ Variables: optional(orNull(map(writtenValue))) })))),
  ProjectVariables: optional(orNull(map(object({ Variables: optional(orNull(map(map(writtenValue)))) })))),
});

/** What a tenant has not answered. `MissingVariables` is empty unless details were asked for. */
export const TenantMissingVariables = object({
  TenantId: id(),
  MissingVariables: list(
    object({
      ProjectId: orNull(id()),
      EnvironmentId: orNull(id()),
      LibraryVariableSetId: orNull(id()),
      VariableTemplateId: id(),
      VariableTemplateName: text(),
      Links: links(),
    }),
  ),
  Links: links(),
});

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
