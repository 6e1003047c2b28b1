// The side of a call between nodes that has the agent: claims requests for the agents connected here, hands each to the agent once, and stores
// what came of it for whoever asked. What cannot go out here is given back with not a byte sent, or dropped.

import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { fileTransferService } from "@cuttle/contract/agent/file-transfer";
import { scriptServiceV2 } from "@cuttle/contract/agent/script";
import { scriptServiceV1 } from "@cuttle/contract/agent/script-v1";
import { HalibutCallError } from "@cuttle/halibut";
import type { InMemoryPollingQueue, PollingPeer, ServiceContract } from "@cuttle/halibut";
import { monotonicMs, pause } from "../../base/clock.ts";
import type { Database } from "../../platform/database/database.ts";
import { claimRequests, dropClaimed, giveBack, giveBackUnsent, listHeld, markSent, storeResponse } from "./agent-request-store.ts";
import type { ClaimedRequest } from "./agent-request-store.ts";
import { agentKey } from "./connected-agent.ts";
import type { ConnectedAgent } from "./connected-agent.ts";
import { outcomeOfError, requestFormatVersion } from "./request-text.ts";
import type { CallOutcome, RequestText } from "./request-text.ts";
import type { StreamFiles } from "./stream-files.ts";

/** Requests of one agent that one node holds; the rest is left for other nodes to which the agent is connected too. */
const heldPerAgentMax = 16;
/** Requests taken by one statement. */
const claimMax = 64;
/** Agents named in one statement. */
const agentsPerStatementMax = 1_000;
const storeRetryMs = 200;
/** A stop waits no longer for calls that are being cut; what is still held then counts as held by a dead process. */
const stopMsMax = 3_000;

export interface RequestHolder {
  /** Something may be there for this agent. */
  hint(key: string): void;
  /** The caller of a request has given it up. */
  withdrawn(id: string): void;
  /** Compares what is held with the database: gives up what is gone, gives back what nobody here knows of. */
  look(): Promise<void>;
  /** Takes nothing more and waits until all that is held has been stored or given back. */
  stop(): Promise<void>;
}

const contracts: ReadonlyMap<string, ServiceContract> = new Map(
  [capabilitiesServiceV2, scriptServiceV2, scriptServiceV1, fileTransferService].map((contract) => [contract.name, contract]),
);

export function createRequestHolder(parts: {
  database: Database;
  text: RequestText;
  streams: StreamFiles;
  local: InMemoryPollingQueue;
  process: string;
  connected: ReadonlyMap<string, ConnectedAgent>;
  notify: (payload: string) => void;
  tell: (error: unknown) => void;
}): RequestHolder {
  const { database, text, streams, local, process, connected, notify, tell } = parts;
  const stopping = new AbortController();
  const held = new Map<string, { key: string; withdrawn: AbortController }>();
  const serving = new Set<Promise<void>>();
  /** Agents for which something may be there to be claimed. */
  const hinted = new Set<string>();
  /** Agents of which this process holds as much as it may. */
  const full = new Set<string>();
  let isPumping = false;

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
        if (claimed.length === claimMax) for (const { peer } of agents) hinted.add(agentKey(peer));
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
    const key = agentKey(peer);
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
      const { response, files } = await sealOutcome(id, contract, claimed.method, outcome);
      const ending = AbortSignal.any([withdrawn.signal, stopping.signal]);
      for (;;) {
        try {
          // The caller has the files from now on; when it has given up, nobody has.
          if ((await storeResponse(database, { id, process, response })) !== undefined) notify(`answer ${id}`);
          else await streams.remove(files);
          return;
        } catch (error) {
          tell(error);
          // Whether it was stored is not known: what is left of it in the end, the sweep takes.
          if (monotonicMs() > untilMs || !(await pause(storeRetryMs, ending))) return;
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

  /** The outcome as it is stored, with the files in which its streams lie. */
  async function sealOutcome(
    id: string,
    contract: ServiceContract,
    method: string,
    outcome: CallOutcome,
  ): Promise<{ response: Buffer; files: string[] }> {
    let files: string[] = [];
    try {
      if (!outcome.ok) return { response: text.sealOutcome(id, contract, method, outcome), files };
      const lent = await streams.lend(id, "response", [contract.methods[method]!.result], [outcome.result]);
      files = lent.files;
      return { response: text.sealOutcome(id, contract, method, { ok: true, result: lent.values[0] }), files };
    } catch (error) {
      await streams.remove(files);
      return { response: text.sealOutcome(id, contract, method, outcomeOfError(error)), files: [] };
    } finally {
      if (outcome.ok) await (outcome.result as { dispose?: () => Promise<void> } | null)?.dispose?.();
    }
  }

  async function handOut(
    claimed: ClaimedRequest,
    contract: ServiceContract,
    peer: PollingPeer,
    withdrawn: AbortSignal,
  ): Promise<CallOutcome | "drop" | "give back"> {
    const agent = connected.get(agentKey(peer));
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

  async function look(): Promise<void> {
    const before = new Map(held);
    const wasPumping = isPumping;
    const inDatabase = new Set(await listHeld(database, process));
    for (const [id, one] of before) if (!inDatabase.has(id)) one.withdrawn.abort();
    if (wasPumping || isPumping) return;
    // Claims whose confirmation was lost, and rows that could not be given back.
    for (const id of inDatabase) if (!before.has(id) && !held.has(id)) await giveBackUnsent(database, id, process);
  }

  return {
    hint,
    look,
    withdrawn: (id) => held.get(id)?.withdrawn.abort(),
    async stop() {
      stopping.abort();
      const waited = new AbortController();
      await Promise.race([Promise.all(serving), pause(stopMsMax, waited.signal)]);
      waited.abort();
    },
  };
}
