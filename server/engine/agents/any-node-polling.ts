// Calls to polling agents from any node. An agent that is connected here gets its call from the queue in memory, with nothing stored. Else
// the call becomes a row; a node that holds a connection of the agent claims it, hands it out and stores the answer. Notifications make that
// quick; every node also looks by itself, so losing all of them only slows it. Which node holds what is entered for others to see; nothing
// rests on that.

import { HalibutCallError, normalSubscription } from "@cuttle/halibut";
import type { InMemoryPollingQueue, PollingPeer } from "@cuttle/halibut";
import { monotonicMs, pause } from "../../base/clock.ts";
import type { Database } from "../../platform/database/database.ts";
import type { Secrets } from "../../platform/secrets/secrets.ts";
import { markAlive, removeDeadProcesses, removeProcess, setConnections } from "./agent-connection-store.ts";
import { listAwaitedAgents, removeLeftovers } from "./agent-request-store.ts";
import { agentKey } from "./connected-agent.ts";
import type { ConnectedAgent } from "./connected-agent.ts";
import { createRequestCaller } from "./request-caller.ts";
import type { RequestCaller } from "./request-caller.ts";
import { createRequestHolder } from "./request-holder.ts";
import { createRequestText } from "./request-text.ts";
import { createStreamFiles } from "./stream-files.ts";
import type { StreamFolder } from "./stream-files.ts";

/** Channel on which requests and answers are hinted at: "ask <thumbprint> <subscription>", "answer <id>", "over <id>". */
const channel = "cuttle_agent_calls";
/** How often a node looks by itself. */
const lookMs = 500;
/** Changes of connections are gathered for this long, so that a restart with thousands of agents is some statements. */
const gatherMs = 20;
/** How often a process says that it lives, and for how long that counts: three may fail. */
const aliveEveryMs = 1_000;
const aliveMs = 4_000;
const sweepEveryMs = 60_000;
/** Agents named in one statement. */
const agentsPerStatementMax = 1_000;

/** Makes calls to polling agents. */
export interface PollingCalls {
  call: RequestCaller["call"];
  /** Cancels all calls. */
  close(): void;
}

export interface AnyNodePolling extends PollingCalls {
  start(): Promise<void>;
  /** An agent has connected to this process, or one of its connections has ended. */
  connected(peer: PollingPeer): void;
  disconnected(peer: PollingPeer): void;
  /** Gives back what is held and takes this process off the list. */
  stop(): Promise<void>;
}

export function createAnyNodePolling(parts: {
  database: Database;
  secrets: Secrets;
  /** Where streams lie while they pass between nodes. */
  streamFolder: StreamFolder;
  /** The queue from which this process's connections take their calls. */
  local: InMemoryPollingQueue;
  nodeName: string;
  /** Names this process start. */
  process: string;
  log: { warn(fields: object, message: string): void };
}): AnyNodePolling {
  const { database, local, process } = parts;
  const streams = createStreamFiles(parts.streamFolder, parts.secrets);
  const text = createRequestText(parts.secrets, streams);
  const stopping = new AbortController();
  const closing = new AbortController();
  const connected = new Map<string, ConnectedAgent>();
  /** Agents whose connections have changed since they were entered. */
  const changed = new Map<string, PollingPeer>();
  const holder = createRequestHolder({ database, text, streams, local, process, connected, notify, tell });
  const caller = createRequestCaller({
    database,
    text,
    streams,
    process,
    announce(key) {
      notify(`ask ${key}`);
      holder.hint(key); // it may have come here meanwhile
    },
    notify,
    tell,
  });
  let wakeUp = (): void => {};
  let isAwake = false;
  let aliveAtMs = -Infinity;
  let sweptAtMs = monotonicMs();
  let isTold = false;
  let loop: Promise<void> = Promise.resolve();
  let listener: { close(): Promise<void> } | undefined;

  function notify(payload: string): void {
    void database.execute(`SELECT pg_notify($1, $2)`, [channel, payload], { name: "agent-call-notify" }).catch(() => {});
  }

  function wake(): void {
    isAwake = true;
    wakeUp();
  }

  function heard(payload: string | null): void {
    if (payload === null) return wake();
    const space = payload.indexOf(" ");
    const [word, rest] = [payload.slice(0, space), payload.slice(space + 1)];
    if (word === "ask") holder.hint(rest);
    else if (word === "answer") caller.answered(rest);
    else if (word === "over") holder.withdrawn(rest);
  }

  async function look(): Promise<void> {
    await enterConnections();
    if (connected.size > 0) for (const agent of await listAwaitedAgents(database)) holder.hint(agentKey(agent));
    await caller.look();
    await holder.look();
    if (monotonicMs() - sweptAtMs > sweepEveryMs) {
      sweptAtMs = monotonicMs();
      await removeLeftovers(database);
      await removeDeadProcesses(database);
    }
  }

  async function enterConnections(): Promise<void> {
    if (monotonicMs() - aliveAtMs > aliveEveryMs) {
      const startedMs = monotonicMs();
      const isNew = await markAlive(database, { process, nodeName: parts.nodeName, aliveMs });
      aliveAtMs = startedMs;
      if (isNew) for (const [key, { peer }] of connected) changed.set(key, peer);
    }
    while (changed.size > 0) {
      const batch = [...changed].slice(0, agentsPerStatementMax);
      for (const [key] of batch) changed.delete(key);
      try {
        await setConnections(
          database,
          process,
          batch.map(([key, peer]) => ({ ...peer, connections: connected.get(key)?.connections ?? 0 })),
        );
      } catch (error) {
        aliveAtMs = -Infinity; // the mark may have gone with a crash of the database
        for (const [key, peer] of batch) changed.set(key, peer);
        throw error;
      }
    }
  }

  async function lookAgainAndAgain(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await look();
        isTold = false;
      } catch (error) {
        tell(error);
      }
      if (!isAwake) {
        const woken = new AbortController();
        wakeUp = () => woken.abort();
        await pause(lookMs, AbortSignal.any([woken.signal, stopping.signal]));
        wakeUp = () => {};
      }
      isAwake = false;
      await pause(gatherMs, stopping.signal);
    }
  }

  /** Says once per trouble what went wrong. */
  function tell(error: unknown): void {
    if (isTold) return;
    isTold = true;
    parts.log.warn({ err: error }, "Requests to polling agents could not be passed on between nodes; trying again.");
  }

  return {
    async start() {
      await enterConnections();
      listener = await database.listen(channel, heard);
      loop = lookAgainAndAgain();
    },

    connected(given) {
      const peer = { subscription: normalSubscription(given.subscription), thumbprint: given.thumbprint };
      const key = agentKey(peer);
      const agent = connected.get(key) ?? { peer, connections: 0, left: new AbortController() };
      agent.connections++;
      connected.set(key, agent);
      changed.set(key, peer);
      holder.hint(key);
      wake();
    },

    disconnected(given) {
      const key = agentKey(given);
      const agent = connected.get(key);
      if (agent === undefined) return;
      changed.set(key, agent.peer);
      if (--agent.connections === 0) {
        connected.delete(key);
        agent.left.abort();
      }
      wake();
    },

    async call(given, contract, method, params, options) {
      const peer = { subscription: normalSubscription(given.subscription), thumbprint: given.thumbprint };
      const untilMs = monotonicMs() + options.timeoutMs;
      const agent = connected.get(agentKey(peer));
      if (agent !== undefined) {
        try {
          const signals = options.signal === undefined ? [agent.left.signal] : [agent.left.signal, options.signal];
          return await local.call(peer, contract, method, params, { ...options, signal: AbortSignal.any(signals) });
        } catch (error) {
          const isFree = error instanceof HalibutCallError && error.kind === "cancelled" && !error.requestMayHaveArrived;
          if (!isFree || !agent.left.signal.aborted || options.signal?.aborted === true || closing.signal.aborted) throw error;
          // The agent left before a byte of it was sent: it may come back anywhere.
        }
      }
      return await caller.call(peer, contract, method, params, { ...options, timeoutMs: Math.max(1, untilMs - monotonicMs()) });
    },

    close() {
      closing.abort();
      caller.close();
      local.close();
    },

    async stop() {
      stopping.abort();
      await listener?.close();
      await loop;
      await holder.stop();
      await removeProcess(database, process).catch((error: unknown) => tell(error));
    },
  };
}
