// What of the variables' page stands in its address: the filter.

export interface VariablesSearch {
  q?: string;
}

const filterCharactersMax = 200;

export function readVariablesSearch(search: Record<string, unknown>): VariablesSearch {
  // A number in an address is read as one.
  const q = typeof search["q"] === "number" ? String(search["q"]) : search["q"];
  return typeof q === "string" && q !== "" ? { q: q.slice(0, filterCharactersMax) } : {};
}
