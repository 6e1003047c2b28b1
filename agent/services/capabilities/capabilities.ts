// Answers which services this agent has. Servers choose their way of running scripts by it.
import { type CapabilitiesResponseV2, capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import type { ServiceImplementation } from "@cuttle/halibut";

/** The capabilities service; `capabilities` are the names of the services that are really registered beside it. */
export function createCapabilitiesService(capabilities: readonly string[]): ServiceImplementation {
  return {
    contract: capabilitiesServiceV2,
    methods: {
      GetCapabilities: async (): Promise<CapabilitiesResponseV2> => ({ SupportedCapabilities: [...capabilities] }),
    },
  };
}
