// Users and their API keys as clients see them. A key's text is shown once, by the answer that creates it.

import { Type } from "typebox";
import { anything, count, flag, id, links, list, map, name, object, optional, orNull, text, time } from "./shapes.ts";

export const User = object({
  Id: id(),
  Username: text(),
  DisplayName: text(),
  EmailAddress: text(),
  IsActive: flag(),
  IsService: flag(),
  IsRequestor: flag(),
  CanPasswordBeEdited: flag(),
  Identities: list(object({})),
  Created: time(),
  Links: links(),
});

const keyMembers = { Id: id(), UserId: id(), Purpose: text(), Created: time(), Expires: orNull(time()), Links: links() };

/** What a client writes of a user. `IsService` counts only at creation; a password is never read back. */
export const UserBody = object({
  Username: optional(orNull(text())),
  DisplayName: optional(orNull(text())),
  EmailAddress: optional(orNull(text())),
  IsActive: optional(orNull(flag())),
  IsService: optional(orNull(flag())),
  Password: optional(orNull(text())),
});

const PermissionRestriction = object({
  SpaceId: id(),
  RestrictedToProjectIds: list(id()),
  RestrictedToEnvironmentIds: list(id()),
  RestrictedToTenantIds: list(id()),
  RestrictedToProjectGroupIds: list(id()),
});
/** What a user may do. */
export const UserPermissions = object({
  Id: id(),
  IsPermissionsComplete: flag(),
  IsTeamsComplete: flag(),
  Teams: list(object({})),
  SystemPermissions: list(text()),
  SpacePermissions: map(list(PermissionRestriction)),
  Links: links(),
});
export const TeamName = object({ Id: id(), Name: text() });

/** A stored key: only its first characters are known. */
export const ApiKey = object({ ...keyMembers, ApiKey: object({ HasValue: flag(), NewValue: Type.Null(), Hint: text() }) });
export const NewApiKey = object({ ...keyMembers, ApiKey: text() });
export const ApiKeyBody = object({ Purpose: name(), Expires: optional(orNull(time())) });

/** A link that signs a user in once. */
export const SignInLink = object({ Address: text(), LifetimeSeconds: count() });

/** Sign-in by password. `State.UsingSecureConnection` says how the client sees its connection, which a proxy may have changed for us. */
export const SignInBody = object({
  Username: text(),
  Password: text(),
  RememberMe: optional(orNull(flag())),
  State: optional(orNull(map(anything()))),
});
