// Variables of projects and of the library: sets that are saved as a whole, and immutable snapshots of them that releases carry. What a run
// reads are the snapshots only.

import { randomBytes } from "node:crypto";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import {
  copyKeptSecrets,
  forgetSecrets,
  forgetSecretsOf,
  keepSecrets,
  readKeptSecrets,
} from "../../../platform/kept-secrets/kept-secrets.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import type { FormValues } from "./prompts.ts";
import { freeze } from "./variable.ts";
import { newVariableId } from "./variable-rules.ts";
import type { FrozenVariable, VariableScopeKind } from "./variable.ts";
import type { ProjectOfVariables } from "./variable-routes.ts";
import * as store from "./variable-store.ts";
import type { VariableOwner } from "./variable-store.ts";

export { VariablesNotReadable } from "./variable.ts";
export type { FrozenVariable, VariablePrompt } from "./variable.ts";
export { listPrompts, needsAnswers, presentForm, presentFormValues, readFormValues, withFormValues } from "./prompts.ts";
export type { FormValue, FormValues, Prompt, PromptPlace } from "./prompts.ts";
export { variableRoutes } from "./variable-routes.ts";
export type { FindValuesOfTenant, GetProjectOfVariables, ProjectOfVariables } from "./variable-routes.ts";
export { sensitiveValueBytesMax, setBytesMax, valueBytesMax } from "./variable-rules.ts";
export { variableSetIdOf } from "./variable-store.ts";

/** The empty set of a new project or library set. */
export async function createVariableSet(tx: Transaction, spaceId: string, owner: VariableOwner): Promise<void> {
  await store.lockSet(tx, { id: store.variableSetIdOf(owner.id), spaceId, owner });
}

/**
 * Gives a new project the variables of another one, with ids and secrets of its own. Scopes that name the source or its channels name the copy
 * and its channels; the steps of a copy keep their ids.
 */
export async function copyVariables(
  tx: Transaction,
  secrets: Secrets,
  of: { spaceId: string; from: string; to: string; name: string; channelIds: ReadonlyMap<string, string> },
): Promise<void> {
  const { spaceId, from, to, name, channelIds } = of;
  const variables = (await store.findSet(tx, spaceId, store.variableSetIdOf(from)))?.variables ?? [];
  if (variables.length === 0) return;
  const id = store.variableSetIdOf(to);
  await store.lockSet(tx, { id, spaceId, owner: { kind: "project", id: to, name } });
  const ids = variables.flatMap((one) => one.SecretId ?? []);
  const newIds = await copyKeptSecrets(tx, secrets, { spaceId, owner: id, ids });
  const now = Date.now();
  const copies = variables.map((one, n) => {
    const Scope: { -readonly [kind in VariableScopeKind]?: readonly string[] } = { ...one.Scope };
    if (Scope.Channel !== undefined) Scope.Channel = Scope.Channel.flatMap((channel) => channelIds.get(channel) ?? []);
    if (Scope.ProcessOwner !== undefined) Scope.ProcessOwner = Scope.ProcessOwner.map((owner) => (owner === from ? to : owner));
    return { ...one, Id: newVariableId(now, n), SecretId: one.SecretId === null ? null : (newIds.get(one.SecretId) ?? null), Scope };
  });
  await store.updateSet(tx, id, 1, JSON.stringify(copies));
}

/**
 * Before its owner is deleted: the secrets of a project's set, its snapshots and the answers to its prompts. Of a library set the snapshots
 * stay, and the secrets that they name.
 */
export async function forgetVariablesOf(tx: Transaction, spaceId: string, owner: VariableOwner): Promise<void> {
  const id = store.variableSetIdOf(owner.id);
  await store.lockSet(tx, { id, spaceId, owner });
  if (owner.kind === "project") return forgetSecretsOf(tx, id, spaceId);
  await forgetSecrets(tx, await store.unfrozenSecrets(tx, id, await store.listSecretsOfSet(tx, id)));
}

/** Stores the sensitive answers to prompts of a project; they go with the project at the latest. */
export async function keepAnswers(
  tx: Transaction,
  secrets: Secrets,
  of: { spaceId: string; projectId: string; texts: readonly { id: string; text: string }[] },
): Promise<void> {
  await keepSecrets(tx, secrets, { spaceId: of.spaceId, owner: store.variableSetIdOf(of.projectId), texts: of.texts });
}

/** What was answered for a deployment, to be answered again for its repetition: with the texts of sensitive answers, so never for a client. */
export async function readAnswers(tx: Queryable, secrets: Secrets, answered: FormValues): Promise<Record<string, string>> {
  const entries = Object.entries(answered);
  const ids = entries.flatMap(([, value]) => (typeof value === "string" ? [] : [value.secretId]));
  const texts = await readKeptSecrets(tx, secrets, ids);
  return Object.fromEntries(
    entries.flatMap(([id, value]): [string, string][] => {
      const text = typeof value === "string" ? value : texts.get(value.secretId);
      return text === undefined ? [] : [[id, text]];
    }),
  );
}

/** Before a deployment is deleted: the sensitive answers that were given for it. */
export async function forgetAnswers(tx: Transaction, answered: readonly FormValues[]): Promise<void> {
  const values = answered.flatMap((one) => Object.values(one));
  await forgetSecrets(
    tx,
    values.flatMap((one) => (typeof one === "string" ? [] : [one.secretId])),
  );
}

/** Ids of the snapshots that belong to a release. */
export interface ReleaseVariables {
  projectSnapshotId: string;
  librarySnapshotIds: string[];
}

/**
 * Freezes the set of a project and each library set it includes. A set that has not changed since it was last frozen keeps that snapshot. Sets
 * that are gone are passed over.
 */
export async function freezeVariables(tx: Transaction, spaceId: string, project: ProjectOfVariables): Promise<ReleaseVariables> {
  const librarySetIds = project.includedLibrarySets;
  const projectSnapshotId = await freezeSet(tx, {
    id: store.variableSetIdOf(project.id),
    spaceId,
    owner: { kind: "project", id: project.id, name: project.name },
  });
  const librarySnapshotIds = new Map<string, string>();
  // In one order for everybody, so that two releases never wait for each other.
  for (const ownerId of [...librarySetIds].sort()) {
    const set = await store.findSet(tx, spaceId, store.variableSetIdOf(ownerId));
    if (set !== undefined) librarySnapshotIds.set(ownerId, await freezeSet(tx, set));
  }
  return { projectSnapshotId, librarySnapshotIds: librarySetIds.flatMap((ownerId) => librarySnapshotIds.get(ownerId) ?? []) };
}

async function freezeSet(tx: Transaction, set: { id: string; spaceId: string; owner: VariableOwner }): Promise<string> {
  await store.lockSet(tx, set);
  const version = (await store.listVersions(tx, [set.id])).get(set.id)!;
  const frozen = await store.findSnapshotOf(tx, set.id, version);
  if (frozen !== undefined) return frozen;
  const suffix = randomBytes(5).toString("hex").slice(0, 5).toUpperCase();
  const snapshotId = `${set.id}-s-${version}-${suffix}`;
  await store.insertSnapshot(tx, snapshotId, set.id);
  return snapshotId;
}

/** A project's variables as they are now, with those of the library sets it includes. */
export async function loadCurrentVariables(db: Queryable, spaceId: string, project: ProjectOfVariables): Promise<FrozenVariable[]> {
  const found: FrozenVariable[] = [];
  for (const ownerId of [project.id, ...project.includedLibrarySets]) {
    const set = await store.findSet(db, spaceId, store.variableSetIdOf(ownerId));
    if (set !== undefined) found.push(...set.variables.map((one) => freeze(one, set.owner.kind)));
  }
  return found;
}

/** What was frozen under an id. @throws Error for an id that names no snapshot, VariablesNotReadable for one of a newer version */
export async function loadVariableSnapshot(tx: Queryable, snapshotId: string): Promise<{ variables: FrozenVariable[] }> {
  const snapshot = await store.findSnapshot(tx, null, snapshotId);
  if (snapshot === undefined) throw new Error(`The frozen variables ${snapshotId} are missing.`);
  return { variables: snapshot.variables.map((one) => freeze(one, snapshot.owner.kind)) };
}

/** All variables of several snapshots: of a release, the project's first. Those of a release made before there were variables are none. */
export async function loadVariableSnapshots(tx: Queryable, snapshotIds: readonly string[]): Promise<FrozenVariable[]> {
  const variables: FrozenVariable[] = [];
  for (const id of snapshotIds) variables.push(...(await loadVariableSnapshot(tx, id)).variables);
  return variables;
}

/** The prompted ones among the variables of several snapshots: all that a form and its answers need. */
export async function loadPromptedVariables(tx: Queryable, snapshotIds: readonly string[]): Promise<FrozenVariable[]> {
  const found = await store.listPrompted(tx, snapshotIds);
  return found.flatMap(({ kind, variables }) => variables.map((one) => freeze(one, kind)));
}

/** Whether what a release froze differs from what would be frozen now. */
export async function compareWithFrozen(
  db: Queryable,
  project: ProjectOfVariables,
  frozenIds: { projectSnapshotId: string | null; librarySnapshotIds: readonly string[] },
): Promise<{ project: boolean; library: boolean }> {
  const setIds = [project.id, ...project.includedLibrarySets].map(store.variableSetIdOf);
  const now = await store.listVersions(db, setIds);
  const listed = await store.listSnapshotVersions(db, [frozenIds.projectSnapshotId ?? [], frozenIds.librarySnapshotIds].flat());
  const frozen = new Map(listed.map((one) => [one.setId, one.version]));
  const changed = (setId: string): boolean => (now.get(setId) ?? 0) !== (frozen.get(setId) ?? 0);
  const [own, ...library] = setIds;
  return {
    project: changed(own!),
    library: library.length !== frozenIds.librarySnapshotIds.length || library.some((id) => !frozen.has(id) || changed(id)),
  };
}
