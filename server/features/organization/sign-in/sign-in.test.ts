// Signing in by password: cookies as clients look for them, the second secret on every change, limits, and the end of a session.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiAnswer, ApiNode, Json } from "../../../../test/support/api-node.ts";
import { createHttpServer } from "../../../platform/http/http.ts";
import { hashPassword } from "../../../platform/secrets/secrets.ts";
import { ensureAdministrator } from "../organization.ts";
import { hashOfNewPassword, signInFailuresMax } from "./sign-in.ts";

const password = "Correct horse 1!";
let node: ApiNode;
before(async () => {
  node = await startApiNode(undefined);
  await node.database.execute(`UPDATE users SET password_hash = $1 WHERE username IN ('admin', 'nobody')`, [await hashPassword(password)]);
});
after(() => node.close());

const signIn = (Username: string, Password: string, more: object = {}): Promise<ApiAnswer> =>
  node.call(
    "POST",
    "/api/users/login",
    { Username, Password, RememberMe: false, State: { UsingSecureConnection: false }, ...more },
    { "X-Octopus-ApiKey": "" },
  );

/** The headers a client sends from then on. */
function sessionOf(answer: ApiAnswer): { cookie: string; csrf: string } {
  const cookies = answer.headers.getSetCookie().map((one) => one.split(";")[0]!);
  const csrf = cookies.filter((one) => one.startsWith("Octopus-Csrf-Token_"));
  assert.equal(csrf.length, 1);
  return { cookie: cookies.join("; "), csrf: csrf[0]!.split("=")[1]! };
}

const by = (method: string, path: string, headers: Record<string, string>, body?: Json) =>
  node.call(method, path, body, { "X-Octopus-ApiKey": "", ...headers });

test("a password gives the user and the two cookies that clients look for", async () => {
  const answer = await signIn(" ADMIN ", password);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual([answer.body.Username, answer.body.IsRequestor], ["admin", true]);
  assert.ok(answer.body.Links.Spaces);
  const [token, csrf] = answer.headers.getSetCookie();
  assert.match(token!, /^OctopusIdentificationToken_[0-9a-f-]{36}=[\w-]{43}; path=\/; HttpOnly; SameSite=Lax$/);
  assert.match(csrf!, /^Octopus-Csrf-Token_[0-9a-f-]{36}=[\w-]{43}; path=\/; SameSite=Lax$/);
  const secure = await signIn("admin", password, { RememberMe: true, State: { UsingSecureConnection: true } });
  for (const cookie of secure.headers.getSetCookie()) assert.match(cookie, /; Max-Age=2592000; SameSite=Lax; Secure$/);
  const { cookie } = sessionOf(answer);
  const stored = JSON.stringify(await node.database.query(`SELECT s::text FROM sessions s UNION ALL SELECT e::text FROM events e`));
  for (const part of cookie.split("; ")) assert.ok(!stored.includes(part.split("=")[1]!), "a session's secret is in the database");
});

test("a session reads with its cookie, and changes only with the second secret", async () => {
  const { cookie, csrf } = sessionOf(await signIn("admin", password));
  assert.equal((await by("GET", "/api/users/me", { cookie })).body.Username, "admin");
  const body = { Name: "By session" };
  for (const headers of [{ cookie }, { cookie, "X-Octopus-Csrf-Token": "wrong" }, { cookie, "X-Octopus-Csrf-Token": "" }] as Record<
    string,
    string
  >[]) {
    const refused = await by("POST", "/api/environments", headers, body);
    assert.equal(refused.status, 403, refused.text);
    assert.match(refused.body.ErrorMessage, /X-Octopus-Csrf-Token/);
  }
  const created = await by("POST", "/api/environments", { cookie, "X-Octopus-Csrf-Token": csrf }, body);
  assert.equal(created.status, 201, created.text);
  const overridden = { cookie, "X-HTTP-Method-Override": "DELETE" };
  assert.equal((await by("POST", created.body.Links.Self, overridden)).status, 403);
  assert.equal((await by("POST", created.body.Links.Self, { ...overridden, "X-Octopus-Csrf-Token": csrf })).status, 200);
  // A browser may hold sessions of other installations on the host; a key counts alone, whatever cookies come along.
  assert.equal((await by("GET", "/api/users/me", { cookie: `OctopusIdentificationToken_other=x; ${cookie}` })).status, 200);
  assert.equal((await by("GET", "/api/users/me", { cookie, "X-Octopus-ApiKey": "API-WRONG" })).status, 401);
  assert.equal((await by("GET", "/api/users/me", { cookie: cookie.replace(/=(.)/, "=$1$1") })).status, 401);
});

test("a session has the permissions of its user, and ends when the user is disabled", async () => {
  const { cookie, csrf } = sessionOf(await signIn("nobody", password));
  const headers = { cookie, "X-Octopus-Csrf-Token": csrf };
  assert.equal((await by("POST", "/api/environments", headers, { Name: "no" })).status, 403);
  await node.database.execute(`UPDATE users SET is_active = false WHERE username = 'nobody'`);
  assert.equal((await by("GET", "/api/users/me", headers)).status, 401);
  assert.equal((await signIn("nobody", password)).status, 400);
  await node.database.execute(`UPDATE users SET is_active = true WHERE username = 'nobody'`);
});

test("signing out ends the session, and only that one", async () => {
  const [one, other] = [sessionOf(await signIn("admin", password)), sessionOf(await signIn("admin", password))];
  assert.equal((await by("POST", "/api/users/logout", { cookie: one.cookie })).status, 403);
  const out = await by("POST", "/api/users/logout", { cookie: one.cookie, "X-Octopus-Csrf-Token": one.csrf });
  assert.equal(out.status, 200);
  assert.ok(out.headers.getSetCookie().every((cookie) => cookie.includes("Max-Age=0")));
  assert.equal((await by("GET", "/api/users/me", { cookie: one.cookie })).status, 401);
  assert.equal((await by("GET", "/api/users/me", { cookie: other.cookie })).status, 200);
  assert.equal((await by("POST", "/api/users/logout", {})).status, 401);
  await node.database.execute(`UPDATE sessions SET expires_at = now()`);
  assert.equal((await by("GET", "/api/users/me", { cookie: other.cookie })).status, 401);
});

test("a session holds on every node, and a password that the operator changes ends it", async (t) => {
  const { cookie } = sessionOf(await signIn("admin", password));
  const other = createHttpServer({ database: node.database, routes: node.routes, nodeName: "other", reportFault: () => {} });
  t.after(() => other.close(1_000));
  const [address] = await other.listen("http://127.0.0.1:0");
  const me = async () => (await fetch(`http://127.0.0.1:${address!.port}/api/users/me`, { headers: { cookie } })).status;
  assert.equal(await me(), 200);
  const startWith = async (text: string) => {
    const passwordHash = await hashOfNewPassword(node.database, "Admin", text);
    await node.database.transaction((tx) => ensureAdministrator(tx, { username: "admin", passwordHash, email: null }));
  };
  await startWith(password);
  assert.equal(await me(), 200, "a start with the same password ends no session");
  await startWith("another one");
  assert.equal(await me(), 401);
  assert.match((await node.get("/api/events?take=1")).Items[0].Message, /password of user admin was changed/);
  await startWith(password);
  assert.equal((await signIn("admin", password)).status, 200);
});

test("a wrong password says no more than an unknown name, and too many must wait", async () => {
  for (const [name, text] of [
    ["admin", "wrong"],
    ["admin", ""],
    ["nobody knows", password],
    ["", password],
    ["admin", "x".repeat(2_000)],
  ] as const) {
    const refused = await signIn(name, text);
    assert.deepEqual([refused.status, refused.body.ErrorMessage], [400, "Invalid username or password."], name);
    assert.equal(refused.headers.get("set-cookie"), null);
  }
  // A right one forgets the wrong ones before it.
  assert.equal((await signIn("admin", password)).status, 200);
  for (const name of ["admin", "Nobody Knows 2"]) {
    const answers = await Promise.all(Array.from({ length: signInFailuresMax + 15 }, () => signIn(name, "wrong")));
    const waiting = await signIn(name.toUpperCase(), password);
    assert.equal(waiting.status, 429, waiting.text);
    assert.ok(Number(waiting.headers.get("retry-after")) > 200);
    assert.ok(answers.every((one) => one.status === 400 || one.status === 429));
  }
  assert.equal((await signIn("nobody", password)).status, 200, "another name does not wait");
  assert.equal((await node.call("GET", "/api/users/me")).status, 200, "a key does not wait");
  const events = (await node.get("/api/events?take=100")).Items.filter((one: Json) => one.Category === "LoginFailed");
  assert.ok(events.length <= 3 + signInFailuresMax, "each failure beyond the limit filled the audit trail");
  await node.database.execute(`UPDATE sign_in_failures SET counted_since = counted_since - interval '1 hour'`);
  assert.equal((await signIn("admin", password)).status, 200);
});

test("an API key is accepted as a bearer token, and other credentials are named", async () => {
  const as = (Authorization: string) => by("GET", "/api/users/me", { Authorization });
  assert.equal((await as(`Bearer ${node.adminKey}`)).body.Username, "admin");
  assert.equal((await as("Bearer lab-token")).status, 401);
  assert.match((await as("Basic YWRtaW46eA==")).body.ErrorMessage, /Bearer/);
  assert.match(
    (await by("GET", "/api/users/me", { "X-Octopus-ApiKey": "API-WRONG" })).body.ErrorMessage,
    /API key that was sent is not valid/,
  );
});

test("S1: a sign-in link signs in once, within its time, and stands nowhere but in its answer", async () => {
  const made = await node.post("/api/users/sign-in-links");
  const address = new URL(made.Address);
  const path = address.pathname + address.search;
  const stored = JSON.stringify(await node.database.query(`SELECT l::text FROM sign_in_links l UNION ALL SELECT e::text FROM events e`));
  assert.ok(!stored.includes(address.searchParams.get("token")!), "the link's secret is in the database");
  const head = await by("HEAD", path, {});
  assert.notEqual(head.status, 303, "looking where it leads uses it up");
  const answers = await Promise.all([by("GET", path, {}), by("GET", path, {}), by("GET", path, {})]);
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((one, other) => one - other),
    [303, 403, 403],
  );
  const used = answers.find(({ status }) => status === 303)!;
  assert.equal(used.headers.get("location"), "/");
  const { cookie } = sessionOf(used);
  assert.equal((await by("GET", "/api/users/me", { cookie })).body.Username, "admin");
  const late = new URL((await node.post("/api/users/sign-in-links")).Address);
  await node.database.execute(`UPDATE sign_in_links SET expires_at = now()`);
  assert.equal((await by("GET", late.pathname + late.search, {})).status, 403);
  // A person in a browser comes to the page where they can sign in, which tells them why.
  const shown = await by("GET", late.pathname + late.search, { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" });
  assert.deepEqual([shown.status, shown.headers.get("location"), shown.headers.get("set-cookie")], [303, "/app/signin?link=over", null]);
  assert.equal((await by("POST", "/api/users/sign-in-links", {})).status, 401);
});
