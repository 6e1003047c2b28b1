// The stored form of a variable set, and a frozen variable as runs read it. Releases keep copies for years, so the form carries a version
// and readers know all versions.

import type { VariableScope } from "@cuttle/templates";
import type { VariableType } from "@cuttle/contract/rest/variables";

/** Version of the stored variables this program writes. */
export const variablesFormatVersion = 1;

/** What a scope can be made of, in the order in which a set shows it. */
export const scopeKinds = ["Environment", "Machine", "Role", "TargetRole", "Action", "Channel", "TenantTag", "ProcessOwner"] as const;
export type VariableScopeKind = (typeof scopeKinds)[number];
export type StoredScope = { readonly [kind in VariableScopeKind]?: readonly string[] };

export interface VariablePrompt {
  Label: string;
  Description: string;
  Required: boolean;
  /** Octopus.ControlType, Octopus.SelectOptions … */
  DisplaySettings: Record<string, string>;
}

export interface StoredVariable {
  Id: string;
  Name: string;
  Description: string;
  Type: VariableType;
  /** Null for a sensitive value, and where there is none. */
  Value: string | null;
  /** Where the sensitive value is kept. */
  SecretId: string | null;
  Scope: StoredScope;
  Prompt: VariablePrompt | null;
}

/** A variable of a release: nothing of it changes any more. `secretId` names the kept secret that holds a sensitive value. */
export interface FrozenVariable {
  id: string;
  name: string;
  value: string | null;
  secretId: string | null;
  sensitive: boolean;
  scope: VariableScope;
  origin: "project" | "librarySet";
  type: VariableType;
  prompt?: VariablePrompt;
}

/** Variables in a version this program does not know. */
export class VariablesNotReadable extends Error {
  constructor(id: string, version: number) {
    super(
      `The stored variables ${id} have format version ${version}; this node reads up to ${variablesFormatVersion}. Use a node of the version that wrote them.`,
    );
    this.name = "VariablesNotReadable";
  }
}

/** @throws VariablesNotReadable */
export function readStoredVariables(id: string, version: number, variables: unknown): StoredVariable[] {
  if (version !== variablesFormatVersion) throw new VariablesNotReadable(id, version);
  return variables as StoredVariable[];
}

export function freeze(variable: StoredVariable, origin: FrozenVariable["origin"]): FrozenVariable {
  return {
    id: variable.Id,
    name: variable.Name,
    value: variable.Value,
    secretId: variable.SecretId,
    sensitive: variable.Type === "Sensitive",
    scope: variable.Scope,
    origin,
    type: variable.Type,
    ...(variable.Prompt === null ? {} : { prompt: variable.Prompt }),
  };
}
