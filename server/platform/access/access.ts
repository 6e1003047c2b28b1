// Who is calling, and may they. Every request asks the database anew, so a deleted key, an ended session or a
// disabled user is refused by every node at the next request. Today a user is an administrator or has nothing; roles and their scopes fit behind `requirePermission`.

import { problem } from "../../base/problems.ts";
import type { PermissionName } from "@cuttle/contract/rest/permissions";
import type { Actor } from "../audit/audit.ts";
import type { Caller } from "./caller.ts";

export type { PermissionName };
export type { Caller } from "./caller.ts";
export { createRequestLookUp } from "./access-store.ts";
export type {
  Alongside,
  AlongsideRows,
  Credentials,
  Found,
  Question,
  RequestFacts,
  RequestLookUp,
  SessionOfRequest,
  SpaceOfRequest,
} from "./access-store.ts";
export type { SessionSecrets } from "./session.ts";
export {
  csrfCookiePrefix,
  csrfHeader,
  csrfMatches,
  hashSessionSecret,
  newSessionSecrets,
  sessionCookiePrefix,
  sessionHashes,
} from "./session.ts";

/** What a permission is asked for; null or absent parts mean the whole of the level above. */
export interface PermissionScope {
  readonly spaceId: string | null;
  readonly projectId?: string;
  readonly environmentId?: string;
}

export const anonymous: Caller = { userId: null, username: "anonymous", isAdministrator: false };

export function isSignedIn(caller: Caller): boolean {
  return caller.userId !== null;
}

/** @throws Problem 401 */
export function requireSignedIn(caller: Caller): void {
  if (!isSignedIn(caller)) throw problem.notSignedIn();
}

/** @throws Problem 401 without a caller, 403 naming the missing permission */
export function requirePermission(caller: Caller, permission: PermissionName, scope: PermissionScope): void {
  requireSignedIn(caller);
  if (!mayDo(caller, permission, scope)) throw problem.notAllowed(permission);
}

/** The same question as a value, for lists that leave out what the caller may not see. */
export function mayDo(caller: Caller, _permission: PermissionName, _scope: PermissionScope): boolean {
  return caller.isAdministrator;
}

/** The caller as the audit trail names them. */
export function actorOf(caller: Caller): Actor {
  return { userId: caller.userId, username: caller.username };
}
