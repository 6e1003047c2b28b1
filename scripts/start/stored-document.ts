// Whether a document of the server is already as an example wants it, so that only what differs is stored anew: each saving makes a new
// version of steps or variables, and people are warned when a release is older than those.
import { isDeepStrictEqual } from "node:util";

/** All of it is wanted: one more member is a difference. */
const wholeMembers = ["Properties", "Scope"];

/** `stored` has what `wanted` names, with the same values; lists in the same order. What the server adds by itself does not count. */
export function isAsWanted(stored: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted))
    return Array.isArray(stored) && stored.length === wanted.length && wanted.every((one, index) => isAsWanted(stored[index], one));
  if (typeof wanted !== "object" || wanted === null) return stored === wanted;
  if (typeof stored !== "object" || stored === null) return false;
  return Object.entries(wanted).every(([name, value]) => {
    const found = (stored as Record<string, unknown>)[name];
    return wholeMembers.includes(name) ? isDeepStrictEqual(found, value) : isAsWanted(found, value);
  });
}
