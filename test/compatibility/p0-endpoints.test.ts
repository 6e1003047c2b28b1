// Walks the endpoints that every client needs (p0-endpoints.ts) against a real node: each exists, in every spelling of its address, names its
// permission, answers the documented document, hands out links that lead somewhere, and is refused to whoever lacks the permission.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Value } from "typebox/value";
import type { TSchema } from "@cuttle/contract/rest/shapes";
import type { Route } from "../../server/platform/http/http.ts";
import { startApiNode } from "../support/api-node.ts";
import type { ApiAnswer, ApiNode, Json } from "../support/api-node.ts";
import { watchChanges } from "../support/change-watch.ts";
import { createSampleRequests, titleOf } from "../support/sample-requests.ts";
import type { SampleRequest, SampleRequests } from "../support/sample-requests.ts";
import { p0Documents } from "./p0-documents.ts";
import { p0Endpoints } from "./p0-endpoints.ts";
import type { P0Endpoint } from "./p0-endpoints.ts";
import { absentEndpoints, absentLinks, absentMembers, otherStatuses } from "./p0-exceptions.ts";

let node: ApiNode;
let samples: SampleRequests;
before(async () => {
  node = await startApiNode(undefined);
  samples = await createSampleRequests(node);
});
after(() => node.close());

const pattern = (path: string): RegExp => new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`, "i");
const withoutNames = (path: string): string => path.replace(/\{\w+\}/g, "{}").toLowerCase();

/** The route that answers: the one of the same form, else one whose placeholder takes the word. */
function routeOf(endpoint: P0Endpoint): Route | undefined {
  const own = node.routes.filter((route) => route.method === endpoint.method && (endpoint.path !== "" || route.scope === "system"));
  return (
    own.find((route) => withoutNames(route.path) === withoutNames(endpoint.path)) ??
    own.find((route) => route.path !== "" && pattern(route.path).test(endpoint.path))
  );
}

/** Members whose exception was needed: one that is not needed any more has to go. */
const neededMembers = new Set<string>();

const present = p0Endpoints.filter((endpoint) => !(titleOf(endpoint) in absentEndpoints));

async function requestOf(endpoint: P0Endpoint, route: Route): Promise<SampleRequest> {
  if (route.changes) return samples.changes[titleOf(route)]!();
  const address = endpoint.path.includes("{")
    ? samples.addressOf(route)
    : `/api${endpoint.path}${samples.addressOf(route).replace(/^[^?]*/, "")}`;
  return { path: address, body: samples.questions[titleOf(route)] };
}

const send = (endpoint: P0Endpoint, request: SampleRequest, headers: Record<string, string> = {}): Promise<ApiAnswer> =>
  node.call(endpoint.method, request.path, request.body, { ...request.headers, ...headers });

/** The documents of an answer, and the name by which their members are documented. */
function documentsOf(endpoint: P0Endpoint, body: Json): { name: string; documents: Json[] } {
  const page = /^Page<(\w+)>$/.exec(endpoint.answer);
  if (page !== null) return { name: page[1]!, documents: body.Items };
  const list = /^(\w+)\[\]$/.exec(endpoint.answer);
  if (list !== null) return { name: list[1]!, documents: body };
  return { name: endpoint.answer, documents: [body] };
}

/** What of an answer is not as documented, one sentence each. */
function faultsOf(endpoint: P0Endpoint, route: Route, body: Json): string[] {
  const title = titleOf(endpoint);
  const faults = [...Value.Errors(route.answer as TSchema, body)].map(
    (fault) => `${title} differs from its own shape: ${fault.instancePath} ${fault.message}`,
  );
  const { name, documents } = documentsOf(endpoint, body);
  if (endpoint.answer.startsWith("Page<")) {
    for (const member of ["ItemType", "TotalResults", "ItemsPerPage", "NumberOfPages", "LastPageNumber", "IsStale", "Links"])
      if (!(member in body)) faults.push(`${title}: the page has no ${member}`);
  }
  if (!Array.isArray(documents)) return [...faults, `${title} answers no list`];
  if (name === "string") return faults;
  const members = name.startsWith("{") ? name.slice(1, -1).split(",") : p0Documents[name];
  assert.ok(members !== undefined, `${title}: p0-documents.ts does not know ${name}`);
  const excused = absentMembers[name] ?? {};
  for (const member of Object.keys(excused))
    if (documents.some((document) => !(member in document))) neededMembers.add(`${name}.${member}`);
  const missing = members.filter((member) => !(member in excused) && documents.some((document) => !(member in document)));
  return missing.length === 0 ? faults : [...faults, `${title}: the ${name} of the answer lacks ${missing.join(", ")}`];
}

describe("every first-ranked endpoint", () => {
  test("is there, or its absence has a reason", () => {
    assert.equal(p0Endpoints.length, 141);
    const absent = p0Endpoints.filter((endpoint) => routeOf(endpoint) === undefined).map(titleOf);
    assert.deepEqual(absent.sort(), Object.keys(absentEndpoints).sort());
  });

  test("names its permission", () => {
    const other = present.filter((endpoint) => routeOf(endpoint)!.permission !== endpoint.permission);
    assert.deepEqual(
      other.map((endpoint) => `${titleOf(endpoint)} asks for ${routeOf(endpoint)!.permission}, not ${endpoint.permission}`),
      [],
    );
  });

  test("answers the document the reference describes, exactly in its declared shape", async () => {
    const faults: string[] = [];
    for (const endpoint of present) {
      const route = routeOf(endpoint)!;
      // Signing in has tests of its own, which know a password.
      if (endpoint.path === "/users/login" || endpoint.path === "/users/logout") continue;
      const answer = await send(endpoint, await requestOf(endpoint, route));
      assert.ok(
        answer.status === (otherStatuses[titleOf(endpoint)]?.status ?? endpoint.status) ||
          (endpoint.method === "POST" && answer.status === 201),
        `${titleOf(endpoint)} answered ${answer.status}: ${answer.text}`,
      );
      if (endpoint.answer === "nothing") assert.equal(answer.text, "", titleOf(endpoint));
      else if (endpoint.answer !== "file" && endpoint.answer !== "text") {
        faults.push(...faultsOf(endpoint, route, answer.body));
      }
    }
    assert.deepEqual(faults, []);
    const excused = Object.entries(absentMembers).flatMap(([name, members]) => Object.keys(members).map((member) => `${name}.${member}`));
    assert.deepEqual([...neededMembers].sort(), excused.sort(), "exceptions that nothing needs");
    assert.deepEqual(node.faults, []);
  });

  test("answers in all three spellings of its space, and in none where it has no space", async () => {
    for (const endpoint of present.filter((one) => one.method === "GET" && one.path !== "")) {
      const { path } = await requestOf(endpoint, routeOf(endpoint)!);
      for (const space of ["/api/Spaces-1", "/api/spaces/Spaces-1", "/api/spaces-1"]) {
        const answer = await node.call("GET", path.replace(/^\/api/, space));
        // An endpoint of both kinds answers everywhere.
        const expected = endpoint.inSpaces || routeOf(endpoint)!.scope !== "system" ? 200 : 404;
        assert.equal(answer.status, expected, `${titleOf(endpoint)} at ${space}: ${answer.text.slice(0, 300)}`);
      }
    }
  });

  test("S1 S2: is refused with the error body of the API to whoever has no key or no permission, and changes nothing then", async () => {
    const watch = await watchChanges(node.database);
    for (const endpoint of present.filter((one) => one.permission !== "anyone")) {
      const title = titleOf(endpoint);
      const request = await requestOf(endpoint, routeOf(endpoint)!);
      await watch.look();
      const anonymous = await send(endpoint, request, { "X-Octopus-ApiKey": "" });
      assert.equal(anonymous.status, 401, `${title} without a key: ${anonymous.text}`);
      checkErrorBody(title, anonymous.body);
      if (endpoint.permission === "signed-in") continue;
      const refused = await send(endpoint, request, { "X-Octopus-ApiKey": node.nobodyKey });
      assert.equal(refused.status, 403, `${title} without permission: ${refused.text}`);
      checkErrorBody(title, refused.body);
      assert.ok(refused.body.ErrorMessage.includes(endpoint.permission), `${title} names its permission`);
      assert.deepEqual(await watch.look(), [], `${title} changed something although it was refused`);
    }
  });

  test("hands out links that lead somewhere", async () => {
    const checked = new Set<string>();
    const needed = new Set<string>();
    for (const endpoint of present.filter((one) => one.method === "GET" && one.path !== "")) {
      const { path } = await requestOf(endpoint, routeOf(endpoint)!);
      const answer = await node.call("GET", path);
      for (const [name, link] of linksIn(answer.body)) {
        const address = link.replace(/\{[?/&][^}]*\}/g, "");
        if (checked.has(address) || !address.startsWith("/api")) continue;
        checked.add(address);
        const excused = absentLinks.find((one) => one.link.test(address));
        if (excused !== undefined) {
          if (/stream|events\$/.test(excused.link.source)) needed.add(excused.link.source);
          else if ((await node.call("GET", address)).status !== 200) needed.add(excused.link.source);
          continue;
        }
        assert.doesNotMatch(address, /[{}]/, `${titleOf(endpoint)} gives the link ${name}, which no client can expand: ${link}`);
        const followed = await node.call("GET", address);
        assert.ok(
          followed.status === 200 || (followed.status === 405 && isAction(address)),
          `${titleOf(endpoint)} gives the link ${name} to ${address}, which answers ${followed.status}: ${followed.text.slice(0, 300)}`,
        );
      }
    }
    assert.ok(checked.size > 60, `only ${checked.size} links were checked`);
    assert.deepEqual([...needed].sort(), absentLinks.map((one) => one.link.source).sort(), "exceptions that nothing needs");
  });
});

/** Whether something is done at this address, and nothing read. */
function isAction(address: string): boolean {
  const path = address.split("?")[0]!.replace(/^\/api\/(Spaces-\d+\/)?/, "/");
  return node.routes.some((route) => route.method !== "GET" && pattern(route.path).test(path));
}

function checkErrorBody(title: string, body: Json): void {
  assert.deepEqual(
    Object.keys(body),
    ["ErrorMessage", "Errors", "FullException", "HelpText", "HelpLink", "ParsedHelpLinks", "Details"],
    `${title}: the members of the error body`,
  );
  assert.ok(typeof body.ErrorMessage === "string" && body.ErrorMessage !== "" && body.Errors?.length !== 0, title);
}

function linksIn(value: Json): [string, string][] {
  if (typeof value !== "object" || value === null) return [];
  const own = value.Links && typeof value.Links === "object" ? Object.entries(value.Links as Record<string, string>) : [];
  return [...own, ...Object.entries(value).flatMap(([name, member]) => (name === "Links" ? [] : linksIn(member)))];
}
