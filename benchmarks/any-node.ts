// What it costs a call that its polling agent is connected to another node: GetStatus over real TLS and a real PostgreSQL, from the node that
// has the agent and from one that has not, by turns. Both nodes are in this process, so they share one processor; each has its own pool.

import { randomUUID } from "node:crypto";
import { scriptServiceV2 } from "@cuttle/contract/agent/script";
import { createHalibutPoller, createIdentity } from "@cuttle/halibut";
import { createAgents, createAnyNodePolling, createPollingQueue, openAgentPort } from "../server/engine/agents/agents.ts";
import type { Agents, CallTerms } from "../server/engine/agents/agents.ts";
import { openDatabase } from "../server/platform/database/database.ts";
import { createMasterKey, createSecrets } from "../server/platform/secrets/secrets.ts";
import { noStreams } from "../test/support/no-streams.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { percentile } from "./programs.ts";

const calls = Number(process.argv[2] ?? 500);
const warmUp = 50;
const subscription = "poll://bench/";
const ticket = { TaskId: randomUUID() };
const log = { info() {}, warn() {}, error() {} };

const { createDatabase } = await startPostgres();
const { connection } = await createDatabase();
const identity = await createIdentity("server");
const agentIdentity = await createIdentity("agent");
const secrets = createSecrets(createMasterKey());
const closing: (() => Promise<unknown>)[] = [];

async function node(name: string) {
  const database = openDatabase({ connection, applicationName: `cuttle bench ${name}`, connectionsMax: 15 });
  const local = createPollingQueue();
  const polling = createAnyNodePolling({
    database,
    secrets,
    streamFolder: noStreams,
    local,
    nodeName: name,
    process: randomUUID(),
    log,
  });
  await polling.start();
  const agents = createAgents({ identity, polling, findProxy: async () => undefined });
  const port = await openAgentPort({
    identity,
    polling: local,
    presence: polling,
    isRegistered: async () => true,
    host: "127.0.0.1",
    port: 0,
    log: log as never,
  });
  closing.push(async () => {
    await port.close();
    await agents.close();
    await polling.stop();
    await database.close();
  });
  return { database, agents, port: port.port };
}

const [away, here] = [await node("away"), await node("here")];
await away.database.execute(
  `INSERT INTO tasks (id, number, name, description, arguments, arguments_version, state) VALUES ('ServerTasks-1', 1, 'Deploy', '', '{}', 1, 'Executing')`,
);
await away.database.execute(
  `INSERT INTO task_queue (task_id, position, is_head, state, owner, epoch) VALUES ('ServerTasks-1', 1, true, 'running', 'a', 1)`,
);
const status = async () => ({
  Ticket: ticket,
  Logs: [{ Source: 1, Occurred: new Date(), Text: "a line of a script's output" }],
  NextLogSequence: 1,
  State: 1,
  ExitCode: 0,
});
const poller = createHalibutPoller({
  identity: agentIdentity,
  server: { host: "127.0.0.1", port: here.port, thumbprint: identity.thumbprint },
  subscription,
  services: [
    {
      contract: scriptServiceV2,
      methods: { StartScript: status, GetStatus: status, CancelScript: status, CompleteScript: async () => null },
    },
  ],
});
poller.start();
const terms: CallTerms = {
  beforeSend: async () => {},
  lease: { taskId: "ServerTasks-1", owner: "a", epoch: 1 },
  signal: new AbortController().signal,
};

async function time(agents: Agents): Promise<number> {
  const beganMs = performance.now();
  const answer = await agents.getStatus(
    { subscription, thumbprint: agentIdentity.thumbprint },
    { Ticket: ticket, LastLogSequence: 0 },
    terms,
  );
  if (!answer.ok) throw new Error(answer.message);
  return performance.now() - beganMs;
}

for (let n = 0; n < warmUp; n++) await time((n % 2 === 0 ? away : here).agents);
const [rows, memory]: [number[], number[]] = [[], []];
for (let n = 0; n < calls; n++) {
  rows.push(await time(away.agents));
  memory.push(await time(here.agents));
}
await poller.close();
for (const close of closing) await close();

const tenths = (ms: number): number => Math.round(ms * 10) / 10;
console.log(
  JSON.stringify({
    calls,
    sameNodeMsP50: tenths(percentile(memory, 0.5)),
    sameNodeMsP95: tenths(percentile(memory, 0.95)),
    otherNodeMsP50: tenths(percentile(rows, 0.5)),
    otherNodeMsP95: tenths(percentile(rows, 0.95)),
    addedMsP50: tenths(percentile(rows, 0.5) - percentile(memory, 0.5)),
  }),
);
