// A user as the API shows one. Nothing of a password leaves the server.

import type { UserRow } from "./user-store.ts";

export function presentUser(row: UserRow, caller: { userId: string | null }) {
  const self = `/api/users/${row.id}`;
  return {
    Id: row.id,
    Username: row.username,
    DisplayName: row.display_name,
    EmailAddress: row.email_address,
    IsActive: row.is_active,
    IsService: row.is_service,
    IsRequestor: row.id === caller.userId,
    CanPasswordBeEdited: !row.is_service,
    Identities: [],
    Created: row.created_at,
    Links: {
      Self: self,
      Permissions: `${self}/permissions{?spaces,includeSystem}`,
      PermissionsConfiguration: `${self}/permissions/configuration{?spaces,includeSystem}`,
      ApiKeys: `${self}/apikeys{/id}{?skip,take}`,
      RevokeSessions: `${self}/revoke-sessions`,
      Spaces: `${self}/spaces`,
      Teams: `${self}/teams{?spaces,includeSystem}`,
    },
  };
}
