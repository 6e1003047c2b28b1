// From what a client sent to variables that can be stored: ids given out and kept, scopes checked, secrets replaced by their ids. Pure but
// for random ids; secrets that came in are handed back for storing.

import { randomBytes, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Static } from "@cuttle/contract/rest/shapes";
import type { VariableSetBody } from "@cuttle/contract/rest/variables";
import type { ScopeValues } from "./scope-values.ts";
import { namesOfScope } from "./scope-values.ts";
import { scopeKinds } from "./variable.ts";
import type { StoredScope, StoredVariable, VariablePrompt, VariableScopeKind } from "./variable.ts";
import type { VariableOwner } from "./variable-store.ts";

type SentVariable = Static<typeof VariableSetBody>["Variables"][number];

/** Room for scripts and certificates in a value; larger things are files. */
export const valueBytesMax = 1024 * 1024;
/** A sensitive value is encrypted as one piece. */
export const sensitiveValueBytesMax = 256 * 1024;
/** Of a whole set as it is stored: every save, every release and every run reads it whole. */
export const setBytesMax = 8 * 1024 * 1024;
/** Faults told of one save; more would only repeat themselves. */
const faultsMax = 20;

export interface ReadVariables {
  variables: StoredVariable[];
  /** Secrets to store under the ids that the variables already name. */
  newSecrets: { id: string; text: string }[];
  faults: string[];
}

const nounOf: Record<VariableScopeKind, string> = {
  Environment: "environment",
  Machine: "machine",
  Role: "target tag",
  TargetRole: "target tag",
  Action: "step",
  Channel: "channel",
  TenantTag: "tenant tag",
  ProcessOwner: "process",
};
const kindByLowerCase = new Map<string, VariableScopeKind>(scopeKinds.map((kind) => [kind.toLowerCase(), kind]));
/** A value of the library knows no project. */
const ofProjectsOnly: ReadonlySet<VariableScopeKind> = new Set<VariableScopeKind>(["Action", "Channel", "ProcessOwner"]);

/** `stored` are the variables before, for secrets that are to be kept and scopes whose things are gone. `nowMs` dates new ids. */
export function readVariables(
  sent: readonly SentVariable[],
  before: { owner: VariableOwner; stored: readonly StoredVariable[]; scopeValues: ScopeValues; nowMs: number },
): ReadVariables {
  const faults: string[] = [];
  const fault = (sentence: string): void => {
    if (faults.length < faultsMax) faults.push(sentence);
  };
  const newSecrets: ReadVariables["newSecrets"] = [];
  const storedById = new Map(before.stored.map((one) => [one.Id.toLowerCase(), one]));
  const names = namesOfScope(before.scopeValues);
  const ids = new Set<string>();

  const readScope = (what: string, given: SentVariable["Scope"], old: StoredScope | undefined): StoredScope => {
    const scope: { [kind in VariableScopeKind]?: string[] } = {};
    for (const [key, value] of Object.entries(given ?? {})) {
      const wanted = [value ?? []].flat();
      if (wanted.length === 0) continue;
      const kind = kindByLowerCase.get(key.toLowerCase());
      if (kind === undefined) {
        fault(`${what} has a scope to '${key}'. It can be scoped to: ${scopeKinds.join(", ")}.`);
        continue;
      }
      if (before.owner.kind === "librarySet" && ofProjectsOnly.has(kind)) {
        fault(`${what} has a scope to a ${nounOf[kind]}, which only a variable of a project can have.`);
        continue;
      }
      const known = names.get(kind)!;
      const kept = new Map((old?.[kind] ?? []).map((one) => [one.toLowerCase(), one]));
      const chosen = new Map((scope[kind] ?? []).map((one) => [one.toLowerCase(), one]));
      for (const one of wanted) {
        const text = one.trim();
        const lower = text.toLowerCase();
        // What was deleted meanwhile stays where it stands: it matches nothing, and taking it away would widen the scope.
        const found = known === "any" ? text : (known.get(lower) ?? kept.get(lower));
        if (text === "") fault(`${what} has a scope to a ${nounOf[kind]} without a name.`);
        else if (found === undefined) fault(missing(what, kind, text, before.owner));
        else if (!chosen.has(lower)) chosen.set(lower, found);
      }
      scope[kind] = [...chosen.values()];
    }
    return scope;
  };

  const variables = sent.map((given, n): StoredVariable => {
    const name = given.Name.trim();
    const what = `The variable '${name}'`;
    const old = given.Id ? storedById.get(given.Id.toLowerCase()) : undefined;
    const id = old?.Id ?? (given.Id || newVariableId(before.nowMs, n));
    if (ids.has(id.toLowerCase())) fault(`${what} has the same Id as another variable of the set.`);
    ids.add(id.toLowerCase());
    const stated = given.Type ?? "String";
    const type = stated === "String" && given.IsSensitive === true ? "Sensitive" : stated;
    if (type.endsWith("Account") || type === "Certificate")
      fault(`${what} has the type ${type}, which this server does not support yet. It supports String, Sensitive and WorkerPool.`);
    const text = given.Value === null || given.Value === undefined ? null : valueText(given.Value);
    const variable: StoredVariable = {
      Id: id,
      Name: name,
      Description: given.Description ?? "",
      Type: type,
      Value: null,
      SecretId: null,
      Scope: readScope(what, given.Scope, old?.Scope),
      Prompt: readPrompt(given.Prompt),
    };
    const bytes = text === null ? 0 : Buffer.byteLength(text);
    if (type !== "Sensitive") {
      if (bytes > valueBytesMax) fault(`${what}: its value is larger than the limit of ${valueBytesMax} bytes.`);
      return { ...variable, Value: text };
    }
    if (bytes > sensitiveValueBytesMax)
      fault(`${what}: its value is larger than the limit of ${sensitiveValueBytesMax} bytes of a sensitive value.`);
    if (text === null) return { ...variable, SecretId: old?.SecretId ?? null };
    if (text === "") return variable;
    const secretId = randomUUID();
    newSecrets.push({ id: secretId, text });
    return { ...variable, SecretId: secretId };
  });
  return { variables, newSecrets, faults };
}

function missing(what: string, kind: VariableScopeKind, text: string, owner: VariableOwner): string {
  const where = kind === "Action" || kind === "Channel" || kind === "ProcessOwner" ? `the project '${owner.name}'` : "this space";
  return `There is no ${nounOf[kind]} '${text}' in ${where}, to which ${what.replace("The", "the")} is scoped.`;
}

function valueText(value: string | number | boolean): string {
  return typeof value === "boolean" ? (value ? "True" : "False") : String(value);
}

function readPrompt(given: SentVariable["Prompt"]): VariablePrompt | null {
  if (given === null || given === undefined) return null;
  const settings = Object.entries(given.DisplaySettings ?? {}).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  );
  return {
    Label: given.Label ?? "",
    Description: given.Description ?? "",
    Required: given.Required ?? false,
    DisplaySettings: Object.fromEntries(settings),
  };
}

/** New ids of one millisecond; the next ones borrow from the milliseconds to come. */
const idsOfMillisecond = 4096;

/**
 * A UUID whose order is that of its making (version 7): among values that hold with the same right the older one wins, which is told by the id.
 * `n` is the place within the save.
 */
export function newVariableId(nowMs: number, n: number): string {
  const time = (nowMs + Math.floor(n / idsOfMillisecond)).toString(16).padStart(12, "0");
  const count = (n % idsOfMillisecond).toString(16).padStart(3, "0");
  const random = randomBytes(8).toString("hex");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-8${random.slice(0, 3)}-${random.slice(3, 15)}`;
}

/** What was done to a set, for its event: names and values stay out of it. */
export function describeChange(before: readonly StoredVariable[], after: readonly StoredVariable[]): string {
  const old = new Map(before.map((one) => [one.Id, one]));
  const added = after.filter((one) => !old.has(one.Id)).length;
  const changed = after.filter((one) => old.has(one.Id) && !isDeepStrictEqual(old.get(one.Id), one)).length;
  return `${added} added, ${changed} changed, ${before.length - (after.length - added)} removed`;
}
