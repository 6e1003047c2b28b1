// The area of running the server: tasks, events, nodes, status.

import type { Route } from "../../platform/http/http.ts";
import { eventRoutes } from "./events/events.ts";
import { maintenanceRoutes } from "./maintenance/maintenance.ts";
import { listRunningTasks, nodeRoutes } from "./nodes/nodes.ts";
import type { NodesParts } from "./nodes/nodes.ts";
import { statusRoutes } from "./status/status.ts";
import { taskRoutes } from "./tasks/tasks.ts";
import type { TasksParts } from "./tasks/tasks.ts";

export { listRunningTasks };
export { createRetentionTask, retentionSchedule } from "./retention/retention.ts";
export { createSweepTask, sweepSchedule } from "./sweeping/sweeping.ts";

export function operationsRoutes(parts: NodesParts & TasksParts): Route[] {
  return [...taskRoutes(parts), ...eventRoutes, ...nodeRoutes(parts), ...statusRoutes(parts), ...maintenanceRoutes];
}
