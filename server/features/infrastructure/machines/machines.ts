// Deployment targets: agents with environments and roles. A new one is handed to whoever checks health, in the same transaction.

import { Type } from "typebox";
import { DiscoveredMachine, EnvironmentsSummary, Machine, MachineBody } from "@cuttle/contract/rest/machines";
import type { DiscoverAgent } from "../../../engine/agents/agents.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import type { Resource } from "../../../platform/resources/resources.ts";
import {
  anyOf,
  askForCheck,
  countEach,
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
import { environments } from "../environments/environments.ts";
import { machinePolicies } from "../machine-policies/machine-policies.ts";
import * as store from "./machine-store.ts";

const filters = {
  ...endpointFilters,
  roles: { type: texts, where: anyOf("EXISTS (SELECT 1 FROM unnest(r.roles) role WHERE lower(role) = ANY ($?))") },
  deploymentTargetTypes: { type: texts, where: anyOf("lower(r.communication_style) = ANY ($?)") },
  environmentIds: {
    type: texts,
    where: anyOf("EXISTS (SELECT 1 FROM machine_environments me WHERE me.machine_id = r.id AND lower(me.environment_id) = ANY ($?))"),
  },
  tenantIds: {
    type: texts,
    where: anyOf("EXISTS (SELECT 1 FROM machine_tenants mt WHERE mt.machine_id = r.id AND lower(mt.tenant_id) = ANY ($?))"),
  },
  tenantTags: {
    type: texts,
    where: anyOf("EXISTS (SELECT 1 FROM machine_tags mt WHERE mt.machine_id = r.id AND lower(mt.tag) = ANY ($?))"),
  },
};

export function defineMachines(askForHealthCheck: AskForHealthCheck): Resource {
  return defineResource({
    kind: "Machine",
    collection: "Machines",
    path: "machines",
    table: {
      name: "machines",
      orderBy: "lower(r.name)",
      slug: true,
      fields: {
        ...endpointFields,
        Roles: { column: "roles", empty: [] },
        EnvironmentIds: {
          column: "environment_ids",
          select: "ARRAY(SELECT me.environment_id FROM machine_environments me WHERE me.machine_id = r.id ORDER BY me.environment_id)",
          empty: [],
          references: { table: "environments", kind: "environment" },
        },
        TenantIds: {
          column: "tenant_ids",
          select: "ARRAY(SELECT mt.tenant_id FROM machine_tenants mt WHERE mt.machine_id = r.id ORDER BY mt.tenant_id)",
          empty: [],
          references: { table: "tenants", kind: "tenant" },
        },
        TenantTags: {
          column: "tenant_tags",
          select: "ARRAY(SELECT mt.tag FROM machine_tags mt WHERE mt.machine_id = r.id ORDER BY lower(mt.tag))",
          empty: [],
          references: { table: "tags", kind: "tenant tag", column: "canonical_name" },
        },
        TenantedDeploymentParticipation: { column: "tenanted_deployment_participation", empty: "Untenanted" },
      },
    },
    answer: Machine,
    body: MachineBody,
    permissions: { view: "MachineView", create: "MachineCreate", edit: "MachineEdit", delete: "MachineDelete" },
    filters,
    links: ({ Id }, base) => ({
      Connection: `${base}/machines/${Id}/connection`,
      TasksTemplate: `${base}/machines/${Id}/tasks{?skip,take,type}`,
    }),
    present: presentEndpoint,
    beforeSave: async (tx, save) => {
      const { values } = save;
      const faults: string[] = [];
      if ((values["EnvironmentIds"] as string[]).length === 0) faults.push("Name at least one environment (EnvironmentIds).");
      const roles = distinctRoles(values["Roles"] as string[]);
      if (roles.length === 0) faults.push("Name at least one target tag (Roles).");
      await saveEndpoint(tx, save, faults);
      values["Roles"] = roles;
    },
    afterSave: async (tx, save) => {
      await store.setMachineEnvironments(tx, save.id, save.values["EnvironmentIds"] as string[]);
      await store.setMachineTenants(tx, save.id, save.spaceId, {
        tenantIds: save.values["TenantIds"] as string[],
        tags: save.values["TenantTags"] as string[],
      });
      await askForCheck(tx, save, askForHealthCheck);
    },
  });
}

function distinctRoles(roles: readonly string[]): string[] {
  const byLowerCase = new Map(roles.map((role) => [role.trim().toLowerCase(), role.trim()]));
  byLowerCase.delete("");
  return [...byLowerCase.values()];
}

export function machineRoutes(machines: Resource, discoverAgent: DiscoverAgent): Route[] {
  const below = { resource: machines, path: "machines", item: Machine, filters } as const;
  return [
    ...machines.routes,
    ...endpointRoutes(machines, "machines", "MachineView"),
    discoveryRoute({
      path: "machines",
      permission: "MachineCreate",
      answer: DiscoveredMachine,
      own: { Roles: [], EnvironmentIds: [], TenantIds: [], TenantTags: [], TenantedDeploymentParticipation: "Untenanted" },
      discoverAgent,
    }),
    pageBelow({
      ...below,
      owners: "environments",
      find: environments.get,
      sql: "EXISTS (SELECT 1 FROM machine_environments me WHERE me.machine_id = r.id AND me.environment_id = $?)",
      permission: "EnvironmentView",
    }),
    pageBelow({
      ...below,
      owners: "machinepolicies",
      find: machinePolicies.get,
      sql: "r.machine_policy_id = $?",
      permission: "MachinePolicyView",
    }),
    summaryRoute({
      path: "environments",
      permission: "EnvironmentView",
      owners: environments,
      machines,
      ownersMember: "EnvironmentIds",
      entries: { list: "EnvironmentSummaries", owner: "Environment" },
      hideEmpty: "hideEmptyEnvironments",
      filters,
      answer: EnvironmentsSummary,
      alsoCount: (some) => ({
        MachineTenantSummaries: countEach(some.flatMap((machine) => machine["TenantIds"] as string[])),
        MachineTenantTagSummaries: countEach(some.flatMap((machine) => machine["TenantTags"] as string[])),
      }),
    }),
    read({
      path: "/machineroles/all",
      scope: "space",
      permission: "MachineView",
      answer: Type.Array(Type.String()),
      handler: async ({ db, space }) => ok(await store.listRoles(db, space.id)),
    }),
  ];
}
