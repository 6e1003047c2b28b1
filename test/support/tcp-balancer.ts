// One address in front of several ports, as a load balancer that passes TCP on: each new connection goes to the first port that takes it, or to
// the ports in turn.
// It does not look into what it carries.
import net from "node:net";

export interface TcpBalancer {
  readonly port: number;
  /** Connections that each port has taken so far, in the order in which they were given. */
  taken(): readonly number[];
  close(): Promise<void>;
}

/** `ports` in the order in which they are tried; `inTurn`: each connection begins with the next of them. */
export async function startTcpBalancer(ports: readonly number[], { inTurn = false } = {}): Promise<TcpBalancer> {
  let turn = 0;
  const sockets = new Set<net.Socket>();
  const taken = ports.map(() => 0);
  const server = net.createServer((from) => {
    keep(from);
    const first = inTurn ? turn++ % ports.length : 0;
    pass(from, [...ports.slice(first), ...ports.slice(0, first)]);
  });

  function keep(socket: net.Socket): void {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  }

  function pass(from: net.Socket, [first, ...rest]: readonly number[]): void {
    if (first === undefined) return void from.destroy();
    const to = net.connect({ port: first, host: "127.0.0.1" });
    keep(to);
    const next = (): void => pass(from, rest);
    to.once("error", next);
    to.once("connect", () => {
      to.removeListener("error", next);
      taken[ports.indexOf(first)]! += 1;
      from.pipe(to).pipe(from);
      // A side that is cut, not ended, takes the other with it.
      from.once("close", () => to.destroy());
      to.once("close", () => from.destroy());
    });
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    taken: () => taken,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
