// What of the packages stands in the address: a part of their names, or one package whose versions are shown, and the page.

import type { PackageFilter } from "../../api/packages.ts";

const textCharactersMax = 200;
const pagesMax = 1_000_000;

export function readPackagesSearch(search: Record<string, unknown>): PackageFilter {
  const { page } = search;
  const texts = (["q", "id"] as const).flatMap((name) => {
    const text = search[name];
    // The router reads what looks like a number as one.
    const read = typeof text === "number" ? String(text) : text;
    return typeof read === "string" && read !== "" ? [[name, read.slice(0, textCharactersMax)]] : [];
  });
  return {
    ...(Object.fromEntries(texts) as Pick<PackageFilter, "q" | "id">),
    ...(typeof page === "number" && Number.isInteger(page) && page > 1 && page <= pagesMax ? { page } : {}),
  };
}
