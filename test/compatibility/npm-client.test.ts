// The unmodified TypeScript client against real processes: one node with its own database, and three nodes on one database behind one address
// that hands each request to the next of them. Installs the client, so it runs only when it is asked for: `npm run compat`.

import assert from "node:assert/strict";
import http from "node:http";
import { clusterApiKey, createCluster } from "../support/cluster.ts";
import type { Cluster, ServerProcess } from "../support/cluster.ts";
import { startTcpBalancer } from "../support/tcp-balancer.ts";
import { describeProjectLife } from "./project-life.ts";
import type { Place } from "./project-life.ts";

const skip = process.env["CUTTLE_TEST_COMPATIBILITY"] === "1" ? undefined : "installs the npm client; npm run compat runs it";

// The client keeps its connections, and the balancer chooses a node for each connection: without this one node would get all requests.
http.globalAgent = new http.Agent({ keepAlive: false });

describeProjectLife("one node", { skip }, async () => {
  const cluster = await createCluster();
  const server = await cluster.server({ name: "node-1" });
  await server.start();
  return await withAgent(cluster, server, server.ready.url);
});

describeProjectLife("three nodes in turn", { skip }, async () => {
  const cluster = await createCluster();
  const { connectionString } = await (await cluster.postgres()).start();
  const first = await cluster.server({ name: "node-1", connectionString });
  await first.start();
  const masterKey = await cluster.masterKeyOf(first);
  const nodes = [first];
  for (const name of ["node-2", "node-3"]) {
    const node = await cluster.server({ name, connectionString, masterKey });
    await node.start();
    nodes.push(node);
  }
  const balancer = await startTcpBalancer(
    nodes.map((node) => Number(new URL(node.ready.url).port)),
    { inTurn: true },
  );
  const place = await withAgent(cluster, first, `http://127.0.0.1:${balancer.port}`);
  return {
    ...place,
    close: async () => {
      await balancer.close();
      await place.close();
      const [least, most] = [Math.min(...balancer.taken()), Math.max(...balancer.taken())];
      assert.ok(least > 20 && most - least <= 2, `each node gets every third request: ${balancer.taken().join(", ")}`);
    },
  };
});

async function withAgent(cluster: Cluster, server: ServerProcess, url: string): Promise<Place> {
  const agent = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint });
  await agent.start();
  return {
    url,
    apiKey: clusterApiKey,
    agent: { port: agent.port, thumbprint: agent.ready.thumbprint },
    close: () => cluster.close(),
  };
}
