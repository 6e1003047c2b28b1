// Users are made, changed and deleted through the API, with what must not be possible: two of one name, no administrator left, a password shown.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiNode } from "../../../../test/support/api-node.ts";

let node: ApiNode;
before(async () => void (node = await startApiNode(undefined)));
after(() => node.close());

const signIn = (Username: string, Password: string) =>
  node.call("POST", "/api/users/login", { Username, Password }, { "X-Octopus-ApiKey": "" });

test("a user is created, signs in, gets a new password that ends the sessions, and is deleted", async () => {
  const made = await node.call("POST", "/api/users", {
    Username: "ann",
    DisplayName: "Ann",
    EmailAddress: "ann@example.com",
    Password: "first password",
  });
  assert.equal(made.status, 201, made.text);
  assert.ok(!made.text.includes("first password"));
  const { Id } = made.body;
  assert.deepEqual([made.body.IsActive, made.body.IsService, made.body.CanPasswordBeEdited], [true, false, true]);
  const session = await signIn("Ann", "first password");
  assert.equal(session.status, 200, session.text);
  const cookie = session.headers
    .getSetCookie()
    .map((one) => one.split(";")[0])
    .join("; ");
  const me = () => node.call("GET", "/api/users/me", undefined, { "X-Octopus-ApiKey": "", Cookie: cookie });
  assert.equal((await me()).body.Username, "ann");
  await node.put(`/api/users/${Id}`, { ...made.body, DisplayName: "Ann B.", Password: "second password" });
  assert.equal((await me()).status, 401);
  assert.equal((await signIn("ann", "first password")).status, 400);
  assert.equal((await signIn("ann", "second password")).status, 200);
  assert.ok((await node.get("/api/users/all")).some((user: { DisplayName: string }) => user.DisplayName === "Ann B."));
  assert.equal((await node.call("DELETE", `/api/users/${Id}`)).status, 200);
  assert.equal((await node.call("GET", `/api/users/${Id}`)).status, 404);
  const { Items: events } = await node.get(`/api/events?regarding=${Id}`);
  assert.deepEqual(
    events.map((event: { Category: string }) => event.Category),
    ["Deleted", "LoginSucceeded", "LoginFailed", "Modified", "LoginSucceeded", "Created"],
  );
});

test("S1: a disabled user is out at once, and comes back when enabled again", async () => {
  const { Id } = await node.post("/api/users", { Username: "ben", IsService: true });
  const key = await node.post(`/api/users/${Id}/apikeys`, { Purpose: "test" });
  const use = async () => (await node.call("GET", "/api/users/me", undefined, { "X-Octopus-ApiKey": key.ApiKey })).status;
  assert.equal(await use(), 200);
  await node.put(`/api/users/${Id}`, { IsActive: false });
  assert.equal(await use(), 401);
  await node.put(`/api/users/${Id}`, { IsActive: true });
  assert.equal(await use(), 200);
});

test("what cannot be is refused with what to do, and changes nothing", async () => {
  await node.post("/api/users", { Username: "cat", EmailAddress: "cat@example.com", Password: "long enough" });
  const cases: [string, string, object, RegExp][] = [
    ["POST", "/api/users", { Username: "CAT", Password: "long enough" }, /There is a user named 'CAT' already/],
    ["POST", "/api/users", { Username: "dog", EmailAddress: "CAT@example.com", Password: "long enough" }, /belongs to the user 'cat'/],
    ["POST", "/api/users", { Username: "dog" }, /Password is required/],
    ["POST", "/api/users", { Username: "dog", Password: "short" }, /Password must be 8 to/],
    ["POST", "/api/users", { Username: "", Password: "long enough" }, /Username must be/],
    ["POST", "/api/users", { Username: "dog", EmailAddress: "nowhere", Password: "long enough" }, /must be a mail address/],
    ["POST", "/api/users", { Username: "dog", IsService: true, Password: "long enough" }, /service account has no password/],
    ["PUT", "/api/users/Users-1", { IsActive: false }, /'admin' is the last administrator/],
    ["DELETE", "/api/users/Users-1", {}, /cannot delete the user you are signed in as/],
  ];
  const before = (await node.get("/api/users")).Items;
  for (const [method, path, body, message] of cases) {
    const answer = await node.call(method, path, method === "DELETE" ? undefined : body);
    assert.equal(answer.status, 400, `${method} ${path} ${JSON.stringify(body)}: ${answer.text}`);
    assert.match(answer.body.Errors.join(" "), message);
  }
  assert.deepEqual((await node.get("/api/users")).Items, before);
  assert.equal((await node.call("PUT", "/api/users/Users-999", { DisplayName: "x" })).status, 404);
});
