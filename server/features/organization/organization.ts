// The area of spaces, users and their keys, and the root documents.

import type { Transaction } from "../../platform/database/database.ts";
import type { Route } from "../../platform/http/http.ts";
import { apiKeyRoutes, ensureApiKey } from "./api-keys/api-keys.ts";
import { homeRoutes } from "./home/home.ts";
import { endSessions, signInRoutes } from "./sign-in/sign-in.ts";
import { spaceRoutes } from "./spaces/spaces.ts";
import type { SpaceFiller } from "./spaces/spaces.ts";
import { ensureAdministratorUser, findUserDocument, userRoutes } from "./users/users.ts";

export { compatibleVersionDefault, spaceLinks, systemLinks, withEmptyCollections } from "./home/home.ts";
export { hashOfNewPassword } from "./sign-in/sign-in.ts";
export { ensureFirstSpace, findSpaceId } from "./spaces/spaces.ts";
export { findUserDocument };
export type { SpaceFiller } from "./spaces/spaces.ts";

export interface OrganizationParts {
  /** UUID made once per cluster. */
  installationId: string;
  /** Version of the API to report; absent takes the one this server was written against. */
  compatibleVersion?: string;
  spaceFillers: readonly SpaceFiller[];
}

export function organizationRoutes(parts: OrganizationParts): Route[] {
  return [
    ...homeRoutes(parts),
    ...spaceRoutes(parts.spaceFillers),
    ...userRoutes({ endSessions }),
    ...signInRoutes(parts),
    ...apiKeyRoutes(),
  ];
}

/**
 * Makes sure that the operator's administrator exists, with the key when one is given. A password hash is stored and ends the user's
 * sessions; null keeps the password there is. Harmless at every start of every node.
 */
export async function ensureAdministrator(
  tx: Transaction,
  wanted: { username: string; passwordHash: string | null; email: string | null; apiKey?: string },
): Promise<void> {
  const userId = await ensureAdministratorUser(tx, wanted);
  if (wanted.passwordHash !== null) await endSessions(tx, userId);
  if (wanted.apiKey !== undefined) await ensureApiKey(tx, userId, wanted.apiKey);
}
