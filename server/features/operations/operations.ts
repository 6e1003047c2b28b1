// The area of running the server: tasks, their artifacts, events, nodes, status.

import type { ArtifactFolder } from "../../engine/artifacts/artifacts.ts";
import type { Route } from "../../platform/http/http.ts";
import { artifactRoutes } from "./artifacts/artifacts.ts";
import { eventRoutes, eventStreamRoutes } from "./events/events.ts";
import { maintenanceRoutes } from "./maintenance/maintenance.ts";
import { listRunningTasks, nodeRoutes } from "./nodes/nodes.ts";
import type { NodesParts } from "./nodes/nodes.ts";
import { statusRoutes } from "./status/status.ts";
import { taskRoutes } from "./tasks/tasks.ts";
import type { TasksParts } from "./tasks/tasks.ts";

export { listRunningTasks };
export { createRetentionTask, retentionSchedule } from "./retention/retention.ts";
export { createSweepTask, sweepSchedule } from "./sweeping/sweeping.ts";

export function operationsRoutes(parts: NodesParts & TasksParts & { artifactFolder: ArtifactFolder; compatibleVersion?: string }): Route[] {
  return [
    ...taskRoutes(parts),
    ...artifactRoutes(parts),
    ...eventRoutes,
    ...eventStreamRoutes(parts),
    ...nodeRoutes(parts),
    ...statusRoutes(parts),
    ...maintenanceRoutes,
  ];
}
