// As many simulated polling agents as are asked for, in a process of their own, which say what they can do and nothing else. Started by
// reconnect.ts only.

import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { createHalibutPoller } from "@cuttle/halibut";
import type { Identity } from "@cuttle/halibut";

export interface StartAgents {
  port: number;
  serverThumbprint: string;
  agents: readonly { subscription: string; identity: Identity }[];
}

/** What the simulated agents answer. */
export const simulatedCapabilities: readonly string[] = ["IScriptServiceV2"];

if (process.send !== undefined) {
  process.on("message", ({ port, serverThumbprint, agents }: StartAgents) => {
    for (const { subscription, identity } of agents) {
      const poller = createHalibutPoller({
        identity,
        server: { host: "127.0.0.1", port, thumbprint: serverThumbprint },
        subscription,
        services: [
          {
            contract: capabilitiesServiceV2,
            methods: { GetCapabilities: async () => ({ SupportedCapabilities: simulatedCapabilities }) },
          },
        ],
      });
      poller.start();
    }
  });
  process.on("disconnect", () => process.exit());
}
