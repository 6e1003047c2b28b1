// Machine policies: how often targets are checked and what happens when they are away. Every space has a default one.

import type { TSchema } from "@cuttle/contract/rest/shapes";
import { MachinePolicy, MachinePolicyBody } from "@cuttle/contract/rest/machines";
import { problem } from "../../../base/problems.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import type { ResourceField } from "../../../platform/resources/resources.ts";
import type { SpaceFiller } from "../../organization/organization.ts";
import { readPolicy, timespanMs } from "./machine-policy-rules.ts";
import { listHealthIntervals } from "./machine-policy-store.ts";

/** Values of a new policy; timespans are "hh:mm:ss" as everywhere in the API. */
export const policyDefaults = {
  ConnectionConnectTimeout: "00:01:00",
  ConnectionRetryCountLimit: 5,
  ConnectionRetrySleepInterval: "00:00:01",
  ConnectionRetryTimeLimit: "00:05:00",
  PollingRequestQueueTimeout: "00:02:00",
  PollingRequestMaximumMessageProcessingTimeout: "00:10:00",
  MachineHealthCheckPolicy: {
    HealthCheckType: "RunScript",
    HealthCheckInterval: "01:00:00",
    HealthCheckCron: null,
    HealthCheckCronTimezone: "UTC",
    PowerShellHealthCheckPolicy: { RunType: "InheritFromDefault", ScriptBody: null },
    BashHealthCheckPolicy: { RunType: "InheritFromDefault", ScriptBody: null },
  },
  MachineConnectivityPolicy: { MachineConnectivityBehavior: "ExpectedToBeOnline" },
  MachineCleanupPolicy: { DeleteMachinesBehavior: "DoNotDelete", DeleteMachinesElapsedTimeSpan: "00:00:00" },
  MachineUpdatePolicy: {
    CalamariUpdateBehavior: "UpdateOnDeployment",
    TentacleUpdateBehavior: "NeverUpdate",
    KubernetesAgentUpdateBehavior: "NeverUpdate",
    TentacleUpdateAccountId: null,
  },
};

const settings = Object.fromEntries(
  Object.entries(policyDefaults).map(([member, empty]): [string, ResourceField] => [member, { column: "settings", key: member, empty }]),
);

export const machinePolicies = defineResource({
  kind: "MachinePolicy",
  collection: "MachinePolicies",
  path: "machinepolicies",
  table: {
    name: "machine_policies",
    orderBy: "lower(r.name)",
    slug: false,
    fields: {
      Name: { column: "name" },
      Description: { column: "description", empty: "" },
      IsDefault: { column: "is_default", empty: false },
      ...settings,
    },
  },
  answer: MachinePolicy,
  body: MachinePolicyBody,
  permissions: { view: "MachinePolicyView", create: "MachinePolicyCreate", edit: "MachinePolicyEdit", delete: "MachinePolicyDelete" },
  oneDefault: true,
  // Policies stored before a member existed still answer it: the Go client refuses a document without one it knows.
  present: (document) => {
    document["MachineUpdatePolicy"] = { ...policyDefaults.MachineUpdatePolicy, ...(document["MachineUpdatePolicy"] as object) };
  },
  beforeSave: async (_tx, { values, current }) => {
    const policy = readPolicy(current ?? policyDefaults, values);
    if (policy.faults.length > 0) throw problem.invalid(policy.faults);
    Object.assign(values, policy.values);
  },
  links: ({ Id }, base) => ({
    Machines: `${base}/machinepolicies/${Id}/machines`,
    Workers: `${base}/machinepolicies/${Id}/workers`,
    Template: `${base}/machinepolicies/template`,
  }),
});

/** Policies that ask for health checks at an interval, in spaces that take tasks. A policy with none, or zero, asks for none. */
export async function listCheckIntervals(
  db: Queryable,
  most: number,
): Promise<{ policyId: string; spaceId: string; intervalMs: number }[]> {
  return (await listHealthIntervals(db, most)).flatMap(({ id, space_id, interval }) => {
    const intervalMs = timespanMs(interval) ?? 0;
    return intervalMs > 0 ? [{ policyId: id, spaceId: space_id, intervalMs }] : [];
  });
}

export const fillMachinePolicies: SpaceFiller = async (tx, spaceId, actor) => {
  await machinePolicies.create(tx, spaceId, actor, { Name: "Default Machine Policy", IsDefault: true });
};

export const machinePolicyRoutes: Route[] = [
  ...machinePolicies.routes,
  read({
    path: "/machinepolicies/template",
    scope: "space",
    permission: "MachinePolicyView",
    answer: MachinePolicy as TSchema,
    handler: async ({ space }) =>
      ok({
        Id: "",
        SpaceId: space.id,
        Name: "",
        Description: "",
        IsDefault: false,
        ...policyDefaults,
        Links: { Self: `/api/${space.id}/machinepolicies/template` },
      }),
  }),
];
