// The area of what deployments run on: environments, machines and their policies, worker pools, proxies, the
// server's certificate.

import type { DiscoverAgent } from "../../engine/agents/agents.ts";
import type { Route } from "../../platform/http/http.ts";
import type { Secrets } from "../../platform/secrets/secrets.ts";
import type { SpaceFiller } from "../organization/organization.ts";
import { agentInstallRoutes } from "./agent-install/agent-install.ts";
import type { AgentArchives } from "./agent-install/agent-install.ts";
import { certificateRoutes } from "./certificates/certificates.ts";
import type { ClusterCertificate } from "./certificates/certificates.ts";
import type { AskForHealthCheck } from "./endpoints/endpoints.ts";
import { environmentRoutes } from "./environments/environments.ts";
import { fillMachinePolicies, machinePolicyRoutes } from "./machine-policies/machine-policies.ts";
import { defineMachines, machineRoutes } from "./machines/machines.ts";
import { defineProxies } from "./proxies/proxies.ts";
import { defineWorkers, workerRoutes } from "./workers/workers.ts";
import { fillWorkerPools, workerPoolRoutes } from "./worker-pools/worker-pools.ts";

export { createAgentArchives } from "./agent-install/agent-install.ts";
export type { AgentArchives } from "./agent-install/agent-install.ts";
export { environmentIdsInOrder, environments } from "./environments/environments.ts";
export { findMachineAddress, findMachinesOfPolicy, isPollingAgent, readAgentAddress, recordMachineHealth } from "./endpoints/endpoints.ts";
export { listCheckIntervals } from "./machine-policies/machine-policies.ts";
export { findProxy } from "./proxies/proxies.ts";
export type { ClusterCertificate } from "./certificates/certificates.ts";
export type { AskForHealthCheck, MachineAddress, MachineHealth } from "./endpoints/endpoints.ts";

export interface InfrastructureParts {
  secrets: Secrets;
  certificate: ClusterCertificate;
  askForHealthCheck: AskForHealthCheck;
  discoverAgent: DiscoverAgent;
  /** The archives of our own agent that this node hands out. */
  agentArchives: AgentArchives;
  /** Where this node waits for polling agents. */
  commsPort: number;
}

export function infrastructureRoutes(parts: InfrastructureParts): Route[] {
  const machines = defineMachines(parts.askForHealthCheck);
  return [
    ...environmentRoutes,
    ...machinePolicyRoutes,
    ...machineRoutes(machines, parts.discoverAgent),
    ...agentInstallRoutes({ ...parts, archives: parts.agentArchives, machines }),
    ...workerPoolRoutes,
    ...workerRoutes(defineWorkers(parts.askForHealthCheck), parts.discoverAgent),
    ...defineProxies(parts.secrets).routes,
    ...certificateRoutes(parts.certificate),
  ];
}

export const infrastructureFillers: readonly SpaceFiller[] = [fillMachinePolicies, fillWorkerPools];
