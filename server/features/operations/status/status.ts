// Whether the server is well: for clients, load balancers and orchestrators.

import { readFile } from "node:fs/promises";
import os from "node:os";
import { NodeProcess, ProbeResult, ServerHealth, ServerStatus } from "@cuttle/contract/rest/server-nodes";
import { listNodes, offlineAfterMs, probeDeadlineMs, readMaintenance } from "../../../platform/cluster/cluster.ts";
import type { Fitness, ProbeFinding } from "../../../platform/cluster/cluster.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { compatibleVersionDefault } from "../../organization/organization.ts";

/** Anyone may ask, so the answer names what is away but not why. */
function present({ name, state }: ProbeFinding): { Name: string; Status: "ok" | "failing"; Message: string | null } {
  if (state === "ok") return { Name: name, Status: "ok", Message: null };
  if (state === "late") return { Name: name, Status: "failing", Message: `No answer within ${probeDeadlineMs / 1000} s.` };
  if (state === "leaving") return { Name: name, Status: "failing", Message: "This node is about to stop." };
  return { Name: name, Status: "failing", Message: `The ${name} is not available.` };
}

/** As the .NET client reads a span of time. */
function spanText(seconds: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  return `${Math.floor(seconds / 86_400)}.${two((seconds / 3_600) % 24)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Threads of this process, where the operating system says it; elsewhere the one that is certain. */
async function countThreads(): Promise<number> {
  const text = process.platform === "linux" ? await readFile("/proc/self/status", "utf8").catch(() => "") : "";
  return Number(/^Threads:\s+(\d+)$/m.exec(text)?.[1] ?? 1);
}

export function statusRoutes(parts: { fitness: Pick<Fitness, "look">; compatibleVersion?: string }): Route[] {
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
        const checks = (await parts.fitness.look()).map(present);
        const isWell = checks.every((one) => one.Status === "ok");
        return { status: isWell ? 200 : 503, body: { Status: isWell ? "ok" : "failing", Checks: checks } };
      },
    }),
    read({
      path: "/serverstatus",
      scope: "system",
      permission: "signed-in",
      answer: ServerStatus,
      handler: async ({ db }) =>
        ok({
          Id: "serverstatus",
          IsDatabaseEncrypted: true,
          IsInMaintenanceMode: await readMaintenance(db),
          IsMajorMinorUpgrade: false,
          IsPotentialClone: false,
          IsUpgradeAvailable: false,
          MaintenanceExpires: null,
          MaximumAvailableVersion: null,
          MaximumAvailableVersionCoveredByLicense: null,
          Links: { Self: "/api/serverstatus", Health: "/api/serverstatus/health", SystemInfo: "/api/serverstatus/system-info" },
        }),
    }),
    read({
      path: "/serverstatus/system-info",
      scope: "system",
      permission: "AdministerSystem",
      answer: NodeProcess,
      handler: async () =>
        ok({
          Id: "serverstatus-system-info",
          Version: parts.compatibleVersion ?? compatibleVersionDefault,
          OSVersion: `${os.type()} ${os.release()}`,
          ClrVersion: `Node.js ${process.versions.node}`,
          WorkingSetBytes: process.memoryUsage.rss(),
          ThreadCount: await countThreads(),
          Uptime: spanText(process.uptime()),
          Links: { Self: "/api/serverstatus/system-info" },
        }),
    }),
    read({
      path: "/serverstatus/health",
      scope: "system",
      permission: "signed-in",
      answer: ServerHealth,
      handler: async ({ db }) => {
        const alive = (await listNodes(db, offlineAfterMs)).filter((node) => !node.isOffline);
        const isReadOnly = await readMaintenance(db);
        const allDrain = alive.length > 0 && alive.every((node) => node.isInMaintenanceMode);
        return ok({
          Id: "serverstatus-health",
          Description: allDrain
            ? "All running nodes are drained, so no task is started."
            : isReadOnly
              ? "The server is in maintenance: only administrators may change anything."
              : "Operating normally.",
          IsCompliantWithLicense: true,
          IsEntireClusterDrainingTasks: allDrain,
          IsEntireClusterReadOnly: isReadOnly,
          IsOperatingNormally: !allDrain && !isReadOnly,
          Links: { Self: "/api/serverstatus/health" },
        });
      },
    }),
  ];
}
