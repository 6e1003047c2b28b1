// Deployment targets: agents with environments and roles. A new one is handed to whoever checks health, in the same transaction.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import { Machine, MachineBody, MachineConnection } from "@cuttle/contract/rest/machines";
import { problem } from "../../../base/problems.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource, listQuery } from "../../../platform/resources/resources.ts";
import type { Document, Resource } from "../../../platform/resources/resources.ts";
import { anyOf, endpointFields, endpointFilters, presentEndpoint, saveEndpoint, texts } from "../endpoints/endpoints.ts";
import { environments } from "../environments/environments.ts";
import { machinePolicies } from "../machine-policies/machine-policies.ts";
import * as store from "./machine-store.ts";

export type { MachineAddress, MachineHealth } from "./machine-store.ts";
export { findMachineAddress } from "./machine-store.ts";

/** Extension point: asks for the first health check of a new machine, in the transaction that creates it. */
export type AskForHealthCheck = (tx: Transaction, machine: { id: string; name: string; spaceId: string }, actor: Actor) => Promise<void>;

const filters = {
  ...endpointFilters,
  roles: { type: texts, where: anyOf("EXISTS (SELECT 1 FROM unnest(r.roles) role WHERE lower(role) = ANY ($?))") },
  environmentIds: {
    type: texts,
    where: anyOf("EXISTS (SELECT 1 FROM machine_environments me WHERE me.machine_id = r.id AND lower(me.environment_id) = ANY ($?))"),
  },
  tenantIds: { type: texts, where: anyOf("EXISTS (SELECT 1 FROM unnest(r.tenant_ids) tenant WHERE lower(tenant) = ANY ($?))") },
  tenantTags: { type: texts, where: anyOf("EXISTS (SELECT 1 FROM unnest(r.tenant_tags) tag WHERE lower(tag) = ANY ($?))") },
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
        TenantIds: { column: "tenant_ids", empty: [] },
        TenantTags: { column: "tenant_tags", empty: [] },
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
      const participation = values["TenantedDeploymentParticipation"];
      if ((values["TenantIds"] as string[]).length > 0 || (values["TenantTags"] as string[]).length > 0)
        faults.push("Tenants are not supported yet: TenantIds and TenantTags must be empty.");
      if (participation === "Tenanted") faults.push("Tenants are not supported yet: TenantedDeploymentParticipation cannot be Tenanted.");
      if ((values["EnvironmentIds"] as string[]).length === 0) faults.push("EnvironmentIds must name at least one environment.");
      const roles = distinctRoles(values["Roles"] as string[]);
      if (roles.length === 0) faults.push("Roles must name at least one role.");
      await saveEndpoint(tx, save, faults);
      values["Roles"] = roles;
      values["MachinePolicyId"] ||= (await store.findDefaultPolicyId(tx, save.spaceId)) ?? null;
      if (values["MachinePolicyId"] === null)
        throw problem.invalid("This space has no default machine policy. Name one in MachinePolicyId.");
    },
    afterSave: async (tx, save) => {
      await store.setMachineEnvironments(tx, save.id, save.values["EnvironmentIds"] as string[]);
      const wantsCheck =
        save.current === undefined && save.body["SkipInitialHealthCheck"] !== true && save.values["CommunicationStyle"] !== "None";
      if (wantsCheck) await askForHealthCheck(tx, { id: save.id, name: String(save.values["Name"]), spaceId: save.spaceId }, save.actor);
    },
  });
}

function distinctRoles(roles: readonly string[]): string[] {
  const byLowerCase = new Map(roles.map((role) => [role.trim().toLowerCase(), role.trim()]));
  byLowerCase.delete("");
  return [...byLowerCase.values()];
}

/** Stores what a health check found; a change of the status is an event. Answers false when the machine is gone. */
export async function recordMachineHealth(tx: Transaction, machineId: string, health: store.MachineHealth): Promise<boolean> {
  const known = await store.updateHealth(tx, machineId, health);
  if (known === undefined) return false;
  if (known.before !== health.healthStatus) {
    await recordEvent(tx, {
      spaceId: known.spaceId,
      category: "MachineHealthChanged",
      actor: systemActor,
      message: `Machine ${known.name} changed from ${known.before} to ${health.healthStatus}`,
      relatedDocumentIds: [machineId],
    });
  }
  return true;
}

export function machineRoutes(machines: Resource): Route[] {
  /** A page of the machines that belong to something else. */
  const below = (
    path: string,
    find: (db: Queryable, spaceId: string, id: string) => Promise<Document>,
    sql: string,
    permission: "EnvironmentView" | "MachinePolicyView",
  ): Route =>
    read({
      path: `/${path}/{id}/machines`,
      scope: "space",
      permission,
      query: Type.Object({
        ...listQuery,
        partialName: Type.Optional(Type.String()),
        ...Object.fromEntries(Object.entries(filters).map(([name, { type }]) => [name, Type.Optional(type)])),
      }),
      answer: page(Machine),
      handler: async ({ db, space, params, query }) => {
        const owner = await find(db, space.id, (params as { id: string }).id);
        return ok(
          await machines.list(db, space.id, query, {
            path: `/api/${space.id}/${path}/${owner.Id}/machines`,
            where: [{ sql, values: [owner.Id] }],
          }),
        );
      },
    });
  return [
    ...machines.routes,
    below(
      "environments",
      environments.get,
      "EXISTS (SELECT 1 FROM machine_environments me WHERE me.machine_id = r.id AND me.environment_id = $?)",
      "EnvironmentView",
    ),
    below("machinepolicies", machinePolicies.get, "r.machine_policy_id = $?", "MachinePolicyView"),
    read({
      path: "/machines/{id}/connection",
      scope: "space",
      permission: "MachineView",
      answer: MachineConnection,
      handler: async ({ db, space, params }) => {
        const machine = await machines.get(db, space.id, params.id);
        return ok({
          Id: machine.Id,
          MachineId: machine.Id,
          Status: machine["Status"],
          CurrentTentacleVersion: machine["AgentVersion"],
          LastChecked: machine["HealthCheckedAt"],
          Logs: [],
          Links: { Self: `/api/${space.id}/machines/${machine.Id}/connection`, Machine: `/api/${space.id}/machines/${machine.Id}` },
        });
      },
    }),
    read({
      path: "/machineroles/all",
      scope: "space",
      permission: "MachineView",
      answer: Type.Array(Type.String()),
      handler: async ({ db, space }) => ok(await store.listRoles(db, space.id)),
    }),
    read({
      path: "/machines/operatingsystem/names/all",
      scope: "space",
      permission: "MachineView",
      answer: Type.Array(Type.String()),
      handler: async ({ db, space }) => ok(await distinct(machines, db, space.id, "OperatingSystem")),
    }),
    read({
      path: "/machines/operatingsystem/shells/all",
      scope: "space",
      permission: "MachineView",
      answer: Type.Array(Type.String()),
      handler: async ({ db, space }) => ok(await distinct(machines, db, space.id, "ShellName")),
    }),
  ];
}

async function distinct(machines: Resource, db: Queryable, spaceId: string, member: string): Promise<string[]> {
  const found = await machines.all(db, spaceId, {});
  return [...new Set(found.map((machine) => String(machine[member])))].sort();
}
