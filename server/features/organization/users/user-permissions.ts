// What a user may do, as clients ask before they show or try something. Without teams and roles an administrator may do everything
// everywhere, and anybody else nothing.

import { permissions, systemPermissions } from "@cuttle/contract/rest/permissions";
import type { UserRow } from "./user-store.ts";

/** `spaceIds`: those that were asked for. A restriction that names nothing restricts nothing. */
export function presentPermissions(row: UserRow, asked: { spaceIds: readonly string[]; includeSystem: boolean }) {
  const self = `/api/users/${row.id}/permissions`;
  const isSystem = new Set<string>(systemPermissions);
  const inSpaces = asked.spaceIds.map((SpaceId) => ({
    SpaceId,
    RestrictedToProjectIds: [],
    RestrictedToEnvironmentIds: [],
    RestrictedToTenantIds: [],
    RestrictedToProjectGroupIds: [],
  }));
  const granted = row.is_administrator && row.is_active;
  return {
    Id: row.id,
    IsPermissionsComplete: true,
    IsTeamsComplete: true,
    Teams: [],
    SystemPermissions: granted && asked.includeSystem ? systemPermissions : [],
    SpacePermissions:
      granted && inSpaces.length > 0
        ? Object.fromEntries(permissions.filter((name) => !isSystem.has(name)).map((name) => [name, inSpaces]))
        : {},
    Links: { Self: self },
  };
}
