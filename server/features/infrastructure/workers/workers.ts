// Workers: agents that run steps in the place of the server, grouped in pools. They register and are checked like targets.

import { DiscoveredWorker, Worker, WorkerBody, WorkerPoolsSummary } from "@cuttle/contract/rest/machines";
import type { DiscoverAgent } from "../../../engine/agents/agents.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import type { Resource } from "../../../platform/resources/resources.ts";
import {
  anyOf,
  askForCheck,
  discoveryRoute,
  endpointFields,
  endpointFilters,
  endpointRoutes,
  pageBelow,
  presentEndpoint,
  saveEndpoint,
  summaryRoute,
  texts,
} from "../endpoints/endpoints.ts";
import type { AskForHealthCheck } from "../endpoints/endpoints.ts";
import { machinePolicies } from "../machine-policies/machine-policies.ts";
import { workerPools } from "../worker-pools/worker-pools.ts";
import { setWorkerPools } from "./worker-store.ts";

const filters = {
  ...endpointFilters,
  workerPoolIds: {
    type: texts,
    where: anyOf("EXISTS (SELECT 1 FROM worker_pool_members wp WHERE wp.worker_id = r.id AND lower(wp.worker_pool_id) = ANY ($?))"),
  },
};

export function defineWorkers(askForHealthCheck: AskForHealthCheck): Resource {
  return defineResource({
    kind: "Worker",
    collection: "Workers",
    path: "workers",
    table: {
      name: "workers",
      orderBy: "lower(r.name)",
      slug: true,
      fields: {
        ...endpointFields,
        WorkerPoolIds: {
          column: "worker_pool_ids",
          select: "ARRAY(SELECT wp.worker_pool_id FROM worker_pool_members wp WHERE wp.worker_id = r.id ORDER BY wp.worker_pool_id)",
          empty: [],
          references: { table: "worker_pools", kind: "worker pool" },
        },
      },
    },
    answer: Worker,
    body: WorkerBody,
    permissions: { view: "WorkerView", create: "WorkerEdit", edit: "WorkerEdit", delete: "WorkerEdit" },
    filters,
    links: ({ Id }, base) => ({ Connection: `${base}/workers/${Id}/connection` }),
    present: presentEndpoint,
    beforeSave: async (tx, save) => {
      const none = (save.values["WorkerPoolIds"] as string[]).length === 0;
      await saveEndpoint(tx, save, none ? ["WorkerPoolIds must name at least one worker pool."] : []);
    },
    afterSave: async (tx, save) => {
      await setWorkerPools(tx, save.id, save.values["WorkerPoolIds"] as string[]);
      await askForCheck(tx, save, askForHealthCheck);
    },
  });
}

export function workerRoutes(workers: Resource, discoverAgent: DiscoverAgent): Route[] {
  const below = { resource: workers, path: "workers", item: Worker, filters } as const;
  return [
    ...workers.routes,
    ...endpointRoutes(workers, "workers", "WorkerView"),
    discoveryRoute({ path: "workers", permission: "WorkerEdit", answer: DiscoveredWorker, own: { WorkerPoolIds: [] }, discoverAgent }),
    summaryRoute({
      path: "workerpools",
      permission: "WorkerView",
      owners: workerPools,
      machines: workers,
      ownersMember: "WorkerPoolIds",
      entries: { list: "WorkerPoolSummaries", owner: "WorkerPool" },
      hideEmpty: "hideEmptyPools",
      filters,
      answer: WorkerPoolsSummary,
    }),
    pageBelow({
      ...below,
      owners: "workerpools",
      find: workerPools.get,
      sql: "EXISTS (SELECT 1 FROM worker_pool_members wp WHERE wp.worker_id = r.id AND wp.worker_pool_id = $?)",
      permission: "WorkerView",
    }),
    pageBelow({
      ...below,
      owners: "machinepolicies",
      find: machinePolicies.get,
      sql: "r.machine_policy_id = $?",
      permission: "MachinePolicyView",
    }),
  ];
}
