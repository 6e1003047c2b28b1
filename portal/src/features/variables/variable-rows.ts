// Rows of the variable editor: new ones, what a scope says in words, and which rows a filter shows. A secret that was typed is never shown.

import type { Variable, VariableSet } from "../../api/documents.ts";
import { newRowId } from "../../api/idempotency-key.ts";

/** Kinds of scopes as the API names them, with where their names come from. */
export const scopeKinds = [
  { kind: "Environment", name: "Environments", values: "Environments" },
  { kind: "Role", name: "Target tags", values: "Roles" },
  { kind: "Machine", name: "Targets", values: "Machines" },
  { kind: "Channel", name: "Channels", values: "Channels" },
  { kind: "Action", name: "Steps", values: "Actions" },
] as const;

export function newVariable(): Variable {
  return {
    Id: newRowId(),
    Name: "",
    Value: "",
    Description: "",
    Scope: {},
    IsEditable: true,
    Prompt: null,
    Type: "String",
    IsSensitive: false,
  };
}

export function scopeTexts(variable: Variable, values: VariableSet["ScopeValues"]): { kind: string; names: string[] }[] {
  return Object.entries(variable.Scope).flatMap(([kind, ids]) => {
    const known = scopeKinds.find((one) => one.kind === kind);
    const list = known === undefined ? [] : values[known.values];
    // What is gone keeps its id, so that one sees that there is something.
    return ids.length === 0 ? [] : [{ kind: known?.name ?? kind, names: ids.map((id) => list.find((one) => one.Id === id)?.Name ?? id) }];
  });
}

export function shownValue(variable: Variable): string {
  return variable.IsSensitive ? "" : (variable.Value ?? "");
}

export function fitsFilter(variable: Variable, values: VariableSet["ScopeValues"], filter: string): boolean {
  const wanted = filter.trim().toLowerCase();
  if (wanted === "") return true;
  const texts = [variable.Name, shownValue(variable), ...scopeTexts(variable, values).flatMap(({ names }) => names)];
  return texts.some((text) => text.toLowerCase().includes(wanted));
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

/** Names several values have for the very same scope, so that nobody knows which one wins. */
export function ambiguousIds(variables: readonly Variable[]): ReadonlySet<string> {
  const seen = new Map<string, string>();
  const found = new Set<string>();
  for (const variable of variables) {
    const scope = Object.entries(variable.Scope)
      .filter(([, ids]) => ids.length > 0)
      .map(([kind, ids]) => `${kind}:${ids.toSorted().join(",")}`)
      .toSorted();
    const key = `${variable.Name.trim().toLowerCase()}\n${scope.join("\n")}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, variable.Id);
    else found.add(first).add(variable.Id);
  }
  return found;
}
