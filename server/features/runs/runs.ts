// The area of what is run: deployments with their dashboards, and health checks.

import type { Route } from "../../platform/http/http.ts";
import type { Secrets } from "../../platform/secrets/secrets.ts";
import { dashboardRoutes } from "./dashboards/dashboards.ts";
import { beforeReleaseDelete, deployNewRelease, deploymentRoutes, repeatDeployment } from "./deployments/deployments.ts";

export { createHealthTask, healthArgumentsVersion, healthSchedule } from "./health-checks/health-checks.ts";
export { createDeployTask, loadDeploymentSnapshot } from "./deployments/deployments.ts";
export type { CandidateMachine, DeploymentSnapshot } from "./deployments/deployments.ts";
export { createStepTypes } from "./step-types/step-types.ts";
export { beforeReleaseDelete, deployNewRelease, repeatDeployment };

export function runsRoutes(parts: { secrets: Secrets }): Route[] {
  return [...deploymentRoutes(parts), ...dashboardRoutes];
}
