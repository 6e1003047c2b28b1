/** Bare TLS ends for tests, which say exactly the bytes they are told to: the other side of replays and of hostile peers. */
import { once } from "node:events";
import { connect, createServer } from "node:tls";
import type { ConnectionOptions, TLSSocket, TlsOptions } from "node:tls";
import type { ByteSource } from "./frames.ts";
import { tlsOptions } from "./trust.ts";
import type { Identity } from "./trust.ts";

/** The bytes of a socket as a source for a frame reader. No deadlines: the test's own time limit holds. */
export function socketSource(socket: TLSSocket): ByteSource {
  let gone = false;
  const wakers: (() => void)[] = [];
  const wake = (): void => wakers.splice(0).forEach((waker) => waker());
  socket.on("readable", wake);
  for (const event of ["end", "close", "error"]) {
    socket.on(event, () => {
      gone = true;
      wake();
    });
  }
  return {
    beginWait() {},
    async read() {
      for (;;) {
        const piece = socket.read() as Buffer | null;
        if (piece !== null) return piece;
        if (gone) return null;
        await new Promise<void>((resolve) => wakers.push(resolve));
      }
    },
  };
}

/** Everything the peer sends until it closes. */
export async function readToEnd(socket: TLSSocket): Promise<Buffer> {
  const source = socketSource(socket);
  const pieces: Buffer[] = [];
  for (let piece = await source.read(); piece !== null; piece = await source.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Connects to a port of this machine, with the certificate of `identity` or none. */
export async function connectRaw(port: number, identity: Identity | null, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const own = identity === null ? { rejectUnauthorized: false } : tlsOptions(identity);
  const socket = connect({ host: "127.0.0.1", port, ...own, ...options });
  socket.on("error", () => {}); // a reset is one of the ways in which a connection ends; the reader sees the end
  await once(socket, "secureConnect");
  socket.setNoDelay(true);
  return socket;
}

/** Listens on a free port of this machine and hands every TLS connection to `onSocket`. */
export async function listenRaw(
  identity: Identity,
  onSocket: (socket: TLSSocket) => void | Promise<void>,
  options: TlsOptions = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer({ ...tlsOptions(identity), requestCert: true, noDelay: true, ...options });
  const sockets = new Set<TLSSocket>();
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    void onSocket(socket);
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
