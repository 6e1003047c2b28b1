// Tells the polling agents that are connected to this node at which further addresses the cluster can be polled, so that an agent which
// joined when there was one node outlives that node. It is said over the agents' own connections, once after they have come and once after
// the list has changed; nothing is stored. Agents that do not offer to learn are left alone after one question.

import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import type { CapabilitiesResponseV2 } from "@cuttle/contract/agent/capabilities";
import { pollingAddressesCapability, pollingAddressesService } from "@cuttle/contract/agent/polling-addresses";
import type { PollingAddresses } from "@cuttle/contract/agent/polling-addresses";
import { HalibutCallError, normalSubscription } from "@cuttle/halibut";
import type { InMemoryPollingQueue, PollingPeer } from "@cuttle/halibut";
import { agentKey } from "./connected-agent.ts";

/** Agents that are told at once. Each is two short calls; a thousand agents are told within seconds, beside all other work. */
const atOnceMax = 8;
/** An agent that has just come has more urgent calls waiting, and with it came perhaps a thousand others. */
const settleMs = { min: 1_000, max: 4_000 };
/** As for other short calls. An agent whose connections are all busy is told later. */
const callTimeoutMs = 30_000;
/** After a call that failed. */
const againMs = { min: 30_000, max: 60_000 };

export interface AddressTeller {
  /** An agent has connected to this process, or one of its connections has ended. */
  connected(peer: PollingPeer): void;
  disconnected(peer: PollingPeer): void;
  /** What agents are told from now on; those that were told something else are told anew. An empty list is told to nobody. */
  announce(list: PollingAddresses): void;
  stop(): void;
}

interface Listener {
  peer: PollingPeer;
  connections: number;
  /** Aborts when its last connection has ended. */
  left: AbortController;
  /** Undefined: it was not asked yet. */
  isLearning: boolean | undefined;
  /** The list that it has. */
  told: PollingAddresses | undefined;
  timer: NodeJS.Timeout | undefined;
  /** One list at a time, so that no older one arrives after a newer. */
  isBeingTold: boolean;
}

/** `queue` is the one from which this process's connections take their calls. */
export function createAddressTeller(parts: {
  queue: Pick<InMemoryPollingQueue, "call">;
  log: { info(fields: object, message: string): void };
  /** A number from 0 to below 1. Replaceable for tests. */
  random?: () => number;
}): AddressTeller {
  const random = parts.random ?? Math.random;
  const agents = new Map<string, Listener>();
  /** Whose turn comes next. */
  const waiting = new Set<Listener>();
  const stopping = new AbortController();
  let list: PollingAddresses = { Addresses: [], OwnAddress: null };
  let underWay = 0;

  function later(agent: Listener, { min, max }: { min: number; max: number }): void {
    clearTimeout(agent.timer);
    agent.timer = setTimeout(() => enqueue(agent), min + random() * (max - min));
    agent.timer.unref();
  }

  function enqueue(agent: Listener): void {
    if (agent.isBeingTold || agent.left.signal.aborted || stopping.signal.aborted) return;
    waiting.add(agent);
    next();
  }

  function next(): void {
    for (const agent of waiting) {
      if (underWay >= atOnceMax || stopping.signal.aborted) return;
      waiting.delete(agent);
      underWay++;
      agent.isBeingTold = true;
      void tell(agent).then((outcome) => {
        underWay--;
        agent.isBeingTold = false;
        if (outcome === "failed") later(agent, againMs);
        // The list has changed meanwhile.
        if (outcome === "told" && agent.told !== list) enqueue(agent);
        next();
      });
    }
  }

  /** Says the list to one agent unless it has it; never rejects. */
  async function tell(agent: Listener): Promise<"told" | "nothing to tell" | "failed"> {
    const said = list;
    if (agent.told === said || agent.isLearning === false || said.Addresses.length === 0) return "nothing to tell";
    const options = { timeoutMs: callTimeoutMs, signal: AbortSignal.any([agent.left.signal, stopping.signal]) };
    try {
      if (agent.isLearning === undefined) {
        const answer = (await parts.queue.call(
          agent.peer,
          capabilitiesServiceV2,
          "GetCapabilities",
          [],
          options,
        )) as CapabilitiesResponseV2;
        agent.isLearning = answer.SupportedCapabilities.includes(pollingAddressesCapability);
      }
      if (!agent.isLearning) return "nothing to tell";
      await parts.queue.call(agent.peer, pollingAddressesService, "LearnPollingAddresses", [said], options);
      agent.told = said;
      return "told";
    } catch (error) {
      const isUnknown = error instanceof HalibutCallError && /^(service|method)-not-found$/.test(error.kind);
      if (isUnknown) agent.isLearning = false;
      if (isUnknown || options.signal.aborted) return "nothing to tell";
      parts.log.info(
        { agent: agent.peer.subscription, reason: (error as Error).message },
        "A polling agent could not be told at which addresses this cluster is reached; it is tried again.",
      );
      return "failed";
    }
  }

  return {
    connected(given) {
      const peer = { subscription: normalSubscription(given.subscription), thumbprint: given.thumbprint };
      const key = agentKey(peer);
      const known = agents.get(key);
      if (known !== undefined) return void known.connections++;
      const agent: Listener = {
        peer,
        connections: 1,
        left: new AbortController(),
        isLearning: undefined,
        told: undefined,
        timer: undefined,
        isBeingTold: false,
      };
      agents.set(key, agent);
      later(agent, settleMs);
    },

    disconnected(given) {
      const key = agentKey(given);
      const agent = agents.get(key);
      if (agent === undefined || --agent.connections > 0) return;
      agents.delete(key);
      waiting.delete(agent);
      clearTimeout(agent.timer);
      agent.left.abort();
    },

    announce(given) {
      list = given;
      for (const agent of agents.values()) enqueue(agent);
    },

    stop() {
      stopping.abort();
      for (const agent of agents.values()) clearTimeout(agent.timer);
    },
  };
}
