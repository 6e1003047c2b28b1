/**
 * Calls to listening services: connects, pools connections, and tries again only while nothing of the request has been sent.
 * Whether a call whose request may have arrived is made again is for its caller to decide.
 */
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
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
  /** Closes all connections; calls under way fail. */
  close(): Promise<void>;
}

interface Pooled {
  connection: Connection;
  expiry: NodeJS.Timeout;
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

/** A client with a pool of its own. `spoolFolder` holds large received streams until their receiver disposes of them. */
export function createHalibutClient(parts: { identity: Identity; limits?: Partial<HalibutLimits>; spoolFolder?: string }): HalibutClient {
  const limits = withDefaultLimits(parts.limits);
  const place = { folder: parts.spoolFolder ?? tmpdir(), limits };
  const pool = new Map<string, Pooled[]>();
  const active = new Set<Connection>();
  const closing = new AbortController();
  let sequence = 0;

  function keyOf(peer: Peer): string {
    return `${peer.thumbprint} ${peer.host} ${peer.port}`;
  }

  function takePooled(key: string): Connection | undefined {
    const idle = pool.get(key);
    for (;;) {
      const found = idle?.pop();
      if (found === undefined) return undefined;
      clearTimeout(found.expiry);
      if (!found.connection.closed.aborted) return found.connection;
    }
  }

  function putPooled(key: string, connection: Connection): void {
    const idle = pool.get(key) ?? [];
    if (closing.signal.aborted || connection.closed.aborted || idle.length >= limits.poolConnectionsMax) return connection.end();
    pool.set(key, idle);
    const entry: Pooled = { connection, expiry: setTimeout(discard, limits.poolIdleMs) };
    entry.expiry.unref();
    function discard(): void {
      const at = idle.indexOf(entry);
      if (at >= 0) idle.splice(at, 1);
      if (idle.length === 0 && pool.get(key) === idle) pool.delete(key);
      clearTimeout(entry.expiry);
      connection.end();
    }
    idle.push(entry);
    connection.closed.addEventListener("abort", discard, { once: true });
  }

  function dropPooled(key: string): void {
    for (let connection = takePooled(key); connection !== undefined; connection = takePooled(key)) connection.end();
  }

  /** A connection on which the peer has just said PROCEED, or undefined if there is none alive. Two dead ones mean that all are. */
  async function reuse(key: string, signal: AbortSignal): Promise<Connection | undefined> {
    for (let failures = 0; failures < 2; failures++) {
      const connection = takePooled(key);
      if (connection === undefined) return undefined;
      const stop = cutOn(connection, signal);
      try {
        await connection.sendControl("NEXT");
        await connection.readControl(limits.proceedMs);
        return connection;
      } catch (error) {
        connection.destroy(new ConnectionError("failed", messageOf(error)));
        if (signal.aborted) throw error;
      } finally {
        stop();
      }
    }
    dropPooled(key);
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
    const stop = cutOn(connection, signal);
    try {
      await connection.introduce();
      await connection.readIdentity();
      return connection;
    } catch (error) {
      connection.destroy(new ConnectionError("failed", messageOf(error)));
      const hint = error instanceof ConnectionError && error.reason === "ended" ? " It may not trust our certificate." : "";
      const kind = error instanceof ProtocolError ? "protocol" : "unreachable";
      throw new AttemptFailed(kind, `${peer.host}:${peer.port} did not introduce itself: ${messageOf(error)}${hint}`, kind === "protocol", error);
    } finally {
      stop();
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
      const timer = setTimeout(() => done(new Error(`no TLS connection within ${limits.connectMs} ms`)), limits.connectMs);
      const onAbort = (): void => done(new Error("the call was given up"));
      function done(error: Error | null): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        socket.removeListener("secureConnect", onConnect);
        if (error === null) {
          socket.removeListener("error", done);
          return resolve(socket);
        }
        socket.on("error", () => {});
        socket.destroy();
        const final = (error as NodeJS.ErrnoException).code === "ENOTFOUND";
        reject(new AttemptFailed("unreachable", `Cannot connect to ${peer.host}:${peer.port}: ${error.message}`, final, error));
      }
      const onConnect = (): void => done(null);
      socket.once("secureConnect", onConnect);
      socket.once("error", done);
      socket.once("close", () => done(new Error("the peer closed the connection during the TLS handshake")));
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Destroys the connection when the call is given up. Call the result to stop watching. */
  function cutOn(connection: Connection, signal: AbortSignal): () => void {
    const onAbort = (): void => connection.destroy(new ConnectionError("cancelled", "The call was given up."));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return () => signal.removeEventListener("abort", onAbort);
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
    const key = keyOf(peer);
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const signal = AbortSignal.any([timeout, closing.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    let sent = false;

    /** The caller's error for something that went wrong: giving up comes first, then what the wire said. */
    function failed(kind: HalibutCallFailure, message: string, cause: unknown): HalibutCallError {
      const more = { requestMayHaveArrived: sent, cause };
      if (timeout.aborted) return new HalibutCallError("timed-out", `${what} took longer than ${options.timeoutMs} ms. ${message}`, more);
      if (signal.aborted) return new HalibutCallError("cancelled", `${what} was cancelled.`, more);
      return new HalibutCallError(kind, `${what}: ${message}`, more);
    }

    const connection = await obtain();
    active.add(connection);
    const stop = cutOn(connection, signal);
    const context: DecodeContext = { incoming: [], knownTypes: new Set(), streamsPerMessageMax: limits.streamsPerMessageMax };
    try {
      if (options.beforeSend !== undefined) await options.beforeSend();
    } catch (error) {
      stop();
      active.delete(connection);
      connection.end();
      throw error;
    }
    try {
      if (signal.aborted) throw new ConnectionError("cancelled", "The call was given up before anything was sent.");
      await connection.sendMessage("request", request, () => (sent = true));
      const response = await connection.readMessage(options.timeoutMs, (envelope) => {
        const value = decodeResponse(envelope);
        if (value.id !== null && value.id !== request.id) throw new ProtocolError("The response belongs to another request.");
        return { move: "response", value };
      });
      const result = response.error === null ? decodeResult(shape, response, context, what) : null;
      await connection.readStreams(context.incoming, place);
      putPooled(key, connection);
      if (response.error !== null) throw callErrorFrom(response.error, what);
      return result;
    } catch (error) {
      if (error instanceof HalibutCallError) throw error;
      for (const stream of context.incoming) await stream.dispose();
      connection.destroy(new ConnectionError("failed", messageOf(error)));
      if (error instanceof TypeError) throw error;
      throw failed(error instanceof ProtocolError ? "protocol" : "connection-lost", messageOf(error), error);
    } finally {
      stop();
      active.delete(connection);
    }

    /** A connection that is ready for the request: a pooled one that answered NEXT, or a new one. */
    async function obtain(): Promise<Connection> {
      let last: unknown;
      for (let attempt = 1; attempt <= limits.connectAttemptsMax; attempt++) {
        try {
          if (attempt > 1) await pause(limits.connectRetryPauseMs, signal);
          if (signal.aborted) break;
          return (await reuse(key, signal)) ?? (await open(peer, signal));
        } catch (error) {
          last = error;
          if (signal.aborted || (error instanceof AttemptFailed && error.final)) break;
        }
      }
      throw failed(last instanceof AttemptFailed ? last.kind : "unreachable", last === undefined ? "" : messageOf(last), last);
    }
  }

  return {
    call,
    async close() {
      closing.abort();
      for (const key of [...pool.keys()]) dropPooled(key);
      for (const connection of active) connection.destroy(new ConnectionError("cancelled", "The client is closing."));
    },
  };
}

function urlOf(peer: Peer): string {
  return `https://${isIP(peer.host) === 6 ? `[${peer.host}]` : peer.host}:${peer.port}/`;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    if (signal.aborted) done();
    else signal.addEventListener("abort", done, { once: true });
  });
}
