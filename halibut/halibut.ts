/**
 * The wire between server and agents: remote calls over mutual TLS with pinned certificates, compatible with the Halibut protocol (PROTOCOL.md).
 * This is the only file other programs import. Listening agents are covered, in both roles; polling agents are not yet.
 */
export { createHalibutClient } from "./client.ts";
export type { CallOptions, HalibutClient, Peer } from "./client.ts";
export { streamFromBytes } from "./data-streams.ts";
export type { DataStream } from "./data-streams.ts";
export { HalibutCallError } from "./errors.ts";
export type { HalibutCallFailure } from "./errors.ts";
export { defaultLimits } from "./limits.ts";
export type { HalibutLimits } from "./limits.ts";
export { createHalibutListener } from "./listener.ts";
export type { HalibutListener, ListenerEvent } from "./listener.ts";
export type { ServiceImplementation } from "./service.ts";
export { createIdentity, readIdentity } from "./trust.ts";
export type { Identity } from "./trust.ts";
export type { ServiceContract, Shape } from "./values.ts";
