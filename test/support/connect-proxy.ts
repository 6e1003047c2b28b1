// An HTTP proxy that gives everybody a tunnel and remembers what it was asked. It does not look into what it carries.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

export interface ConnectProxy {
  readonly port: number;
  /** The head of each request so far, whole. */
  readonly asked: readonly string[];
  /** Ends all tunnels. */
  close(): void;
}

/** For requests that come in one piece, as ours do. */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => void sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)));
  const server = createServer((socket) => {
    keep(socket);
    socket.once("data", (bytes) => {
      const head = bytes.toString("latin1");
      asked.push(head);
      const [, host, port] = /^CONNECT (.*):(\d+) /.exec(head) ?? [];
      if (host === undefined) return void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      const onward = connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      keep(onward);
      onward.once("close", () => socket.destroy());
      socket.once("close", () => onward.destroy());
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
