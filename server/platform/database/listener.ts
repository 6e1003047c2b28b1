// A connection of its own that listens on one channel, rebuilt whenever it is lost. Notifications only wake; nothing rests on them.

import { Client } from "pg";
import type { ClientConfig } from "pg";
import { pause } from "../../base/clock.ts";

/** Pauses between attempts to re-establish a lost LISTEN connection. */
const listenRetryMs = 500;
/** A LISTEN connection says nothing by itself; this probe notices a vanished server. */
const listenProbeMs = 15_000;
const listenProbeTimeoutMs = 5_000;

/** Listens until closed. `ready` settles after the first attempt, successful or not. */
export function createListener(config: ClientConfig, channel: string, onWake: (payload: string | null) => void) {
  if (!/^[a-z_]{1,60}$/.test(channel)) throw new Error(`Channel name ${channel} is not a plain identifier.`);
  const stop = new AbortController();
  let current: Client | undefined;
  let firstTry!: () => void;
  const ready = new Promise<void>((resolve) => (firstTry = resolve));

  async function once(): Promise<void> {
    const client = new Client(config);
    current = client;
    let lose!: () => void;
    const lost = new Promise<void>((resolve) => (lose = resolve));
    client.on("error", lose);
    client.on("end", lose);
    client.on("notification", (message) => onWake(message.payload ?? null));
    try {
      await client.connect();
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
      client.removeAllListeners("notification");
      client.on("error", () => {});
      await client.end().catch(() => {});
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
