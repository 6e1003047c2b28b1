// Calls to polling agents from any node. An agent that is connected here gets its call from the queue in memory, with nothing stored. Else
// the call becomes a row; a node that holds a connection of the agent claims it, hands it out and stores the answer. Notifications make that
// quick; every node also looks by itself, so losing all of them only slows it. Which node holds what is entered for others to see; nothing
// rests on that.

import { randomUUID } from "node:crypto";
import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { scriptServiceV2 } from "@cuttle/contract/agent/script";
import { scriptServiceV1 } from "@cuttle/contract/agent/script-v1";
import { HalibutCallError, normalSubscription } from "@cuttle/halibut";
import type { CallOptions, InMemoryPollingQueue, PollingPeer, ServiceContract } from "@cuttle/halibut";
import { monotonicMs, pause } from "../../base/clock.ts";
import type { Database } from "../../platform/database/database.ts";
import type { Secrets } from "../../platform/secrets/secrets.ts";
import { markAlive, removeDeadProcesses, removeProcess, setConnections } from "./agent-connection-store.ts";
import {
  claimRequests,
  dropClaimed,
  giveBack,
  giveBackUnsent,
  insertRequest,
  listAwaitedAgents,
  listHeld,
  listProgress,
  markSent,
  removeLeftovers,
  storeResponse,
  takeResponse,
  withdrawRequest,
} from "./agent-request-store.ts";
import type { CallLease, ClaimedRequest } from "./agent-request-store.ts";
import { createRequestText, outcomeOfError, requestFormatVersion } from "./request-text.ts";
import type { CallOutcome } from "./request-text.ts";

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
/** Requests that wait for one agent, as in the queue in memory. */
const waitingPerAgentMax = 1_000;
/** Requests of one agent that one node holds; the rest is left for other nodes to which the agent is connected too. */
const heldPerAgentMax = 16;
/** Requests taken by one statement. */
const claimMax = 64;
/** Agents named in one statement. */
const agentsPerStatementMax = 1_000;
const storeRetryMs = 200;

/** Makes calls to polling agents. */
export interface PollingCalls {
  call(
    peer: PollingPeer,
    contract: ServiceContract,
    method: string,
    params: readonly unknown[],
    options: CallOptions & { lease?: CallLease },
  ): Promise<unknown>;
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

interface ConnectedAgent {
  peer: PollingPeer;
  connections: number;
  /** Aborts when the last connection has ended. */
  left: AbortController;
}

/** What ends the wait for an answer. `gone`: the row is not there any more; `lost`: its holder died after it had been sent. */
type Ending = { stored: Buffer } | "gone" | "lost" | "timed-out" | "cancelled";

interface OpenCall {
  settle(ending: Ending): void;
  isStored: boolean;
  isTaking: boolean;
}

const contracts: ReadonlyMap<string, ServiceContract> = new Map(
  [capabilitiesServiceV2, scriptServiceV2, scriptServiceV1].map((contract) => [contract.name, contract]),
);

export function createAnyNodePolling(parts: {
  database: Database;
  secrets: Secrets;
  /** The queue from which this process's connections take their calls. */
  local: InMemoryPollingQueue;
  nodeName: string;
  /** Names this process start. */
  process: string;
  log: { warn(fields: object, message: string): void };
}): AnyNodePolling {
  const { database, local, process } = parts;
  const text = createRequestText(parts.secrets);
  const stopping = new AbortController();
  const closing = new AbortController();
  const connected = new Map<string, ConnectedAgent>();
  /** Agents whose connections have changed since they were entered. */
  const changed = new Map<string, PollingPeer>();
  const open = new Map<string, OpenCall>();
  const held = new Map<string, { key: string; withdrawn: AbortController }>();
  const serving = new Set<Promise<void>>();
  /** Agents for which something may be there to be claimed. */
  const hinted = new Set<string>();
  /** Agents of which this process holds as much as it may. */
  const full = new Set<string>();
  let isPumping = false;
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
    if (word === "ask") hint(rest);
    else if (word === "answer") void take(rest);
    else if (word === "over") held.get(rest)?.withdrawn.abort();
  }

  // Claiming and handing out.

  function hint(key: string): void {
    if (!connected.has(key)) return;
    hinted.add(key);
    void pump();
  }

  async function pump(): Promise<void> {
    if (isPumping) return;
    isPumping = true;
    try {
      while (hinted.size > 0 && !stopping.signal.aborted) {
        const keys = [...hinted].slice(0, agentsPerStatementMax);
        for (const key of keys) hinted.delete(key);
        const agents: ConnectedAgent[] = [];
        for (const key of keys) {
          const agent = connected.get(key);
          if (agent === undefined) continue;
          if (heldOf(key) >= heldPerAgentMax) full.add(key);
          else agents.push(agent);
        }
        if (agents.length === 0) continue;
        const claimed = await claimRequests(database, {
          process,
          agents: agents.map(({ peer }) => peer),
          services: [...contracts.keys()],
          formatVersion: requestFormatVersion,
          max: claimMax,
        });
        for (const one of claimed) {
          const done = serve(one).finally(() => serving.delete(done));
          serving.add(done);
        }
        if (claimed.length === claimMax) for (const { peer } of agents) hinted.add(keyOf(peer));
      }
    } catch (error) {
      tell(error);
    } finally {
      isPumping = false;
    }
  }

  function heldOf(key: string): number {
    let count = 0;
    for (const one of held.values()) if (one.key === key) count++;
    return count;
  }

  /** Hands a claimed request to the agent and stores what comes of it. */
  async function serve(claimed: ClaimedRequest): Promise<void> {
    const { id } = claimed;
    const peer = { subscription: claimed.subscription, thumbprint: claimed.thumbprint };
    const key = keyOf(peer);
    const withdrawn = new AbortController();
    held.set(id, { key, withdrawn });
    const untilMs = monotonicMs() + claimed.remainingMs;
    try {
      const contract = contracts.get(claimed.service)!;
      const outcome = await handOut(claimed, contract, peer, withdrawn.signal);
      if (outcome === "drop") return await dropClaimed(database, id, process);
      if (outcome === "give back") {
        if (await giveBack(database, id, process)) notify(`ask ${key}`);
        return;
      }
      let response: Buffer;
      try {
        response = text.sealOutcome(id, contract, claimed.method, outcome);
      } catch (error) {
        response = text.sealOutcome(id, contract, claimed.method, outcomeOfError(error));
      }
      while (monotonicMs() < untilMs && !withdrawn.signal.aborted) {
        try {
          if ((await storeResponse(database, { id, process, response })) !== undefined) notify(`answer ${id}`);
          return;
        } catch (error) {
          tell(error);
          await pause(storeRetryMs, withdrawn.signal);
        }
      }
    } catch (error) {
      // The look at what is held gives the row back, or its caller's time runs out.
      tell(error);
    } finally {
      held.delete(id);
      if (full.delete(key)) hint(key);
    }
  }

  async function handOut(
    claimed: ClaimedRequest,
    contract: ServiceContract,
    peer: PollingPeer,
    withdrawn: AbortSignal,
  ): Promise<CallOutcome | "drop" | "give back"> {
    const agent = connected.get(keyOf(peer));
    if (agent === undefined) return "give back";
    let unsent: "drop" | "give back" | undefined;
    try {
      const params = text.openRequest(claimed.id, contract, claimed.method, claimed.body);
      const result = await local.call(peer, contract, claimed.method, params, {
        timeoutMs: Math.max(1, claimed.remainingMs),
        signal: AbortSignal.any([agent.left.signal, withdrawn]),
        beforeSend: async () => {
          // Nothing has gone out, but the mark may be there although its confirmation was lost.
          unsent = "give back";
          if (!(await markSent(database, claimed.id, process))) {
            unsent = "drop";
            throw new Error("The request was withdrawn, or its lease is not the current one any more.");
          }
          unsent = undefined;
        },
      });
      return { ok: true, result };
    } catch (error) {
      if (unsent !== undefined) return unsent;
      const neverWent = error instanceof HalibutCallError && error.kind === "cancelled" && !error.requestMayHaveArrived;
      if (neverWent && !withdrawn.aborted) return "give back";
      return outcomeOfError(error);
    }
  }

  // Asking.

  async function callThroughRow(
    peer: PollingPeer,
    contract: ServiceContract,
    method: string,
    params: readonly unknown[],
    options: CallOptions & { lease?: CallLease },
  ): Promise<unknown> {
    const what = `${contract.name}.${method} on ${peer.subscription}`;
    const id = randomUUID();
    const body = text.sealRequest(id, contract, method, params);
    await options.beforeSend?.();
    const { ending, own, release } = openCall(options);
    open.set(id, own);
    try {
      try {
        const isIn = await insertRequest(database, {
          ...peer,
          id,
          formatVersion: requestFormatVersion,
          service: contract.name,
          method,
          body,
          caller: process,
          lease: options.lease,
          timeoutMs: options.timeoutMs,
          waitingMax: waitingPerAgentMax,
        });
        if (!isIn) throw new HalibutCallError("unreachable", `${what}: ${waitingPerAgentMax} requests wait for this agent already.`);
      } catch (error) {
        if (error instanceof HalibutCallError) throw error;
        tell(error);
        const left = await withdrawRequest(database, id).catch(() => "unknown" as const);
        // A statement whose confirmation was lost may have stored the row.
        const requestMayHaveArrived = left === "unknown" || left?.sent === true;
        throw new HalibutCallError("connection-lost", `${what}: the request could not be stored for the node that has the agent.`, {
          requestMayHaveArrived,
          cause: error,
        });
      }
      own.isStored = true;
      const key = keyOf(peer);
      notify(`ask ${key}`);
      hint(key); // it may have come here meanwhile
      const ended = await ending;
      const stored = typeof ended === "object" ? ended.stored : await withdraw(id, ended, what, options);
      const outcome = text.openOutcome(id, contract, method, stored);
      if (outcome.ok) return outcome.result;
      const { kind, message, ...more } = outcome;
      throw new HalibutCallError(kind, message, more);
    } finally {
      release();
      open.delete(id);
    }
  }

  /** Takes the request back and throws what its caller is to know; answers the response if it came at that very moment. */
  async function withdraw(
    id: string,
    why: Exclude<Ending, object>,
    what: string,
    options: CallOptions & { lease?: CallLease },
  ): Promise<Buffer> {
    const left = await withdrawRequest(database, id).catch(() => undefined);
    if (left?.response) return left.response;
    if (left?.holder) notify(`over ${id}`);
    // A row that is gone was dropped because the lease is not ours any more, which this tells, or vanished with a crash of the database.
    if (why === "gone") await options.beforeSend?.();
    const requestMayHaveArrived = left?.sent ?? true;
    if (why === "cancelled") throw new HalibutCallError("cancelled", `${what} was cancelled.`, { requestMayHaveArrived });
    if (why === "timed-out") {
      const story = requestMayHaveArrived
        ? `had no answer within ${options.timeoutMs} ms.`
        : "was not collected in time. Is the agent connected?";
      throw new HalibutCallError("timed-out", `${what} ${story}`, { requestMayHaveArrived });
    }
    const story = why === "lost" ? "the node that had sent it to the agent died" : "the database lost the request";
    throw new HalibutCallError("connection-lost", `${what}: ${story} before the answer was stored.`, { requestMayHaveArrived });
  }

  function openCall(options: CallOptions): { ending: Promise<Ending>; own: OpenCall; release: () => void } {
    let settle!: (ending: Ending) => void;
    const ending = new Promise<Ending>((resolve) => (settle = resolve));
    const timer = setTimeout(() => settle("timed-out"), options.timeoutMs);
    const cancel = (): void => settle("cancelled");
    const signals = [options.signal, closing.signal].filter((signal) => signal !== undefined);
    for (const signal of signals) {
      if (signal.aborted) cancel();
      else signal.addEventListener("abort", cancel);
    }
    return {
      ending,
      own: { settle, isStored: false, isTaking: false },
      release() {
        clearTimeout(timer);
        for (const signal of signals) signal.removeEventListener("abort", cancel);
      },
    };
  }

  async function take(id: string): Promise<void> {
    const call = open.get(id);
    if (call === undefined || call.isTaking) return;
    call.isTaking = true;
    try {
      const stored = await takeResponse(database, id);
      if (stored !== undefined) call.settle({ stored });
    } catch (error) {
      tell(error); // the next look finds the answer, or that it went with the lost confirmation
    } finally {
      call.isTaking = false;
    }
  }

  // Looking by itself.

  async function look(): Promise<void> {
    await enterConnections();
    if (connected.size > 0) for (const agent of await listAwaitedAgents(database)) hint(keyOf(agent));
    await lookAtOwn();
    await lookAtHeld();
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

  async function lookAtOwn(): Promise<void> {
    const ids = [...open].filter(([, call]) => call.isStored).map(([id]) => id);
    if (ids.length === 0) return;
    const found = new Map((await listProgress(database, ids)).map((row) => [row.id, row.progress]));
    for (const id of ids) {
      const progress = found.get(id);
      if (progress === "answered") void take(id);
      else if (progress === "lost") open.get(id)?.settle("lost");
      else if (progress === undefined && open.get(id)?.isTaking === false) open.get(id)?.settle("gone");
    }
  }

  async function lookAtHeld(): Promise<void> {
    if (held.size === 0 && connected.size === 0) return;
    const before = new Map(held);
    const wasPumping = isPumping;
    const inDatabase = new Set(await listHeld(database, process));
    for (const [id, one] of before) if (!inDatabase.has(id)) one.withdrawn.abort();
    if (wasPumping || isPumping) return;
    // Claims whose confirmation was lost, and rows that could not be given back.
    for (const id of inDatabase) if (!before.has(id) && !held.has(id)) await giveBackUnsent(database, id, process);
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
      const key = keyOf(peer);
      const agent = connected.get(key) ?? { peer, connections: 0, left: new AbortController() };
      agent.connections++;
      connected.set(key, agent);
      changed.set(key, peer);
      hint(key);
      wake();
    },

    disconnected(given) {
      const key = keyOf(given);
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
      const agent = connected.get(keyOf(peer));
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
      return await callThroughRow(peer, contract, method, params, { ...options, timeoutMs: Math.max(1, untilMs - monotonicMs()) });
    },

    close() {
      closing.abort();
      local.close();
    },

    async stop() {
      stopping.abort();
      await listener?.close();
      await loop;
      await Promise.all(serving);
      await removeProcess(database, process).catch((error: unknown) => tell(error));
    },
  };
}

function keyOf(peer: PollingPeer): string {
  return `${peer.thumbprint} ${normalSubscription(peer.subscription)}`;
}
