// The one statement in front of every request: key or session, user and space together, and for the most frequent reads the rows they are after.
// Requests that come at once share it. Nothing is remembered, so a deleted key or a disabled user is refused at the next request on every node.
// It only reads; users, keys, sessions and spaces are written by the features that own them.

import { createSharedReads, preparedAs } from "../database/database.ts";
import type { Queryable, SharedReads } from "../database/database.ts";
import type { Caller } from "./caller.ts";
import { hashBytes, sessionCookiesMax } from "./session.ts";

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
 * A question that is asked in the same statement: its SQL, given that of the space's id and of each value. It runs only for a caller who is signed in
 * and for a space that exists, and what it finds is shown only after the permission was checked. One object per question, made once: who asks it at
 * the same time shares a statement.
 */
export interface Question {
  text(spaceId: string, values: readonly string[]): string;
  /** How many values, and their SQL types where each is a plain one: then the same question about different values fits in one statement too. */
  readonly valueCount: number;
  readonly valueTypes?: readonly string[];
}

export interface Alongside {
  readonly question: Question;
  readonly values: readonly unknown[];
}

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

/** Given the SQL of the hash of the key, of the space, and of the hashes of sessions. */
function factsText(key: string, space: string, sessions: string): string {
  return `SELECT u.id AS user_id, u.username, u.is_administrator, n.token_hash, n.csrf_hash,
            s.id AS space_id, s.name AS space_name, s.slug AS space_slug, s.is_default AS space_is_default,
            (SELECT is_in_maintenance FROM installation) AS is_in_maintenance
       FROM (SELECT 1) AS request
       LEFT JOIN api_keys k ON k.hash = ${key} AND (k.expires_at IS NULL OR k.expires_at > now())
       LEFT JOIN sessions n ON ${key} IS NULL AND n.token_hash = ANY (${sessions}) AND n.expires_at > now()
       LEFT JOIN users u ON u.id = COALESCE(k.user_id, n.user_id) AND u.is_active
       LEFT JOIN spaces s ON CASE WHEN ${space} IS NULL THEN s.is_default ELSE lower(s.id) = ${space} OR lower(s.slug) = ${space} END
      ORDER BY (lower(s.id) = ${space}) DESC NULLS LAST, n.created_at DESC
      LIMIT 1`;
}

/** Rows of a question beside a row `request`, and nothing where `runs` does not hold: then the question is not even asked. */
function rowsBeside(question: string, runs: string): string {
  return `LEFT JOIN LATERAL (SELECT true AS is_found, asked.* FROM (${question}) AS asked WHERE ${runs}) AS found ON true`;
}
const isSignedInSomewhere = "request.user_id IS NOT NULL AND request.space_id IS NOT NULL";

/**
 * For one request: the values as they stand. The facts come as one text, because they stand beside each row. That a lateral subquery beside a row
 * keeps its order is how PostgreSQL joins: there is no other way than one after the other.
 */
function textForOne(question: Question): string {
  const placeholders = Array.from({ length: question.valueCount }, (_, n) => `$${n + 4}`);
  return `SELECT request.request, found.*
       FROM (SELECT f.user_id, f.space_id, row_to_json(f)::text AS request
               FROM (${factsText("$1::bytea", "$2::text", "$3::bytea[]")}) AS f OFFSET 0) AS request
       ${rowsBeside(question.text("request.space_id", placeholders), isSignedInSomewhere)}`;
}

/**
 * For any number of requests, each with its number: the values of all as one array each. The arrays come out of subqueries, so that PostgreSQL expects
 * the same of each number of them, and keeps one plan instead of making a new one each time. Those who ask the same question in the same space are
 * told apart by nothing but who they are; its rows stand beside the first of them who is signed in.
 */
function textForMany(question: Question | undefined): string {
  const types = question?.valueTypes ?? [];
  const names = types.map((_, n) => `value_${n}`);
  const arrays = ["bytea", "text", "bytea", "bigint", ...types].map((type, n) => `(SELECT $${n + 1}::${type}[])`);
  const sessions = Array.from({ length: sessionCookiesMax }, (_, n) => `substr(many.sessions, ${n * hashBytes + 1}, ${hashBytes})`);
  const facts = factsText("many.key", "many.space", `ARRAY[${sessions.join(", ")}]`);
  const requests = `unnest(${arrays.join(", ")}) WITH ORDINALITY AS many (${["key", "space", "sessions", "question", ...names, "number"].join(", ")})
       CROSS JOIN LATERAL (SELECT f.user_id, f.space_id, row_to_json(f)::text AS request FROM (${facts}) AS f OFFSET 0) AS who`;
  if (question === undefined) return `SELECT many.number AS request_number, who.request FROM ${requests}`;
  const asked = question.text(
    "request.space_id",
    names.map((name) => `request.${name}`),
  );
  return `SELECT request.number AS request_number, request.request, found.*
       FROM (SELECT many.*, who.*,
                    row_number() OVER (PARTITION BY many.question, who.space_id ORDER BY who.user_id IS NULL, many.number) AS turn
               FROM ${requests}) AS request
       ${rowsBeside(asked, `${isSignedInSomewhere} AND request.turn = 1`)}`;
}

/** One request's question. */
interface Asked {
  credentials: Credentials;
  space: string | null;
  values: readonly unknown[];
}

/** What was found for it. Requests that asked the same at once get the same objects, so nobody may change them. */
export interface Found {
  readonly facts: RequestFacts;
  /** Rows of the question; empty without one. */
  readonly rows: AlongsideRows;
}

export interface RequestLookUp {
  /**
   * Who is calling and in which space, and the rows of the question beside it. `space` is the id or slug in the address in any case, null the
   * default space. Read from the database after this was called, in a statement that requests may share that ask at the same time.
   */
  find(credentials: Credentials, space: string | null, alongside?: Alongside): Promise<Found>;
}

export function createRequestLookUp(database: Queryable): RequestLookUp {
  const byQuestion = new Map<Question | undefined, SharedReads<Asked, Found>>();
  const texts = new WeakMap<Question, string>();
  const factsOnly = textForMany(undefined);

  function textOf(question: Question | undefined): string {
    if (question === undefined) return factsOnly;
    let text = texts.get(question);
    if (text === undefined) texts.set(question, (text = question.valueTypes ? textForMany(question) : textForOne(question)));
    return text;
  }

  async function askOne(text: string, { credentials, space, values }: Asked): Promise<Found> {
    const given = [credentials.keyHash ?? null, space, credentials.sessionHashes, ...values];
    return foundIn(await database.query<FoundRow>(text, given, preparedAs(text)));
  }

  async function askMany(text: string, all: readonly Asked[], valueCount: number): Promise<Found[]> {
    const questions = numbered(all);
    const given: unknown[] = [
      all.map(({ credentials }) => credentials.keyHash ?? null),
      all.map(({ space }) => space),
      all.map(({ credentials }) => (credentials.sessionHashes.length === 0 ? null : Buffer.concat(credentials.sessionHashes))),
      questions,
    ];
    for (let n = 0; n < valueCount; n++) given.push(all.map(({ values }) => values[n]));
    const rows = await database.query<FoundRow & { request_number: number }>(text, given, preparedAs(text));
    if (all.length === 1) return [foundIn(rows)];
    const byNumber = all.map((): FoundRow[] => []);
    for (const row of rows) byNumber[row.request_number - 1]!.push(row);
    const found = byNumber.map(foundIn);
    // The rows stand beside one of those who asked this question in this space.
    const placeOf = ({ space }: RequestFacts, n: number): string => `${questions[n]} ${space?.id}`;
    const shared = new Map<string, AlongsideRows>();
    for (const [n, one] of found.entries()) if (one.rows.length > 0) shared.set(placeOf(one.facts, n), one.rows);
    return found.map(({ facts }, n) => ({ facts, rows: (facts.caller && facts.space && shared.get(placeOf(facts, n))) ?? [] }));
  }

  function readsOf(question: Question | undefined): SharedReads<Asked, Found> {
    let reads = byQuestion.get(question);
    if (reads === undefined) {
      const text = textOf(question);
      const isPlain = question === undefined || question.valueTypes !== undefined;
      reads = createSharedReads<Asked, Found>({
        run: async (all) => (isPlain ? askMany(text, all, question?.valueCount ?? 0) : Promise.all(all.map((one) => askOne(text, one)))),
        onIdle: () => byQuestion.delete(question),
      });
      byQuestion.set(question, reads);
    }
    return reads;
  }

  return {
    find(credentials, space, alongside) {
      const asked: Asked = { credentials, space: space === null ? null : space.toLowerCase(), values: alongside?.values ?? [] };
      return readsOf(alongside?.question).read(keyOf(asked), asked);
    },
  };
}

/** Equal for requests that ask the same as the same caller. Hashes have a fixed length, so nothing can be taken for something else. */
function keyOf({ credentials: { keyHash, sessionHashes }, space, values }: Asked): string {
  const who =
    keyHash === undefined ? `s${sessionHashes.map((hash) => hash.toString("latin1")).join("")}` : `k${keyHash.toString("latin1")}`;
  const where = space === null ? "default" : `in ${space}`;
  return `${who.length}${who}${where}${values.length === 0 ? "" : `\u0000${JSON.stringify(values)}`}`;
}

/** Equal numbers for equal questions. */
function numbered(all: readonly Asked[]): number[] {
  const numbers = new Map<string, number>();
  return all.map(({ values }) => {
    const key = values.length === 0 ? "" : JSON.stringify(values);
    const known = numbers.get(key);
    if (known === undefined) numbers.set(key, numbers.size);
    return known ?? numbers.size - 1;
  });
}

type FoundRow = Record<string, unknown> & { request: string; is_found?: boolean | null };

function foundIn(rows: readonly FoundRow[]): Found {
  const row = rows[0] && (JSON.parse(rows[0].request) as Row & { token_hash: string | null; csrf_hash: string | null });
  return {
    facts: factsOf(row && { ...row, token_hash: bytesOf(row.token_hash), csrf_hash: bytesOf(row.csrf_hash) }),
    rows: rows[0]?.is_found === true ? rows : [],
  };
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
