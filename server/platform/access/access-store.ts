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

/** What a statement says of one request, in the order in which `factsIn` reads it. */
type Facts = readonly [
  userId: string | null,
  username: string | null,
  isAdministrator: boolean | null,
  spaceId: string | null,
  spaceName: string | null,
  spaceSlug: string | null,
  spaceIsDefault: boolean | null,
  isInMaintenance: boolean | null,
  tokenHash?: string | null,
  csrfHash?: string | null,
];

/**
 * Who is calling and in which space, for each row of `many`, which has its key, space and, when `sessions` gives their SQL, the hashes of its sessions.
 * The facts come as one text, because they stand beside each row of an answer. Most requests bring a key, and pay nothing for sessions.
 */
function callers(many: string, columns: string, sessions: string | undefined): string {
  const facts = "u.id, u.username, u.is_administrator, s.id, s.name, s.slug, s.is_default, (SELECT is_in_maintenance FROM installation)";
  const newest = `LEFT JOIN LATERAL (SELECT one.user_id, one.token_hash, one.csrf_hash FROM sessions one
              WHERE one.token_hash = ANY (${sessions}) AND one.expires_at > now() ORDER BY one.created_at DESC LIMIT 1) AS n ON many.key IS NULL`;
  return `SELECT ${columns}, u.id AS user_id, s.id AS space_id,
            json_build_array(${facts}${sessions === undefined ? "" : ", n.token_hash, n.csrf_hash"})::text AS request
       FROM ${many}
       LEFT JOIN api_keys k ON k.hash = many.key AND (k.expires_at IS NULL OR k.expires_at > now())
       ${sessions === undefined ? "" : newest}
       LEFT JOIN users u ON u.id = ${sessions === undefined ? "k.user_id" : "COALESCE(k.user_id, n.user_id)"} AND u.is_active
       LEFT JOIN spaces s ON CASE
         WHEN many.space IS NULL THEN s.is_default
         WHEN lower(s.id) = many.space THEN true
         WHEN lower(s.slug) = many.space THEN NOT EXISTS (SELECT 1 FROM spaces other WHERE lower(other.id) = many.space)
         ELSE false END
      OFFSET 0`;
}

/**
 * Rows of a question beside a row `request`, and nothing where `runs` does not hold: then the question is not even asked. That a lateral subquery
 * beside a row keeps its order is how PostgreSQL joins: there is no other way than one after the other.
 */
function rowsBeside(question: string, runs: string): string {
  return `LEFT JOIN LATERAL (SELECT true AS is_found, asked.* FROM (${question}) AS asked WHERE ${runs}) AS found ON true`;
}
const isSignedInSomewhere = "request.user_id IS NOT NULL AND request.space_id IS NOT NULL";

/** For one request: the values as they stand. */
function textForOne(question: Question, hasSessions: boolean): string {
  const placeholders = Array.from({ length: question.valueCount }, (_, n) => `$${n + (hasSessions ? 4 : 3)}`);
  const one = `(SELECT $1::bytea AS key, $2::text AS space) AS many`;
  return `SELECT request.request, found.*
       FROM (${callers(one, "many.key", hasSessions ? "$3::bytea[]" : undefined)}) AS request
       ${rowsBeside(question.text("request.space_id", placeholders), isSignedInSomewhere)}`;
}

/**
 * For any number of requests, each with its number: the values of all as one array each. The arrays come out of subqueries, so that PostgreSQL expects
 * the same of each number of them, and keeps one plan instead of making a new one each time. Of those who ask the same question in the same space one
 * `asks`, and its rows stand beside that one.
 */
function textForMany(question: Question | undefined, hasSessions: boolean): string {
  const types = question?.valueTypes ?? [];
  const names = types.map((_, n) => `value_${n}`);
  const given = [
    { name: "key", type: "bytea" },
    { name: "space", type: "text" },
    ...(hasSessions ? [{ name: "sessions", type: "bytea" }] : []),
    ...(question === undefined ? [] : [{ name: "asks", type: "boolean" }]),
    ...types.map((type, n) => ({ name: names[n]!, type })),
  ];
  const arrays = given.map(({ type }, n) => `(SELECT $${n + 1}::${type}[])`).join(", ");
  const many = `unnest(${arrays}) WITH ORDINALITY AS many (${[...given.map(({ name }) => name), "number"].join(", ")})`;
  const cookies = Array.from({ length: sessionCookiesMax }, (_, n) => `substr(many.sessions, ${n * hashBytes + 1}, ${hashBytes})`);
  const columns = ["number", ...(question === undefined ? [] : ["asks"]), ...names].map((name) => `many.${name}`).join(", ");
  const requests = callers(many, columns, hasSessions ? `ARRAY[${cookies.join(", ")}]` : undefined);
  if (question === undefined) return `SELECT request.number AS request_number, request.request FROM (${requests}) AS request`;
  const asked = question.text(
    "request.space_id",
    names.map((name) => `request.${name}`),
  );
  return `SELECT request.number AS request_number, request.request, found.*
       FROM (${requests}) AS request
       ${rowsBeside(asked, `${isSignedInSomewhere} AND request.asks`)}`;
}

/** The text of a question's statement, without sessions or with them. */
type Texts = (hasSessions: boolean) => string;

const textsByQuestion = new WeakMap<Question, Texts>();
const factsOnly = textsMadeOnce((hasSessions) => textForMany(undefined, hasSessions));

function textsOf(question: Question | undefined): Texts {
  if (question === undefined) return factsOnly;
  let texts = textsByQuestion.get(question);
  if (texts === undefined) {
    const make = question.valueTypes ? textForMany : textForOne;
    textsByQuestion.set(question, (texts = textsMadeOnce((hasSessions) => make(question, hasSessions))));
  }
  return texts;
}

function textsMadeOnce(make: Texts): Texts {
  const [without, withSessions] = [make(false), make(true)];
  return (hasSessions) => (hasSessions ? withSessions : without);
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
  /** Rows of the question; empty without one, and where nothing was found or nobody could ask for it: what is there is then asked for alone. */
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

  async function askOne(text: string, { credentials, space, values }: Asked): Promise<Found> {
    const sessions = credentials.sessionHashes.length === 0 ? [] : [credentials.sessionHashes];
    const rows = await database.query<FoundRow>(text, [credentials.keyHash ?? null, space, ...sessions, ...values], preparedAs(text));
    return foundIn(rows);
  }

  async function askMany(texts: Texts, all: readonly Asked[], valueCount: number | undefined): Promise<Found[]> {
    const hasSessions = all.some(({ credentials }) => credentials.sessionHashes.length > 0);
    const text = texts(hasSessions);
    const given: unknown[] = [all.map(({ credentials }) => credentials.keyHash ?? null), all.map(({ space }) => space)];
    if (hasSessions)
      given.push(all.map(({ credentials }) => (credentials.sessionHashes.length === 0 ? null : Buffer.concat(credentials.sessionHashes))));
    const askers = valueCount === undefined ? undefined : askersOf(all);
    if (askers !== undefined) given.push(all.map((_, n) => askers[n] === n));
    for (let n = 0; n < (valueCount ?? 0); n++) given.push(all.map(({ values }) => values[n]));
    const rows = await database.query<FoundRow & { request_number: number }>(text, given, preparedAs(text));
    if (all.length === 1) return [foundIn(rows)];
    const byNumber = all.map((): FoundRow[] => []);
    for (const row of rows) byNumber[row.request_number - 1]!.push(row);
    const found = byNumber.map(foundIn);
    if (askers === undefined) return found;
    // Whoever asked for them all may be nobody here. Then there are no rows for the others either, and each asks for itself.
    return found.map(({ facts }, n) => ({ facts, rows: facts.caller && facts.space ? found[askers[n]!]!.rows : [] }));
  }

  function readsOf(question: Question | undefined): SharedReads<Asked, Found> {
    let reads = byQuestion.get(question);
    if (reads === undefined) {
      const texts = textsOf(question);
      const isPlain = question === undefined || question.valueTypes !== undefined;
      reads = createSharedReads<Asked, Found>({
        run: async (all) =>
          isPlain
            ? askMany(texts, all, question?.valueCount)
            : Promise.all(all.map((one) => askOne(texts(one.credentials.sessionHashes.length > 0), one))),
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

/** For each the first that asks the same question in the same space. */
function askersOf(all: readonly Asked[]): number[] {
  const first = new Map<string, number>();
  return all.map(({ space, values }, n) => {
    const key = `${space === null ? "default" : `in ${space}`}\u0000${values.length === 0 ? "" : JSON.stringify(values)}`;
    const known = first.get(key);
    if (known === undefined) first.set(key, n);
    return known ?? n;
  });
}

type FoundRow = Record<string, unknown> & { request: string; is_found?: boolean | null };

function foundIn(rows: readonly FoundRow[]): Found {
  return { facts: factsIn(JSON.parse(rows[0]!.request) as Facts), rows: rows[0]!.is_found === true ? rows : [] };
}

/** PostgreSQL writes bytes as \x0a1b. */
function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text.slice(2), "hex");
}

function factsIn(facts: Facts): RequestFacts {
  const [userId, username, isAdministrator, spaceId, spaceName, spaceSlug, spaceIsDefault, isInMaintenance, token, csrf] = facts;
  const [tokenHash, csrfHash] = [bytesOf(token ?? null), bytesOf(csrf ?? null)];
  return {
    session: userId !== null && tokenHash !== null && csrfHash !== null ? { tokenHash, csrfHash } : undefined,
    caller: userId === null ? undefined : { userId, username: username!, isAdministrator: isAdministrator! },
    space: spaceId === null ? undefined : { id: spaceId, name: spaceName!, slug: spaceSlug!, isDefault: spaceIsDefault! },
    isInMaintenance: isInMaintenance === true,
  };
}
