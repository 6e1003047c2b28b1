// What deployment targets and workers have in common: an endpoint, the agent behind it, and its health. A polling agent's
// subscription belongs to the certificate that registered it first, in every space.

import { Type } from "typebox";
import { problem } from "../../../base/problems.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { resolveIds } from "../../../platform/resources/resources.ts";
import type { Condition, Document, ResourceField, Save } from "../../../platform/resources/resources.ts";
import { checkEndpoint, legacyStatus, readSubscription } from "./endpoint-rules.ts";
import type { EndpointSent, StoredEndpoint } from "./endpoint-rules.ts";
import { findDefaultPolicyId, findPoller, findPollers, lockSubscription, updateHealth } from "./endpoint-store.ts";
import type { MachineHealth } from "./endpoint-store.ts";

export { discoveryRoute } from "./discovery-routes.ts";
export { endpointRoutes, pageBelow } from "./endpoint-routes.ts";
export { countEach, summaryRoute } from "./endpoint-summaries.ts";
export { readAgentAddress, readSubscription } from "./endpoint-rules.ts";
export type { StoredEndpoint } from "./endpoint-rules.ts";
export type { MachineAddress, MachineHealth } from "./endpoint-store.ts";
export { findMachineAddress, findMachinesOfPolicy } from "./endpoint-store.ts";

/** Extension point: asks for the first health check of a new target or worker, in the transaction that creates it. */
export type AskForHealthCheck = (tx: Transaction, machine: { id: string; name: string; spaceId: string }, actor: Actor) => Promise<void>;

export const anyOf =
  (sql: string) =>
  (values: string[]): Condition => ({ sql, values: [values.map((one) => one.toLowerCase())] });
export const texts = Type.Array(Type.String());

/** Query members of lists of targets and of workers. */
export const endpointFilters = {
  thumbprint: { type: Type.String(), where: (value: string): Condition => ({ sql: "r.thumbprint = upper($?)", values: [value] }) },
  isDisabled: { type: Type.Boolean(), where: (value: boolean): Condition => ({ sql: "r.is_disabled = $?", values: [value] }) },
  healthStatuses: { type: texts, where: anyOf("lower(r.health_status) = ANY ($?)") },
  commStyles: { type: texts, where: anyOf("lower(r.communication_style) = ANY ($?)") },
  shellNames: { type: texts, where: anyOf("lower(r.shell_name) = ANY ($?)") },
};

/** Members and columns of everything with an endpoint. */
export const endpointFields: Record<string, ResourceField> = {
  Name: { column: "name" },
  IsDisabled: { column: "is_disabled", empty: false },
  MachinePolicyId: { column: "machine_policy_id", empty: null, references: { table: "machine_policies", kind: "machine policy" } },
  StoredEndpoint: { column: "endpoint", empty: {}, json: true, readOnly: true },
  CommunicationStyle: { column: "communication_style", empty: "None", readOnly: true },
  Address: { column: "uri", empty: null, readOnly: true },
  ProxyId: { column: "proxy_id", empty: null, readOnly: true },
  CertificateThumbprint: { column: "thumbprint", empty: null, readOnly: true },
  HealthStatus: { column: "health_status", empty: "Unknown", readOnly: true },
  StatusSummary: { column: "status_summary", empty: "", readOnly: true },
  OperatingSystem: { column: "operating_system", empty: "Unknown", readOnly: true },
  ShellName: { column: "shell_name", empty: "Unknown", readOnly: true },
  ShellVersion: { column: "shell_version", empty: "Unknown", readOnly: true },
  AgentVersion: { column: "agent_version", empty: null, readOnly: true },
  HealthCheckedAt: { column: "health_checked_at", empty: null, readOnly: true },
};

/** Adds the members that clients read to a document of those fields. */
export function presentEndpoint(document: Document): void {
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
      Links: endpoint.DefaultWorkerPoolId
        ? { DefaultWorkerPool: `/api/${document.SpaceId}/workerpools/${endpoint.DefaultWorkerPoolId}` }
        : {},
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

/**
 * The checked endpoint of a save goes into its values. `faults` are those the caller found already, so that a client reads all at once.
 * @throws Problem 400
 */
export async function saveEndpoint(tx: Transaction, save: Save, faults: readonly string[]): Promise<void> {
  const { values, current } = save;
  const sent = save.body["Endpoint"] as EndpointSent | null | undefined;
  // A client that only renames a machine may leave the endpoint out; what is stored was checked when it came in.
  const endpoint =
    !sent && current !== undefined ? { ok: true as const, value: current["StoredEndpoint"] as StoredEndpoint } : checkEndpoint(sent);
  if (!endpoint.ok) throw problem.invalid([...endpoint.faults, ...faults]);
  if (faults.length > 0) throw problem.invalid(faults);
  const { CommunicationStyle, Uri, Thumbprint } = endpoint.value;
  if (CommunicationStyle === "TentacleActive") await requireOwnSubscription(tx, save.id, Uri!, Thumbprint!);
  if (endpoint.value.ProxyId)
    [endpoint.value.ProxyId] = (await resolveIds(tx, "proxies", "proxy", save.spaceId, [endpoint.value.ProxyId])) as [string];
  values["MachinePolicyId"] ||= (await findDefaultPolicyId(tx, save.spaceId)) ?? null;
  if (values["MachinePolicyId"] === null) throw problem.invalid("This space has no default machine policy. Name one in MachinePolicyId.");
  values["StoredEndpoint"] = endpoint.value;
  if (current !== undefined && isOtherAgent(save)) Object.assign(values, { HealthStatus: "Unknown", StatusSummary: "" });
  values["CommunicationStyle"] = CommunicationStyle;
  values["Address"] = Uri ?? null;
  values["CertificateThumbprint"] = Thumbprint ?? null;
  values["ProxyId"] = endpoint.value.ProxyId ?? null;
}

/** Whether what was known of the agent's health says nothing about the one that is saved now. */
function isOtherAgent({ current, values }: Save): boolean {
  const [before, now] = [current?.["StoredEndpoint"] as StoredEndpoint | undefined, values["StoredEndpoint"] as StoredEndpoint];
  const members = ["CommunicationStyle", "Uri", "Thumbprint", "ProxyId"] as const;
  return members.some((member) => (before?.[member] ?? null) !== (now[member] ?? null));
}

/** Asks for the health of what is new, or is another agent than before, unless it has no agent or the client asked not to. */
export async function askForCheck(tx: Transaction, save: Save, askForHealthCheck: AskForHealthCheck): Promise<void> {
  const wanted = isOtherAgent(save) && save.body["SkipInitialHealthCheck"] !== true && save.values["CommunicationStyle"] !== "None";
  if (wanted) await askForHealthCheck(tx, { id: save.id, name: String(save.values["Name"]), spaceId: save.spaceId }, save.actor);
}

/** One agent may be registered several times under its subscription; another agent may not. */
async function requireOwnSubscription(tx: Transaction, id: string, subscription: string, thumbprint: string): Promise<void> {
  await lockSubscription(tx, subscription);
  const others = await findPollers(tx, subscription, id);
  if (others.some((other) => other !== thumbprint)) {
    throw problem.invalid(
      `The subscription ${subscription} is registered for an agent with another certificate. ` +
        `Give this agent a subscription of its own, or delete the other registration first.`,
    );
  }
}

/** Whether an agent with this certificate is registered to poll, under this subscription (in any spelling) where one is given. */
export async function isPollingAgent(db: Queryable, agent: { thumbprint: string; subscription?: string }): Promise<boolean> {
  const subscription = agent.subscription === undefined ? null : readSubscription(agent.subscription);
  return subscription !== undefined && (await findPoller(db, { thumbprint: agent.thumbprint.toUpperCase(), subscription }));
}

/** Stores what a health check found; a change of the status is an event. Answers false when the machine is gone. */
export async function recordMachineHealth(tx: Transaction, machineId: string, health: MachineHealth): Promise<boolean> {
  const known = await updateHealth(tx, machineId, health);
  if (known === undefined) return false;
  if (known.before !== health.healthStatus) {
    await recordEvent(tx, {
      spaceId: known.spaceId,
      category: "MachineHealthChanged",
      actor: systemActor,
      message: `${machineId.startsWith("Workers-") ? "Worker" : "Machine"} ${known.name} changed from ${known.before} to ${health.healthStatus}`,
      relatedDocumentIds: [machineId],
    });
  }
  return true;
}
