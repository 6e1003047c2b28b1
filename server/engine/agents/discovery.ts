// Looks who is at an address before anybody has decided to trust it: what a person who adds a target compares with what the agent shows.

import { defaultLimits, discoverThumbprint, HalibutCallError } from "@cuttle/halibut";
import type { HttpProxy, Identity } from "@cuttle/halibut";

/** A person waits for it. */
const discoveryTimeoutMs = 15_000;

export type Discovery = { ok: true; thumbprint: string } | { ok: false; message: string };
export type DiscoverAgent = (address: { host: string; port: number; proxyId: string | null }, signal: AbortSignal) => Promise<Discovery>;

export function createDiscovery(parts: { identity: Identity; findProxy: (id: string) => Promise<HttpProxy | undefined> }): DiscoverAgent {
  return async ({ host, port, proxyId }, signal) => {
    const proxy = proxyId === null ? undefined : await parts.findProxy(proxyId);
    if (proxyId !== null && proxy === undefined) return { ok: false, message: `There is no proxy ${proxyId} any more.` };
    try {
      const thumbprint = await discoverThumbprint({
        address: { host, port, ...(proxy === undefined ? {} : { proxy }) },
        identity: parts.identity,
        limits: defaultLimits,
        signal: AbortSignal.any([signal, AbortSignal.timeout(discoveryTimeoutMs)]),
      });
      return { ok: true, thumbprint };
    } catch (error) {
      if (error instanceof HalibutCallError) return { ok: false, message: error.message };
      throw error;
    }
  };
}
