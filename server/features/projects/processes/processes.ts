// The deployment process of a project, at both of its addresses. A save replaces all steps; a release freezes a copy.

import { randomBytes } from "node:crypto";
import { Type } from "typebox";
import type { Static } from "@cuttle/contract/rest/shapes";
import { page } from "@cuttle/contract/rest/shapes";
import { DeploymentProcess, DeploymentProcessBody } from "@cuttle/contract/rest/deployment-processes";
import { problem } from "../../../base/problems.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { change, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { copyKeptSecrets, keepSecret } from "../../../platform/kept-secrets/kept-secrets.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { listQuery, pageOf, pageWanted, resolveIds } from "../../../platform/resources/resources.ts";
import { channelsOfProject } from "../channels/channels.ts";
import { presentSteps, readProcess } from "./process-rules.ts";
import * as store from "./process-store.ts";
import type { StoredProcess } from "./process-store.ts";
import type { ProcessStep, StoredProperties } from "./process.ts";

export type { ProcessAction, ProcessStep, StoredProperties, StoredProperty } from "./process.ts";
export { findSnapshotSteps, findSnapshotVersion, listSnapshotSteps } from "./process-store.ts";

export const processIdOf = (projectId: string) => `deploymentprocess-${projectId}`;

export async function createProcess(tx: Transaction, spaceId: string, projectId: string): Promise<void> {
  await store.insertProcess(tx, { id: processIdOf(projectId), spaceId, projectId });
}

/** Gives a new project the steps of another one, with secrets of its own. What a step was limited to is looked up among the copied channels. */
export async function copyProcess(
  tx: Transaction,
  secrets: Secrets,
  { spaceId, from, to, channelIds }: { spaceId: string; from: string; to: string; channelIds: ReadonlyMap<string, string> },
): Promise<void> {
  const { steps } = await getProcess(tx, spaceId, from);
  if (steps.length === 0) return;
  const target = await getProcess(tx, spaceId, to, "FOR UPDATE");
  const all = steps.flatMap((step) => [step.Properties, ...step.Actions.map((action) => action.Properties)]);
  const ids = all.flatMap((properties) => Object.values(properties)).flatMap((value) => (isSecret(value) ? [value.secretId] : []));
  const newIds = await copyKeptSecrets(tx, secrets, { spaceId, owner: target.id, ids });
  const own = (properties: StoredProperties): StoredProperties =>
    Object.fromEntries(
      Object.entries(properties).map(([name, value]) => {
        if (!isSecret(value)) return [name, value];
        const secretId = newIds.get(value.secretId);
        return [name, secretId === undefined ? null : { secretId }];
      }),
    );
  const copies = steps.map((step) => ({
    ...step,
    Properties: own(step.Properties),
    Actions: step.Actions.map((action) => ({
      ...action,
      Properties: own(action.Properties),
      Channels: action.Channels.flatMap((id) => channelIds.get(id) ?? []),
    })),
  }));
  await store.updateProcess(tx, target.id, target.version + 1, copies);
}

const isSecret = (value: StoredProperties[string]): value is { secretId: string } => typeof value === "object" && value !== null;

/** By process or project id. @throws Problem 404 */
export async function getProcess(
  db: Queryable,
  spaceId: string,
  idOrProjectId: string,
  lock: "" | "FOR UPDATE" = "",
): Promise<StoredProcess> {
  const found = await store.findProcess(db, spaceId, idOrProjectId, lock);
  if (found === undefined) throw problem.notFound("deployment process", idOrProjectId);
  return found;
}

/** A process or the copy of one that a release froze. @throws Problem 404 */
async function showProcess(db: Queryable, spaceId: string, id: string) {
  const frozen = await store.findSnapshot(db, spaceId, id);
  return present(frozen ?? (await getProcess(db, spaceId, id)));
}

function present(process: StoredProcess) {
  const base = `/api/${process.spaceId}`;
  return {
    Id: process.id,
    SpaceId: process.spaceId,
    ProjectId: process.projectId,
    Version: process.version,
    LastSnapshotId: process.snapshotId,
    Steps: presentSteps(process.steps),
    Links: {
      Self: `${base}/deploymentprocesses/${process.id}`,
      Project: `${base}/projects/${process.projectId}`,
      ...(process.id === process.snapshotId ? {} : { Template: `${base}/deploymentprocesses/${process.id}/template{?channel,releaseId}` }),
    },
  };
}

async function saveProcess(
  tx: Transaction,
  secrets: Secrets,
  spaceId: string,
  actor: Actor,
  idOrProjectId: string,
  body: Static<typeof DeploymentProcessBody>,
): Promise<StoredProcess> {
  if ((await store.findSnapshot(tx, spaceId, idOrProjectId)) !== undefined)
    throw problem.invalid(`${idOrProjectId} is a frozen copy of a process and cannot be changed. Change the process itself.`);
  const current = await getProcess(tx, spaceId, idOrProjectId, "FOR UPDATE");
  if (typeof body.Version === "number" && body.Version !== current.version) throw problem.stale("deployment process");
  const wanted = readProcess(body.Steps, current.steps);
  if (wanted.faults.length > 0) throw problem.invalid(wanted.faults);
  await resolveScopes(tx, spaceId, current.projectId, wanted.steps);
  for (const secret of wanted.newSecrets) await keepSecret(tx, secrets, { ...secret, spaceId, owner: current.id });
  await store.updateProcess(tx, current.id, current.version + 1, wanted.steps);
  await recordEvent(tx, {
    spaceId,
    category: "Modified",
    actor,
    message: `The deployment process of ${current.projectId} was changed (version ${current.version + 1})`,
    relatedDocumentIds: [current.id, current.projectId],
  });
  return getProcess(tx, spaceId, current.id);
}

/** The ids by which actions are limited, in their stored spelling. @throws Problem 400 for one that does not exist */
async function resolveScopes(tx: Transaction, spaceId: string, projectId: string, steps: ProcessStep[]): Promise<void> {
  const actions = steps.flatMap((step) => step.Actions);
  for (const action of actions) {
    action.Environments = await resolveIds(tx, "environments", "environment", spaceId, action.Environments);
    action.ExcludedEnvironments = await resolveIds(tx, "environments", "environment", spaceId, action.ExcludedEnvironments);
    if (action.WorkerPoolId !== null)
      [action.WorkerPoolId] = (await resolveIds(tx, "worker_pools", "worker pool", spaceId, [action.WorkerPoolId])) as [string];
  }
  if (actions.every((action) => action.Channels.length === 0)) return;
  const channels = new Map((await channelsOfProject(tx, spaceId, projectId)).map((one) => [one.Id.toLowerCase(), one.Id]));
  for (const action of actions) {
    action.Channels = action.Channels.map((id) => {
      const found = channels.get(id.toLowerCase());
      if (found === undefined) throw problem.invalid(`The project has no channel '${id}'.`);
      return found;
    });
  }
}

/** The id of the frozen copy of the process as it is now; made unless a release of the same version made it already. */
export async function freezeProcess(
  tx: Transaction,
  spaceId: string,
  projectId: string,
): Promise<{ snapshotId: string; steps: ProcessStep[] }> {
  const process = await getProcess(tx, spaceId, projectId, "FOR UPDATE");
  if (process.snapshotId !== null) return { snapshotId: process.snapshotId, steps: process.steps };
  const suffix = randomBytes(5).toString("hex").slice(0, 5).toUpperCase();
  const snapshotId = `${process.id}-s-${process.version}-${suffix}`;
  await store.insertSnapshot(tx, snapshotId, process.id);
  return { snapshotId, steps: process.steps };
}

/** `getProjectId` turns a project's id or slug into its id, or answers 404. */
export function processRoutes(
  secrets: Secrets,
  getProjectId: (db: Queryable, spaceId: string, idOrSlug: string) => Promise<string>,
): Route[] {
  return [
    read({
      path: "/deploymentprocesses",
      scope: "space",
      permission: "ProcessView",
      query: Type.Object(listQuery),
      answer: page(DeploymentProcess),
      handler: async ({ db, space, query }) => {
        const window = pageWanted(query);
        const { processes, total } = await store.listProcesses(db, space.id, query.ids, window);
        const items = processes.map(present);
        return ok(
          pageOf({ itemType: "DeploymentProcess", items, total, wanted: window, path: `/api/${space.id}/deploymentprocesses`, query }),
        );
      },
    }),
    read({
      path: "/deploymentprocesses/{id}",
      scope: "space",
      permission: "ProcessView",
      answer: DeploymentProcess,
      handler: async ({ db, space, params }) => ok(await showProcess(db, space.id, params.id)),
    }),
    read({
      path: "/projects/{id}/deploymentprocesses",
      scope: "space",
      permission: "ProcessView",
      answer: DeploymentProcess,
      handler: async ({ db, space, params }) => ok(present(await getProcess(db, space.id, await getProjectId(db, space.id, params.id)))),
    }),
    change({
      method: "PUT",
      path: "/deploymentprocesses/{id}",
      scope: "space",
      permission: "ProcessEdit",
      body: DeploymentProcessBody,
      answer: DeploymentProcess,
      handler: async ({ tx, space, actor, params, body }) => ok(present(await saveProcess(tx, secrets, space.id, actor, params.id, body))),
    }),
    change({
      method: "PUT",
      path: "/projects/{id}/deploymentprocesses",
      scope: "space",
      permission: "ProcessEdit",
      body: DeploymentProcessBody,
      answer: DeploymentProcess,
      handler: async ({ tx, space, actor, params, body }) =>
        ok(present(await saveProcess(tx, secrets, space.id, actor, await getProjectId(tx, space.id, params.id), body))),
    }),
  ];
}
