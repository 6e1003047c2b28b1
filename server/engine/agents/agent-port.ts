// The port to which agents connect: lets in the polling agents that are registered, hands them the calls that wait for them, and shows
// everybody else a page. It knows nothing of machines; who is registered is asked for every new connection.

import { createHalibutListener } from "@cuttle/halibut";
import type { HalibutListener, Identity, ListenerEvent, PollingPeer, PollingQueue } from "@cuttle/halibut";
import { monotonicMs } from "../../base/clock.ts";
import type { ServerLog } from "../../platform/telemetry/telemetry.ts";

/** Extension point: whether the certificate is registered, with that subscription when one is given. Throws when nobody can tell now. */
export type FindPollingAgent = (agent: { thumbprint: string; subscription?: string }) => Promise<boolean>;

export interface AgentPort {
  readonly port: number;
  /** Closes the port and all connections. */
  close(): Promise<void>;
}

/** The same refusal is told once in this time: an agent that was deleted goes on asking for years. */
const sameRefusalMs = 10 * 60_000;
const refusalsRememberedMax = 1_000;

/** Opens the port; `host` undefined means every address, 0 lets the system choose the port. Throws the system's error when it is taken. */
export async function openAgentPort(parts: {
  identity: Identity;
  polling: PollingQueue;
  isRegistered: FindPollingAgent;
  /** Is told of every connection over which a polling agent asks, and of its end. */
  presence: { connected(peer: PollingPeer): void; disconnected(peer: PollingPeer): void };
  host: string | undefined;
  port: number;
  log: ServerLog;
}): Promise<AgentPort> {
  const tell = createRefusalLog(parts.log);
  /** By the address of the connection; an address may be in use again before the end of its former connection is told. */
  const polling = new Map<string, PollingPeer[]>();
  const listener = createHalibutListener({
    identity: parts.identity,
    services: [],
    isTrusted: (thumbprint) => parts.isRegistered({ thumbprint }),
    polling: { queue: parts.polling, mayPoll: (subscription, thumbprint) => parts.isRegistered({ thumbprint, subscription }) },
    onEvent: (event) => {
      if (event.kind === "refused") tell(event);
      else if (event.kind === "identified" && event.subscription !== null) {
        const peer = { subscription: event.subscription, thumbprint: event.thumbprint };
        polling.set(event.remote, [...(polling.get(event.remote) ?? []), peer]);
        parts.presence.connected(peer);
      } else if (event.kind === "closed") {
        const [peer, ...others] = polling.get(event.remote) ?? [];
        if (others.length === 0) polling.delete(event.remote);
        else polling.set(event.remote, others);
        if (peer !== undefined) parts.presence.disconnected(peer);
      }
    },
  });
  const { port } = await listen(listener, parts);
  return { port, close: () => listener.close() };
}

async function listen(listener: HalibutListener, { host, port }: { host: string | undefined; port: number }): Promise<{ port: number }> {
  if (host !== undefined) return await listener.listen({ host, port });
  try {
    return await listener.listen({ host: "::", port });
  } catch (error) {
    // A system without IPv6.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EAFNOSUPPORT" && code !== "EADDRNOTAVAIL") throw error;
    return await listener.listen({ host: "0.0.0.0", port });
  }
}

/** Tells of refused agents, not of browsers and scanners, who show no certificate. */
function createRefusalLog(log: ServerLog): (event: ListenerEvent & { kind: "refused" }) => void {
  const told = new Map<string, number>();
  return ({ remote, thumbprint, reason }) => {
    if (thumbprint === null) return;
    const key = `${thumbprint} ${reason}`;
    const now = monotonicMs();
    const last = told.get(key);
    if (last !== undefined && now - last < sameRefusalMs) return;
    told.delete(key);
    told.set(key, now);
    if (told.size > refusalsRememberedMax) told.delete(told.keys().next().value!);
    log.warn({ remote, thumbprint, reason }, "A polling agent was turned away. Register it with this server, or stop it.");
  };
}
