// A proxy that holds the certificates of both sides and so sees what they say in the clear: it passes everything on and cuts a connection
// after an exact number of bytes of one direction.
import type { TLSSocket } from "node:tls";
import type { Identity } from "@cuttle/halibut";
import { connectRaw, listenRaw } from "../../halibut/raw-peers.ts";

/** "there": from the one who connects; "back": from the one who listens. */
export type Direction = "there" | "back";

export interface CuttingProxy {
  readonly port: number;
  /** Bytes of the newest connection so far, in the clear. */
  readonly passed: Readonly<Record<Direction, number>>;
  /** The next connection passes so many bytes in that direction, and then ends both ways. Later ones are whole again. */
  cutNext(direction: Direction, bytes: number): void;
  /** From now on nothing passes over the connections that are there, and neither side is told. Later ones are whole. */
  silenceAll(): void;
  /** Connections that a side has not given up. */
  readonly openCount: { from: number; to: number };
  /** Ends the connections that are there now. */
  endAll(): void;
  close(): Promise<void>;
}

/** `connector` and `listener` are who the two sides take this proxy for, each in the place of the other. */
export async function startCuttingProxy(parts: { connector: Identity; listener: Identity; target: () => number }): Promise<CuttingProxy> {
  const open = new Map<TLSSocket, "from" | "to">();
  let armed: { direction: Direction; bytes: number } | undefined;
  let passed = { there: 0, back: 0 };
  let silence = new AbortController();

  const keep = (socket: TLSSocket, side: "from" | "to"): void => {
    open.set(socket, side);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
  };

  const { port, close } = await listenRaw(parts.listener, async (from) => {
    const cut = armed;
    armed = undefined;
    const own = { there: 0, back: 0 };
    passed = own;
    keep(from, "from");
    from.pause();
    let to: TLSSocket;
    try {
      to = await connectRaw(parts.target(), parts.connector);
    } catch {
      from.destroy();
      return;
    }
    keep(to, "to");
    const end = (): void => {
      from.destroy();
      to.destroy();
    };
    const silent = silence.signal;
    for (const socket of [from, to]) socket.once("close", () => silent.aborted || end());
    if (from.destroyed) return end();
    const pass = (direction: Direction, source: TLSSocket, sink: TLSSocket): void => {
      source.on("data", (bytes: Buffer) => {
        if (silent.aborted) return;
        const left = cut?.direction === direction ? cut.bytes - own[direction] : Infinity;
        own[direction] += Math.min(left, bytes.length);
        if (bytes.length < left) return void sink.write(bytes);
        source.pause();
        // Only what has left is there; then both sides see the end.
        if (left <= 0) end();
        else sink.write(bytes.subarray(0, left), end);
      });
    };
    pass("there", from, to);
    pass("back", to, from);
    from.resume();
  });

  return {
    port,
    get passed() {
      return passed;
    },
    cutNext(direction, bytes) {
      armed = { direction, bytes };
    },
    silenceAll() {
      silence.abort();
      silence = new AbortController();
    },
    get openCount() {
      const sides = [...open.values()];
      return { from: sides.filter((side) => side === "from").length, to: sides.filter((side) => side === "to").length };
    },
    endAll() {
      for (const socket of open.keys()) socket.destroy();
    },
    close,
  };
}
