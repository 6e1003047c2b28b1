// Deployment targets and workers and what belongs to them: endpoints, connection status, machine policies, worker pools.

import {
  anything,
  count,
  flag,
  id,
  links,
  list,
  map,
  name,
  object,
  oneOf,
  optional,
  orNull,
  text,
  time,
  whole,
  written,
} from "./shapes.ts";
import { Environment } from "./environments.ts";

/** What the server can talk to today. Others are refused on writing, because old clients cannot read a style they do not know. */
export const communicationStyles = ["TentaclePassive", "TentacleActive", "None"] as const;

export const Endpoint = object({
  Id: orNull(id()),
  CommunicationStyle: oneOf([...communicationStyles]),
  Uri: optional(orNull(text())),
  Thumbprint: optional(orNull(text())),
  ProxyId: optional(orNull(id())),
  DefaultWorkerPoolId: optional(orNull(id())),
  CertificateSignatureAlgorithm: optional(orNull(text())),
  TentacleVersionDetails: optional(
    orNull(object({ UpgradeLocked: flag(), UpgradeRequired: flag(), UpgradeSuggested: flag(), Version: orNull(text()) })),
  ),
  Links: links(),
});
const EndpointBody = object({
  CommunicationStyle: optional(orNull(text())),
  Uri: optional(orNull(text())),
  Thumbprint: optional(orNull(text())),
  ProxyId: optional(orNull(id())),
  DefaultWorkerPoolId: optional(orNull(id())),
});

export const healthStatuses = ["Healthy", "HasWarnings", "Unhealthy", "Unavailable", "Unknown"] as const;

/** Of everything with an endpoint: what is written, and what is only read. */
const writtenOfBoth = { Name: name(), SpaceId: id(), IsDisabled: flag(), MachinePolicyId: id() };
const readOfBoth = {
  Slug: text(),
  Endpoint,
  HealthStatus: oneOf([...healthStatuses]),
  Status: oneOf(["Online", "Offline", "Unknown", "NeedsUpgrade", "CalamariNeedsUpgrade", "Disabled"]),
  StatusSummary: text(),
  /** When its health was last looked at. Other servers of this API say it only below `/connection`. */
  HealthCheckedAt: optional(orNull(time())),
  HasLatestCalamari: flag(),
  IsInProcess: flag(),
  OperatingSystem: text(),
  ShellName: text(),
  ShellVersion: text(),
  Architecture: text(),
  Thumbprint: orNull(text()),
  Uri: orNull(text()),
  SkipInitialHealthCheck: flag(),
  Links: links(),
};

const members = {
  ...writtenOfBoth,
  Roles: list(name()),
  EnvironmentIds: list(id()),
  TenantIds: list(id()),
  TenantTags: list(text()),
  TenantedDeploymentParticipation: oneOf(["Untenanted", "TenantedOrUntenanted", "Tenanted"]),
};

export const Machine = object({ Id: id(), ...members, ...readOfBoth });
export const MachineBody = written({ ...members, Endpoint: EndpointBody, SkipInitialHealthCheck: flag(), Slug: text() });

/** A target that is not saved yet: what was found at an address. */
export const DiscoveredMachine = object({ ...members, ...readOfBoth, Id: orNull(id()), MachinePolicyId: orNull(id()) });

const workerMembers = { ...writtenOfBoth, WorkerPoolIds: list(id()) };
export const Worker = object({ Id: id(), ...workerMembers, ...readOfBoth });
export const DiscoveredWorker = object({ ...workerMembers, ...readOfBoth, Id: orNull(id()), MachinePolicyId: orNull(id()) });
export const WorkerBody = written({ ...workerMembers, Endpoint: EndpointBody, SkipInitialHealthCheck: flag(), Slug: text() });

export const MachineConnection = object({
  Id: id(),
  MachineId: id(),
  Status: text(),
  CurrentTentacleVersion: orNull(text()),
  /** The first day of the calendar until it was looked at: older clients read nothing but a time. */
  LastChecked: time(),
  Logs: list(object({ Category: text(), OccurredAt: time(), MessageText: text(), Detail: orNull(text()) })),
  /** Of a polling agent: the nodes to which it is connected now. Other servers of this API do not say it. */
  ConnectedNodes: list(object({ NodeName: text(), Connections: count(), Since: time() })),
  Links: links(),
});

const policyMembers = {
  Name: name(),
  SpaceId: id(),
  Description: text(),
  IsDefault: flag(),
  ConnectionConnectTimeout: text(),
  ConnectionRetryCountLimit: whole(),
  ConnectionRetrySleepInterval: text(),
  ConnectionRetryTimeLimit: text(),
  PollingRequestQueueTimeout: text(),
  PollingRequestMaximumMessageProcessingTimeout: text(),
  MachineHealthCheckPolicy: map(anything()),
  MachineConnectivityPolicy: map(anything()),
  MachineCleanupPolicy: map(anything()),
  MachineUpdatePolicy: map(anything()),
};
export const MachinePolicy = object({ Id: id(), ...policyMembers, Links: links() });
export const MachinePolicyBody = written(policyMembers);

const poolMembers = { Name: name(), Slug: text(), SpaceId: id(), Description: text(), IsDefault: flag(), SortOrder: whole() };
export const WorkerPool = object({
  Id: id(),
  ...poolMembers,
  CanAddWorkers: flag(),
  WorkerPoolType: oneOf(["StaticWorkerPool", "DynamicWorkerPool"]),
  Links: links(),
});
export const WorkerPoolBody = written({ ...poolMembers, WorkerPoolType: text() });

const machineCounts = {
  TotalMachines: whole(),
  TotalDisabledMachines: whole(),
  MachineHealthStatusSummaries: map(whole()),
  MachineEndpointSummaries: map(whole()),
  TentacleUpgradesRequired: flag(),
  MachineIdsForCalamariUpgrade: list(id()),
  MachineIdsForTentacleUpgrade: list(id()),
};
const environmentCounts = { ...machineCounts, MachineTenantSummaries: map(whole()), MachineTenantTagSummaries: map(whole()) };
export const EnvironmentsSummary = object({
  ...environmentCounts,
  EnvironmentSummaries: list(object({ ...environmentCounts, Environment })),
  Links: links(),
});
export const WorkerPoolsSummary = object({
  ...machineCounts,
  WorkerPoolSummaries: list(object({ ...machineCounts, WorkerPool })),
  Links: links(),
});

export const CommunicationsCertificate = object({ Id: id(), Name: text(), Thumbprint: text(), SignatureAlgorithm: text(), Links: links() });
