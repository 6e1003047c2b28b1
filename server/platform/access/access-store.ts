// The one statement in front of every request: key or session, user and space together. It only reads; users, keys, sessions and
// spaces are written by the features that own them.

import type { Queryable } from "../database/database.ts";
import type { Caller } from "./caller.ts";

export interface SpaceOfRequest {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly isDefault: boolean;
}

export interface SessionOfRequest {
  readonly tokenHash: Buffer;
  readonly csrfHash: Buffer;
}

/** What a request brought to say who sends it. A key counts alone, whatever cookies came along. */
export interface Credentials {
  keyHash: Buffer | undefined;
  sessionHashes: readonly Buffer[];
}

export interface RequestFacts {
  /** Undefined when no valid key or session of an active user was sent. */
  caller: Caller | undefined;
  /** The session the caller came by; undefined with a key. */
  session: SessionOfRequest | undefined;
  /** The space named in the address, or the default one; undefined when there is none such. */
  space: SpaceOfRequest | undefined;
  /** The cluster is in maintenance: only administrators may change anything. */
  isInMaintenance: boolean;
}

interface Row {
  user_id: string | null;
  username: string | null;
  is_administrator: boolean | null;
  token_hash: Buffer | null;
  csrf_hash: Buffer | null;
  space_id: string | null;
  space_name: string | null;
  space_slug: string | null;
  space_is_default: boolean | null;
  is_in_maintenance: boolean | null;
}

/** `space` is the id or slug in the address in any case, null the default space. */
export async function lookUpRequest(database: Queryable, credentials: Credentials, space: string | null): Promise<RequestFacts> {
  const [row] = await database.query<Row>(
    `SELECT u.id AS user_id, u.username, u.is_administrator, n.token_hash, n.csrf_hash,
            s.id AS space_id, s.name AS space_name, s.slug AS space_slug, s.is_default AS space_is_default,
            (SELECT is_in_maintenance FROM installation) AS is_in_maintenance
       FROM (SELECT 1) AS request
       LEFT JOIN api_keys k ON k.hash = $1 AND (k.expires_at IS NULL OR k.expires_at > now())
       LEFT JOIN sessions n ON $1::bytea IS NULL AND n.token_hash = ANY ($3::bytea[]) AND n.expires_at > now()
       LEFT JOIN users u ON u.id = COALESCE(k.user_id, n.user_id) AND u.is_active
       LEFT JOIN spaces s ON CASE WHEN $2::text IS NULL THEN s.is_default ELSE lower(s.id) = $2 OR lower(s.slug) = $2 END
      ORDER BY (lower(s.id) = $2) DESC NULLS LAST, n.created_at DESC
      LIMIT 1`,
    [credentials.keyHash ?? null, space === null ? null : space.toLowerCase(), credentials.sessionHashes],
    { name: "look-up-request" },
  );
  const signedIn = row?.user_id && row.token_hash !== null && row.csrf_hash !== null;
  return {
    session: signedIn ? { tokenHash: row.token_hash!, csrfHash: row.csrf_hash! } : undefined,
    caller: row?.user_id ? { userId: row.user_id, username: row.username!, isAdministrator: row.is_administrator! } : undefined,
    space: row?.space_id ? { id: row.space_id, name: row.space_name!, slug: row.space_slug!, isDefault: row.space_is_default! } : undefined,
    isInMaintenance: row?.is_in_maintenance === true,
  };
}
