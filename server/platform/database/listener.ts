// A connection of its own that listens on one channel, rebuilt whenever it is lost. Notifications only wake; nothing rests on them.

import type { Client } from "pg";
import { pause } from "../../base/clock.ts";

/** Pauses between attempts to re-establish a lost LISTEN connection. */
const listenRetryMs = 500;
/** A LISTEN connection says nothing by itself; this probe notices a vanished server. */
const listenProbeMs = 15_000;
const listenProbeTimeoutMs = 5_000;

/**
 * Listens until closed. `ready` settles after the first attempt, successful or not. `connect` hands over the client before it connects
 * it, so that a stop can end it half-way.
 */
export function createListener(
  connect: (use: (client: Client) => void) => Promise<void>,
  channel: string,
  onWake: (payload: string | null) => void,
) {
  if (!/^[a-z_]{1,60}$/.test(channel)) throw new Error(`Channel name ${channel} is not a plain identifier.`);
  const stop = new AbortController();
  let current: Client | undefined;
  let firstTry!: () => void;
  const ready = new Promise<void>((resolve) => (firstTry = resolve));

  async function once(): Promise<void> {
    let client: Client | undefined;
    let lose!: () => void;
    const lost = new Promise<void>((resolve) => (lose = resolve));
    try {
      await connect((made) => {
        client = current = made;
        made.on("error", lose);
        made.on("end", lose);
        made.on("notification", (message) => onWake(message.payload ?? null));
      });
      if (client === undefined) return;
      await client.query(`LISTEN ${channel}`);
      firstTry();
      // Whatever was notified while nobody listened is lost: let the caller look once.
      onWake(null);
      while (!stop.signal.aborted) {
        const still = new AbortController();
        const probeDue = await Promise.race([pause(listenProbeMs, still.signal), lost.then(() => "lost" as const)]);
        still.abort();
        if (probeDue === "lost") return;
        const waited = new AbortController();
        const answered = await Promise.race([
          client.query("SELECT 1").then(() => true),
          pause(listenProbeTimeoutMs, waited.signal).then(() => false),
          lost.then(() => false),
        ]);
        waited.abort();
        if (!answered) return;
      }
    } finally {
      client?.removeAllListeners("notification");
      client?.on("error", () => {});
      await client?.end().catch(() => {});
    }
  }

  const loop = (async () => {
    while (!stop.signal.aborted) {
      await once().catch(() => {});
      firstTry();
      await pause(listenRetryMs, stop.signal);
    }
  })();

  return {
    ready,
    async close() {
      stop.abort();
      await current?.end().catch(() => {});
      await loop;
    },
  };
}
