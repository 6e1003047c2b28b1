// The side of a call between nodes that asks: leaves the request as a row, waits for the answer, and says of a call without one whether it may
// have reached the agent.

import { randomUUID } from "node:crypto";
import { HalibutCallError } from "@cuttle/halibut";
import type { CallOptions, PollingPeer, ServiceContract } from "@cuttle/halibut";
import type { Database } from "../../platform/database/database.ts";
import { isConnectionLoss } from "../../platform/database/database.ts";
import { insertRequest, listProgress, takeResponse, withdrawRequest } from "./agent-request-store.ts";
import type { CallLease } from "./agent-request-store.ts";
import { agentKey } from "./connected-agent.ts";
import { requestFormatVersion } from "./request-text.ts";
import type { RequestText } from "./request-text.ts";
import { holdsStream } from "./stream-files.ts";
import type { StreamFiles } from "./stream-files.ts";

/** The version before streams could be passed on, which older nodes understand. */
const withoutStreams = 1;
/** Requests that wait for one agent, as in the queue in memory. */
const waitingPerAgentMax = 1_000;

export type RoutedCallOptions = CallOptions & { lease?: CallLease };

export interface RequestCaller {
  /** `peer` with its subscription normalised. */
  call(
    peer: PollingPeer,
    contract: ServiceContract,
    method: string,
    params: readonly unknown[],
    options: RoutedCallOptions,
  ): Promise<unknown>;
  /** An answer may be there. */
  answered(id: string): void;
  /** Looks what has become of the calls that are open. */
  look(): Promise<void>;
  /** Cancels all calls. */
  close(): void;
}

/** What ends the wait for an answer. `gone`: the row is not there any more; `lost`: its holder died after it had been sent. */
type Ending = { stored: Buffer } | "gone" | "lost" | "timed-out" | "cancelled";

interface OpenCall {
  settle(ending: Ending): void;
  isStored: boolean;
  isTaking: boolean;
}

export function createRequestCaller(parts: {
  database: Database;
  text: RequestText;
  streams: StreamFiles;
  process: string;
  /** Tells all nodes that something waits for this agent. */
  announce: (key: string) => void;
  notify: (payload: string) => void;
  tell: (error: unknown) => void;
}): RequestCaller {
  const { database, text, streams, process, announce, notify, tell } = parts;
  const closing = new AbortController();
  const open = new Map<string, OpenCall>();

  async function call(
    peer: PollingPeer,
    contract: ServiceContract,
    method: string,
    params: readonly unknown[],
    options: RoutedCallOptions,
  ): Promise<unknown> {
    const what = `${contract.name}.${method} on ${peer.subscription}`;
    const id = randomUUID();
    const { values, files } = await streams.lend(id, "request", contract.methods[method]!.params, params);
    try {
      const bearsStreams = files.length > 0 || holdsStream(contract.methods[method]!.result);
      return await ask({ id, what, body: text.sealRequest(id, contract, method, values), bearsStreams }, peer, contract, method, options);
    } finally {
      await streams.remove(files);
    }
  }

  async function ask(
    { id, what, body, bearsStreams }: { id: string; what: string; body: Buffer; bearsStreams: boolean },
    peer: PollingPeer,
    contract: ServiceContract,
    method: string,
    options: RoutedCallOptions,
  ): Promise<unknown> {
    await options.beforeSend?.();
    const { ending, own, release } = openCall(options);
    open.set(id, own);
    try {
      try {
        const isIn = await insertRequest(database, {
          ...peer,
          id,
          formatVersion: bearsStreams ? requestFormatVersion : withoutStreams,
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
        // A statement whose confirmation was lost may have stored the row, or may do so in a moment: not finding it says nothing.
        const requestMayHaveArrived = left === "unknown" || (left?.sent ?? isConnectionLoss(error));
        throw new HalibutCallError("connection-lost", `${what}: the request could not be stored for the node that has the agent.`, {
          requestMayHaveArrived,
          cause: error,
        });
      }
      own.isStored = true;
      announce(agentKey(peer));
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
  async function withdraw(id: string, why: Exclude<Ending, object>, what: string, options: RoutedCallOptions): Promise<Buffer> {
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

  async function look(): Promise<void> {
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

  return { call, look, answered: (id) => void take(id), close: () => closing.abort() };
}
