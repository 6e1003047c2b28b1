// How two people's edits of one list are put together: row by row, by ids. What only one of them changed is taken from that one; what both
// changed differently is a conflict, which a person decides. Pure.

export interface Row {
  Id: string;
}

export type Side = "mine" | "theirs";

export interface RowChange<T> {
  id: string;
  /** Undefined: it was not there, or it was removed. */
  base: T | undefined;
  mine: T | undefined;
  theirs: T | undefined;
  by: Side | "both";
}

/** Written by the server, so no edit of anybody. */
const writtenByServer = new Set(["Slug", "Links", "CanBeUsedForProjectVersioning"]);

/** Members that do not count, by their name and what they are members of. */
type Ignored = (name: string, owner: object) => boolean;

/** One text for all objects that mean the same, whatever the order of their members. */
function meaningOf(value: unknown, isIgnored?: Ignored): string {
  return JSON.stringify(value, function (this: object, name, one: unknown) {
    if (writtenByServer.has(name) || isIgnored?.(name, this) === true) return undefined;
    if (typeof one !== "object" || one === null || Array.isArray(one)) return one;
    return Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

export function isSame(one: unknown, other: unknown, isIgnored?: Ignored): boolean {
  return one === other || meaningOf(one, isIgnored) === meaningOf(other, isIgnored);
}

/** What became of rows that are not the same on all three sides; rows both changed in the same way are none. */
export function changesOf<T extends Row>(base: readonly T[], mine: readonly T[], theirs: readonly T[]): RowChange<T>[] {
  const [baseById, mineById, theirsById] = [byId(base), byId(mine), byId(theirs)];
  return [...new Set([...theirsById.keys(), ...mineById.keys(), ...baseById.keys()])].flatMap((id): RowChange<T>[] => {
    const [was, own, other] = [baseById.get(id), mineById.get(id), theirsById.get(id)];
    if (isSame(own, other)) return [];
    const by = isSame(was, own) ? "theirs" : isSame(was, other) ? "mine" : "both";
    return [{ id, base: was, mine: own, theirs: other, by }];
  });
}

/** Who took a row away that was there. */
export function removedBy<T>({ base, mine, theirs }: RowChange<T>): Side | undefined {
  if (base === undefined) return undefined;
  return mine === undefined ? "mine" : theirs === undefined ? "theirs" : undefined;
}

/** `choices` for the conflicts; one without a choice keeps what is mine. */
export function mergeRows<T extends Row>(
  base: readonly T[],
  mine: readonly T[],
  theirs: readonly T[],
  choices: ReadonlyMap<string, Side>,
): T[] {
  const [mineById, theirsById] = [byId(mine), byId(theirs)];
  const taken = new Map(
    changesOf(base, mine, theirs).map(({ id, by }) => {
      const side = by === "both" ? (choices.get(id) ?? "mine") : by;
      return [id, side === "mine" ? mineById.get(id) : theirsById.get(id)] as const;
    }),
  );
  const rowOf = (id: string): T | undefined => (taken.has(id) ? taken.get(id) : theirsById.get(id));
  const isMovedByMe = !isSame(common(base, mine), common(mine, base));
  const order = isMovedByMe ? withOthers(idsOf(mine), idsOf(theirs)) : withOthers(idsOf(theirs), idsOf(mine));
  return order.flatMap((id) => rowOf(id) ?? []);
}

/** The ids of one list in its order, of those that are in the other too. */
function common(list: readonly Row[], other: readonly Row[]): string[] {
  const ids = new Set(idsOf(other));
  return idsOf(list).filter((id) => ids.has(id));
}

/** Ids of `other` that are missing are put behind the one they stand behind there. */
function withOthers(ids: readonly string[], other: readonly string[]): string[] {
  const result = [...ids];
  other.forEach((id, index) => {
    if (result.includes(id)) return;
    result.splice(index === 0 ? 0 : result.indexOf(other[index - 1]!) + 1, 0, id);
  });
  return result;
}

const idsOf = (rows: readonly Row[]): string[] => rows.map(({ Id }) => Id);
const byId = <T extends Row>(rows: readonly T[]): Map<string, T> => new Map(rows.map((row) => [row.Id, row]));

export interface FieldDifference {
  /** Names of members from the outside in: "Properties / Octopus.Action.TargetRoles". */
  field: string;
  base: string;
  mine: string;
  theirs: string;
}

/** The single values in which the three differ, as texts. */
export function differencesIn<T>({ base, mine, theirs }: RowChange<T>): FieldDifference[] {
  const [was, own, other] = [base, mine, theirs].map((one) => textsIn(one, [], new Map()));
  return [...new Set([...was!.keys(), ...own!.keys(), ...other!.keys()])].flatMap((field): FieldDifference[] => {
    const difference = { field, base: was!.get(field) ?? "", mine: own!.get(field) ?? "", theirs: other!.get(field) ?? "" };
    return difference.base === difference.mine && difference.base === difference.theirs ? [] : [difference];
  });
}

function textsIn(value: unknown, names: readonly string[], found: Map<string, string>): Map<string, string> {
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) found.set(names.join(" / "), value.join(", "));
  else if (typeof value === "object" && value !== null) {
    for (const [name, one] of Object.entries(value))
      if (!writtenByServer.has(name) && name !== "Id")
        textsIn(one, [...names, Array.isArray(value) ? String(Number(name) + 1) : name], found);
  } else if (value !== null && value !== undefined) found.set(names.join(" / "), String(value as string | number | boolean));
  return found;
}
