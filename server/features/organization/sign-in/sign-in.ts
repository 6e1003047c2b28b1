// Signing in by name and password, and out again. A session lives in the database, so it holds on every node and ends on all at once.

import { Type } from "typebox";
import { SignInBody, SignInLink, User } from "@cuttle/contract/rest/users";
import { Problem, problem } from "../../../base/problems.ts";
import { csrfCookiePrefix, hashSessionSecret, newSessionSecrets, sessionCookiePrefix } from "../../../platform/access/access.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Database, Queryable, Transaction } from "../../../platform/database/database.ts";
import { act, change, created, nothing, ok } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { hashPassword, hashSignInToken, newSignInToken, verifyPassword } from "../../../platform/secrets/secrets.ts";
import { nameCharactersMax } from "@cuttle/contract/rest/shapes";
import { findPasswordOf, presentUser } from "../users/users.ts";
import {
  countFailure,
  countSignInLinks,
  deleteSession,
  deleteSessionsOf,
  findFailures,
  forgetFailures,
  insertSession,
  insertSignInLink,
  spendSignInLink,
} from "./session-store.ts";

/** Wrong passwords for one name before it must wait; enough for a person who tries all they remember. */
export const signInFailuresMax = 10;
/** How long the failures of one name count. With the limit above, guessing gets fewer than 3,000 tries a day. */
export const signInFailureWindowMs = 5 * 60_000;
/** Those we make have 43. */
const signInTokenCharactersMax = 200;
/** A session that was not asked to be remembered ends within a day even if the browser stays open. */
const sessionMs = 24 * 60 * 60_000;
const rememberedSessionMs = 30 * 24 * 60 * 60_000;
/** Programs sign in over and over and never out; the oldest sessions beyond this many of one user end. */
const sessionsPerUserMax = 200;

/** Printed in a terminal and clicked at once. */
const signInLinkMs = 10 * 60_000;
const signInLinksPerUserMax = 50;

/** Says what to do without saying whether there is such a user. */
const wrong = () => problem.invalid("Invalid username or password.");

export function signInRoutes(parts: { installationId: string }): Route[] {
  const cookie = (prefix: string, value: string, attributes: string) => `${prefix}_${parts.installationId}=${value}; path=/; ${attributes}`;
  return [
    act({
      method: "POST",
      path: "/users/login",
      scope: "system",
      permission: "anyone",
      body: SignInBody,
      answer: User,
      handler: async ({ database, body }) => {
        const name = body.Username.trim().toLowerCase();
        if (name === "" || name.length > nameCharactersMax) throw wrong();
        await requireFewFailures(database, name);
        const found = await findPasswordOf(database, name);
        // Hashing takes its time, and takes it for unknown names too; no connection of the database waits for it.
        const right = await verifyPassword(body.Password, found?.passwordHash ?? null);
        if (!right || found === undefined) {
          await recordFailure(database, name, found?.user);
          throw wrong();
        }
        // Guesses that were under way at once count as well, so the right one among too many is refused like the others.
        await requireFewFailures(database, name);
        const secrets = newSessionSecrets();
        const lifeMs = body.RememberMe ? rememberedSessionMs : sessionMs;
        const { user } = found;
        await database.transaction(
          async (tx) => {
            await forgetFailures(tx, name);
            await insertSession(tx, {
              tokenHash: hashSessionSecret(secrets.token),
              csrfHash: hashSessionSecret(secrets.csrfToken),
              userId: user.id,
              lifeMs,
              perUserMax: sessionsPerUserMax,
            });
            await recordEvent(tx, {
              spaceId: null,
              category: "LoginSucceeded",
              actor: { userId: user.id, username: user.username },
              message: `User ${user.username} signed in`,
              relatedDocumentIds: [user.id],
            });
          },
          { readBack: true },
        );
        // Only the client knows whether its connection is secure: a proxy in front of us may have ended TLS.
        const secure = body.State?.["UsingSecureConnection"] === true ? "; Secure" : "";
        const kept = `${body.RememberMe ? `Max-Age=${lifeMs / 1000}; ` : ""}SameSite=Lax${secure}`;
        return {
          ...ok(presentUser(user, { userId: user.id })),
          cookies: [cookie(sessionCookiePrefix, secrets.token, `HttpOnly; ${kept}`), cookie(csrfCookiePrefix, secrets.csrfToken, kept)],
        };
      },
    }),
    change({
      method: "POST",
      path: "/users/sign-in-links",
      scope: "system",
      permission: "signed-in",
      answer: SignInLink,
      answerHoldsSecret: true,
      handler: async ({ tx, actor, caller, origin }) => {
        if (caller.userId === null) throw problem.notSignedIn();
        if ((await countSignInLinks(tx, caller.userId)) >= signInLinksPerUserMax)
          throw problem.tooMany(`There are ${signInLinksPerUserMax} unused sign-in links of this user; they end by themselves.`, 60);
        const token = newSignInToken();
        await insertSignInLink(tx, { hash: hashSignInToken(token), userId: caller.userId, lifeMs: signInLinkMs });
        await recordEvent(tx, {
          spaceId: null,
          category: "Created",
          actor,
          message: `A sign-in link for user ${actor.username} was created; it works once, within ${signInLinkMs / 60_000} minutes`,
          relatedDocumentIds: [caller.userId],
        });
        return created({ Address: `${origin}/api/users/sign-in?token=${token}`, LifetimeSeconds: signInLinkMs / 1000 }, "/api/users/me");
      },
    }),
    change({
      method: "GET",
      path: "/users/sign-in",
      scope: "system",
      permission: "anyone",
      query: Type.Object({ token: Type.String({ minLength: 1, maxLength: signInTokenCharactersMax }) }),
      answer: "nothing",
      answerHoldsSecret: true,
      handler: async ({ tx, query, origin, accept }) => {
        const user = await spendSignInLink(tx, hashSignInToken(query.token));
        // Who clicked it is told by a page; who has a session still goes on with that.
        if (user === undefined && accept.includes("text/html")) return { status: 303, location: "/app/signin?link=over" };
        if (user === undefined)
          throw new Problem(
            403,
            "This sign-in link was used already, or its time is over. Have a new one made, or sign in with a password.",
          );
        const secrets = newSessionSecrets();
        await insertSession(tx, {
          tokenHash: hashSessionSecret(secrets.token),
          csrfHash: hashSessionSecret(secrets.csrfToken),
          userId: user.id,
          lifeMs: sessionMs,
          perUserMax: sessionsPerUserMax,
        });
        await recordEvent(tx, {
          spaceId: null,
          category: "LoginSucceeded",
          actor: { userId: user.id, username: user.username },
          message: `User ${user.username} signed in by a link`,
          relatedDocumentIds: [user.id],
        });
        const kept = `SameSite=Lax${origin.startsWith("https:") ? "; Secure" : ""}`;
        return {
          status: 303,
          location: "/",
          cookies: [cookie(sessionCookiePrefix, secrets.token, `HttpOnly; ${kept}`), cookie(csrfCookiePrefix, secrets.csrfToken, kept)],
        };
      },
    }),
    change({
      method: "POST",
      path: "/users/logout",
      scope: "system",
      permission: "signed-in",
      answer: "nothing",
      handler: async ({ tx, actor, session }) => {
        if (session !== undefined && (await deleteSession(tx, session.tokenHash))) {
          await recordEvent(tx, {
            spaceId: null,
            category: "LoggedOut",
            actor,
            message: `User ${actor.username} signed out`,
            relatedDocumentIds: actor.userId === null ? [] : [actor.userId],
          });
        }
        const gone = "Max-Age=0; SameSite=Lax";
        return { ...nothing(), cookies: [cookie(sessionCookiePrefix, "", `HttpOnly; ${gone}`), cookie(csrfCookiePrefix, "", gone)] };
      },
    }),
  ];
}

/** The hash to store for a password that the operator gives at each start; null when it is the user's password already. */
export async function hashOfNewPassword(db: Queryable, username: string, password: string): Promise<string | null> {
  const found = await findPasswordOf(db, username);
  if (found === undefined || found.passwordHash === null) return hashPassword(password);
  // A hash that this machine cannot check is replaced by one that it can.
  const same = await verifyPassword(password, found.passwordHash).catch(() => false);
  return same ? null : hashPassword(password);
}

/** Whoever knew the old password, or stole a cookie, is out. */
export async function endSessions(tx: Transaction, userId: string): Promise<void> {
  await deleteSessionsOf(tx, userId);
}

/** @throws Problem 429 while a name has too many failures */
async function requireFewFailures(database: Database, name: string): Promise<void> {
  const { failures, remainingMs } = await findFailures(database, name, signInFailureWindowMs);
  if (failures < signInFailuresMax) return;
  const seconds = Math.max(1, Math.ceil(remainingMs / 1000));
  throw problem.tooMany(`There were too many failed sign-ins with this name. Try again in ${seconds} seconds, or use an API key.`, seconds);
}

async function recordFailure(database: Database, name: string, user: { id: string; username: string } | undefined): Promise<void> {
  await database.transaction(async (tx) => {
    const failures = await countFailure(tx, name, signInFailureWindowMs);
    // Names that nobody has would let a stranger fill the audit trail.
    if (user === undefined || failures > signInFailuresMax) return;
    await recordEvent(tx, {
      spaceId: null,
      category: "LoginFailed",
      actor: { userId: user.id, username: user.username },
      message: `A sign-in as ${user.username} failed${failures === signInFailuresMax ? "; further ones are refused for a while" : ""}`,
      relatedDocumentIds: [user.id],
    });
  });
}
