/**
 * The wire between server and agents: remote calls over mutual TLS with pinned certificates, compatible with the Halibut protocol (PROTOCOL.md).
 * This is the only file other programs import. Listening and polling agents are covered, in both roles; WebSockets and proxies are not.
 */
export { createHalibutClient } from "./client.ts";
export type { HalibutClient } from "./client.ts";
export { discoverThumbprint } from "./connector.ts";
export type { Peer } from "./connector.ts";
export type { HttpProxy } from "./http-tunnel.ts";
export { streamFromBytes } from "./data-streams.ts";
export type { DataStream } from "./data-streams.ts";
export { HalibutCallError } from "./errors.ts";
export type { HalibutCallFailure } from "./errors.ts";
export type { CallOptions } from "./giving-up.ts";
export { defaultLimits } from "./limits.ts";
export type { HalibutLimits } from "./limits.ts";
export { createHalibutListener } from "./listener.ts";
export type { HalibutListener, ListenerEvent, PollingSide } from "./listener.ts";
export { createHalibutPoller } from "./poller.ts";
export type { HalibutPoller, PollerEvent } from "./poller.ts";
export { createPollingQueue, normalSubscription } from "./polling-queue.ts";
export type { CollectedCall, InMemoryPollingQueue, PollingPeer, PollingQueue } from "./polling-queue.ts";
export type { ServiceImplementation } from "./service.ts";
export { createIdentity, readIdentity } from "./trust.ts";
export type { Identity } from "./trust.ts";
export type { ServiceContract, Shape } from "./shapes.ts";
