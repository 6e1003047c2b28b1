// A proxy in front of PostgreSQL that understands so much of its protocol that it counts the statements that go through it, and can keep the
// notifications back that come the other way. TLS is refused, as by a server without it.
import net from "node:net";

export interface StatementCounter {
  readonly port: number;
  /** Statements so far: each one that is run, BEGIN and COMMIT among them. */
  readonly statements: number;
  /** Of these, how often each ran; what was prepared once and run often counts each time. Only when `byText` was asked for. */
  readonly byText: ReadonlyMap<string, number>;
  /** Notifications from the database so far, those that were kept back included. */
  readonly notifications: number;
  /** While true, no notification reaches the client. It is told nothing of that. */
  keepNotificationsBack: boolean;
  close(): Promise<void>;
}

const codes = { bind: 0x42, execute: 0x45, notification: 0x41, parse: 0x50, query: 0x51 };
/** A first message that asks for TLS or for encryption by GSS; anything else is passed on. */
const encryptionRequests = new Set([80_877_103, 80_877_104]);
const headerBytes = 5;
/** Statements, values and rows of one request or answer. */
const messageBytesMax = 64 * 1024 * 1024;

export async function startStatementCounter(parts: {
  target: { port: number; host: string };
  byText?: boolean;
}): Promise<StatementCounter> {
  const sockets = new Set<net.Socket>();
  const byText = new Map<string, number>();
  const counter = { statements: 0, notifications: 0, keepNotificationsBack: false };
  const keep = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const note = (text: string): void => {
    if (parts.byText === true) byText.set(text, (byText.get(text) ?? 0) + 1);
  };

  const server = net.createServer((from) => {
    const { host, port } = parts.target;
    const to = net.connect(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
    keep(from);
    keep(to);
    let isStartup = true;
    /** Texts of this connection's prepared statements by their names, and the one that was bound last. */
    const prepared = new Map<string, string>();
    let bound = "";

    takeMessages(from, {
      isTyped: () => !isStartup,
      onMessage(message) {
        if (isStartup) {
          if (encryptionRequests.has(message.readInt32BE(4))) return void from.write("N");
          isStartup = false;
        } else if (message[0] === codes.query) {
          counter.statements += 1;
          note(textAt(message, headerBytes));
        } else if (message[0] === codes.parse) {
          const name = textAt(message, headerBytes);
          prepared.set(name, textAt(message, headerBytes + Buffer.byteLength(name) + 1));
        } else if (message[0] === codes.bind) {
          const portal = textAt(message, headerBytes);
          bound = textAt(message, headerBytes + Buffer.byteLength(portal) + 1);
        } else if (message[0] === codes.execute) {
          counter.statements += 1;
          note(prepared.get(bound) ?? "");
        }
        to.write(message);
      },
    });
    takeMessages(to, {
      isTyped: () => true,
      onMessage(message) {
        if (message[0] === codes.notification) {
          counter.notifications += 1;
          if (counter.keepNotificationsBack) return;
        }
        from.write(message);
      },
    });
    from.on("close", () => to.destroy());
    to.on("close", () => from.destroy());
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1" }, resolve);
  });
  return Object.assign(counter, {
    port: (server.address() as net.AddressInfo).port,
    byText,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  });
}

/** Cuts what comes from a socket into messages. Only the first one of a client has no type. */
function takeMessages(source: net.Socket, how: { isTyped(): boolean; onMessage(message: Buffer): void }): void {
  let waiting: Buffer = Buffer.alloc(0);
  source.on("data", (bytes) => {
    waiting = waiting.length === 0 ? bytes : Buffer.concat([waiting, bytes]);
    for (;;) {
      const start = how.isTyped() ? 1 : 0;
      if (waiting.length < start + 4) return;
      const length = start + waiting.readInt32BE(start);
      if (length < start + 4 || length > messageBytesMax) return void source.destroy();
      if (waiting.length < length) return;
      const message = waiting.subarray(0, length);
      waiting = waiting.subarray(length);
      how.onMessage(message);
    }
  });
}

/** The text that ends with a zero at this place. */
function textAt(message: Buffer, from: number): string {
  return message.toString("utf8", from, message.indexOf(0, from));
}
