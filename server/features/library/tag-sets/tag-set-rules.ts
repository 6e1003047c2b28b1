// From the tags a client sent to the tags a set will have: which are kept, renamed, new and gone. Pure.

export interface StoredTag {
  Id: string;
  Name: string;
  CanonicalTagName: string;
  Color: string;
  Description: string;
  SortOrder: number;
}

export interface SentTag {
  Id?: string | null;
  Name?: string | null;
  Color?: string | null;
  Description?: string | null;
  SortOrder?: number | null;
}

/** A tag as it will be stored; without an id it is new. */
export type WantedTag = Omit<StoredTag, "Id"> & { Id: string | undefined };

export interface TagChanges {
  wanted: WantedTag[];
  gone: StoredTag[];
  faults: string[];
}

/** Most tags of one set. People choose from this list. */
export const tagsPerSetMax = 1_000;
const colorDefault = "#333333";

/** Why a part of a canonical name cannot stand in one; undefined when it can. */
export function faultOfTagPart(what: string, name: string): string | undefined {
  return name.includes("/") ? `${what} must not contain a slash, which stands between set and tag: '${name}'.` : undefined;
}

/** Tags are known by their id, or by their name where the client did not repeat the id. */
export function changeTags(setName: string, stored: readonly StoredTag[], sent: readonly SentTag[]): TagChanges {
  const faults: string[] = [];
  const names = new Set<string>();
  const kept = new Set<string>();
  if (sent.length > tagsPerSetMax) faults.push(`A tag set has at most ${tagsPerSetMax} tags.`);
  const wanted = sent.slice(0, tagsPerSetMax).map((tag, position): WantedTag => {
    const name = tag.Name?.trim() ?? "";
    if (name === "") faults.push(`Tags[${position}].Name is required.`);
    const fault = faultOfTagPart("The name of a tag", name);
    if (fault !== undefined) faults.push(fault);
    if (names.has(name.toLowerCase())) faults.push(`There are two tags named '${name}'.`);
    names.add(name.toLowerCase());
    const color = tag.Color?.trim() || undefined;
    if (color !== undefined && !/^#[0-9a-f]{6}$/i.test(color)) faults.push(`The color of the tag '${name}' must look like #1a2b3c.`);
    const known = tag.Id
      ? stored.find((one) => one.Id.toLowerCase() === tag.Id!.toLowerCase())
      : stored.find((one) => one.Name.toLowerCase() === name.toLowerCase() && !sent.some((other) => other.Id === one.Id));
    if (tag.Id && known === undefined) faults.push(`This tag set has no tag '${tag.Id}'. Leave the Id out to add a tag.`);
    if (known !== undefined && kept.has(known.Id)) faults.push(`The tag '${known.Id}' stands in the list twice.`);
    if (known !== undefined) kept.add(known.Id);
    return {
      Id: known?.Id,
      Name: name,
      CanonicalTagName: `${setName}/${name}`,
      Color: color ?? known?.Color ?? colorDefault,
      Description: tag.Description ?? known?.Description ?? "",
      SortOrder: tag.SortOrder ?? position,
    };
  });
  return { wanted, gone: stored.filter((one) => !kept.has(one.Id)), faults };
}
