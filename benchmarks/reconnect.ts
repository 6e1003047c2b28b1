// A node with hundreds of polling agents is killed: how long until each of them answers again, through another node? The agents poll the address
// of a balancer, with the pauses of real ones between their tries. Right after the kill every agent is asked, by a further process of the
// cluster that has no agents of its own, and the time counts until each has answered.
//   npm run bench:reconnect -- --agents 1000 --nodes 3 --seed 7

import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import type { CapabilitiesResponseV2 } from "@cuttle/contract/agent/capabilities";
import { createIdentity, createPollingQueue, HalibutCallError } from "@cuttle/halibut";
import type { Identity } from "@cuttle/halibut";
import { parseConnectionString } from "../server/connection-string.ts";
import { createAnyNodePolling } from "../server/engine/agents/agents.ts";
import { openDatabase } from "../server/platform/database/database.ts";
import { createSecrets, parseMasterKey } from "../server/platform/secrets/secrets.ts";
import { noStreams } from "../test/support/no-streams.ts";
import { createCluster } from "../test/support/cluster.ts";
import type { ServerProcess } from "../test/support/cluster.ts";
import { createClusterApi } from "../test/support/cluster-api.ts";
import type { ClusterApi, Document } from "../test/support/cluster-api.ts";
import { eventually } from "../test/support/eventually.ts";
import { startTcpBalancer } from "../test/support/tcp-balancer.ts";
import { createRandom } from "../test/trials/random.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import type { StartAgents } from "./polling-agents.ts";
import { percentile } from "./programs.ts";

const limitMs = 5_000;
const agentProcesses = 2;
/** Certificates take long to make; what a connection costs does not depend on how many agents have the same one. */
const identitiesMax = 20;
/** Requests to the API at once while the agents are registered and looked for. */
const requestsAtOnce = 8;
const connectMsMax = 120_000;
const answerMsMax = 60_000;
const nodesMax = 8;

const counts = readCounts({ agents: 1_000, nodes: 3, seed: 7 });
if (counts.nodes < 2 || counts.nodes > nodesMax) throw new Error(`--nodes takes 2 to ${nodesMax}: somebody has to be left.`);
if (counts.agents < counts.nodes) throw new Error("Each node must have an agent.");
const random = createRandom(counts.seed);

interface Simulated {
  subscription: string;
  identity: Identity;
  machineId: string;
}

/** Does something with each item, some at once. */
async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: requestsAtOnce }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

async function register(api: ClusterApi): Promise<Simulated[]> {
  const identities = await Promise.all(
    Array.from({ length: Math.min(identitiesMax, counts.agents) }, (_, n) => createIdentity(`agent ${n}`)),
  );
  const environment = await api.create("/api/environments", { Name: "Many" });
  const agents: Simulated[] = [];
  await forEach(
    Array.from({ length: counts.agents }, (_, n) => n),
    async (n) => {
      const subscription = `poll://simulated${n}/`;
      const identity = identities[n % identities.length]!;
      const { Id } = await api.create("/api/machines", {
        Name: `machine ${n}`,
        EnvironmentIds: [environment.Id],
        Roles: ["many"],
        Endpoint: { CommunicationStyle: "TentacleActive", Uri: subscription, Thumbprint: identity.thumbprint },
      });
      agents.push({ subscription, identity, machineId: Id });
    },
  );
  return agents;
}

/** Waits until the API says of each of these agents that it is connected to one of these nodes; answers to which, by the machines' ids. */
async function connectedTo(api: ClusterApi, agents: readonly Simulated[], nodes: readonly ServerProcess[]): Promise<Map<string, string>> {
  const names = new Set(nodes.map(({ name }) => name));
  const found = new Map<string, string>();
  await forEach(agents, async ({ machineId }) => {
    const name = await eventually(
      `${machineId} is connected`,
      async () => {
        const { ConnectedNodes } = await api.get(`/api/machines/${machineId}/connection`);
        return ConnectedNodes.map((node: Document) => node.NodeName).find((one: string) => names.has(one));
      },
      connectMsMax,
    );
    found.set(machineId, name);
  });
  return found;
}

const cluster = await createCluster();
const closing: (() => Promise<unknown>)[] = [() => cluster.close()];
try {
  const postgres = await cluster.postgres();
  const { connectionString } = await postgres.start();
  // They run no tasks: the first health checks of all these machines would be a load of their own.
  const first = await cluster.server({ name: "node-1", connectionString, taskCap: 0 });
  await first.start();
  const masterKey = await cluster.masterKeyOf(first);
  const nodes = [first];
  for (let n = 2; n <= counts.nodes; n++) {
    const node = await cluster.server({ name: `node-${n}`, connectionString, masterKey, taskCap: 0 });
    await node.start();
    nodes.push(node);
  }
  const api = createClusterApi(() => nodes.filter((node) => node.isRunning()).map((node) => node.ready.url));
  const agents = await register(api);
  const balancer = await startTcpBalancer(
    nodes.map((node) => node.ready.commsPort),
    { inTurn: true },
  );
  closing.push(() => balancer.close());
  for (let n = 0; n < agentProcesses; n++) {
    const child = fork(new URL("polling-agents.ts", import.meta.url));
    closing.push(async () => {
      child.disconnect();
      await once(child, "exit");
    });
    const its = agents.filter((_, index) => index % agentProcesses === n);
    child.send({ port: balancer.port, serverThumbprint: first.ready.thumbprint, agents: its } satisfies StartAgents);
  }

  const database = openDatabase({
    connection: parseConnectionString(connectionString).connection,
    applicationName: "cuttle-bench",
    connectionsMax: 15,
  });
  const local = createPollingQueue();
  const polling = createAnyNodePolling({
    database,
    streamFolder: noStreams,
    secrets: createSecrets(parseMasterKey(masterKey)),
    local,
    nodeName: "asks",
    process: randomUUID(),
    log: { warn: (fields, message) => console.error(message, fields) },
  });
  await polling.start();
  closing.push(async () => {
    polling.close();
    await polling.stop();
    await database.close();
  });
  /** As a task does it: a question that an end of the connection left without an answer is asked again. */
  async function ask({ subscription, identity }: Simulated): Promise<number> {
    for (;;) {
      try {
        const answer = (await polling.call(
          { subscription, thumbprint: identity.thumbprint },
          capabilitiesServiceV2,
          "GetCapabilities",
          [],
          {
            timeoutMs: answerMsMax,
          },
        )) as CapabilitiesResponseV2;
        if (answer.SupportedCapabilities.length === 0) throw new Error(`${subscription} answered with nothing.`);
        return performance.now();
      } catch (error) {
        if (!(error instanceof HalibutCallError) || error.kind !== "connection-lost") throw error;
      }
    }
  }

  const before = await connectedTo(api, agents, nodes);
  const askedMs = performance.now();
  const wholeMs = Math.max(...(await Promise.all(agents.map(ask)))) - askedMs;
  const victim = nodes[Math.floor(random() * nodes.length)]!;
  const its = new Set(agents.filter(({ machineId }) => before.get(machineId) === victim.name));
  if (its.size === 0) throw new Error(`No agent was connected to ${victim.name}.`);
  console.log(
    `${its.size} of ${agents.length} agents are connected to ${victim.name}, which is killed. Before, all answered within ${wholeMs.toFixed(0)} ms.`,
  );
  const killedMs = performance.now();
  await victim.kill();
  const answered = await Promise.all(agents.map(async (agent) => ({ ms: (await ask(agent)) - killedMs, isVictim: its.has(agent) })));
  await connectedTo(
    api,
    agents,
    nodes.filter((node) => node !== victim),
  );
  const [lost, others] = [true, false].map((isVictim) => answered.filter((one) => one.isVictim === isVictim).map(({ ms }) => ms));
  const worst = Math.max(...answered.map(({ ms }) => ms));
  sayRow({
    what: `${agents.length} polling agents on ${nodes.length} nodes behind a balancer, one node with ${its.size} of them killed`,
    reach: `all working again ≤ ${limitMs / 1_000} s`,
    measured: [
      `the ${its.size}: p50 ${(percentile(lost!, 0.5) / 1_000).toFixed(1)} s, max ${(Math.max(...lost!) / 1_000).toFixed(1)} s`,
      `the others: max ${(Math.max(...others!) / 1_000).toFixed(1)} s`,
    ].join("; "),
    ofLimit: worst / limitMs,
    command: commandOf("bench:reconnect", counts),
  });
} finally {
  for (const close of closing.reverse()) await close();
}
