// Making, changing and deleting users. What is changed holds on every node at the next request, since nothing of it is remembered anywhere.

import { User, UserBody } from "@cuttle/contract/rest/users";
import type { Static } from "@cuttle/contract/rest/shapes";
import { problem } from "../../../base/problems.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { nextId } from "../../../platform/database/database.ts";
import type { Transaction } from "../../../platform/database/database.ts";
import { change, created, nothing, ok } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { hashPassword, passwordCharactersMax } from "../../../platform/secrets/secrets.ts";
import { presentUser } from "./user-document.ts";
import * as store from "./user-store.ts";
import type { UserRow } from "./user-store.ts";

const usernameCharactersMax = 64;
const textCharactersMax = 200;
/** A shorter password is found by trying. */
const passwordCharactersMin = 8;

export interface UserChangesParts {
  /** Whoever knew the old password, or stole a cookie, is out. */
  endSessions: (tx: Transaction, userId: string) => Promise<void>;
}

interface Wanted {
  username: string;
  displayName: string;
  email: string;
  isActive: boolean;
}

/** What the body asks for, over what there is. @throws Problem 400 with every fault */
function wantedOf(body: Static<typeof UserBody>, now: UserRow | undefined): Wanted {
  const username = (body.Username ?? now?.username ?? "").trim();
  const wanted: Wanted = {
    username,
    displayName: (body.DisplayName ?? now?.display_name ?? "").trim() || username,
    email: (body.EmailAddress ?? now?.email_address ?? "").trim(),
    isActive: body.IsActive ?? now?.is_active ?? true,
  };
  const faults: string[] = [];
  if (!/^[^\s@\p{Cc}][^\p{Cc}]*$/u.test(username) || username.length > usernameCharactersMax)
    faults.push(`Username must be 1 to ${usernameCharactersMax} characters, without control characters at any place.`);
  if (wanted.displayName.length > textCharactersMax) faults.push(`DisplayName is longer than ${textCharactersMax} characters.`);
  if (wanted.email !== "" && (!/^[^\s@]+@[^\s@]+$/.test(wanted.email) || wanted.email.length > textCharactersMax))
    faults.push("EmailAddress must be a mail address.");
  const isService = now?.is_service ?? body.IsService ?? false;
  const { Password: password } = body;
  if (password) {
    if (isService) faults.push("A service account has no password; give it an API key.");
    if (password.length < passwordCharactersMin || password.length > passwordCharactersMax)
      faults.push(`Password must be ${passwordCharactersMin} to ${passwordCharactersMax} characters long.`);
  } else if (now === undefined && !isService) faults.push("Password is required, unless the user is a service account.");
  if (faults.length > 0) throw problem.invalid(faults);
  return wanted;
}

/** Serialises changes of users, so that the checks below still hold at the commit. */
async function requireFree(tx: Transaction, wanted: Wanted, id: string | undefined): Promise<void> {
  const named = await store.findUserByName(tx, wanted.username);
  if (named !== undefined && named.id !== id)
    throw problem.invalid(`There is a user named '${wanted.username}' already. Choose another name.`);
  const mailed = wanted.email === "" ? undefined : await store.findUserByEmail(tx, wanted.email);
  if (mailed !== undefined && mailed.id !== id)
    throw problem.invalid(`The mail address '${wanted.email}' belongs to the user '${mailed.username}'. Choose another one.`);
}

async function requireAnotherAdministrator(tx: Transaction, user: UserRow): Promise<void> {
  if (!user.is_administrator || !user.is_active || user.is_service) return;
  if ((await store.countOtherAdministrators(tx, user.id)) === 0)
    throw problem.invalid(`'${user.username}' is the last administrator who can sign in. Make another one first.`);
}

async function getUser(tx: Transaction, id: string): Promise<UserRow> {
  const row = await store.findUser(tx, id);
  if (row === undefined) throw problem.notFound("user", id);
  return row;
}

export function userChangeRoutes(parts: UserChangesParts): Route[] {
  return [
    change({
      method: "POST",
      path: "/users",
      scope: "system",
      permission: "UserEdit",
      body: UserBody,
      answer: User,
      handler: async ({ tx, actor, caller, body }) => {
        const wanted = wantedOf(body, undefined);
        const passwordHash = body.Password ? await hashPassword(body.Password) : null;
        await store.lockUsers(tx);
        await requireFree(tx, wanted, undefined);
        const { id } = await nextId(tx, "Users");
        await store.insertUser(tx, { ...wanted, id, isAdministrator: false, isService: body.IsService ?? false, passwordHash });
        if (!wanted.isActive) await store.updateUser(tx, id, { ...wanted, passwordHash: null });
        await recordEvent(tx, {
          spaceId: null,
          category: "Created",
          actor,
          message: `User ${wanted.username} was created`,
          relatedDocumentIds: [id],
        });
        return created(presentUser(await getUser(tx, id), caller));
      },
    }),
    change({
      method: "PUT",
      path: "/users/{id}",
      scope: "system",
      permission: "UserEdit",
      body: UserBody,
      answer: User,
      handler: async ({ tx, actor, caller, params, body }) => {
        const now = await getUser(tx, params.id);
        const wanted = wantedOf(body, now);
        const passwordHash = body.Password ? await hashPassword(body.Password) : null;
        await store.lockUsers(tx);
        const user = await getUser(tx, now.id);
        await requireFree(tx, wanted, user.id);
        if (!wanted.isActive) await requireAnotherAdministrator(tx, user);
        await store.updateUser(tx, user.id, { ...wanted, passwordHash });
        if (passwordHash !== null || !wanted.isActive) await parts.endSessions(tx, user.id);
        await recordEvent(tx, {
          spaceId: null,
          category: "Modified",
          actor,
          message: `User ${wanted.username} was changed${passwordHash === null ? "" : ", with a new password"}${
            user.is_active === wanted.isActive ? "" : wanted.isActive ? ", and may act again" : ", and may not act any more"
          }`,
          relatedDocumentIds: [user.id],
        });
        return ok(presentUser(await getUser(tx, user.id), caller));
      },
    }),
    change({
      method: "PUT",
      path: "/users/{id}/revoke-sessions",
      scope: "system",
      permission: "UserEdit",
      answer: "nothing",
      handler: async ({ tx, actor, params }) => {
        const user = await getUser(tx, params.id);
        await parts.endSessions(tx, user.id);
        await recordEvent(tx, {
          spaceId: null,
          category: "Modified",
          actor,
          message: `The sessions of user ${user.username} were ended`,
          relatedDocumentIds: [user.id],
        });
        return nothing();
      },
    }),
    change({
      method: "DELETE",
      path: "/users/{id}",
      scope: "system",
      permission: "UserEdit",
      answer: "nothing",
      handler: async ({ tx, actor, caller, params }) => {
        await store.lockUsers(tx);
        const user = await getUser(tx, params.id);
        if (user.id === caller.userId) throw problem.invalid("You cannot delete the user you are signed in as.");
        await requireAnotherAdministrator(tx, user);
        await store.deleteUser(tx, user.id);
        await recordEvent(tx, {
          spaceId: null,
          category: "Deleted",
          actor,
          message: `User ${user.username} was deleted, with their API keys and sessions`,
          relatedDocumentIds: [user.id],
        });
        return nothing();
      },
    }),
  ];
}
