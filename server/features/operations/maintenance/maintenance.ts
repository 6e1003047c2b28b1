// Maintenance of the whole cluster: while it lasts, only administrators may change anything. What is queued or runs goes on. Every request asks
// the database, so all nodes know at once.

import { MaintenanceConfiguration, MaintenanceConfigurationBody } from "@cuttle/contract/rest/server-nodes";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { readMaintenance, setMaintenance } from "../../../platform/cluster/cluster.ts";
import { change, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";

const present = (isInMaintenance: boolean) => ({
  Id: "maintenance",
  IsInMaintenanceMode: isInMaintenance,
  Links: { Self: "/api/maintenanceconfiguration" },
});

export const maintenanceRoutes: Route[] = [
  read({
    path: "/maintenanceconfiguration",
    scope: "system",
    permission: "ConfigureServer",
    answer: MaintenanceConfiguration,
    handler: async ({ db }) => ok(present(await readMaintenance(db))),
  }),
  change({
    method: "PUT",
    path: "/maintenanceconfiguration",
    scope: "system",
    permission: "AdministerSystem",
    body: MaintenanceConfigurationBody,
    answer: MaintenanceConfiguration,
    handler: async ({ tx, actor, body }) => {
      if (await setMaintenance(tx, body.IsInMaintenanceMode)) {
        await recordEvent(tx, {
          spaceId: null,
          category: "Modified",
          actor,
          message: body.IsInMaintenanceMode
            ? "The server was put into maintenance: only administrators may change anything"
            : "The server's maintenance was ended",
          relatedDocumentIds: ["maintenance"],
        });
      }
      return ok(present(body.IsInMaintenanceMode));
    },
  }),
];
