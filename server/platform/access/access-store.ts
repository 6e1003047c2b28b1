// The one statement in front of every request: key, user and space together. It only reads; users, keys and spaces are written
// by the features that own them.

import type { Queryable } from "../database/database.ts";
import type { Caller } from "./caller.ts";

export interface SpaceOfRequest {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly isDefault: boolean;
}

export interface RequestFacts {
  /** Undefined when no valid key of an active user was sent. */
  caller: Caller | undefined;
  /** The space named in the address, or the default one; undefined when there is none such. */
  space: SpaceOfRequest | undefined;
}

interface Row {
  user_id: string | null;
  username: string | null;
  is_administrator: boolean | null;
  space_id: string | null;
  space_name: string | null;
  space_slug: string | null;
  space_is_default: boolean | null;
}

/** `keyHash` null means no credential; `space` is the id or slug in the address in any case, null the default space. */
export async function lookUpRequest(database: Queryable, keyHash: Buffer | null, space: string | null): Promise<RequestFacts> {
  const [row] = await database.query<Row>(
    `SELECT u.id AS user_id, u.username, u.is_administrator,
            s.id AS space_id, s.name AS space_name, s.slug AS space_slug, s.is_default AS space_is_default
       FROM (SELECT 1) AS request
       LEFT JOIN api_keys k ON k.hash = $1 AND (k.expires_at IS NULL OR k.expires_at > now())
       LEFT JOIN users u ON u.id = k.user_id AND u.is_active
       LEFT JOIN spaces s ON CASE WHEN $2::text IS NULL THEN s.is_default ELSE lower(s.id) = $2 OR lower(s.slug) = $2 END
      ORDER BY (lower(s.id) = $2) DESC NULLS LAST
      LIMIT 1`,
    [keyHash, space === null ? null : space.toLowerCase()],
    { name: "look-up-request" },
  );
  return {
    caller: row?.user_id ? { userId: row.user_id, username: row.username!, isAdministrator: row.is_administrator! } : undefined,
    space: row?.space_id ? { id: row.space_id, name: row.space_name!, slug: row.space_slug!, isDefault: row.space_is_default! } : undefined,
  };
}
