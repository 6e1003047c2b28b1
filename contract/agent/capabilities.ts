// The question with which a server begins: which services does this agent have? Older agents do not know the question itself.

/** The answer of `GetCapabilities`: names of services, such as `IScriptServiceV2`. */
export interface CapabilitiesResponseV2 {
  SupportedCapabilities: string[];
}

/** The service names that our server and agent look for in {@link CapabilitiesResponseV2}. */
export const capability = {
  scriptServiceV1: "IScriptService",
  scriptServiceV2: "IScriptServiceV2",
  fileTransfer: "IFileTransferService",
} as const;

/** `GetCapabilities()` answers a {@link CapabilitiesResponseV2}. */
export const capabilitiesServiceV2 = {
  name: "ICapabilitiesServiceV2",
  methods: {
    GetCapabilities: {
      params: [],
      result: {
        kind: "object",
        type: "Octopus.Tentacle.Contracts.Capabilities.CapabilitiesResponseV2, Octopus.Tentacle.Contracts",
        members: { SupportedCapabilities: { kind: "list", of: { kind: "string" } } },
      },
    },
  },
} as const;
