/** Idle connections of a client, kept for the next call to the same peer. Whether one is still alive is found out by whoever takes it. */
import type { Connection } from "./connection.ts";
import type { HalibutLimits } from "./limits.ts";

export interface ConnectionPool {
  /** The most recently used idle connection of a peer, or undefined. */
  take(key: string): Connection | undefined;
  /** Keeps a connection; closes it instead when there are enough. */
  put(key: string, connection: Connection): void;
  /** Closes all idle connections of a peer. */
  drop(key: string): void;
  /** Closes all, and whatever is put from now on. */
  close(): void;
}

interface Idle {
  connection: Connection;
  /** Stops waiting for the expiry or the end of the connection. */
  forget(): void;
}

/** `onLost` is told of a peer whose idle connection was ended by it, or broke. */
export function createConnectionPool(limits: HalibutLimits, onLost: (key: string) => void): ConnectionPool {
  const idleByKey = new Map<string, Idle[]>();
  let closed = false;

  function take(key: string): Connection | undefined {
    const idle = idleByKey.get(key);
    const found = idle?.pop();
    if (idle?.length === 0) idleByKey.delete(key);
    found?.forget();
    return found?.connection;
  }

  function drop(key: string): void {
    for (let connection = take(key); connection !== undefined; connection = take(key)) connection.end();
  }

  return {
    take,
    drop,
    put(key, connection) {
      const idle = idleByKey.get(key) ?? [];
      if (closed || connection.closed.aborted || idle.length >= limits.poolConnectionsMax) return connection.end();
      idleByKey.set(key, idle);
      const expiry = setTimeout(discard, limits.poolIdleMs);
      expiry.unref();
      connection.closed.addEventListener("abort", lose);
      const entry: Idle = {
        connection,
        forget() {
          clearTimeout(expiry);
          connection.closed.removeEventListener("abort", lose);
        },
      };
      function lose(): void {
        onLost(key);
        discard();
      }
      function discard(): void {
        entry.forget();
        idle.splice(idle.indexOf(entry), 1);
        if (idle.length === 0) idleByKey.delete(key);
        connection.end();
      }
      idle.push(entry);
    },
    close() {
      closed = true;
      for (const key of idleByKey.keys()) drop(key);
    },
  };
}
