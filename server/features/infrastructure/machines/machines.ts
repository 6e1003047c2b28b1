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
import type { Condition, Document, Resource } from "../../../platform/resources/resources.ts";
import { environments } from "../environments/environments.ts";
import { machinePolicies } from "../machine-policies/machine-policies.ts";
import { checkEndpoint, legacyStatus } from "./machine-rules.ts";
import type { EndpointSent, StoredEndpoint } from "./machine-rules.ts";
import * as store from "./machine-store.ts";

export { readAgentAddress } from "./machine-rules.ts";
export type { MachineAddress, MachineHealth } from "./machine-store.ts";
export { findMachineAddress, isPollingMachine } from "./machine-store.ts";

/** Extension point: asks for the first health check of a new machine, in the transaction that creates it. */
export type AskForHealthCheck = (tx: Transaction, machine: { id: string; name: string; spaceId: string }, actor: Actor) => Promise<void>;

const anyOf =
  (sql: string) =>
  (values: string[]): Condition => ({ sql, values: [values.map((one) => one.toLowerCase())] });
const texts = Type.Array(Type.String());

const filters = {
  roles: { type: texts, where: anyOf("EXISTS (SELECT 1 FROM unnest(r.roles) role WHERE lower(role) = ANY ($?))") },
  environmentIds: {
    type: texts,
    where: anyOf("EXISTS (SELECT 1 FROM machine_environments me WHERE me.machine_id = r.id AND lower(me.environment_id) = ANY ($?))"),
  },
  thumbprint: { type: Type.String(), where: (value: string): Condition => ({ sql: "r.thumbprint = upper($?)", values: [value] }) },
  isDisabled: { type: Type.Boolean(), where: (value: boolean): Condition => ({ sql: "r.is_disabled = $?", values: [value] }) },
  healthStatuses: { type: texts, where: anyOf("lower(r.health_status) = ANY ($?)") },
  commStyles: { type: texts, where: anyOf("lower(r.communication_style) = ANY ($?)") },
  shellNames: { type: texts, where: anyOf("lower(r.shell_name) = ANY ($?)") },
  tenantIds: { type: texts, where: anyOf("EXISTS (SELECT 1 FROM unnest(r.tenant_ids) tenant WHERE lower(tenant) = ANY ($?))") },
  tenantTags: { type: texts, where: anyOf("EXISTS (SELECT 1 FROM unnest(r.tenant_tags) tag WHERE lower(tag) = ANY ($?))") },
};

function presentMachine(document: Document, base: string): void {
  const endpoint = document["StoredEndpoint"] as StoredEndpoint;
  const version = document["AgentVersion"] as string | null;
  Object.assign(document, {
    Endpoint: {
      Id: null,
      ...endpoint,
      ...(endpoint.CommunicationStyle === "None"
        ? {}
        : {
            TentacleVersionDetails: { UpgradeLocked: false, UpgradeRequired: false, UpgradeSuggested: false, Version: version },
            CertificateSignatureAlgorithm: null,
          }),
      Links: endpoint.DefaultWorkerPoolId ? { DefaultWorkerPool: `${base}/workerpools/${endpoint.DefaultWorkerPoolId}` } : {},
    },
    Uri: endpoint.Uri ?? null,
    Thumbprint: endpoint.Thumbprint ?? null,
    Status: legacyStatus({ isDisabled: document["IsDisabled"] === true, healthStatus: String(document["HealthStatus"]) }),
    HasLatestCalamari: true,
    IsInProcess: false,
    Architecture: "",
    SkipInitialHealthCheck: false,
  });
}

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
        Name: { column: "name" },
        IsDisabled: { column: "is_disabled", empty: false },
        MachinePolicyId: { column: "machine_policy_id", empty: null, references: { table: "machine_policies", kind: "machine policy" } },
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
        StoredEndpoint: { column: "endpoint", empty: {}, json: true, readOnly: true },
        CommunicationStyle: { column: "communication_style", empty: "None", readOnly: true },
        Address: { column: "uri", empty: null, readOnly: true },
        CertificateThumbprint: { column: "thumbprint", empty: null, readOnly: true },
        HealthStatus: { column: "health_status", empty: "Unknown", readOnly: true },
        StatusSummary: { column: "status_summary", empty: "", readOnly: true },
        OperatingSystem: { column: "operating_system", empty: "Unknown", readOnly: true },
        ShellName: { column: "shell_name", empty: "Unknown", readOnly: true },
        ShellVersion: { column: "shell_version", empty: "Unknown", readOnly: true },
        AgentVersion: { column: "agent_version", empty: null, readOnly: true },
        HealthCheckedAt: { column: "health_checked_at", empty: null, readOnly: true },
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
    present: (document) => presentMachine(document, `/api/${document.SpaceId}`),
    beforeSave: async (tx, save) => {
      const { values, current } = save;
      const sent = save.body["Endpoint"] as EndpointSent | null | undefined;
      // A client that only renames a machine may leave the endpoint out; what is stored was checked when it came in.
      const endpoint =
        !sent && current !== undefined ? { ok: true as const, value: current["StoredEndpoint"] as StoredEndpoint } : checkEndpoint(sent);
      const faults: string[] = endpoint.ok ? [] : [...endpoint.faults];
      const participation = values["TenantedDeploymentParticipation"];
      if ((values["TenantIds"] as string[]).length > 0 || (values["TenantTags"] as string[]).length > 0)
        faults.push("Tenants are not supported yet: TenantIds and TenantTags must be empty.");
      if (participation === "Tenanted") faults.push("Tenants are not supported yet: TenantedDeploymentParticipation cannot be Tenanted.");
      if ((values["EnvironmentIds"] as string[]).length === 0) faults.push("EnvironmentIds must name at least one environment.");
      const roles = distinctRoles(values["Roles"] as string[]);
      if (roles.length === 0) faults.push("Roles must name at least one role.");
      if (faults.length > 0 || !endpoint.ok) throw problem.invalid(faults);
      values["Roles"] = roles;
      values["StoredEndpoint"] = endpoint.value;
      values["CommunicationStyle"] = endpoint.value.CommunicationStyle;
      values["Address"] = endpoint.value.Uri ?? null;
      values["CertificateThumbprint"] = endpoint.value.Thumbprint ?? null;
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
