/**
 * The listening side: accepts connections, shows a web page to whatever does not speak Halibut, lets trusted peers in and runs their requests.
 * It decides nothing about deployments; who is trusted is asked for every new connection.
 */
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { createServer } from "node:tls";
import type { TLSSocket } from "node:tls";
import { createConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { dispatch } from "./dispatcher.ts";
import { ConnectionError, ProtocolError, messageOf } from "./errors.ts";
import { withDefaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { normalSubscription } from "./polling-queue.ts";
import type { PollingQueue } from "./polling-queue.ts";
import { createServiceTable } from "./service.ts";
import type { ServedRequest, ServiceImplementation } from "./service.ts";
import { peerThumbprint, tlsOptions } from "./trust.ts";
import type { Identity } from "./trust.ts";

/** How polling services are let in: where their requests come from, and which certificate may ask for which subscription (normalised). */
export interface PollingSide {
  queue: PollingQueue;
  mayPoll(subscription: string, thumbprint: string): boolean | Promise<boolean>;
}

/** What a listener tells its program, for logs and figures. Never arguments or results. */
export type ListenerEvent =
  | { kind: "refused"; remote: string; thumbprint: string | null; reason: string }
  | { kind: "identified"; remote: string; thumbprint: string; subscription: string | null }
  | ({ kind: "served"; thumbprint: string } & ServedRequest)
  | { kind: "closed"; remote: string; thumbprint: string; reason: string | null };

export interface HalibutListener {
  /** Starts to accept connections; port 0 lets the system choose. Throws the system's error when the port is taken. */
  listen(where: { host: string; port: number }): Promise<{ port: number }>;
  /** Closes the port and every connection. */
  close(): Promise<void>;
  /** Closes the connections whose peers are not trusted any more. */
  dropUntrusted(): Promise<void>;
}

const defaultPage = "<html><body><p>This port is for deployment agents and servers. There is nothing to see here.</p></body></html>";

/** A listener for the given services. `page` is the HTML that browsers and health probes get; `spoolFolder` holds large received streams while their method runs. */
export function createHalibutListener(parts: {
  identity: Identity;
  /** Asked for every new connection, perhaps of a database. What it rejects with closes the connection. */
  isTrusted(thumbprint: string): boolean | Promise<boolean>;
  services: ServiceImplementation[];
  /** Without it, polling services are turned away. */
  polling?: PollingSide;
  limits?: Partial<HalibutLimits>;
  onEvent?: (event: ListenerEvent) => void;
  page?: string;
  spoolFolder?: string;
}): HalibutListener {
  const limits = withDefaultLimits(parts.limits);
  const onEvent = parts.onEvent ?? (() => {});
  const webPage = pageAnswer(parts.page ?? defaultPage);
  const place = { folder: parts.spoolFolder ?? tmpdir(), limits };
  const services = createServiceTable({
    services: parts.services,
    place,
    onServed: (served, thumbprint) => onEvent({ kind: "served", thumbprint, ...served }),
  });
  const connections = new Map<Connection, { thumbprint: string | null }>();
  /** Sockets by the peer's address, from the first packet to the close, and those among them whose peer is still a stranger. */
  const sockets = new Map<string, Socket>();
  const strangers = new Set<string>();

  const server = createServer({
    ...tlsOptions(parts.identity),
    requestCert: true,
    handshakeTimeout: limits.helloMs,
    noDelay: true,
  });
  server.maxConnections = limits.connectionsMax;
  server.on("connection", (socket: Socket) => {
    const address = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`;
    // Refused before the TLS handshake, which is what costs time.
    if (strangers.size >= limits.unidentifiedConnectionsMax) return socket.destroy();
    sockets.set(address, socket);
    strangers.add(address);
    socket.once("close", () => {
      sockets.delete(address);
      strangers.delete(address);
    });
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket) => {
    handle(socket).catch(() => socket.destroy());
  });

  async function handle(socket: TLSSocket): Promise<void> {
    const connection = createConnection({ socket, side: "listener", limits });
    const entry: { thumbprint: string | null } = { thumbprint: null };
    connections.set(connection, entry);
    let reason: string | null = null;
    try {
      const known = await identify(connection, socket);
      if (known === null) return;
      const { thumbprint, subscription } = known;
      entry.thumbprint = thumbprint;
      onEvent({ kind: "identified", remote: connection.remote, thumbprint, subscription });
      if (subscription === null) await serve(connection, thumbprint);
      else await dispatch({ connection, queue: parts.polling!.queue, subscription, thumbprint, place });
    } catch (error) {
      reason = messageOf(error);
      if (entry.thumbprint === null) onEvent({ kind: "refused", remote: connection.remote, thumbprint: null, reason });
    } finally {
      connections.delete(connection);
      if (entry.thumbprint !== null) onEvent({ kind: "closed", remote: connection.remote, thumbprint: entry.thumbprint, reason });
      connection.end();
    }
  }

  /** Everything up to MX-SERVER; null when the peer was a browser or left without a word. */
  async function identify(connection: Connection, socket: TLSSocket): Promise<{ thumbprint: string; subscription: string | null } | null> {
    const hello = await connection.readHello();
    if (hello === "nothing") return null;
    if (hello === "other") {
      connection.answerAndClose(webPage);
      return null;
    }
    const thumbprint = peerThumbprint(socket);
    if (thumbprint === null || !(await parts.isTrusted(thumbprint)))
      return refuse(connection, thumbprint, thumbprint === null ? "It showed no certificate." : "Its certificate is not trusted.");
    const identity = await connection.readIdentity();
    if (identity.kind === "server-identity") throw new ProtocolError("A connecting peer introduced itself as a listener.");
    // Again, because trust may have ended while the lines were awaited, and `dropUntrusted` sees only peers that are known.
    if (!(await parts.isTrusted(thumbprint))) return refuse(connection, thumbprint, "Its certificate is not trusted any more.");
    const subscription = identity.kind === "subscriber-identity" ? normalSubscription(identity.subscription) : null;
    if (subscription !== null && parts.polling === undefined) return refuse(connection, thumbprint, "There is no polling here.");
    if (subscription !== null && !(await parts.polling!.mayPoll(subscription, thumbprint)))
      return refuse(connection, thumbprint, `The subscription ${subscription} does not belong to its certificate.`);
    await connection.sendServerIdentity();
    strangers.delete(connection.remote);
    return { thumbprint, subscription };
  }

  /** Closes without a word, as the original does. */
  function refuse(connection: Connection, thumbprint: string | null, reason: string): null {
    onEvent({ kind: "refused", remote: connection.remote, thumbprint, reason });
    connection.end();
    return null;
  }

  async function serve(connection: Connection, thumbprint: string): Promise<void> {
    for (;;) {
      const response = await services.receive(connection, limits.requestMs, thumbprint);
      if (response === null) return;
      try {
        await connection.sendMessage("response", response);
      } finally {
        await response.dispose();
      }
      if ((await connection.readControl(limits.nextMs)) === "END") return;
      await connection.sendControl("PROCEED");
    }
  }

  return {
    listen({ host, port }) {
      return new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ port, host, backlog: limits.acceptBacklog }, () => {
          server.removeListener("error", reject);
          server.on("error", (error) => onEvent({ kind: "refused", remote: "?", thumbprint: null, reason: error.message }));
          resolve({ port: (server.address() as { port: number }).port });
        });
      });
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections.keys()) connection.destroy(new ConnectionError("cancelled", "The listener is closing."));
      for (const socket of sockets.values()) socket.destroy(); // those still in their TLS handshake
      await closed;
    },
    async dropUntrusted() {
      for (const [connection, { thumbprint }] of connections)
        if (thumbprint !== null && !(await parts.isTrusted(thumbprint)))
          connection.destroy(new ConnectionError("cancelled", "The peer is not trusted any more."));
    },
  };
}

/** The page as the original sends it: HTTP/1.0, so that every client takes the close for the end. */
function pageAnswer(page: string): Buffer {
  const head = ["HTTP/1.0 200 OK", "Content-Type: text/html; charset=utf-8", `Content-Length: ${Buffer.byteLength(page)}`, "", ""];
  return Buffer.from(`${head.join("\r\n")}${page}\r\n\r\n`);
}
