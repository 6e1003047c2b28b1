// Which of several hosts holds the database that may be written to, and whether a connection still leads there. Asks the hosts themselves,
// never a third party. Of two that can be written to, the one on the higher timeline is right: each promotion of a standby raises it, so an
// old primary that comes back is always below the one that took its place.

import { Client } from "pg";
import type { ClientBase, ClientConfig, QueryConfig } from "pg";
import { DatabaseUnavailable, describe, errorCode } from "./database-errors.ts";
import type { DatabaseConnection, DatabaseHost } from "./queryable.ts";

/** A host that says nothing for so long is taken for away; a living one answers in milliseconds. */
const hostProbeTimeoutMs = 2_000;
/** Once one host can be written to, the others get this long to say that they are on a higher timeline. */
const rivalWaitMs = 250;
/** How often the hosts not in use are asked whether one of them was promoted while the one in use stands still. */
const rivalLookMs = 2_000;

/** Where a database stands in its own history. */
export interface Lineage {
  /** PostgreSQL's identifier of the cluster, the same on a primary and its standbys. */
  systemIdentifier: string;
  timeline: number;
}

/** The highest timeline this node has ever seen, kept over its restarts. */
export interface TimelineRecord {
  last(): Lineage | undefined;
  saw(lineage: Lineage): void;
}

export interface DatabaseHosts {
  /** Of one host: that one. Of several: the one that can be written to. @throws DatabaseUnavailable when there is none now */
  writable(): Promise<DatabaseHost>;
  /** The host for the next connection, without asking anybody. */
  current(): DatabaseHost;
  /** Looks at a fresh connection. @throws NotWritable */
  admit(client: ClientBase, to: DatabaseHost): Promise<void>;
  /** False for a connection to a host that is no longer the one to write to. */
  isCurrent(client: ClientBase): boolean;
  /** A connection was lost, refused, or may not write: ask all hosts before the next one. */
  doubt(): void;
  close(): void;
}

/** This host cannot be the one to write to now: a standby, read-only, or an old primary. */
export class NotWritable extends Error {
  constructor(why: string) {
    super(why);
    this.name = "NotWritable";
  }
}

interface Standing {
  isStandby: boolean;
  isReadOnly: boolean;
  /** Undefined where the service hides it; then hosts are told apart by what they may do only. */
  lineage: Lineage | undefined;
}

/** The timeline comes from the log being written, because the control file shows that of the last checkpoint, which a promotion does not wait for. */
const standingSql = `
  SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS readonly,
         (SELECT system_identifier::text FROM pg_control_system()) AS system,
         CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END AS timeline`;
const plainStandingSql = `
  SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS readonly, NULL AS system, NULL AS timeline`;
/** Insufficient privilege, feature not supported, no such function: a hosted service that shows less of itself. */
const hidden = new Set(["42501", "0A000", "42883"]);

export function createDatabaseHosts(
  connection: DatabaseConnection,
  options: { clientConfig: ClientConfig; record?: TimelineRecord | undefined },
): DatabaseHosts {
  const hosts: readonly DatabaseHost[] = [{ host: connection.host, port: connection.port }, ...(connection.otherHosts ?? [])];
  const isOne = hosts.length === 1;
  const admitted = new Map<ClientBase, { host: DatabaseHost; timeline: number }>();
  let last = hosts[0]!;
  let isSure = isOne;
  let searching: Promise<DatabaseHost> | undefined;
  let highest = options.record?.last();
  /** A record of another database means that the operator moved to a new one; while we run, another one is a mistake. */
  let isLineageOfThisRun = false;
  let isLooking = false;
  let closed = false;

  function judge(standing: Standing, at: DatabaseHost): void {
    const where = nameOf(at);
    if (standing.isStandby) throw new NotWritable(`${where} is a standby`);
    if (standing.isReadOnly) throw new NotWritable(`${where} is read-only`);
    const { lineage } = standing;
    if (lineage === undefined || highest === undefined) return;
    if (lineage.systemIdentifier !== highest.systemIdentifier) {
      if (isLineageOfThisRun) throw new NotWritable(`${where} holds another database than the one used so far`);
    } else if (lineage.timeline < highest.timeline) {
      throw new NotWritable(
        `${where} is an old primary: it is on timeline ${lineage.timeline}, and a standby was promoted to ${highest.timeline} since`,
      );
    }
  }

  /** The host of these answers to write to. Those that cannot be are left out with their reason. */
  function choose(answers: readonly (Standing | Error | undefined)[]): { at: DatabaseHost; standing: Standing } | string {
    const reasons: string[] = [];
    const able = hosts.flatMap((at, index) => {
      const standing = answers[index];
      if (standing === undefined) return [];
      if (standing instanceof Error) {
        reasons.push(standing instanceof NotWritable ? standing.message : `${nameOf(at)}: ${describe(standing)}`);
        return [];
      }
      try {
        judge(standing, at);
        return [{ at, standing }];
      } catch (error) {
        reasons.push((error as Error).message);
        return [];
      }
    });
    const systems = new Set(able.map(({ standing }) => standing.lineage?.systemIdentifier));
    if (systems.size > 1) {
      return `${able.map(({ at }) => nameOf(at)).join(" and ")} hold different databases and can all be written to; name only hosts of one`;
    }
    // Equal timelines mean one server under two names, or copies that PostgreSQL itself cannot tell apart: stay where we were.
    const [best] = able.toSorted(
      (a, b) => timelineOf(b.standing) - timelineOf(a.standing) || Number(b.at === last) - Number(a.at === last),
    );
    return best ?? `no host can be written to (${reasons.join("; ")})`;
  }

  async function probe(at: DatabaseHost): Promise<Standing> {
    const client = new Client({
      ...options.clientConfig,
      ...at,
      connectionTimeoutMillis: hostProbeTimeoutMs,
      query_timeout: hostProbeTimeoutMs,
    } as ClientConfig);
    client.on("error", () => {});
    try {
      await client.connect();
      return await standingOf(client);
    } finally {
      void client.end().catch(() => {});
    }
  }

  async function search(): Promise<DatabaseHost> {
    const answers: (Standing | Error | undefined)[] = hosts.map(() => undefined);
    let settleEarly: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      let open = hosts.length;
      for (const [index, at] of hosts.entries()) {
        void probe(at)
          .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
          .then((answer) => {
            answers[index] = answer;
            if (--open === 0) resolve();
            else if (settleEarly === undefined && typeof choose(answers) === "object") settleEarly = setTimeout(resolve, rivalWaitMs);
          });
      }
    });
    clearTimeout(settleEarly);
    const best = choose(answers);
    if (typeof best === "string")
      throw new DatabaseUnavailable(
        best,
        answers.find((answer) => answer instanceof Error),
      );
    moveTo(best.at, best.standing);
    return best.at;
  }

  function moveTo(at: DatabaseHost, standing: Standing): void {
    last = at;
    isSure = true;
    remember(standing);
    dropOthers();
  }

  function remember({ lineage }: Standing): void {
    if (lineage === undefined) return;
    const isNews = highest === undefined || highest.systemIdentifier !== lineage.systemIdentifier || highest.timeline < lineage.timeline;
    isLineageOfThisRun = true;
    if (!isNews) return;
    highest = lineage;
    options.record?.saw(lineage);
  }

  /** What waits on a host that is not the one any more would wait in vain, perhaps for ever. */
  function dropOthers(): void {
    for (const client of admitted.keys()) if (!isCurrent(client)) void (client as Client).end().catch(() => {});
  }

  function isCurrent(client: ClientBase): boolean {
    const known = admitted.get(client);
    if (known === undefined) return false;
    return (isOne || known.host === last) && known.timeline >= (highest?.timeline ?? 0);
  }

  const looking = isOne ? undefined : setInterval(() => void lookForRival(), rivalLookMs);
  looking?.unref();

  /** The host in use may stand still without ending its connections, while another one took its place. */
  async function lookForRival(): Promise<void> {
    if (!isSure || searching !== undefined || isLooking) return;
    isLooking = true;
    const inUse = last;
    const answers = await Promise.all(
      hosts.map(async (at) => (at === inUse ? undefined : probe(at).catch((error: unknown) => error as Error))),
    );
    isLooking = false;
    const best = choose(answers);
    if (closed || last !== inUse || typeof best === "string") return;
    if (timelineOf(best.standing) > (highest?.timeline ?? Infinity)) moveTo(best.at, best.standing);
  }

  return {
    current: () => last,
    async writable() {
      if (isSure) return last;
      searching ??= search().finally(() => (searching = undefined));
      return searching;
    },
    async admit(client, to) {
      const standing = await standingOf(client);
      judge(standing, to);
      remember(standing);
      admitted.set(client, { host: to, timeline: timelineOf(standing) });
      client.once("end", () => admitted.delete(client));
    },
    isCurrent,
    doubt() {
      if (!isOne) isSure = false;
    },
    close() {
      closed = true;
      clearInterval(looking);
    },
  };
}

function timelineOf({ lineage }: Standing): number {
  return lineage?.timeline ?? 0;
}

function nameOf({ host, port }: DatabaseHost): string {
  return `${host}:${port}`;
}

async function standingOf(client: ClientBase): Promise<Standing> {
  let rows: unknown[];
  try {
    ({ rows } = await client.query({ text: standingSql, query_timeout: hostProbeTimeoutMs } as QueryConfig));
  } catch (error) {
    if (!hidden.has(errorCode(error) ?? "")) throw error;
    ({ rows } = await client.query({ text: plainStandingSql, query_timeout: hostProbeTimeoutMs } as QueryConfig));
  }
  const { standby, readonly, system, timeline } = rows[0] as {
    standby: boolean;
    readonly: boolean;
    system: string | null;
    timeline: string | null;
  };
  const lineage = system === null || timeline === null ? undefined : { systemIdentifier: system, timeline: Number.parseInt(timeline, 16) };
  return { isStandby: standby, isReadOnly: readonly, lineage };
}
