// A TCP proxy that passes everything on until told to hold, release or cut: stands between a server and an agent, so that bytes that
// have left one side can reach the other when the trial wants. It does not look into what it carries.
import net from "node:net";

/** One connection through the proxy. "there" is from the one who connected to the target. */
export interface ProxiedConnection {
  /** Bytes passed on so far, by direction. */
  readonly passed: { there: number; back: number };
  /** Bytes that wait here on their way to the target. */
  readonly heldBytes: number;
  /**
   * Nothing goes on to the target from the first piece on that has at least so many bytes; also the end of the connection waits.
   * So the short words that prepare a request pass, and the request does not.
   */
  holdFrom(pieceBytesMin: number): void;
  /** Passes on what was held, in order, and everything after it. */
  release(): void;
  /** Ends both sides at once. */
  cut(): void;
}

export interface FaultProxy {
  readonly port: number;
  /** All connections so far, in the order they were made, also those that have ended. */
  readonly connections: readonly ProxiedConnection[];
  close(): Promise<void>;
}

/** Held for one trial; more is a mistake of the trial. */
const heldBytesMax = 64 * 1024 * 1024;

export async function startFaultProxy(target: { port: number }): Promise<FaultProxy> {
  const connections: ProxiedConnection[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (from) => {
    const to = net.connect({ port: target.port, host: "127.0.0.1", allowHalfOpen: true });
    const passed = { there: 0, back: 0 };
    const held: Buffer[] = [];
    let heldBytes = 0;
    let pieceBytesMin = Infinity;
    let isHolding = false;
    let isEndHeld = false;

    function cut(): void {
      from.destroy();
      to.destroy();
    }
    from.on("data", (bytes) => {
      if (bytes.length >= pieceBytesMin) isHolding = true;
      if (!isHolding) {
        passed.there += bytes.length;
        to.write(bytes);
        return;
      }
      held.push(bytes);
      heldBytes += bytes.length;
      if (heldBytes > heldBytesMax) cut();
    });
    from.on("end", () => {
      if (isHolding) isEndHeld = true;
      else to.end();
    });
    to.on("data", (bytes) => {
      passed.back += bytes.length;
      from.write(bytes);
    });
    to.on("end", () => from.end());
    // A side that breaks takes the other with it, unless something still waits to be delivered.
    from.on("error", () => (isHolding ? (isEndHeld = true) : to.destroy()));
    to.on("error", () => from.destroy());

    connections.push({
      passed,
      get heldBytes() {
        return heldBytes;
      },
      holdFrom: (bytes) => void (pieceBytesMin = bytes),
      release() {
        pieceBytesMin = Infinity;
        isHolding = false;
        for (const bytes of held.splice(0)) {
          passed.there += bytes.length;
          to.write(bytes);
        }
        heldBytes = 0;
        if (isEndHeld) to.end();
      },
      cut,
    });
    server.once("close", cut);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1" }, resolve);
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const one of connections) one.cut();
      }),
  };
}
