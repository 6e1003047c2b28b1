// Users: who they are, and the first administrator. How they sign in is next door.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import { Space } from "@cuttle/contract/rest/spaces";
import { TeamName, User, UserPermissions } from "@cuttle/contract/rest/users";
import { problem } from "../../../base/problems.ts";
import { mayDo } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import { nextId } from "../../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { acrossSpacesQuery, listQuery, pageOf, pageWanted, readSpacesAsked } from "../../../platform/resources/resources.ts";
import { listSpaceDocuments } from "../spaces/spaces.ts";
import { userChangeRoutes } from "./user-changes.ts";
import type { UserChangesParts } from "./user-changes.ts";
import { presentUser } from "./user-document.ts";
import { presentPermissions } from "./user-permissions.ts";
import * as store from "./user-store.ts";
import type { UserRow } from "./user-store.ts";

/** Answers without pages stay bounded. */
const allUsersMax = 50_000;

export { presentUser } from "./user-document.ts";
export { findPasswordOf } from "./user-store.ts";

/** A user as other areas show the one they name; undefined when there is none such any more. */
export async function findUserDocument(db: Queryable, caller: Caller, id: string) {
  const row = await store.findUser(db, id);
  return row && presentUser(row, caller);
}

/**
 * The user whose address was called; "me" is the caller. Others are visible only with UserView: without it they do not exist.
 * @throws Problem 404
 */
export async function requireUser(db: Queryable, caller: Caller, id: string): Promise<UserRow> {
  const wanted = id.toLowerCase() === "me" ? caller.userId! : id;
  const own = wanted.toLowerCase() === caller.userId?.toLowerCase();
  const row = own || mayDo(caller, "UserView", { spaceId: null }) ? await store.findUser(db, wanted) : undefined;
  if (row === undefined) throw problem.notFound("user", id);
  return row;
}

/** Makes sure that the operator's administrator exists and may act. Without a password hash the stored password stays. Answers the user's id. */
export async function ensureAdministratorUser(
  tx: Transaction,
  wanted: { username: string; passwordHash: string | null; email: string | null },
): Promise<string> {
  await store.lockUsers(tx);
  const found = await store.findUserByName(tx, wanted.username);
  if (found !== undefined) {
    const wasLockedOut = !found.is_active || !found.is_administrator;
    await store.updateAdministrator(tx, found.id, wanted);
    if (wasLockedOut) {
      await recordEvent(tx, {
        spaceId: null,
        category: "Modified",
        actor: systemActor,
        message: `User ${found.username} was made an active administrator at start`,
        relatedDocumentIds: [found.id],
      });
    }
    if (wanted.passwordHash !== null) {
      await recordEvent(tx, {
        spaceId: null,
        category: "Modified",
        actor: systemActor,
        message: `The password of user ${found.username} was changed at start, which ended their sessions`,
        relatedDocumentIds: [found.id],
      });
    }
    return found.id;
  }
  const { id } = await nextId(tx, "Users");
  await store.insertUser(tx, {
    id,
    username: wanted.username,
    displayName: wanted.username,
    email: wanted.email ?? "",
    isAdministrator: true,
    isService: false,
    passwordHash: wanted.passwordHash,
  });
  await recordEvent(tx, {
    spaceId: null,
    category: "Created",
    actor: systemActor,
    message: `User ${wanted.username} was created as the first administrator`,
    relatedDocumentIds: [id],
  });
  return id;
}

export function userRoutes(parts: UserChangesParts): Route[] {
  const query = Type.Object({ ...listQuery, filter: Type.Optional(Type.String()) });
  return [
    read({
      path: "/users",
      scope: "system",
      permission: "UserView",
      query,
      answer: page(User),
      handler: async ({ db, caller, query: wanted }) => {
        const window = pageWanted(wanted);
        const { rows, total } = await store.listUsers(db, wanted.filter ?? "", window);
        return ok(
          pageOf({
            itemType: "User",
            items: rows.map((row) => presentUser(row, caller)),
            total,
            wanted: window,
            path: "/api/users",
            query: wanted,
          }),
        );
      },
    }),
    read({
      path: "/users/all",
      scope: "system",
      permission: "UserView",
      answer: Type.Array(User),
      handler: async ({ db, caller }) => {
        const { rows } = await store.listUsers(db, "", { skip: 0, take: allUsersMax });
        return ok(rows.map((row) => presentUser(row, caller)));
      },
    }),
    ...userChangeRoutes(parts),
    read({
      path: "/users/{id}",
      scope: "system",
      permission: "signed-in",
      answer: User,
      handler: async ({ db, caller, params }) => ok(presentUser(await requireUser(db, caller, params.id), caller)),
    }),
    read({
      path: "/users/{id}/permissions",
      scope: "either",
      permission: "signed-in",
      query: Type.Object(acrossSpacesQuery),
      answer: UserPermissions,
      handler: async ({ db, caller, space, params, query: wanted }) => {
        const user = await requireUser(db, caller, params.id);
        const asked = space === undefined ? readSpacesAsked(space, wanted) : { ids: [space.id.toLowerCase()], includeSystem: false };
        const spaces = (await listSpaceDocuments(db)).map(({ Id }) => Id);
        return ok(
          presentPermissions(user, {
            spaceIds: spaces.filter((id) => asked?.ids === undefined || asked.ids.includes(id.toLowerCase())),
            includeSystem: asked?.includeSystem ?? true,
          }),
        );
      },
    }),
    read({
      path: "/users/{id}/teams",
      scope: "either",
      permission: "signed-in",
      query: Type.Object(acrossSpacesQuery),
      answer: Type.Array(TeamName),
      handler: async ({ db, caller, params }) => {
        await requireUser(db, caller, params.id);
        return ok([]);
      },
    }),
    read({
      path: "/users/{id}/spaces",
      scope: "system",
      permission: "signed-in",
      answer: Type.Array(Space),
      handler: async ({ db, caller, params }) => {
        const user = await requireUser(db, caller, params.id);
        // Without teams, a user who is no administrator is a member of nothing.
        return ok(user.is_administrator ? await listSpaceDocuments(db) : []);
      },
    }),
  ];
}
