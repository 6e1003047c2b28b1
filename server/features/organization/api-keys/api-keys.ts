// API keys: made here, shown once, stored as a hash. Deleting one is felt at the next request on every node.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import { ApiKey, ApiKeyBody, NewApiKey } from "@cuttle/contract/rest/users";
import { problem } from "../../../base/problems.ts";
import { requirePermission } from "../../../platform/access/access.ts";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import { nextId } from "../../../platform/database/database.ts";
import type { Transaction } from "../../../platform/database/database.ts";
import { change, created, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { hashApiKey, newApiKey } from "../../../platform/secrets/secrets.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { requireUser } from "../users/users.ts";
import * as store from "./api-key-store.ts";
import type { ApiKeyRow } from "./api-key-store.ts";

/** Characters of a key that stay readable, so that people can tell their keys apart: "API-" and four more. */
const prefixCharacters = 8;
/** A script that makes a key for each run without deleting any is a leak; it is told so before the table grows without end. */
const keysPerUserMax = 500;

function presentKey(row: ApiKeyRow) {
  return {
    Id: row.id,
    UserId: row.user_id,
    Purpose: row.purpose,
    Created: row.created_at,
    Expires: row.expires_at,
    ApiKey: { HasValue: true, NewValue: null, Hint: row.prefix },
    Links: { Self: `/api/users/${row.user_id}/apikeys/${row.id}` },
  };
}

/** Gives the operator's own key (a setting) to a user; the same key at the next start changes nothing. */
export async function ensureApiKey(tx: Transaction, userId: string, text: string): Promise<void> {
  const hash = hashApiKey(text);
  const found = await store.findKeyByHash(tx, hash);
  if (found?.user_id === userId && found.expires_at === null) return;
  if (found !== undefined) return store.giveKeyTo(tx, found.id, userId);
  const { id } = await nextId(tx, "APIKeys");
  await store.insertApiKey(tx, {
    id,
    userId,
    purpose: "Given at start of the server",
    prefix: text.slice(0, prefixCharacters),
    hash,
    expires: null,
  });
  await recordEvent(tx, {
    spaceId: null,
    category: "Created",
    actor: systemActor,
    message: "The API key given at start was added",
    relatedDocumentIds: [id, userId],
  });
}

export function apiKeyRoutes(): Route[] {
  return [
    read({
      path: "/users/{userId}/apikeys",
      scope: "system",
      permission: "signed-in",
      query: Type.Object(listQuery),
      answer: page(ApiKey),
      handler: async ({ db, caller, params, query }) => {
        const user = await requireUser(db, caller, params.userId);
        const rows = await store.listApiKeys(db, user.id);
        const window = pageWanted(query);
        const items = rows.slice(window.skip, window.skip + window.take).map(presentKey);
        return ok(pageOf({ itemType: "ApiKey", items, total: rows.length, wanted: window, path: `/api/users/${user.id}/apikeys`, query }));
      },
    }),
    read({
      path: "/users/{userId}/apikeys/{id}",
      scope: "system",
      permission: "signed-in",
      answer: ApiKey,
      handler: async ({ db, caller, params }) => {
        const user = await requireUser(db, caller, params.userId);
        const row = (await store.listApiKeys(db, user.id)).find((one) => one.id.toLowerCase() === params.id.toLowerCase());
        if (row === undefined) throw problem.notFound("API key", params.id);
        return ok(presentKey(row));
      },
    }),
    change({
      method: "POST",
      path: "/users/{userId}/apikeys",
      scope: "system",
      permission: "signed-in",
      body: ApiKeyBody,
      answer: NewApiKey,
      answerHoldsSecret: true,
      handler: async ({ tx, caller, actor, params, body }) => {
        const user = await requireUser(tx, caller, params.userId);
        // A key acts as its user, so making one for somebody else is as good as being them.
        if (user.id !== caller.userId) requirePermission(caller, "AdministerSystem", { spaceId: null });
        if ((await store.listApiKeys(tx, user.id)).length >= keysPerUserMax)
          throw problem.invalid(`A user may have ${keysPerUserMax} API keys at most. Delete some that are not used any more.`);
        if (body.Expires && !(await store.isInFuture(tx, body.Expires))) throw problem.invalid("Expires must be a time in the future.");
        const text = newApiKey();
        const { id } = await nextId(tx, "APIKeys");
        const row = await store.insertApiKey(tx, {
          id,
          userId: user.id,
          purpose: body.Purpose,
          prefix: text.slice(0, prefixCharacters),
          hash: hashApiKey(text),
          expires: body.Expires ?? null,
        });
        await recordEvent(tx, {
          spaceId: null,
          category: "Created",
          actor,
          message: `API key ${row.prefix}… of user ${user.username} was created`,
          relatedDocumentIds: [id, user.id],
        });
        return created({ ...presentKey(row), ApiKey: text });
      },
    }),
    change({
      method: "DELETE",
      path: "/users/{userId}/apikeys/{id}",
      scope: "system",
      permission: "signed-in",
      answer: "nothing",
      handler: async ({ tx, caller, actor, params }) => {
        const user = await requireUser(tx, caller, params.userId);
        if (user.id !== caller.userId) requirePermission(caller, "UserEdit", { spaceId: null });
        const row = await store.deleteApiKey(tx, user.id, params.id);
        if (row === undefined) throw problem.notFound("API key", params.id);
        await recordEvent(tx, {
          spaceId: null,
          category: "Deleted",
          actor,
          message: `API key ${row.prefix}… of user ${user.username} was deleted`,
          relatedDocumentIds: [row.id, user.id],
        });
        return nothing();
      },
    }),
  ];
}
