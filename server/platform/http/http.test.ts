// The edge of the API over real HTTP: addresses, bodies, errors, repeats, closing. Routes of its own stand beside the real ones.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { Type } from "typebox";
import { recordEvent, systemActor } from "../audit/audit.ts";
import { CommitOutcomeUnknown, DatabaseUnavailable } from "../database/database.ts";
import { make, startApiNode } from "../../../test/support/api-node.ts";
import type { ApiAnswer, ApiNode } from "../../../test/support/api-node.ts";
import { ask, change, createHttpServer, created, ok, read } from "./http.ts";
import type { Route } from "./http.ts";

const Thing = Type.Object({ Name: Type.String(), Links: Type.Record(Type.String(), Type.String()) });
let release: () => void;
let entered: Promise<void>;
let hold: Promise<void>;
let tellEntered: () => void;

function extraRoutes(): Route[] {
  return [
    read({
      path: "/lab/fault",
      scope: "system",
      permission: "anyone",
      answer: Thing,
      handler: async () => Promise.reject(new Error("secret inside: hunter2")),
    }),
    read({
      path: "/lab/away",
      scope: "system",
      permission: "anyone",
      answer: Thing,
      handler: async () => Promise.reject(new DatabaseUnavailable("gone", undefined)),
    }),
    // No change by the router's word: a transaction would look for the outcome first, for as long as it may.
    ask({
      path: "/lab/unknown",
      scope: "system",
      permission: "anyone",
      body: Type.Object({}),
      answer: Thing,
      handler: async () => Promise.reject(new CommitOutcomeUnknown(undefined)),
    }),
    read({
      path: "/lab/leaky",
      scope: "system",
      permission: "anyone",
      answer: Thing,
      handler: async () => ok({ Name: "n", Password: "hunter2", Links: { Self: "/api/lab/leaky" } }),
    }),
    read({
      path: "/lab/slow",
      scope: "system",
      permission: "anyone",
      answer: Thing,
      handler: async () => {
        tellEntered();
        await hold;
        return ok({ Name: "slow", Links: {} });
      },
    }),
    change({
      method: "POST",
      path: "/lab/echo",
      scope: "space",
      permission: "signed-in",
      body: Type.Object({
        Name: Type.String(),
        Values: Type.Optional(Type.Record(Type.String(), Type.String())),
        Any: Type.Optional(Type.Unknown()),
      }),
      answer: Type.Object({
        Name: Type.String(),
        Values: Type.Record(Type.String(), Type.String()),
        Links: Type.Record(Type.String(), Type.String()),
      }),
      handler: async ({ tx, space, body }) => {
        await recordEvent(tx, { spaceId: space.id, category: "Created", actor: systemActor, message: "echo", relatedDocumentIds: [] });
        return created({ Name: body.Name, Values: body.Values ?? {}, Links: { Self: `/api/${space.id}/lab/echo/${body.Name}` } });
      },
    }),
  ];
}

let node: ApiNode;
before(async () => {
  hold = new Promise((resolve) => (release = resolve));
  entered = new Promise((resolve) => (tellEntered = resolve));
  node = await startApiNode(undefined, { routes: (own) => [...own, ...extraRoutes()], jsonBodyBytesMax: 100_000 });
});
after(() => node.close());

function assertError(answer: ApiAnswer, status: number, text?: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  assert.deepEqual(Object.keys(answer.body), [
    "ErrorMessage",
    "Errors",
    "FullException",
    "HelpText",
    "HelpLink",
    "ParsedHelpLinks",
    "Details",
  ]);
  assert.equal(typeof answer.body.ErrorMessage, "string");
  // The Go client tells "not there" from other refusals by the missing list alone.
  if (status === 404) assert.equal(answer.body.Errors, null);
  else assert.ok(answer.body.Errors.length > 0);
  assert.equal(answer.body.FullException, null);
  if (text) assert.match(answer.body.ErrorMessage + (answer.body.Errors ?? []).join(" "), text);
}

describe("the server", () => {
  test("refuses to start with a route that names no permission, no answer, or an address taken twice", () => {
    const [good] = extraRoutes();
    const start = (routes: Route[]) => createHttpServer({ database: node.database, routes, nodeName: "x", reportFault: () => {} });
    assert.throws(() => start([{ ...good!, permission: undefined as never }]), /GET \/lab\/fault names no permission/);
    assert.throws(() => start([{ ...good!, answer: undefined as never }]), /does not say the shape/);
    assert.throws(() => start([good!, good!]), /Two routes claim GET \/lab\/fault/);
  });

  test("names its node and sends security headers with every answer, errors too", async () => {
    for (const path of ["/api", "/api/nothing/here", "/", "/api/lab/fault"]) {
      const { headers } = await node.call("GET", path);
      assert.equal(headers.get("octopus-node"), "test", path);
      assert.equal(headers.get("x-content-type-options"), "nosniff", path);
      assert.equal(headers.get("cache-control"), "no-store", path);
      assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/, path);
      assert.equal(headers.get("x-powered-by"), null);
    }
  });
});

describe("addresses", () => {
  test("name a space in three ways, by id or slug, in any letter case", async () => {
    const { Id } = await make.environment(node, "Three Ways");
    for (const prefix of ["/api", "/api/Spaces-1", "/api/spaces-1", "/api/default", "/api/spaces/Spaces-1", "/API/SPACES/DEFAULT"]) {
      const answer = await node.call("GET", `${prefix}/environments/${Id.toUpperCase()}`);
      assert.equal(answer.body?.Id, Id, `${prefix}: ${answer.text}`);
      assert.equal((await node.call("GET", `${prefix}/Environments/three-ways`)).body?.Id, Id, prefix);
    }
    for (const prefix of ["/api/Spaces-99", "/api/spaces/Spaces-99", "/api/~", "/api/%00"])
      assertError(await node.call("GET", `${prefix}/environments`), 404);
  });

  test("treat /api and /api/ alike, and lead to the space itself at /api/spaces/{id}", async () => {
    assert.equal((await node.get("/api/")).Application, "Octopus Deploy");
    assert.equal((await node.get("/api")).ApiVersion, "3.0.0");
    assert.equal((await node.get("/api/spaces/Spaces-1")).Name, "Default");
    assert.equal((await node.get("/api/Spaces-1/")).Id, "Spaces-1");
  });

  test("that nobody answers are 404, and wrong methods 405", async () => {
    assertError(await node.call("GET", "/"), 404);
    assertError(await node.call("GET", "/api/environments/a/b/c/d"), 404);
    assertError(await node.call("GET", "/api/Spaces-1/users/me"), 404);
    assertError(await node.call("DELETE", "/api/environments"), 405, /DELETE is not allowed/);
    assertError(await node.call("PATCH", "/api/environments"), 405);
    assertError(await node.call("GET", "/api/environments/%E0%A4%A"), 400);
    assertError(await node.call("GET", `/api/environments/${"x".repeat(2_000)}`), 404);
  });

  test("obey the method override of POST only", async () => {
    const { Id } = await make.environment(node, "Overridden");
    const changed = await node.call("POST", `/api/environments/${Id}`, { Description: "by override" }, { "X-HTTP-Method-Override": "PUT" });
    assert.equal(changed.body.Description, "by override");
    assert.equal((await node.call("GET", `/api/environments/${Id}`, undefined, { "X-HTTP-Method-Override": "DELETE" })).body.Id, Id);
    assertError(await node.call("POST", `/api/environments/${Id}`, {}, { "X-HTTP-Method-Override": "GET" }), 405);
    assert.equal((await node.call("POST", `/api/environments/${Id}`, undefined, { "X-HTTP-Method-Override": "DELETE" })).status, 200);
    assertError(await node.call("GET", `/api/environments/${Id}`), 404);
  });

  test("carry the virtual directory in links when they were called through it", async (t) => {
    const other = await startApiNode(t, { prefixes: "http://127.0.0.1:0/octopus" });
    assert.equal((await other.get("/octopus/api")).Links.Self, "/octopus/api");
    assert.equal((await other.get("/api")).Links.Self, "/api");
    const answer = await other.call("POST", "/octopus/api/environments", { Name: "Below" });
    assert.match(answer.headers.get("location") ?? "", /^\/octopus\/api\/Spaces-1\/environments\//);
    assert.match(answer.body.Links.Self, /^\/octopus\/api\//);
  });
});

test("a body that does not come in time is answered 408 and the connection cut", async (t) => {
  const impatient = await startApiNode(t, { requestReceiveTimeoutMs: 300 });
  const socket = connect(Number(new URL(impatient.url).port), "127.0.0.1");
  socket.write(
    `POST /api/environments HTTP/1.1\r\nHost: x\r\nX-Octopus-ApiKey: ${impatient.adminKey}\r\n` +
      `Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
  );
  let text = "";
  for await (const piece of socket) text += String(piece);
  assert.match(text, /^HTTP\/1\.1 408 /);
  assert.match(text, /did not arrive completely in time/);
  assert.equal((await impatient.get("/api/environments")).TotalResults, 0);
});

describe("bodies", () => {
  test("are read with names in any letter case, and unknown members are left out", async () => {
    const answer = await node.call("POST", "/api/lab/echo", { NAME: "a", vALUES: { Key: "v" }, surprise: [1, 2] });
    assert.equal(answer.status, 201);
    assert.deepEqual([answer.body.Name, answer.body.Values], ["a", { Key: "v" }]);
    assert.equal(answer.headers.get("location"), "/api/Spaces-1/lab/echo/a");
  });

  test("that are no JSON, too deep, too large, of the wrong type or without what is required are refused", async () => {
    assertError(await node.call("POST", "/api/lab/echo", '{"Name": "hunter2'), 400, /not valid JSON/);
    assert.ok(!(await node.call("POST", "/api/lab/echo", '{"Name": hunter2}')).text.includes("hunter2"), "an error quotes the body");
    assertError(
      await node.call("POST", "/api/lab/echo", `{"Name":"a","Any":${"[".repeat(100)}${"]".repeat(100)}}`),
      400,
      /nests deeper than the limit of 64/,
    );
    assertError(await node.call("POST", "/api/lab/echo", JSON.stringify({ Name: "x".repeat(200_000) })), 413, /100000 bytes/);
    assertError(await node.call("POST", "/api/lab/echo", "Name=a", { "Content-Type": "application/x-www-form-urlencoded" }), 415);
    assertError(await node.call("POST", "/api/lab/echo", "Name=a", { "Content-Type": "text/plain" }), 415);
    const utf16 = { "Content-Type": "application/json; charset=utf-16" };
    assertError(await node.call("POST", "/api/lab/echo", Buffer.from('{"Name":"a"}', "utf16le"), utf16), 415, /'utf-16'.*UTF-8/);
    assertError(await node.call("POST", "/api/lab/echo", '{"Name":"a"}', { "Content-Encoding": "gzip" }), 415, /'gzip'.*uncompressed/);
    const plain = { "Content-Type": 'application/json; charset="UTF-8"', "Content-Encoding": "identity" };
    assert.equal((await node.call("POST", "/api/lab/echo", '{"Name":"a"}', plain)).status, 201);
    assertError(await node.call("POST", "/api/lab/echo", {}), 400, /Name is required/);
    assertError(await node.call("POST", "/api/lab/echo", { Name: 7, Values: { a: 1 } }), 400, /Name must be text.*Values/s);
    assertError(await node.call("POST", "/api/lab/echo", "[]"), 400, /must be a JSON object/);
    assertError(await node.call("POST", "/api/lab/echo", '{"Name":"a\\u0000b"}'), 400, /cannot be stored/);
    assertError(await node.call("POST", "/api/lab/echo", '{"Name":"a","Values":{"\\ud800":"x"}}'), 400, /cannot be stored/);
    assertError(await node.call("GET", "/api/environments?take=many"), 400, /take must be a whole number/);
    assertError(await node.call("GET", "/api/environments?skip=-1"), 400);
  });

  test("cannot reach prototypes", async () => {
    const answer = await node.call(
      "POST",
      "/api/lab/echo",
      '{"Name":"a","__proto__":{"polluted":"1"},"Values":{"__proto__":"x","constructor":"y"}}',
    );
    assert.deepEqual(answer.body.Values, { constructor: "y" });
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });

  test("leave the server in their declared shape only", async () => {
    const answer = await node.call("GET", "/api/lab/leaky");
    assert.deepEqual(answer.body, { Name: "n", Links: { Self: "/api/lab/leaky" } });
  });
});

describe("errors", () => {
  test("of our own say nothing but an id that the log has too", async () => {
    const before = node.faults.length;
    const answer = await node.call("GET", "/api/lab/fault");
    assertError(answer, 500, /Its log has the details under [0-9a-f-]{36}/);
    assert.ok(!answer.text.includes("hunter2") && !answer.text.includes("at "), answer.text);
    assert.equal(node.faults.length, before + 1);
    node.faults.length = 0;
  });

  test("of the database are 503 with Retry-After, and say when the outcome is not known", async () => {
    const away = await node.call("GET", "/api/lab/away");
    assertError(away, 503, /not available/);
    assert.equal(away.headers.get("retry-after"), "2");
    assertError(await node.call("POST", "/api/lab/unknown", {}), 503, /not known whether it took effect/);
    node.faults.length = 0;
  });

  test("of bytes that are no HTTP get the same body and a closed connection", async () => {
    const text = await raw("GARBAGE\r\n\r\n");
    assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.ok(JSON.parse(text.slice(text.indexOf("{"))).Errors.length > 0);
    assert.match(await raw(`GET /api HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
    assert.match(
      await raw("POST /api/lab/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      /^HTTP\/1\.1 400 /,
    );
  });

  function raw(bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(node.url).port), "127.0.0.1");
      let text = "";
      socket.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      socket.on("end", () => resolve(text)).on("error", reject);
      socket.write(bytes);
    });
  }
});

describe("callers", () => {
  test("are known by a key; a wrong, empty, deleted, expired or disabled one is refused at the next request", async () => {
    const me = (key: string) => node.call("GET", "/api/users/me", undefined, { "X-Octopus-ApiKey": key });
    assertError(await me(""), 401);
    assertError(await me("API-WRONG"), 401);
    assertError(
      await node.call("GET", "/api/users/me", undefined, { "X-Octopus-ApiKey": "", Authorization: "Bearer abc" }),
      401,
      /bearer/i,
    );
    const key = await node.post("/api/users/me/apikeys", { Purpose: "short lived" });
    assert.equal((await me(key.ApiKey)).status, 200);
    await node.call("DELETE", `/api/users/me/apikeys/${key.Id}`);
    assertError(await me(key.ApiKey), 401);
    assert.equal((await me(node.nobodyKey)).status, 200);
    await node.database.execute(`UPDATE users SET is_active = false WHERE username = 'nobody'`);
    assertError(await me(node.nobodyKey), 401);
    await node.database.execute(`UPDATE users SET is_active = true WHERE username = 'nobody'`);
    await node.database.execute(
      `UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE user_id = (SELECT id FROM users WHERE username = 'nobody')`,
    );
    assertError(await me(node.nobodyKey), 401);
  });

  test("may give a key in the query for reading only", async () => {
    const none = { "X-Octopus-ApiKey": "" };
    assert.equal((await node.call("GET", `/api/users/me?apikey=${node.adminKey}`, undefined, none)).status, 200);
    assertError(await node.call("POST", `/api/environments?ApiKey=${node.adminKey}`, { Name: "By query" }, none), 401);
    const page = await node.call("GET", `/api/environments?ApiKey=${node.adminKey}`, undefined, none);
    assert.ok(!page.text.includes(node.adminKey), "a link repeats the key");
  });
});

describe("D9: a repeated POST", () => {
  const repeat = (key: string, body: unknown) => node.call("POST", "/api/environments", body, { "Idempotency-Key": key });

  test("with the same key and body gets the first answer and does nothing again", async () => {
    const first = await repeat("k1", { Name: "Once" });
    const second = await repeat("k1", { Name: "Once" });
    assert.deepEqual([second.status, second.body, second.headers.get("location")], [201, first.body, first.headers.get("location")]);
    assert.equal((await node.get("/api/environments?name=once")).TotalResults, 1);
  });

  test("with the same key and another body is refused", async () => {
    await repeat("k2", { Name: "Second" });
    assertError(await repeat("k2", { Name: "Another" }), 422, /already used for a different request/);
    assertError(await repeat("x".repeat(201), { Name: "Long" }), 400);
  });

  test("does not remember a refusal", async () => {
    assertError(await repeat("k3", {}), 400);
    assert.equal((await repeat("k3", { Name: "Third" })).status, 201);
  });

  test("counts once also when all repeats arrive at the same time", async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => repeat("k4", { Name: "Together" })));
    assert.deepEqual(new Set(answers.map((answer) => `${answer.status} ${answer.body.Id}`)).size, 1);
  });

  test("is forgotten after a day", async () => {
    await repeat("k5", { Name: "Yesterday" });
    await node.database.execute(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'k5'`);
    assert.equal((await repeat("k5", { Name: "Today" })).status, 201);
  });

  test("never stores an answer that shows a secret", async () => {
    await node.call("POST", "/api/users/me/apikeys", { Purpose: "x" }, { "Idempotency-Key": "k6" });
    assert.deepEqual(await node.database.query(`SELECT 1 FROM idempotency_keys WHERE key = 'k6'`), []);
  });
});

test("a closing server finishes what runs, waits for no connection on which nothing was asked, and takes no new one", async () => {
  // As browsers open them in advance; taken in before the request behind it.
  const silent = connect(Number(new URL(node.url).port), "127.0.0.1");
  await once(silent, "connect");
  const slow = node.call("GET", "/api/lab/slow");
  await entered;
  const startedMs = performance.now();
  const closed = node.close();
  await assert.rejects(node.call("GET", "/api", undefined, { Connection: "close" }));
  release();
  assert.equal((await slow).body.Name, "slow");
  await closed;
  // A kept connection does not hold up the close: its last answer says that it ends. Neither does the silent one. The grace of 10 s is not
  // used up.
  assert.ok(performance.now() - startedMs < 8_000);
  node.close = async () => {};
});
