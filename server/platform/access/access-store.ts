// The one statement in front of every request: key or session, user and space together, and for the most frequent reads the rows they are after.
// It only reads; users, keys, sessions and spaces are written by the features that own them.

import { preparedAs } from "../database/database.ts";
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

/**
 * What is asked in the same statement: given the SQL of the space's id and the number of its first value. It runs only for a caller who is signed in
 * and for a space that exists, and what it finds is shown only after the permission was checked.
 */
export type Alongside = (spaceId: string, firstValue: number) => { text: string; values: readonly unknown[] };

/** In the order in which they were asked for. */
export type AlongsideRows = readonly Record<string, unknown>[];

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

const factsText = `SELECT u.id AS user_id, u.username, u.is_administrator, n.token_hash, n.csrf_hash,
            s.id AS space_id, s.name AS space_name, s.slug AS space_slug, s.is_default AS space_is_default,
            (SELECT is_in_maintenance FROM installation) AS is_in_maintenance
       FROM (SELECT 1) AS request
       LEFT JOIN api_keys k ON k.hash = $1 AND (k.expires_at IS NULL OR k.expires_at > now())
       LEFT JOIN sessions n ON $1::bytea IS NULL AND n.token_hash = ANY ($3::bytea[]) AND n.expires_at > now()
       LEFT JOIN users u ON u.id = COALESCE(k.user_id, n.user_id) AND u.is_active
       LEFT JOIN spaces s ON CASE WHEN $2::text IS NULL THEN s.is_default ELSE lower(s.id) = $2 OR lower(s.slug) = $2 END
      ORDER BY (lower(s.id) = $2) DESC NULLS LAST, n.created_at DESC
      LIMIT 1`;
const factsValues = 3;

/** `space` is the id or slug in the address in any case, null the default space. */
export async function lookUpRequest(database: Queryable, credentials: Credentials, space: string | null): Promise<RequestFacts> {
  const [row] = await database.query<Row>(factsText, valuesOf(credentials, space), { name: "look-up-request" });
  return factsOf(row);
}

/**
 * The same, and the rows of one more question. The facts come as one text, because they stand beside each row. That a lateral subquery beside a
 * single row keeps its order is how PostgreSQL joins: there is no other way than one after the other.
 */
export async function lookUpRequestWith(
  database: Queryable,
  credentials: Credentials,
  space: string | null,
  alongside: Alongside,
): Promise<{ facts: RequestFacts; rows: AlongsideRows }> {
  const asked = alongside("request.space_id", factsValues + 1);
  const text = `SELECT row_to_json(request)::text AS request, found.*
       FROM (${factsText}) AS request
       LEFT JOIN LATERAL (SELECT true AS is_found, asked.* FROM (${asked.text}) AS asked) AS found
         ON request.user_id IS NOT NULL AND request.space_id IS NOT NULL`;
  const rows = await database.query<Record<string, unknown> & { request: string; is_found: boolean | null }>(
    text,
    [...valuesOf(credentials, space), ...asked.values],
    preparedAs(text),
  );
  const row = rows[0] && (JSON.parse(rows[0].request) as Row & { token_hash: string | null; csrf_hash: string | null });
  return {
    facts: factsOf(row && { ...row, token_hash: bytesOf(row.token_hash), csrf_hash: bytesOf(row.csrf_hash) }),
    rows: rows.filter((one) => one.is_found === true),
  };
}

function valuesOf(credentials: Credentials, space: string | null): unknown[] {
  return [credentials.keyHash ?? null, space === null ? null : space.toLowerCase(), credentials.sessionHashes];
}

/** PostgreSQL writes bytes as \x0a1b. */
function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text.slice(2), "hex");
}

function factsOf(row: Row | undefined): RequestFacts {
  const signedIn = row?.user_id && row.token_hash !== null && row.csrf_hash !== null;
  return {
    session: signedIn ? { tokenHash: row.token_hash!, csrfHash: row.csrf_hash! } : undefined,
    caller: row?.user_id ? { userId: row.user_id, username: row.username!, isAdministrator: row.is_administrator! } : undefined,
    space: row?.space_id ? { id: row.space_id, name: row.space_name!, slug: row.space_slug!, isDefault: row.space_is_default! } : undefined,
    isInMaintenance: row?.is_in_maintenance === true,
  };
}
