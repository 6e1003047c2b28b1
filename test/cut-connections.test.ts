// Connections that are cut at every byte of each call to an agent, in both directions and both modes, over real TLS: a call ends as a whole
// answer or as an error that tells whether it may have arrived, it is made at most once, and what is asked again afterwards is whole.
// The same for a polling agent that is connected to another node than the one that makes the call, over a real PostgreSQL.
// Every byte of StartScript to a listening agent, and some of the rest; `npm run cuts` takes every byte of all of them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { processState, scriptServiceV2, type ScriptStatusResponseV2 } from "@cuttle/contract/agent/script";
import {
  createHalibutClient,
  createHalibutListener,
  createHalibutPoller,
  createIdentity,
  createPollingQueue,
  HalibutCallError,
  type HalibutLimits,
  type Identity,
  type PollingQueue,
  type ServiceContract,
} from "@cuttle/halibut";
import { scriptLines } from "../agent/agent-process.ts";
import { createScripts } from "../agent/scripts/scripts.ts";
import { createCapabilitiesService } from "../agent/services/capabilities/capabilities.ts";
import { createScriptServices } from "../agent/services/script/script.ts";
import { createAnyNodePolling, openAgentPort, type AgentPort, type AnyNodePolling } from "../server/engine/agents/agents.ts";
import { openDatabase } from "../server/platform/database/database.ts";
import { createMasterKey, createSecrets } from "../server/platform/secrets/secrets.ts";
import { createServerLog } from "../server/platform/telemetry/telemetry.ts";
import { noStreams } from "./support/no-streams.ts";
import { eventually } from "./support/eventually.ts";
import { startCuttingProxy, type Direction } from "./support/cutting-proxy.ts";
import { startPostgres } from "./support/postgres.ts";

const linux = { skip: process.platform === "linux" ? false : "the agent runs on Linux" } as const;
const everyByte = process.env["CUTTLE_TEST_CUTS"] === "all";
/** Of calls that change nothing new, so many bytes lie between two cuts; a prime, so that the places differ from call to call. */
const stride = everyByte ? 1 : 29;
/** A call through another node is a dozen statements of the database. */
const elsewhereStride = everyByte ? 1 : 61;
/** Of StartScript. */
const startStrides = everyByte ? { listening: 1, polling: 1, elsewhere: 1 } : { listening: 5, polling: 11, elsewhere: 41 };
/** Some thousand calls, when every byte is wanted. */
const sweepMsMax = everyByte ? 3_600_000 : 600_000;

/** The document of a request can be whole when the last bytes of its compression are missing; then the method may be called. */
const deflateTailBytesMax = 16;
/** The same call is some bytes shorter or longer from time to time, by what its random id compresses to. */
const lengthVariationMax = 12;

/** Of one call, whatever is cut; one that hangs is a fault. */
const callMsMax = 30_000;
const quick = { connectRetryPauseMs: 1, reconnectMsMin: 1, reconnectMsMax: 5 };

/** Starts with tickets of their own are cut so far into each direction, and so many bytes lie between two cuts. */
const coldBytesMax = 700;
const coldStride = everyByte ? 7 : 61;

/** "elsewhere": polling, and connected to another node than the one that makes the calls. */
type Mode = "listening" | "polling" | "elsewhere";

/** Two nodes that share a database: the first makes calls, the second has the agent's connections, whose queue is `local`. */
async function openTwoNodes(local: ReturnType<typeof createPollingQueue>) {
  const { createDatabase } = await startPostgres();
  const { connection, drop } = await createDatabase();
  const secrets = createSecrets(createMasterKey());
  const log = createServerLog({ level: "silent", nodeName: "cuts" });
  const databases = ["makes calls", "has the agent"].map((name) =>
    openDatabase({ connection, applicationName: `cuttle cuts ${name}`, connectionsMax: 5 }),
  );
  const queues = [createPollingQueue(), local];
  const nodes = databases.map((database, n) =>
    createAnyNodePolling({
      database,
      secrets,
      streamFolder: noStreams,
      local: queues[n]!,
      nodeName: `node-${n + 1}`,
      process: randomUUID(),
      log,
    }),
  );
  for (const node of nodes) await node.start();
  const [caller, holder] = nodes as [AnyNodePolling, AnyNodePolling];
  return {
    caller,
    /** The port to which the agent connects. */
    openPort: (identity: Identity, polling: PollingQueue, thumbprint: string): Promise<AgentPort> =>
      openAgentPort({
        identity,
        polling,
        presence: holder,
        isRegistered: async (agent) => agent.thumbprint === thumbprint,
        host: "127.0.0.1",
        port: 0,
        log,
      }),
    async close(): Promise<void> {
      for (const node of nodes) {
        node.close();
        await node.stop();
      }
      for (const database of databases) await database.close();
      await drop();
    },
  };
}

async function openAgent(t: TestContext, mode: Mode, limits: Partial<HalibutLimits> = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle-cuts-"));
  const home = path.join(folder, "home");
  mkdirSync(home);
  const [server, agent] = await Promise.all([createIdentity("server"), createIdentity("agent")]);
  const scripts = createScripts({ home, environment: process.env, limits: {}, report: () => {} });
  await scripts.takeUp();
  let served = 0;
  const services = [createCapabilitiesService(["IScriptServiceV2"]), ...createScriptServices(scripts)].map((service) => ({
    ...service,
    methods: Object.fromEntries(
      Object.entries(service.methods).map(([name, method]): [string, typeof method] => [
        name,
        (...given) => {
          served += 1;
          return method(...given);
        },
      ]),
    ),
  }));
  const subscription = "poll://cuts";
  const queue = createPollingQueue();
  /** Connections over which the server could hand out a call, by their asking for one. */
  const asking = new Set<Promise<unknown>>();
  let changed = Promise.withResolvers<void>();
  const change = (): void => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  const watchedQueue: PollingQueue = {
    take(peer, waitMs, signal) {
      const taken = queue.take(peer, waitMs, signal);
      asking.add(taken);
      change();
      void taken.finally(() => {
        asking.delete(taken);
        change();
      });
      return taken;
    },
  };
  const listening = mode === "listening";
  const nodes = mode === "elsewhere" ? await openTwoNodes(queue) : undefined;
  // Who holds the port: the agent, or the server that the agent polls.
  const listener = createHalibutListener({
    identity: listening ? agent : server,
    isTrusted: (thumbprint) => thumbprint === (listening ? server : agent).thumbprint,
    services: listening ? services : [],
    limits,
    ...(listening ? {} : { polling: { queue: watchedQueue, mayPoll: () => true } }),
  });
  const place = { host: "127.0.0.1", port: 0 };
  const { port, close: closePort } =
    nodes === undefined
      ? { ...(await listener.listen(place)), close: () => listener.close() }
      : await nodes.openPort(server, watchedQueue, agent.thumbprint);
  const proxy = await startCuttingProxy({
    connector: listening ? server : agent,
    listener: listening ? agent : server,
    target: () => port,
  });
  const client = createHalibutClient({ identity: server, limits: { ...quick, ...limits } });
  const poller = createHalibutPoller({
    identity: agent,
    server: { host: "127.0.0.1", port: proxy.port, thumbprint: server.thumbprint },
    subscription,
    services,
    limits: { ...quick, ...limits },
  });
  if (!listening) poller.start();
  t.after(async () => {
    await poller.close();
    await client.close();
    await nodes?.close();
    queue.close();
    await proxy.close();
    await closePort();
    await scripts.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });
  return {
    folder,
    home,
    proxy,
    /** Ends the connections that are there, and returns when the server would give none of them a call any more. The next one is cut as said. */
    async endAll(cut?: { direction: Direction; bytes: number }): Promise<void> {
      // A polling agent that is just coming back would else take the cut, and be ended before there is a call.
      while (!listening && asking.size === 0) await changed.promise;
      if (cut !== undefined) proxy.cutNext(cut.direction, cut.bytes);
      const there = [...asking];
      proxy.endAll();
      while (there.some((one) => asking.has(one))) await changed.promise;
    },
    /** How often a method of the agent was called. */
    served: () => served,
    /** The direction in which requests travel. */
    toAgent: (listening ? "there" : "back") as Direction,
    toServer: (listening ? "back" : "there") as Direction,
    call(contract: ServiceContract, method: string, params: readonly unknown[], timeoutMs = callMsMax): Promise<unknown> {
      const terms = { timeoutMs };
      return listening
        ? client.call({ host: "127.0.0.1", port: proxy.port, thumbprint: agent.thumbprint }, contract, method, params, terms)
        : (nodes?.caller ?? queue).call({ subscription, thumbprint: agent.thumbprint }, contract, method, params, terms);
    },
  };
}
type CutAgent = Awaited<ReturnType<typeof openAgent>>;

/** Cuts one call after the other, `every` so many bytes, in both directions; each whole answer is shown to `check`. Says how many were cut. */
async function sweep(agent: CutAgent, every: number, ask: () => Promise<unknown>, check: (answer: unknown) => void): Promise<number> {
  const { proxy } = agent;
  // A whole call over a connection of its own tells how long it is.
  await agent.endAll();
  check(await ask());
  const length = { ...proxy.passed };
  let cuts = 0;
  for (const direction of [agent.toAgent, agent.toServer]) {
    for (let bytes = 0; bytes < length[direction]; bytes += every) {
      await agent.endAll({ direction, bytes });
      const before = agent.served();
      let failure: unknown;
      try {
        check(await ask());
      } catch (error) {
        failure = error;
      }
      const calls = agent.served() - before;
      const where = `cut after ${bytes} of ${length[direction]} bytes ${direction === agent.toAgent ? "to the agent" : "to the server"}`;
      if (failure === undefined) {
        assert.equal(calls, 1, `${where}: answered, with so many calls of the method`);
        continue;
      }
      cuts += 1;
      assert.ok(failure instanceof HalibutCallError, `${where}: ${(failure as Error).stack}`);
      assert.equal(failure.kind, "connection-lost", `${where}: ${failure.message}`);
      assert.equal(failure.requestMayHaveArrived, true, `${where}: what was surely not sent is tried again`);
      assert.ok(calls <= 1, `${where}: called ${calls} times`);
      if (direction === agent.toAgent && bytes < length[direction] - deflateTailBytesMax - lengthVariationMax)
        assert.equal(calls, 0, `${where}: half a request was taken for a whole one`);
    }
  }
  // The call is answered over the next connection as if nothing had been.
  await agent.endAll();
  check(await ask());
  return cuts;
}

const names = { listening: "listening", polling: "polling", elsewhere: "polling, asked from another node" } as const;
for (const mode of ["listening", "polling", "elsewhere"] as const) {
  test(`D2 D3 D5 D7: ${names[mode]}, cut at any byte of each call`, { ...linux, timeout: sweepMsMax }, async (t) => {
    const every = mode === "elsewhere" ? elsewhereStride : stride;
    const agent = await openAgent(t, mode);
    const trace = path.join(agent.folder, "trace");
    const runs = (): number => (existsSync(trace) ? readFileSync(trace, "utf8").split("\n").length - 1 : 0);
    const start = (ticket: string, body: string): Promise<unknown> =>
      agent.call(scriptServiceV2, "StartScript", [
        {
          ScriptTicket: { TaskId: ticket },
          ScriptBody: body,
          TaskId: "ServerTasks-1",
          DurationToWaitForScriptToFinish: null,
          Isolation: 0,
          ScriptIsolationMutexTimeout: 0,
          IsolationMutexName: null,
          Scripts: {},
          Files: [],
          Arguments: [],
        },
      ]);
    const status = (ticket: string): Promise<unknown> =>
      agent.call(scriptServiceV2, "GetStatus", [{ Ticket: { TaskId: ticket }, LastLogSequence: 0 }]);
    const isComplete = (answer: unknown): boolean => (answer as ScriptStatusResponseV2).State === processState.complete;
    const checkEnded = (answer: unknown): void => {
      const { ExitCode, Logs, State } = answer as ScriptStatusResponseV2;
      assert.deepEqual([State, ExitCode, scriptLines(Logs)], [processState.complete, 7, ["one", "two"]]);
    };
    const ofTicket = (ticket: string) => (answer: unknown) => assert.equal((answer as ScriptStatusResponseV2).Ticket.TaskId, ticket);
    const cuts: Record<string, number> = {};

    cuts["GetCapabilities"] = await sweep(
      agent,
      every,
      () => agent.call(capabilitiesServiceV2, "GetCapabilities", []),
      (answer) => assert.deepEqual(answer, { SupportedCapabilities: ["IScriptServiceV2"] }),
    );

    const body = `echo $$ >>"${trace}"; echo one; echo two; exit 7`;
    cuts["StartScript"] = await sweep(agent, startStrides[mode], () => start("swept", body), ofTicket("swept"));
    await eventually("the script is over", async () => isComplete(await status("swept")));
    assert.equal(runs(), 1, "started hundreds of times under one ticket, it ran once");

    // Each with a ticket of its own, so that the start that is cut is the first one: it runs once, whether it had arrived or not.
    const cold = path.join(agent.folder, "cold");
    let tickets = 0;
    let ticket = "";
    for (const direction of [agent.toAgent, agent.toServer]) {
      for (let bytes = 0; bytes < coldBytesMax; bytes += coldStride * (everyByte || mode !== "elsewhere" ? 1 : 3)) {
        ticket = `cold-${++tickets}`;
        const once = (): Promise<unknown> => start(ticket, `echo ${ticket} >>"${cold}"`);
        await agent.endAll({ direction, bytes });
        await once().catch((error: unknown) => assert.ok(error instanceof HalibutCallError, String(error)));
        await agent.endAll();
        ofTicket(ticket)(await once());
      }
    }
    const coldRuns = (): string[] => (existsSync(cold) ? readFileSync(cold, "utf8").trimEnd().split("\n") : []);
    await eventually("each of them has run", () => new Set(coldRuns()).size === tickets);
    assert.equal(coldRuns().length, tickets, "and none of them twice");

    cuts["GetStatus"] = await sweep(agent, every, () => status("swept"), checkEnded);

    await start("endless", `echo $$ >>"${trace}"; while :; do sleep 0.05; done`);
    await eventually("the endless one has begun", () => runs() === 2);
    cuts["CancelScript"] = await sweep(
      agent,
      every,
      () => agent.call(scriptServiceV2, "CancelScript", [{ Ticket: { TaskId: "endless" }, LastLogSequence: 0 }]),
      ofTicket("endless"),
    );
    const cancelled = await eventually("it is cancelled", async () => {
      const answer = (await status("endless")) as ScriptStatusResponseV2;
      return isComplete(answer) && answer;
    });
    assert.equal(cancelled.ExitCode, -1);

    cuts["CompleteScript"] = await sweep(
      agent,
      every,
      () => agent.call(scriptServiceV2, "CompleteScript", [{ Ticket: { TaskId: "swept" } }]),
      (answer) => assert.ok(answer === null || answer === undefined),
    );
    assert.equal(existsSync(path.join(agent.home, "Runs", "swept")), false, "what it left is gone");
    const late = (await start("swept", body)) as ScriptStatusResponseV2;
    assert.deepEqual([late.State, late.ExitCode, runs()], [processState.complete, 7, 2], "a late start is answered from what is kept");

    t.diagnostic(`calls that were cut: ${JSON.stringify(cuts)}`);
    for (const [method, count] of Object.entries(cuts)) assert.ok(count > 500 / every, `${method} was cut ${count} times`);
  });
}

/** Short, so that what is noticed by them is noticed soon. */
const impatient = { pollHoldMs: 50, pollControlMs: 300, pollMs: 600, proceedMs: 300 };

test("S5 A1: a polling connection that has gone silent is given up by both sides, and its successor gets the calls", linux, async (t) => {
  const agent = await openAgent(t, "polling", impatient);
  const ask = (timeoutMs?: number): Promise<unknown> => agent.call(capabilitiesServiceV2, "GetCapabilities", [], timeoutMs);
  await ask();
  agent.proxy.silenceAll();
  // Whoever is handed out over the silent connection learns that it may have arrived, at its own deadline at the latest; nobody waits for ever.
  await ask(2_000).catch((error: unknown) => {
    assert.ok(error instanceof HalibutCallError && error.requestMayHaveArrived, String(error));
    assert.ok(error.kind === "timed-out" || error.kind === "connection-lost", error.kind);
  });
  await eventually("both sides have left the silent connection", () => {
    const { from, to } = agent.proxy.openCount;
    return from === 1 && to === 1;
  });
  assert.deepEqual(await ask(), { SupportedCapabilities: ["IScriptServiceV2"] });
});

test("S5 A1: a pooled connection that has gone silent is given up before a request is sent over it", linux, async (t) => {
  const agent = await openAgent(t, "listening", impatient);
  const ask = (): Promise<unknown> => agent.call(capabilitiesServiceV2, "GetCapabilities", []);
  await ask();
  agent.proxy.silenceAll();
  const before = agent.served();
  assert.deepEqual(await ask(), { SupportedCapabilities: ["IScriptServiceV2"] });
  assert.equal(agent.served() - before, 1);
});
