/** Opens a connection to a pinned peer, for callers of listening services and for polling services: TCP, TLS, thumbprint, introduction. One attempt; trying again is the caller's. */
import { isIP } from "node:net";
import type { Socket } from "node:net";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { createConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { ConnectionError, HalibutCallError, ProtocolError, messageOf } from "./errors.ts";
import type { HalibutCallFailure } from "./errors.ts";
import { cutOn } from "./giving-up.ts";
import { openTunnel, TunnelRefused } from "./http-tunnel.ts";
import type { HttpProxy } from "./http-tunnel.ts";
import type { HalibutLimits } from "./limits.ts";
import { connectorTlsOptions, peerThumbprint } from "./trust.ts";
import type { Identity } from "./trust.ts";

export interface Peer {
  host: string;
  port: number;
  /** 40 upper-case hex digits. */
  thumbprint: string;
  /** The way to it leads through this proxy. */
  proxy?: HttpProxy;
}

/** No connection; nothing but our introduction was sent. Worth another attempt unless `final`. */
export class AttemptFailed extends Error {
  override readonly name = "AttemptFailed";
  readonly kind: HalibutCallFailure;
  readonly final: boolean;

  constructor(kind: HalibutCallFailure, message: string, final: boolean, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.final = final;
  }
}

/** An introduced connection: as a caller, or with a subscription as a polling service. Rejects with AttemptFailed. */
export async function openConnection(parts: {
  peer: Peer;
  identity: Identity;
  limits: HalibutLimits;
  signal: AbortSignal;
  subscription?: string;
}): Promise<Connection> {
  const { peer, limits } = parts;
  const socket = await connectTls(parts);
  const presented = peerThumbprint(socket);
  // Before a byte of ours is written.
  if (presented !== peer.thumbprint) {
    socket.destroy();
    const shown = presented === null ? "no certificate" : `the certificate ${presented}`;
    throw new AttemptFailed("untrusted", `${peer.host}:${peer.port} showed ${shown}, expected was ${peer.thumbprint}.`, true);
  }
  const connection = createConnection({ socket, side: "connector", limits });
  const unwatch = cutOn(connection, parts.signal);
  try {
    await connection.introduce(parts.subscription);
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

/**
 * Whom one would talk to at an address: the thumbprint of the certificate that is shown there, before anything was said. Rejects with a
 * HalibutCallError when nobody is there, or nobody who speaks TLS.
 */
export async function discoverThumbprint(parts: {
  address: Omit<Peer, "thumbprint">;
  identity: Identity;
  limits: HalibutLimits;
  signal: AbortSignal;
}): Promise<string> {
  const { address, ...more } = parts;
  try {
    const socket = await connectTls({ ...more, peer: { ...address, thumbprint: "" } });
    const presented = peerThumbprint(socket);
    socket.destroy();
    if (presented === null) throw new HalibutCallError("protocol", `${address.host}:${address.port} showed no certificate.`);
    return presented;
  } catch (error) {
    if (error instanceof AttemptFailed)
      throw new HalibutCallError(error.kind, error.message, { requestMayHaveArrived: false, cause: error });
    throw error;
  }
}

function connectTls({
  peer,
  identity,
  limits,
  signal,
}: {
  peer: Peer;
  identity: Identity;
  limits: HalibutLimits;
  signal: AbortSignal;
}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    let socket: TLSSocket | undefined;
    const tunnelling = new AbortController();
    const timer = setTimeout(() => settle(new Error(`no TLS connection within ${limits.connectMs} ms`)), limits.connectMs);
    const onAbort = (): void => settle(new Error("the call was given up"));
    const onConnect = (): void => settle(null);
    const onClose = (): void => settle(new Error("the peer closed the connection during the TLS handshake"));
    let settled = false;
    function settle(error: Error | null): void {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket?.off("secureConnect", onConnect).off("close", onClose).off("error", settle);
      if (error === null) return resolve(socket!);
      socket?.on("error", () => {}); // what it may still say has no reader
      socket?.destroy();
      tunnelling.abort();
      const final = error instanceof TunnelRefused ? error.final : (error as NodeJS.ErrnoException).code === "ENOTFOUND";
      reject(new AttemptFailed("unreachable", `Cannot connect to ${peer.host}:${peer.port}: ${error.message}`, final, error));
    }
    function begin(over: { host: string; port: number } | { socket: Socket }): void {
      if (settled) {
        if ("socket" in over) over.socket.destroy();
        return;
      }
      // Never a `session` here: on a resumed session Node does not show the peer's certificate.
      socket = connect({ ...connectorTlsOptions(identity), ...over, ...(isIP(peer.host) === 0 ? { servername: peer.host } : {}) });
      socket.once("secureConnect", onConnect);
      socket.once("error", settle);
      socket.once("close", onClose);
    }
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort);
    if (peer.proxy === undefined) return begin({ host: peer.host, port: peer.port });
    openTunnel({ proxy: peer.proxy, peer, limits, signal: tunnelling.signal }).then((tunnel) => begin({ socket: tunnel }), settle);
  });
}

/** The peer as the address that stands in requests. */
export function urlOf(peer: Peer): string {
  return `https://${isIP(peer.host) === 6 ? `[${peer.host}]` : peer.host}:${peer.port}/`;
}
