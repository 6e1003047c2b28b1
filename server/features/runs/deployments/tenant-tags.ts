// Whether a tenant is among those that tags name: any tag of each set that is named. Pure.

export function fitsTags(tenant: { readonly tags: readonly string[] }, wanted: readonly string[]): boolean {
  const own = new Set(tenant.tags.map((tag) => tag.toLowerCase()));
  const bySet = Map.groupBy(wanted, (tag) => tag.split("/")[0]!.toLowerCase());
  return [...bySet.values()].every((tags) => tags.some((tag) => own.has(tag.toLowerCase())));
}
