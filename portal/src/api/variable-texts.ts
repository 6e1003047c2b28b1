// Variables in words: what they are limited to, and how they stand beside other ones without giving a secret away.

import type { Variable, VariableSet } from "./documents.ts";

/** Kinds of scopes as the API names them, with where their names come from. */
export const scopeKinds = [
  { kind: "Environment", name: "Environments", values: "Environments" },
  { kind: "Role", name: "Target tags", values: "Roles" },
  { kind: "Machine", name: "Targets", values: "Machines" },
  { kind: "Channel", name: "Channels", values: "Channels" },
  { kind: "Action", name: "Steps", values: "Actions" },
] as const;

export function scopeTexts(variable: Variable, values: VariableSet["ScopeValues"]): { kind: string; names: string[] }[] {
  return Object.entries(variable.Scope).flatMap(([kind, ids]) => {
    const known = scopeKinds.find((one) => one.kind === kind);
    const list = known === undefined ? [] : values[known.values];
    // What is gone keeps its id, so that one sees that there is something.
    return ids.length === 0 ? [] : [{ kind: known?.name ?? kind, names: ids.map((id) => list.find((one) => one.Id === id)?.Name ?? id) }];
  });
}

/** As it may stand beside somebody else's: without secrets, and with names instead of ids. */
export function comparable(variable: Variable | undefined, values: VariableSet["ScopeValues"]): object | undefined {
  if (variable === undefined) return undefined;
  return {
    Name: variable.Name,
    Value: variable.IsSensitive ? (variable.Value === null ? "(stored secret)" : "(new secret)") : variable.Value,
    Sensitive: variable.IsSensitive ? "yes" : "no",
    Scope: Object.fromEntries(scopeTexts(variable, values).map(({ kind, names }) => [kind, names])),
  };
}
