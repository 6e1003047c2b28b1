// What lists that hold things of every space and of no space are asked: which spaces, and whether also what belongs to none. Clients that
// work in one space ask so without naming it in the address.

import { Type } from "typebox";

/** More than any cluster has. */
const spacesMax = 10_000;

/** Query members of such a list. */
export const acrossSpacesQuery = {
  spaces: Type.Optional(Type.Array(Type.String(), { maxItems: spacesMax })),
  includeSystem: Type.Optional(Type.Boolean()),
};

/** `ids` in lower case; undefined means every space. */
export interface SpacesAsked {
  ids: string[] | undefined;
  includeSystem: boolean;
}

/** Undefined where the list is not narrowed: nothing was asked, or the address names the space. */
export function readSpacesAsked(
  space: { id: string } | undefined,
  query: { spaces?: string[]; includeSystem?: boolean },
): SpacesAsked | undefined {
  if (space !== undefined || (query.spaces === undefined && query.includeSystem === undefined)) return undefined;
  const ids = query.spaces?.map((id) => id.toLowerCase()) ?? [];
  // Who asks for what belongs to no space and names none, as the .NET client does in its system scope, wants nothing else.
  const isEverySpace = ids.includes("all") || (ids.length === 0 && query.includeSystem !== true);
  return { ids: isEverySpace ? undefined : ids, includeSystem: query.includeSystem ?? false };
}
