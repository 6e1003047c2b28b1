// The words in which REST resources are described. A shape says what clients read; `written` derives what they may send.

import { Type } from "typebox";
import type { TProperties, TSchema, Static } from "typebox";

export type { Static, TSchema };

/** Longest name of a resource. Long enough for people, short enough for an index entry. */
export const nameCharactersMax = 200;
/** Longest free text (descriptions, notes, comments). */
export const textCharactersMax = 1_000_000;
/** Most entries of one list in a body (roles, ids, phases). Larger lists are mistakes, and each entry costs a lookup. */
export const listEntriesMax = 10_000;

export const id = () => Type.String({ maxLength: 250 });
export const name = () => Type.String({ minLength: 1, maxLength: nameCharactersMax });
export const text = () => Type.String({ maxLength: textCharactersMax });
export const flag = () => Type.Boolean();
/** Whole numbers as the database's 32-bit integer holds them. */
export const count = () => Type.Integer({ minimum: 0, maximum: 2_147_483_647 });
export const whole = () => Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647 });
/** ISO 8601 with offset. */
export const time = () => Type.String({ format: "date-time", maxLength: 40 });
export const orNull = <T extends TSchema>(one: T) => Type.Union([one, Type.Null()]);
export const list = <T extends TSchema>(of: T) => Type.Array(of, { maxItems: listEntriesMax });
export const oneOf = <const T extends string[]>(values: [...T]) => Type.Enum(values);
export const object = <T extends TProperties>(members: T) => Type.Object(members);
/** Free-form JSON that we keep as it came. */
export const anything = () => Type.Unknown();
export const map = <T extends TSchema>(of: T) => Type.Record(Type.String(), of);
export const optional = <T extends TSchema>(of: T) => Type.Optional(of);
/** Link name → host-relative address or URI template. */
export const links = () => Type.Record(Type.String(), Type.String());

/** What may be sent for a resource: every member may be left out or null; what is required is the resource's own rule. */
export function written<T extends TProperties>(members: T) {
  return Type.Partial(
    Type.Object(
      Object.fromEntries(Object.entries(members).map(([key, schema]) => [key, orNull(schema)])) as {
        [K in keyof T]: ReturnType<typeof orNull<T[K]>>;
      },
    ),
  );
}

/** A secret: written as `{HasValue:true,NewValue}`, read without its value. */
export const SensitiveValue = object({ HasValue: flag(), NewValue: orNull(text()), Hint: orNull(text()) });

/** The body of every refusal. */
export const ErrorBody = object({
  ErrorMessage: text(),
  /** One sentence for each fault; null where something is not there (404). */
  Errors: orNull(Type.Array(text())),
  FullException: orNull(text()),
  HelpText: text(),
  HelpLink: orNull(text()),
  ParsedHelpLinks: Type.Array(Type.Unknown()),
  Details: Type.Record(Type.String(), Type.Unknown()),
});

/** One page of a collection. */
export function page<T extends TSchema>(item: T) {
  return object({
    ItemType: text(),
    TotalResults: whole(),
    ItemsPerPage: whole(),
    NumberOfPages: whole(),
    LastPageNumber: whole(),
    IsStale: flag(),
    Items: Type.Array(item),
    Links: links(),
  });
}
