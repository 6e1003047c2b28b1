// The OpenAPI document that the server gives of itself: complete, sound in itself, and right about a real answer.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startApiNode } from "../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../test/support/api-node.ts";

let node: ApiNode;
let document: Json;
before(async () => {
  node = await startApiNode(undefined);
  document = await node.get("/api/openapi.json");
});
after(() => node.close());

interface Operation {
  path: string;
  method: string;
  operation: Json;
}

const operations = (): Operation[] =>
  Object.entries(document.paths as Record<string, Record<string, Json>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test("describes every route, each with its permission, and nothing else", () => {
  const described = new Set(
    operations().map(({ path, method }) => `${method.toUpperCase()} ${path.replace(/^\/api(\/\{spaceId\})?/, "")}`),
  );
  const routes = new Set(node.routes.map((route) => `${route.method} ${route.path}`));
  assert.deepEqual([...described].sort(), [...routes].sort());
  for (const { path, method, operation } of operations()) {
    const bare = path.replace(/^\/api(\/\{spaceId\})?/, "");
    const scope = path.startsWith("/api/{spaceId}") ? ["space", "either"] : ["system", "either"];
    const route = node.routes.find((one) => one.path === bare && one.method === method.toUpperCase() && scope.includes(one.scope));
    assert.equal(operation["x-permission"], route?.permission, `${method} ${path}`);
  }
});

test("is a sound OpenAPI 3.1 document: ids once, parameters as in the path, references that lead somewhere, schemas of known words", () => {
  assert.equal(document.openapi, "3.1.0");
  assert.ok(document.info.title && document.info.version);
  const ids = operations().map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length, "an operationId stands twice");
  const forms = Object.keys(document.paths).map((path) => path.replace(/\{\w+\}/g, "{}"));
  assert.equal(new Set(forms).size, forms.length, "two paths differ only in the names of their parameters");
  for (const { path, method, operation } of operations()) {
    const at = `${method} ${path}`;
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = operation.parameters.filter((one: Json) => one.in === "path");
    assert.deepEqual(new Set(declared.map((one: Json) => one.name)), new Set(inPath), at);
    const names = operation.parameters.map((one: Json) => `${one.in} ${one.name}`);
    assert.equal(new Set(names).size, names.length, `${at} has a parameter twice`);
    assert.ok(
      operation.parameters.every((one: Json) => typeof one.required === "boolean" && one.schema),
      at,
    );
    assert.ok(method !== "get" || operation.requestBody === undefined, `${at} is read with a body`);
    assert.ok(operation.responses["2XX"].description && operation.responses.default.content, at);
    for (const requirement of operation.security ?? document.security)
      for (const scheme of Object.keys(requirement)) assert.ok(document.components.securitySchemes[scheme], scheme);
  }
  let references = 0;
  const words = new Set(
    "$ref type properties required items anyOf enum additionalProperties minLength maxLength minimum maximum maxItems minItems format pattern contentMediaType description".split(
      " ",
    ),
  );
  function checkSchema(schema: Json, at: string): void {
    assert.ok(typeof schema === "object" && schema !== null && !Array.isArray(schema), at);
    for (const word of Object.keys(schema)) assert.ok(words.has(word), `${at} has the word ${word}`);
    if (schema.$ref !== undefined) {
      references++;
      const name = String(schema.$ref).replace("#/components/schemas/", "");
      assert.ok(document.components.schemas[name], `${at} refers to ${String(schema.$ref)}`);
      assert.match(name, /^[A-Za-z0-9._-]+$/);
      return;
    }
    if (schema.type !== undefined) assert.match(schema.type, /^(object|array|string|integer|number|boolean|null)$/, at);
    for (const [name, member] of Object.entries(schema.properties ?? {})) checkSchema(member, `${at}.${name}`);
    for (const name of schema.required ?? [])
      assert.ok(name in schema.properties, `${at} requires ${String(name)}, which it does not have`);
    if (schema.type === "array") checkSchema(schema.items, `${at}[]`);
    for (const one of schema.anyOf ?? []) checkSchema(one, at);
    if (typeof schema.additionalProperties === "object") checkSchema(schema.additionalProperties, `${at}{}`);
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) checkSchema(schema, name);
  for (const { path, method, operation } of operations()) {
    const contents = [operation.requestBody?.content, operation.responses["2XX"].content, operation.responses.default.content];
    for (const content of contents)
      for (const one of Object.values((content ?? {}) as Record<string, Json>)) checkSchema(one.schema, `${method} ${path}`);
    for (const one of operation.parameters) checkSchema(one.schema, `${method} ${path} ${String(one.name)}`);
  }
  assert.ok(references > 200, `only ${references} references: shapes lost their names`);
  assert.ok(Object.keys(document.components.schemas).length > 60);
});

test("names a release as the contract does, and a refusal as every refusal is", async () => {
  const answer = document.paths["/api/{spaceId}/releases/{id}"].get.responses;
  assert.equal(answer["2XX"].content["application/json"].schema.$ref, "#/components/schemas/Release");
  assert.ok(document.components.schemas.Release.required.includes("Version"));
  const refused = await node.call("GET", "/api/releases/Releases-999");
  const error = document.components.schemas[answer.default.content["application/json"].schema.$ref.split("/").at(-1)];
  assert.deepEqual(Object.keys(refused.body).sort(), Object.keys(error.properties).sort());
});

test("S1: is given to whoever is signed in, and to nobody else", async () => {
  assert.equal((await node.call("GET", "/api/openapi.json", undefined, { "X-Octopus-ApiKey": "" })).status, 401);
  assert.equal((await node.call("GET", "/api/openapi.json", undefined, { "X-Octopus-ApiKey": node.nobodyKey })).status, 200);
});
