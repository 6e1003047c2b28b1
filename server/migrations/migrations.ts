// The list of migrations in order. Forward only; each is safe while the previous server version still runs.

import { foundation } from "./0001-foundation.ts";
import { tasks } from "./0002-tasks.ts";
import { configuration } from "./0003-configuration.ts";
import { registration } from "./0004-registration.ts";
import { scriptGeneration } from "./0005-script-generation.ts";
import { tenantsAndTags } from "./0006-tenants-and-tags.ts";
import { deferrableReferences } from "./0007-deferrable-references.ts";
import { agentRequests } from "./0008-agent-requests.ts";
import { commitMarks } from "./0009-commit-marks.ts";
import { sharedFolder } from "./0010-shared-folder.ts";
import { schedules } from "./0011-schedules.ts";
import { packages } from "./0012-packages.ts";
import { variables } from "./0013-variables.ts";
import { packageArchives } from "./0016-package-archives.ts";
import { artifacts } from "./0018-artifacts.ts";
import { interruptions } from "./0015-interruptions.ts";
import { outputVariables } from "./0014-output-variables.ts";
import { dashboards } from "./0017-dashboards.ts";
import { builtInWorkers } from "./0019-built-in-workers.ts";
import { installTokens } from "./0021-install-tokens.ts";
import { tenantVariables } from "./0023-tenant-variables.ts";
import { clonedTenants } from "./0026-cloned-tenants.ts";
import { taskTimers } from "./0027-task-timers.ts";
import { deploymentChanges } from "./0028-deployment-changes.ts";
import { commsAddresses } from "./0029-comms-addresses.ts";

/** Name and SQL of each migration; names sort in the order they run. */
export const migrations: readonly { name: string; sql: string }[] = [
  { name: "0001-foundation", sql: foundation },
  { name: "0002-tasks", sql: tasks },
  { name: "0003-configuration", sql: configuration },
  { name: "0004-registration", sql: registration },
  { name: "0005-script-generation", sql: scriptGeneration },
  { name: "0006-tenants-and-tags", sql: tenantsAndTags },
  { name: "0007-deferrable-references", sql: deferrableReferences },
  { name: "0008-agent-requests", sql: agentRequests },
  { name: "0009-commit-marks", sql: commitMarks },
  { name: "0010-shared-folder", sql: sharedFolder },
  { name: "0011-schedules", sql: schedules },
  { name: "0012-packages", sql: packages },
  { name: "0013-variables", sql: variables },
  { name: "0016-package-archives", sql: packageArchives },
  { name: "0018-artifacts", sql: artifacts },
  { name: "0015-interruptions", sql: interruptions },
  { name: "0014-output-variables", sql: outputVariables },
  { name: "0017-dashboards", sql: dashboards },
  { name: "0019-built-in-workers", sql: builtInWorkers },
  { name: "0021-install-tokens", sql: installTokens },
  { name: "0023-tenant-variables", sql: tenantVariables },
  { name: "0026-cloned-tenants", sql: clonedTenants },
  { name: "0027-task-timers", sql: taskTimers },
  { name: "0028-deployment-changes", sql: deploymentChanges },
  { name: "0029-comms-addresses", sql: commsAddresses },
];
