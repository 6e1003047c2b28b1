// The web shop as `npm start` brings it into a server: what is there already as it should be is not stored again, and what somebody changed is.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startApiNode } from "../../test/support/api-node.ts";
import { createExample } from "./example.ts";
import { RestError, Unreachable, createRestClient } from "./rest-client.ts";
import type { Terminal } from "./terminal.ts";

const shop = path.join(import.meta.dirname, "../../examples/web-shop");
const quiet: Terminal = { say: () => {}, during: (_what, run) => run(() => {}) };
const agents = {
  listening: { port: 10_933, thumbprint: "AB".repeat(20) },
  polling: { subscription: "poll://0123456789abcdefghij/", thumbprint: "CD".repeat(20) },
};

test("a next release stores steps and variables only where they differ, so that older releases are not said to be behind them", async (t) => {
  const node = await startApiNode(t);
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle-example-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const rest = createRestClient(() => node.url, node.adminKey);
  const settings = { node: "/usr/bin/node", folder, port: "8066", nextPort: "8067" };
  const open = () => createExample(rest, shop, { settings, secretsNote: path.join(folder, "secrets"), terminal: quiet });
  const example = open();
  await example.prepare(agents);
  const first = await example.createRelease(null);
  const [project] = (await node.get("/api/Spaces-1/projects?take=1")).Items;
  const process = () => node.get(`/api/Spaces-1/projects/${project.Id}/deploymentprocesses`);
  const variables = () => node.get(`/api/Spaces-1/variables/variableset-${project.Id}`);
  const [steps, values] = [await process(), await variables()];
  assert.deepEqual([steps.Steps.length, values.Variables.length], [2, 16]);

  await example.createRelease(first.Version);
  // A later start knows nothing but what it finds.
  const later = open();
  await later.prepare(agents);
  await later.createRelease("1.1.0");
  assert.deepEqual([(await process()).Version, (await variables()).Version], [steps.Version, values.Version]);

  const [color] = values.Variables.filter(({ Name }: { Name: string }) => Name === "Shop:Color");
  await node.put(`/api/Spaces-1/variables/variableset-${project.Id}`, {
    ...values,
    Variables: values.Variables.map((one: { Id: string }) => (one.Id === color.Id ? { ...one, Value: "#7a3fb8" } : one)),
  });
  // A secret that is stored anew has a new id.
  const secrets = async () =>
    await node.database.query<{ id: string }>(
      `SELECT v ->> 'SecretId' AS id FROM variable_sets, jsonb_array_elements(variables) AS v WHERE v ->> 'SecretId' IS NOT NULL ORDER BY 1`,
    );
  const keys = await secrets();
  assert.equal(keys.length, 2);
  await later.createRelease("1.2.0");
  const after = await variables();
  assert.equal(after.Version, values.Version + 2);
  assert.deepEqual(after.Variables, values.Variables);
  assert.deepEqual(await secrets(), keys);
  assert.equal((await process()).Version, steps.Version);
});

test("an upload says how far it is, and what the server thinks of it", async (t) => {
  const received: Buffer[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/cut") return void request.socket.destroy();
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      received.push(Buffer.concat(pieces));
      response.writeHead(request.url === "/no" ? 413 : 201).end(JSON.stringify({ ErrorMessage: "It is too large." }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const rest = createRestClient(() => `http://127.0.0.1:${(server.address() as AddressInfo).port}`, "API-KEY");
  const content = Buffer.alloc(200_000, "x");
  const told: number[] = [];
  await rest.upload("/yes", "Shop.1.0.0.zip", content, (bytes) => told.push(bytes));
  assert.deepEqual(told, [65_536, 131_072, 196_608, 200_000]);
  assert.match(received[0]!.toString(), /filename="Shop.1.0.0.zip"\r\n[^]*\r\n\r\nx{200000}\r\n--cuttle-/);
  await assert.rejects(
    rest.upload("/no", "Shop.1.0.0.zip", content),
    (error) => error instanceof RestError && /too large/.test(error.message),
  );
  await assert.rejects(rest.upload("/cut", "Shop.1.0.0.zip", content), Unreachable);
});
