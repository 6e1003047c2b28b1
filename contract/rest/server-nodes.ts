// The cluster as clients see it: nodes, their health, and maintenance.

import { count, flag, id, links, list, object, oneOf, optional, orNull, text, time, whole } from "./shapes.ts";

export const ServerNode = object({ Id: id(), Name: text(), MaxConcurrentTasks: whole(), IsInMaintenanceMode: flag(), Links: links() });
export const ServerNodeBody = object({ MaxConcurrentTasks: optional(orNull(count())), IsInMaintenanceMode: optional(orNull(flag())) });
export const ServerNodeSummary = object({
  Id: id(),
  Name: text(),
  LastSeen: orNull(time()),
  Rank: oneOf(["Follower", "Leader"]),
  IsLeader: flag(),
  IsOffline: flag(),
  IsInMaintenanceMode: flag(),
  MaxConcurrentTasks: whole(),
  RunningTaskCount: whole(),
  /** What the node needs and cannot reach; it takes no task until that is back. */
  Impairments: list(text()),
  /** Where polling agents are told to reach it; null when they are not told. */
  CommsAddress: orNull(text()),
  Links: links(),
});
export const ServerNodesSummary = object({ Nodes: list(ServerNodeSummary), Links: links() });
export const ServerNodeDetails = object({
  Id: id(),
  RunningTasks: whole(),
  /** Which they are. Other servers of this API only count them. */
  Tasks: list(object({ Id: id(), Name: text(), Description: text(), State: text(), Links: links() })),
  Links: links(),
});
export const ServerStatus = object({
  Id: text(),
  IsDatabaseEncrypted: flag(),
  IsInMaintenanceMode: flag(),
  IsMajorMinorUpgrade: flag(),
  IsPotentialClone: flag(),
  IsUpgradeAvailable: flag(),
  MaintenanceExpires: orNull(text()),
  MaximumAvailableVersion: orNull(text()),
  MaximumAvailableVersionCoveredByLicense: orNull(text()),
  Links: links(),
});
/** The process of the node that answers. */
export const NodeProcess = object({
  Id: text(),
  Version: text(),
  OSVersion: text(),
  ClrVersion: text(),
  WorkingSetBytes: whole(),
  ThreadCount: whole(),
  /** "1.02:03:04": days, hours, minutes, seconds. */
  Uptime: text(),
  Links: links(),
});
export const ServerHealth = object({
  Id: text(),
  Description: text(),
  IsCompliantWithLicense: flag(),
  IsEntireClusterDrainingTasks: flag(),
  IsEntireClusterReadOnly: flag(),
  IsOperatingNormally: flag(),
  Links: links(),
});
export const MaintenanceConfiguration = object({ Id: id(), IsInMaintenanceMode: flag(), Links: links() });
export const MaintenanceConfigurationBody = object({ IsInMaintenanceMode: flag() });
/** Answer of the probes for load balancers and orchestrators. */
export const ProbeResult = object({
  Status: oneOf(["ok", "failing"]),
  Checks: list(object({ Name: text(), Status: oneOf(["ok", "failing"]), Message: orNull(text()) })),
});
