// Rows of the variable editor: new ones, and which rows a filter shows. A secret that was typed is never shown.

import type { Variable, VariableSet } from "../../api/documents.ts";
import { newRowId } from "../../api/idempotency-key.ts";
import { scopeTexts } from "../../api/variable-texts.ts";

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

export function shownValue(variable: Variable): string {
  return variable.IsSensitive ? "" : (variable.Value ?? "");
}

export function fitsFilter(variable: Variable, values: VariableSet["ScopeValues"], filter: string): boolean {
  const wanted = filter.trim().toLowerCase();
  if (wanted === "") return true;
  const texts = [variable.Name, shownValue(variable), ...scopeTexts(variable, values).flatMap(({ names }) => names)];
  return texts.some((text) => text.toLowerCase().includes(wanted));
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
