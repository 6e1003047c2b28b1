// The bare web framework for comparison: it answers the document it is given in the response schema of our own route, and does nothing else
// but, where it is told to, run statements before. Started by http.ts as a process of its own; prints its port.
//   bare-server.ts <file with {"one": …, "list": …, "connection"?: …, "statements": {"one": [{text, values}], "list": […]}}>

import fs from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { Environment } from "@cuttle/contract/rest/environments";
import { page } from "@cuttle/contract/rest/shapes";
import fastify from "fastify";
import pg from "pg";

interface Told {
  one: unknown;
  list: unknown;
  connection?: pg.PoolConfig;
  statements: Record<"one" | "list", { text: string; values: unknown[] }[]>;
}

/** As many as our server has. */
const connectionsMax = 15;

const told = JSON.parse(await fs.readFile(process.argv[2]!, "utf8")) as Told;
const pool = new pg.Pool({ ...told.connection, max: connectionsMax });
const app = fastify();
for (const [name, schema] of [
  ["one", Environment],
  ["list", page(Environment)],
] as const) {
  app.get(`/${name}`, { schema: { response: { 200: schema } } }, async () => {
    for (const [n, { text, values }] of told.statements[name].entries()) await pool.query({ name: `${name}-${n}`, text, values });
    return told[name];
  });
}
await app.listen({ host: "127.0.0.1", port: 0 });
console.log((app.server.address() as AddressInfo).port);
