// Whether the server is well: for clients, load balancers and orchestrators.

import { ProbeResult, ServerHealth, ServerStatus } from "@cuttle/contract/rest/server-nodes";
import { listNodes, offlineAfterMs } from "../../../platform/cluster/cluster.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";

/** Something this node stands on. `check` settles when it is well and rejects with a sentence when it is not. */
export interface Probe {
  name: string;
  check: (signal: AbortSignal) => Promise<void>;
}

/** Load balancers ask every few seconds and count a late answer as none. */
const probeDeadlineMs = 2_000;

async function runProbe(probe: Probe): Promise<{ Name: string; Status: "ok" | "failing"; Message: string | null }> {
  const deadline = AbortSignal.timeout(probeDeadlineMs);
  const late = new Promise<never>((_resolve, reject) => {
    deadline.addEventListener("abort", () => reject(new Error(`No answer within ${probeDeadlineMs / 1000} s.`)), { once: true });
  });
  try {
    await Promise.race([probe.check(deadline), late]);
    return { Name: probe.name, Status: "ok", Message: null };
  } catch {
    // Anyone may ask, so the answer names what is away but not why.
    const isLate = deadline.aborted;
    return {
      Name: probe.name,
      Status: "failing",
      Message: isLate ? `No answer within ${probeDeadlineMs / 1000} s.` : `The ${probe.name} is not available.`,
    };
  }
}

export function statusRoutes(parts: { probes: readonly Probe[] }): Route[] {
  return [
    read({
      path: "/health/live",
      scope: "system",
      permission: "anyone",
      answer: ProbeResult,
      handler: async () => ok({ Status: "ok", Checks: [] }),
    }),
    read({
      path: "/health/ready",
      scope: "system",
      permission: "anyone",
      answer: ProbeResult,
      handler: async () => {
        const checks = await Promise.all(parts.probes.map(runProbe));
        const isWell = checks.every((one) => one.Status === "ok");
        return { status: isWell ? 200 : 503, body: { Status: isWell ? "ok" : "failing", Checks: checks } };
      },
    }),
    read({
      path: "/serverstatus",
      scope: "system",
      permission: "signed-in",
      answer: ServerStatus,
      handler: async () =>
        ok({
          Id: "serverstatus",
          IsDatabaseEncrypted: true,
          IsInMaintenanceMode: false,
          IsMajorMinorUpgrade: false,
          IsPotentialClone: false,
          IsUpgradeAvailable: false,
          MaintenanceExpires: null,
          MaximumAvailableVersion: null,
          MaximumAvailableVersionCoveredByLicense: null,
          Links: { Self: "/api/serverstatus", Health: "/api/serverstatus/health" },
        }),
    }),
    read({
      path: "/serverstatus/health",
      scope: "system",
      permission: "signed-in",
      answer: ServerHealth,
      handler: async ({ db }) => {
        const alive = (await listNodes(db, offlineAfterMs)).filter((node) => !node.isOffline);
        const allDrain = alive.length > 0 && alive.every((node) => node.isInMaintenanceMode);
        return ok({
          Id: "serverstatus-health",
          Description: allDrain ? "All running nodes are drained, so no task is started." : "Operating normally.",
          IsCompliantWithLicense: true,
          IsEntireClusterDrainingTasks: allDrain,
          IsEntireClusterReadOnly: false,
          IsOperatingNormally: !allDrain,
          Links: { Self: "/api/serverstatus/health" },
        });
      },
    }),
  ];
}
