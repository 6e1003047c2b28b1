// Takes the addresses at which a server's cluster can be polled, over one of the connections by which this agent polls it. What the words
// mean is checked here; which of them are new, kept and given up is the matter of agent/polling.
import {
  type PollingAddresses,
  pollingAddressCharactersMax,
  pollingAddressesMax,
  pollingAddressesService,
} from "@cuttle/contract/agent/polling-addresses";
import type { ServiceImplementation } from "@cuttle/halibut";

/** Where a node of the cluster waits for polling agents. */
export interface PollingAddress {
  /** Lower case; an IPv6 address without brackets. */
  host: string;
  port: number;
}

/** `learn` hears the addresses, what stands behind the first `pollingAddressesMax` left off, and the one of the server that says them. */
export function createPollingAddressesService(
  learn: (addresses: readonly PollingAddress[], own: PollingAddress | null) => Promise<void>,
): ServiceImplementation {
  return {
    contract: pollingAddressesService,
    methods: {
      async LearnPollingAddresses([given]: (PollingAddresses | null)[]) {
        const { Addresses, OwnAddress } = given ?? { Addresses: [], OwnAddress: null };
        const addresses = (Addresses ?? []).slice(0, pollingAddressesMax).map(readPollingAddress);
        await learn(addresses, OwnAddress === null ? null : readPollingAddress(OwnAddress));
        return null;
      },
    },
  };
}

/** Of a text such as `https://node-2.example.com:10943`. Throws with a sentence when it is none. */
export function readPollingAddress(text: string): PollingAddress {
  const parts =
    typeof text === "string" && text.length <= pollingAddressCharactersMax
      ? /^https:\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+):(\d{1,5})\/?$/i.exec(text)
      : null;
  const port = Number(parts?.[2]);
  if (parts === null || port < 1 || port > 65_535) {
    const shown = JSON.stringify(String(text).slice(0, pollingAddressCharactersMax));
    throw new Error(`${shown} is no address to poll; write it as https://host:port.`);
  }
  return { host: parts[1]!.replace(/^\[|\]$/g, "").toLowerCase(), port };
}

/** The text that `readPollingAddress` reads. */
export function formatPollingAddress({ host, port }: PollingAddress): string {
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
