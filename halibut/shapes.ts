/** Contracts as plain data: which services there are, and which values their methods take and give. */

/** Plain-data description of a value on the wire. See `encodeValue` for the JavaScript side of each kind; null is allowed everywhere. */
export type Shape =
  /** An enumeration may come as the name of a value, in any letter case; it is always sent as a number. */
  | { kind: "int32"; names?: { readonly [name: string]: number } }
  | { kind: "string" | "int64" | "boolean" | "double" | "date" | "timespan" | "guid" | "bytes" | "stream" | "void" }
  | { kind: "list"; of: Shape }
  | { kind: "dictionary"; of: Shape }
  | { kind: "object"; type: string; alsoAccepts?: readonly string[]; members: { readonly [name: string]: Shape } };

/** A service as both sides know it: `params` in order, `result` possibly `void`. */
export interface ServiceContract {
  name: string;
  methods: { readonly [method: string]: { params: readonly Shape[]; result: Shape } };
}
