// Environments as clients see them, in the classic and in the v2 form.

import { anything, flag, id, links, list, name, object, oneOf, text, whole, written } from "./shapes.ts";

const members = {
  Name: name(),
  Slug: text(),
  Description: text(),
  SpaceId: id(),
  SortOrder: whole(),
  UseGuidedFailure: flag(),
  AllowDynamicInfrastructure: flag(),
  EnvironmentTags: list(text()),
  ExtensionSettings: list(anything()),
};

export const Environment = object({ Id: id(), ...members, Links: links() });
export const EnvironmentBody = written(members);
export const EnvironmentV2 = object({
  Id: id(),
  SpaceId: id(),
  Name: text(),
  Slug: text(),
  Description: text(),
  SortOrder: whole(),
  Type: oneOf(["Static", "Parent", "Ephemeral"]),
  UseGuidedFailure: flag(),
  AllowDynamicInfrastructure: flag(),
  Links: links(),
});
export const SortOrderBody = list(id());
