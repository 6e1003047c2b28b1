// Names as they stand in addresses: "My Project!" becomes "my-project".

const slugCharactersMax = 100;

/** Never empty: a name without any Latin letter or digit falls back to `fallback`. */
export function slugOf(name: string, fallback: string): string {
  const slug = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, slugCharactersMax)
    .replace(/^-+|-+$/g, "");
  return slug === "" ? fallback : slug;
}

/** The first of slug, slug-1, slug-2 … that is not taken. */
export function freeSlug(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted;
  for (let n = 1; ; n++) {
    const next = `${wanted}-${n}`;
    if (!taken.has(next)) return next;
  }
}
