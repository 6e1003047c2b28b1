// One page of a collection with the links clients follow: Page.Next repeats every filter, and is absent on the last page.

/** What a client gets when it names no size. */
export const pageSizeDefault = 30;
/** Clients ask for 2147483647 to get everything; more than this comes in further pages, so that one answer stays bounded. */
export const pageSizeMax = 10_000;

export interface Page {
  ItemType: string;
  TotalResults: number;
  ItemsPerPage: number;
  NumberOfPages: number;
  LastPageNumber: number;
  IsStale: false;
  Items: unknown[];
  Links: Record<string, string>;
}

export interface PageWanted {
  skip: number;
  take: number;
}

/** The window a query asks for. A client that sends its second batch of ids with a skip meant the batch, not an empty page. */
export function pageWanted(query: { skip?: number; take?: number; ids?: readonly string[] }): PageWanted {
  const skip = query.skip ?? 0;
  const ids = query.ids ?? [];
  return {
    skip: ids.length > 0 && ids.length <= skip ? 0 : skip,
    take: Math.min(query.take ?? (ids.length > 0 ? Math.max(ids.length, pageSizeDefault) : pageSizeDefault), pageSizeMax),
  };
}

/** `path` is the collection's address without a query ("/api/Spaces-1/projects"); `query` the filters as they were read. */
export function pageOf(page: { itemType: string; items: unknown[]; total: number; wanted: PageWanted; path: string; query: object }): Page {
  const { skip, take } = page.wanted;
  const pages = take === 0 ? 1 : Math.max(1, Math.ceil(page.total / take));
  const filters = filterText(page.query);
  const link = (from: number, size: number) => `${page.path}?skip=${from}&take=${size}${filters}`;
  const lastSkip = take === 0 ? 0 : (pages - 1) * take;
  const names = Object.keys(page.query).filter((name) => name !== "skip" && name !== "take");
  return {
    ItemType: page.itemType,
    TotalResults: page.total,
    ItemsPerPage: take,
    NumberOfPages: pages,
    LastPageNumber: pages - 1,
    IsStale: false,
    Items: page.items,
    Links: {
      Self: link(skip, take),
      Template: `${page.path}{?${["skip", "take", ...names].join(",")}}`,
      "Page.All": link(0, 2147483647),
      "Page.Current": link(skip, take),
      "Page.Last": link(lastSkip, take),
      ...(take > 0 && skip + take < page.total ? { "Page.Next": link(skip + take, take) } : {}),
      ...(take > 0 && skip > 0 ? { "Page.Previous": link(Math.max(0, skip - take), take) } : {}),
    },
  };
}

function filterText(query: object): string {
  return Object.entries(query)
    .filter(([name, value]) => name !== "skip" && name !== "take" && value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `&${encodeURIComponent(name)}=${encodeURIComponent(Array.isArray(value) ? value.join(",") : String(value))}`)
    .join("");
}
