// One address in front of a server that can be shut and opened again, as when the server is restarted: while it is shut, connections are
// refused and those that were there are cut. It does not look into what it carries.

import net from "node:net";

export interface ClosableDoor {
  url: string;
  /** Resolves when nothing passes any more. */
  shut(): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

export async function startClosableDoor(target: string): Promise<ClosableDoor> {
  const { hostname, port: to } = new URL(target);
  const sockets = new Set<net.Socket>();
  let server: net.Server | undefined;
  let port = 0;

  function keep(socket: net.Socket): void {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
  }
  const door: ClosableDoor = {
    url: "",
    async shut() {
      const shutting = server;
      server = undefined;
      if (shutting === undefined) return;
      await new Promise<void>((resolve) => {
        shutting.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
    },
    async open() {
      if (server !== undefined) return;
      const opening = net.createServer((from) => {
        const behind = net.connect({ host: hostname, port: Number(to) });
        for (const socket of [from, behind]) keep(socket);
        from.pipe(behind).pipe(from);
        from.once("close", () => behind.destroy());
        behind.once("close", () => from.destroy());
      });
      await new Promise<void>((resolve, reject) => opening.once("error", reject).listen(port, "127.0.0.1", resolve));
      ({ port } = opening.address() as net.AddressInfo);
      server = opening;
    },
    close: () => door.shut(),
  };
  await door.open();
  door.url = `http://127.0.0.1:${port}`;
  return door;
}
