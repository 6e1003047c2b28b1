/**
 * Calls to listening services: connects, reuses connections, and tries again only while nothing of the request has been sent.
 * Whether a call whose request may have arrived is made again is for its caller to decide.
 */
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { createConnectionPool } from "./connection-pool.ts";
import { createConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { ConnectionError, HalibutCallError, ProtocolError, messageOf } from "./errors.ts";
import type { HalibutCallFailure } from "./errors.ts";
import { withDefaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { callErrorFrom, decodeResponse, decodeResult, encodeRequest } from "./messages.ts";
import { peerThumbprint, tlsOptions } from "./trust.ts";
import type { Identity } from "./trust.ts";
import type { DecodeContext, ServiceContract } from "./values.ts";

export interface Peer {
  host: string;
  port: number;
  /** 40 upper-case hex digits. */
  thumbprint: string;
}

export interface CallOptions {
  /** For the whole call: connecting, waiting for the answer and receiving it. */
  timeoutMs: number;
  /** Aborting closes the connection; there is no message for it. */
  signal?: AbortSignal;
  /** Runs before the first byte of the request, for every attempt; if it throws, nothing is sent and its error is the call's. */
  beforeSend?: () => Promise<void>;
}

export interface HalibutClient {
  /**
   * Calls a method. Rejects with HalibutCallError, with the error of `beforeSend`, or with a TypeError if the arguments do not fit the contract.
   * Streams in the result are the caller's to dispose of.
   */
  call(peer: Peer, contract: ServiceContract, method: string, params: readonly unknown[], options: CallOptions): Promise<unknown>;
  /** Closes all connections; calls under way fail as cancelled. */
  close(): Promise<void>;
}

/** A failure before the request: worth another attempt unless `final`. */
class AttemptFailed extends Error {
  readonly kind: HalibutCallFailure;
  readonly final: boolean;
  constructor(kind: HalibutCallFailure, message: string, final: boolean, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.final = final;
  }
}

/** The three reasons to give a call up, as one signal. `reason` is null as long as none has come. */
interface GivingUp {
  readonly signal: AbortSignal;
  readonly reason: "timed-out" | "cancelled" | null;
  release(): void;
}

/** A client with connections of its own. `spoolFolder` holds large received streams until their receiver disposes of them. */
export function createHalibutClient(parts: { identity: Identity; limits?: Partial<HalibutLimits>; spoolFolder?: string }): HalibutClient {
  const limits = withDefaultLimits(parts.limits);
  const place = { folder: parts.spoolFolder ?? tmpdir(), limits };
  const pool = createConnectionPool(limits);
  const givingUp = new Set<() => void>();
  let closed = false;
  let sequence = 0;

  function watch(options: CallOptions): GivingUp {
    const controller = new AbortController();
    let reason: GivingUp["reason"] = null;
    const giveUp = (why: "timed-out" | "cancelled"): void => {
      reason ??= why;
      controller.abort();
    };
    const cancel = (): void => giveUp("cancelled");
    const timer = setTimeout(() => giveUp("timed-out"), options.timeoutMs);
    options.signal?.addEventListener("abort", cancel);
    givingUp.add(cancel);
    if (closed || options.signal?.aborted === true) cancel();
    return {
      signal: controller.signal,
      get reason() {
        return reason;
      },
      release() {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", cancel);
        givingUp.delete(cancel);
      },
    };
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
        if (signal.aborted) throw error;
      } finally {
        unwatch();
      }
    }
    pool.drop(key);
    return undefined;
  }

  /** Connects, compares the thumbprint before a byte of ours is written, and introduces us. */
  async function open(peer: Peer, signal: AbortSignal): Promise<Connection> {
    const socket = await connectTls(peer, signal);
    const presented = peerThumbprint(socket);
    if (presented !== peer.thumbprint) {
      socket.destroy();
      const shown = presented === null ? "no certificate" : `the certificate ${presented}`;
      throw new AttemptFailed("untrusted", `${peer.host}:${peer.port} showed ${shown}, expected was ${peer.thumbprint}.`, true);
    }
    const connection = createConnection({ socket, side: "connector", limits });
    const unwatch = cutOn(connection, signal);
    try {
      await connection.introduce();
      await connection.readIdentity();
      return connection;
    } catch (error) {
      connection.destroy(new ConnectionError("failed", messageOf(error)));
      const hint = error instanceof ConnectionError && error.reason === "ended" ? " It may not trust our certificate." : "";
      const kind = error instanceof ProtocolError ? "protocol" : "unreachable";
      throw new AttemptFailed(
        kind,
        `${peer.host}:${peer.port} did not introduce itself: ${messageOf(error)}${hint}`,
        kind === "protocol",
        error,
      );
    } finally {
      unwatch();
    }
  }

  function connectTls(peer: Peer, signal: AbortSignal): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      // Never a `session` here: on a resumed session Node does not show the peer's certificate.
      const socket = connect({
        ...tlsOptions(parts.identity),
        host: peer.host,
        port: peer.port,
        ...(isIP(peer.host) === 0 ? { servername: peer.host } : {}),
      });
      const timer = setTimeout(() => settle(new Error(`no TLS connection within ${limits.connectMs} ms`)), limits.connectMs);
      const onAbort = (): void => settle(new Error("the call was given up"));
      const onConnect = (): void => settle(null);
      const onClose = (): void => settle(new Error("the peer closed the connection during the TLS handshake"));
      function settle(error: Error | null): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        socket.removeListener("secureConnect", onConnect);
        socket.removeListener("close", onClose);
        socket.removeListener("error", settle);
        if (error === null) return resolve(socket);
        socket.on("error", () => {}); // what it may still say has no reader
        socket.destroy();
        const final = (error as NodeJS.ErrnoException).code === "ENOTFOUND";
        reject(new AttemptFailed("unreachable", `Cannot connect to ${peer.host}:${peer.port}: ${error.message}`, final, error));
      }
      socket.once("secureConnect", onConnect);
      socket.once("error", settle);
      socket.once("close", onClose);
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort);
    });
  }

  async function call(
    peer: Peer,
    contract: ServiceContract,
    method: string,
    params: readonly unknown[],
    options: CallOptions,
  ): Promise<unknown> {
    const what = `${contract.name}.${method} on ${peer.host}:${peer.port}`;
    const request = encodeRequest({ contract, method, params }, { url: urlOf(peer), thumbprint: peer.thumbprint }, ++sequence);
    const shape = contract.methods[method]!.result;
    const key = `${peer.thumbprint} ${peer.host} ${peer.port}`;
    const giving = watch(options);
    let sent = false;

    /** One exchange on a connection that is ready for it. */
    async function exchange(connection: Connection): Promise<unknown> {
      const unwatch = cutOn(connection, giving.signal);
      const context: DecodeContext = { incoming: [], knownTypes: new Set(), streamsPerMessageMax: limits.streamsPerMessageMax };
      try {
        await connection.sendMessage("request", request, () => (sent = true));
        const response = await connection.readMessage(options.timeoutMs, (envelope) => {
          const value = decodeResponse(envelope);
          if (value.id !== null && value.id !== request.id) throw new ProtocolError("The response belongs to another request.");
          return { move: "response", value };
        });
        const result = response.error === null ? decodeResult(shape, response, context, what) : null;
        await connection.readStreams(context.incoming, place);
        pool.put(key, connection);
        if (response.error !== null) throw callErrorFrom(response.error, what);
        return result;
      } catch (error) {
        if (error instanceof HalibutCallError) throw error;
        for (const stream of context.incoming) await stream.dispose();
        connection.destroy(new ConnectionError("failed", messageOf(error)));
        throw error;
      } finally {
        unwatch();
      }
    }

    /** The caller's error: that the call was given up comes first, then what the wire said. */
    function callError(error: unknown): HalibutCallError {
      const more = { requestMayHaveArrived: sent, cause: error };
      const message = messageOf(error);
      if (giving.reason === "timed-out")
        return new HalibutCallError("timed-out", `${what} had no answer within ${options.timeoutMs} ms. ${message}`, more);
      if (giving.reason === "cancelled") return new HalibutCallError("cancelled", `${what} was cancelled.`, more);
      const kind = error instanceof AttemptFailed ? error.kind : error instanceof ProtocolError ? "protocol" : "connection-lost";
      return new HalibutCallError(kind, `${what}: ${message}`, more);
    }

    try {
      for (let attempt = 1; ; attempt++) {
        try {
          if (attempt > 1) await pause(limits.connectRetryPauseMs, giving.signal);
          if (giving.signal.aborted) throw new ConnectionError("cancelled", "Nothing was sent.");
          const connection = (await reuse(key, giving.signal)) ?? (await open(peer, giving.signal));
          await beforeSend(connection, options);
          return await exchange(connection);
        } catch (error) {
          if (error instanceof HalibutCallError) throw error;
          if (error instanceof StoppedBeforeSend) throw error.cause;
          if (error instanceof TypeError) throw error;
          const mayTryAgain = error instanceof AttemptFailed ? !error.final : error instanceof ConnectionError;
          if (sent || !mayTryAgain || giving.reason !== null || attempt >= limits.connectAttemptsMax) throw callError(error);
        }
      }
    } finally {
      giving.release();
    }
  }

  return {
    call,
    async close() {
      closed = true;
      pool.close();
      for (const cancel of givingUp) cancel();
    },
  };
}

/** `beforeSend` threw: its error goes to the caller as it is. */
class StoppedBeforeSend extends Error {}

async function beforeSend(connection: Connection, options: CallOptions): Promise<void> {
  try {
    await options.beforeSend?.();
  } catch (error) {
    connection.end();
    throw new StoppedBeforeSend("Stopped before sending.", { cause: error });
  }
}

/** Destroys the connection when the signal comes, until the returned function is called. */
function cutOn(connection: Connection, signal: AbortSignal): () => void {
  const onAbort = (): void => connection.destroy(new ConnectionError("cancelled", "The call was given up."));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort);
  return () => signal.removeEventListener("abort", onAbort);
}

function urlOf(peer: Peer): string {
  return `https://${isIP(peer.host) === 6 ? `[${peer.host}]` : peer.host}:${peer.port}/`;
}

/** Waits; an abort ends it early. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
}
