// A proxy in front of PostgreSQL that understands so much of its protocol that it sees a COMMIT go by, and cuts the connection exactly there:
// before it, after it, or after its answer has come and before it is passed on. TLS is refused, as by a server without it.
import net from "node:net";

/**
 * How a COMMIT is cut. "before": it never reaches the server. "answered": the server has committed, its answer is dropped. "sent": it is
 * delivered and both sides are cut at once. "late": the client's side is cut at once, and the server gets it only some time later.
 */
export const cuts = ["before", "answered", "sent", "late"] as const;
export type Cut = (typeof cuts)[number];

export interface CommitCutter {
  readonly port: number;
  /** How often each was done so far. */
  readonly done: Readonly<Record<Cut, number>>;
  close(): Promise<void>;
}

const headerBytes = 5;
/** What a server says last when it has answered. */
const isReady = (bytes: Buffer): boolean => bytes.length >= 6 && bytes.readUInt8(bytes.length - 6) === 0x5a;

/** The client's messages are statements and values of one request each. */
const messageBytesMax = 64 * 1024 * 1024;

/**
 * `choose` is asked at each COMMIT, with all that its connection has sent since the one before (for a needle to be found in); undefined
 * lets it pass. It counts as done when it is cut, an "answered" one so when the server has committed. `late` resolves when a COMMIT that was cut "late" shall reach the server.
 */
export async function startCommitCutter(parts: {
  target: { port: number; host: string };
  choose: (transaction: Buffer) => Cut | undefined;
  late: () => Promise<unknown>;
  /** What happens between the answer and the cut of an "answered" one; by default nothing. */
  answered?: () => Promise<unknown>;
}): Promise<CommitCutter> {
  const { target } = parts;
  const done: Record<Cut, number> = { before: 0, answered: 0, sent: 0, late: 0 };
  const sockets = new Set<net.Socket>();
  const keep = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };

  const server = net.createServer((from) => {
    const to = net.connect(target.host.startsWith("/") ? { path: `${target.host}/.s.PGSQL.${target.port}` } : target);
    keep(from);
    keep(to);
    let waiting: Buffer = Buffer.alloc(0);
    let isStartup = true;
    let transaction: Buffer[] = [];
    let cut: Cut | undefined;
    const end = (): void => {
      from.destroy();
      to.destroy();
    };

    from.on("data", (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      while (cut === undefined) {
        // The first message has no type, only its length.
        const start = isStartup ? 0 : 1;
        if (waiting.length < start + 4) return;
        const length = start + waiting.readInt32BE(start);
        if (length > messageBytesMax) return end();
        if (waiting.length < length) return;
        const message = waiting.subarray(0, length);
        waiting = waiting.subarray(length);
        isStartup = false;
        transaction.push(message);
        const isCommit =
          message[0] === 0x51 &&
          message
            .toString("utf8", headerBytes, length - 1)
            .trim()
            .toUpperCase() === "COMMIT";
        if (isCommit) {
          cut = parts.choose(Buffer.concat(transaction));
          transaction = [];
          if (cut !== undefined) return doCut(cut, message);
        }
        to.write(message);
      }
    });

    function doCut(how: Cut, commit: Buffer): void {
      if (how !== "answered") done[how] += 1;
      if (how === "before") end();
      if (how === "answered") to.write(commit);
      if (how === "sent") {
        to.write(commit, () => to.end());
        from.destroy();
      }
      if (how === "late") {
        from.destroy();
        void parts.late().then(() => to.write(commit, () => to.end()));
      }
    }

    async function cutAnswered(): Promise<void> {
      await parts.answered?.();
      done.answered += 1;
      end();
    }

    to.on("data", (bytes) => {
      if (cut === "answered") {
        if (isReady(bytes)) void cutAnswered();
      } else if (cut === undefined) from.write(bytes);
    });
    from.on("close", () => {
      if (cut === undefined || cut === "before" || cut === "answered") to.destroy();
    });
    to.on("close", () => from.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1" }, resolve);
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    done,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
