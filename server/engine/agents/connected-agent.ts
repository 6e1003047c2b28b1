// A polling agent that has connections to this process now.

import { normalSubscription } from "@cuttle/halibut";
import type { PollingPeer } from "@cuttle/halibut";

export interface ConnectedAgent {
  /** Its subscription is normalised. */
  peer: PollingPeer;
  connections: number;
  /** Aborts when the last connection has ended. */
  left: AbortController;
}

/** Names a polling agent: its certificate and its subscription. */
export function agentKey(peer: PollingPeer): string {
  return `${peer.thumbprint} ${normalSubscription(peer.subscription)}`;
}
