// How a server tells a polling agent of ours at which further addresses its cluster can be polled. Offered only over connections by which an
// agent polls, so it is always said by a server that the agent trusts already. Other agents do not know it and are not asked.

/** Looked for among an agent's capabilities. */
export const pollingAddressesCapability = "ICuttlePollingAddressesServiceV1";

/** As many addresses as one list may name that an agent still follows; what stands behind them is passed over. */
export const pollingAddressesMax = 16;
/** Of one address: the longest host name, a scheme and a port. */
export const pollingAddressCharactersMax = 280;

/** All nodes of one cluster, the same list from each of them. All of them show the certificate of the node that says it. */
export interface PollingAddresses {
  /** Such as `https://node-2.example.com:10943`. What is missing here is given up, if the agent had learned it. An empty list changes nothing. */
  Addresses: readonly string[];
  /** The address of the node that says this, as it stands in `Addresses`; null when it tells none. */
  OwnAddress: string | null;
}

/** `LearnPollingAddresses(PollingAddresses)` answers nothing, once the addresses are on the agent's disk. The same list again changes nothing. */
export const pollingAddressesService = {
  name: pollingAddressesCapability,
  methods: {
    LearnPollingAddresses: {
      params: [
        {
          kind: "object",
          type: "Cuttle.Agent.Contracts.PollingAddressesV1, Cuttle.Agent.Contracts",
          members: { Addresses: { kind: "list", of: { kind: "string" } }, OwnAddress: { kind: "string" } },
        },
      ],
      result: { kind: "void" },
    },
  },
} as const;
