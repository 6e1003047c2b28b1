// How a plain resource lies in its table: one field per member of the document.

/** One member of a document and its column. */
export interface ResourceField {
  column: string;
  /** An SQL expression over `r` that is read instead of the column; such a member is not written by the resource itself. */
  select?: string;
  /** Stored as JSON. */
  json?: boolean;
  /** The member lies under this key of a JSON column that several members share. */
  key?: string;
  /** The value when a client sends nothing or null; absent means the member is required on create. */
  empty?: unknown;
  /** The member is shown but never taken from a client. */
  readOnly?: boolean;
  /** The member holds the id (or what `column` names), or a list of them, of rows of this table in the same space. */
  references?: { table: string; kind: string; column?: string };
}

export interface ResourceTable {
  name: string;
  /** SQL order of lists. */
  orderBy: string;
  /** Has a slug column beside name. */
  slug: boolean;
  fields: Record<string, ResourceField>;
}
