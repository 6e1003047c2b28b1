/**
 * Calls to listening services: connects, reuses connections, and tries again only while nothing of the request has been sent.
 * Whether a call whose request may have arrived is made again is for its caller to decide.
 */
import { tmpdir } from "node:os";
import { createConnectionPool } from "./connection-pool.ts";
import type { Connection } from "./connection.ts";
import { AttemptFailed, openConnection, urlOf } from "./connector.ts";
import type { Peer } from "./connector.ts";
import { ConnectionError, messageOf } from "./errors.ts";
import { callError, exchange } from "./exchange.ts";
import type { Call, Outcome } from "./exchange.ts";
import { cutOn, pause, watchCall } from "./giving-up.ts";
import type { CallOptions } from "./giving-up.ts";
import { withDefaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { encodeRequest } from "./messages.ts";
import type { Identity } from "./trust.ts";
import type { ServiceContract } from "./shapes.ts";

export interface HalibutClient {
  /**
   * Calls a method. Rejects with HalibutCallError, with the error of `beforeSend`, or with a TypeError if the arguments do not fit the contract.
   * Streams in the result are the caller's to dispose of.
   */
  call(peer: Peer, contract: ServiceContract, method: string, params: readonly unknown[], options: CallOptions): Promise<unknown>;
  /**
   * When a connection to this peer was last lost, or could not be made, by performance.now(): since then it may have been restarted, which
   * a call does not tell that went out over a new one. Undefined: never, as far as is remembered.
   */
  connectionLostMs(peer: Peer): number | undefined;
  /** Closes all connections; calls under way fail as cancelled. */
  close(): Promise<void>;
}

/** Peers whose last lost connection is remembered; beyond it the oldest loss is forgotten. */
const lossesMax = 10_000;

/** A client with connections of its own. `spoolFolder` holds large received streams until their receiver disposes of them. */
export function createHalibutClient(parts: { identity: Identity; limits?: Partial<HalibutLimits>; spoolFolder?: string }): HalibutClient {
  const { identity } = parts;
  const limits = withDefaultLimits(parts.limits);
  const place = { folder: parts.spoolFolder ?? tmpdir(), limits };
  const losses = new Map<string, number>();
  const pool = createConnectionPool(limits, noteLoss);
  const underWay = new Set<Call>();
  let closed = false;
  let sequence = 0;

  function noteLoss(key: string): void {
    losses.delete(key);
    losses.set(key, performance.now());
    if (losses.size > lossesMax) losses.delete(losses.keys().next().value!);
  }

  /** A connection on which the peer has just said PROCEED, or undefined if there is none alive. Two dead ones mean that all are. */
  async function reuse(key: string, signal: AbortSignal): Promise<Connection | undefined> {
    for (let failures = 0; failures < 2; failures++) {
      const connection = pool.take(key);
      if (connection === undefined) return undefined;
      const unwatch = cutOn(connection, signal);
      try {
        await connection.sendControl("NEXT");
        await connection.readControl(limits.proceedMs);
        return connection;
      } catch (error) {
        connection.destroy(new ConnectionError("failed", messageOf(error)));
        noteLoss(key);
        if (signal.aborted) throw error;
      } finally {
        unwatch();
      }
    }
    pool.drop(key);
    return undefined;
  }

  async function call(
    peer: Peer,
    contract: ServiceContract,
    method: string,
    params: readonly unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    const request = encodeRequest({ contract, method, params }, { url: urlOf(peer), thumbprint: peer.thumbprint }, ++sequence);
    const made: Call = {
      request,
      resultShape: contract.methods[method]!.result,
      what: `${contract.name}.${method} on ${peer.host}:${peer.port}`,
      timeoutMs: options.timeoutMs,
      givingUp: watchCall(options),
      sent: false,
    };
    underWay.add(made);
    if (closed) made.givingUp.cancel();
    try {
      const outcome = await attempt(peer, made, options);
      if (outcome.ok) return outcome.result;
      throw outcome.error;
    } finally {
      made.givingUp.release();
      underWay.delete(made);
    }
  }

  async function attempt(peer: Peer, made: Call, options: CallOptions): Promise<Outcome> {
    const key = keyOf(peer);
    const { givingUp } = made;
    for (let attempts = 1; ; attempts++) {
      let connection: Connection;
      try {
        if (attempts > 1) await pause(limits.connectRetryPauseMs, givingUp.signal);
        if (givingUp.signal.aborted) throw new ConnectionError("cancelled", "Nothing was sent.");
        connection = (await reuse(key, givingUp.signal)) ?? (await openConnection({ peer, identity, limits, signal: givingUp.signal }));
      } catch (error) {
        noteLoss(key);
        if (mayTryAgain(made, attempts, error)) continue;
        throw callError(made, error);
      }
      try {
        await options.beforeSend?.();
      } catch (error) {
        connection.end();
        throw error;
      }
      try {
        const outcome = await exchange(connection, made, place);
        pool.put(key, connection);
        return outcome;
      } catch (error) {
        noteLoss(key);
        if (!mayTryAgain(made, attempts, error)) throw callError(made, error);
      }
    }
  }

  function mayTryAgain(made: Call, attempts: number, error: unknown): boolean {
    if (made.sent || made.givingUp.reason !== null || attempts >= limits.connectAttemptsMax) return false;
    return error instanceof AttemptFailed ? !error.final : error instanceof ConnectionError;
  }

  return {
    call,
    connectionLostMs: (peer) => losses.get(keyOf(peer)),
    async close() {
      closed = true;
      pool.close();
      for (const { givingUp } of underWay) givingUp.cancel();
    },
  };
}

/** A connection that was let in by another proxy, or for another user of it, is another one. */
function keyOf(peer: Peer): string {
  const { host, port, username } = peer.proxy ?? {};
  return [peer.thumbprint, peer.host, peer.port, ...(peer.proxy === undefined ? [] : [host, port, username])].join(" ");
}
