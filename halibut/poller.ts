/** The polling service: connects to its caller, asks for requests and runs them, and connects again whenever the connection is gone. */
import { tmpdir } from "node:os";
import type { Connection } from "./connection.ts";
import { openConnection } from "./connector.ts";
import type { Peer } from "./connector.ts";
import { ConnectionError, messageOf } from "./errors.ts";
import { pause } from "./giving-up.ts";
import { withDefaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { normalSubscription } from "./polling-queue.ts";
import { createServiceTable } from "./service.ts";
import type { ServedRequest, ServiceImplementation } from "./service.ts";
import type { Identity } from "./trust.ts";

/** What a poller tells its program. Never arguments or results. */
export type PollerEvent =
  | { kind: "connected"; remote: string }
  | { kind: "disconnected"; reason: string; retryMs: number }
  | ({ kind: "served"; thumbprint: string } & ServedRequest);

export interface HalibutPoller {
  /** Begins to poll; failures are events, and tried again until `close`. */
  start(): void;
  /** Ends the connection and waits until the poller has stopped. */
  close(): Promise<void>;
  /** Stops where no call is cut off: after the answer to the one that comes next or runs, or the word that there is none; at once between two tries to connect. */
  retire(): Promise<void>;
}

/** One connection to one server. More connections of one subscription, or several servers, are several pollers. */
export function createHalibutPoller(parts: {
  identity: Identity;
  server: Peer;
  /** As the server knows it, such as `poll://name`. */
  subscription: string;
  services: ServiceImplementation[];
  limits?: Partial<HalibutLimits>;
  onEvent?: (event: PollerEvent) => void;
  spoolFolder?: string;
  /** A number from 0 to below 1, by which reconnects are spread. Replaceable for tests. */
  random?: () => number;
}): HalibutPoller {
  const limits = withDefaultLimits(parts.limits);
  const onEvent = parts.onEvent ?? (() => {});
  const random = parts.random ?? Math.random;
  const services = createServiceTable({
    services: parts.services,
    place: { folder: parts.spoolFolder ?? tmpdir(), limits },
    onServed: (served, thumbprint) => onEvent({ kind: "served", thumbprint, ...served }),
  });
  const closing = new AbortController();
  let running: Promise<void> | null = null;
  let isRetiring = false;
  let isPausing = false;

  async function run(): Promise<void> {
    let failures = 0;
    while (!closing.signal.aborted) {
      let reason: string;
      try {
        const connection = await openConnection({
          peer: parts.server,
          identity: parts.identity,
          limits,
          signal: closing.signal,
          subscription: `${normalSubscription(parts.subscription)}/`,
        });
        failures = 0;
        onEvent({ kind: "connected", remote: connection.remote });
        await poll(connection);
        reason = "The server ended the conversation.";
      } catch (error) {
        reason = messageOf(error);
      }
      if (closing.signal.aborted || isRetiring) return;
      const retryMs = reconnectDelay(failures++);
      onEvent({ kind: "disconnected", reason, retryMs });
      isPausing = true;
      await pause(retryMs, closing.signal);
      isPausing = false;
    }
  }

  /** Between half and one and a half times the pause that is due, so that the agents of a restarted server do not all come at once. */
  function reconnectDelay(failures: number): number {
    const due = Math.min(limits.reconnectMsMax, limits.reconnectMsMin * 2 ** Math.min(failures, 30));
    return Math.round(due * (0.5 + random()));
  }

  async function poll(connection: Connection): Promise<void> {
    const stop = (): void => connection.end();
    closing.signal.addEventListener("abort", stop);
    if (closing.signal.aborted) stop();
    try {
      for (;;) {
        const response = await services.receive(connection, limits.pollMs, parts.server.thumbprint);
        if (response !== null) {
          try {
            await connection.sendMessage("response", response);
          } finally {
            await response.dispose();
          }
        }
        if (isRetiring) return stop();
        await connection.sendControl("NEXT");
        await connection.readControl(limits.pollControlMs);
      }
    } finally {
      closing.signal.removeEventListener("abort", stop);
      connection.destroy(new ConnectionError("ended", "The connection is closed."));
    }
  }

  return {
    start() {
      running ??= run();
    },
    async close() {
      closing.abort();
      await running;
    },
    async retire() {
      isRetiring = true;
      // Whoever is just connecting may be given a call at once.
      if (isPausing) closing.abort();
      await running;
    },
  };
}
