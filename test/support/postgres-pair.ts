// Two PostgreSQL servers for trials of failover: a primary and a synchronous standby that can be promoted when the primary is killed, after
// which the dead one is made anew as the standby of the other. They lie below a cluster's folder and end with it. Durable as in production.
import { execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import type { DatabaseConnection } from "../../server/platform/database/database.ts";
import { chooseDatabaseAccount, spawnAs } from "../../server/platform/database/embedded-postgres-account.ts";
import {
  findPackagedBinaries,
  installPackagedBinaries,
  operatorBinaries,
} from "../../server/platform/database/embedded-postgres-binaries.ts";
import { freePort, processesBelow } from "./cluster.ts";
import { eventually } from "./eventually.ts";

const run = promisify(execFile);
const password = "pair-of-postgres";
const database = "cuttle";
const answersMsMax = 60_000;
const logLinesShown = 20;

/** One of the two: 0 or 1. */
export type Which = 0 | 1;

export interface PostgresPair {
  readonly ports: readonly [number, number];
  /** The one that can be written to, or could until it was killed. */
  readonly primary: Which;
  readonly connectionString: string;
  /** The same for pools in this process, as the owner of the database, no superuser. `ports` instead of the real ones, for proxies. */
  connection(ports?: readonly [number, number]): DatabaseConnection;
  /** As superuser, on one of them. */
  query<Row>(which: Which, text: string): Promise<Row[]>;
  /** kill -9 of all its processes. */
  kill(which: Which): Promise<void>;
  /** SIGSTOP of all its processes, and SIGCONT. */
  freeze(which: Which): void;
  thaw(which: Which): void;
  /** Makes the standby the primary; resolves when it says that it is. Its commits wait for nobody then. */
  promote(): Promise<void>;
  /** Makes the other one anew from the primary, which waits for it at each commit from then on. */
  rebuildStandby(): Promise<void>;
  /**
   * Starts a dead one on what it had. `alone` lets its commits wait for nobody: what a careless operator would do to an old primary.
   */
  startAsItWas(which: Which, options?: { alone: boolean }): Promise<void>;
}

export async function startPostgresPair(root: string): Promise<PostgresPair> {
  const account = await chooseDatabaseAccount(undefined);
  if (account === undefined) throw new Error("PostgreSQL does not run as root, and there is no account to lend it.");
  const place = path.join(root, "pair");
  await fs.mkdir(place, { mode: 0o755 });
  await fs.chmod(place, 0o755);
  const own = process.env["CUTTLE_TEST_PGBIN"];
  const packaged = own === undefined ? await findPackagedBinaries() : undefined;
  if (own === undefined && packaged === undefined)
    throw new Error("There is no packaged PostgreSQL for this machine; name one by CUTTLE_TEST_PGBIN.");
  const programs = packaged === undefined ? operatorBinaries(own!) : await installPackagedBinaries(packaged, place);
  const as = { ...spawnAs(account), cwd: place };
  const ports = [await freePort(), await freePort()] as const;
  let primary: Which = 0;

  const folder = (which: Which): string => path.join(place, `data-${which}`);
  const other = (which: Which): Which => (which === 0 ? 1 : 0);

  async function makeFolder(which: Which): Promise<void> {
    await fs.rm(folder(which), { recursive: true, force: true });
    await fs.mkdir(folder(which), { mode: 0o700 });
    if (account!.switched) await fs.chown(folder(which), account!.uid, account!.gid);
  }

  /** Settings that differ between the two; written last, so they win. */
  async function configure(which: Which, settings: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
    await fs.appendFile(path.join(folder(which), "postgresql.auto.conf"), lines.join(""));
  }

  async function query<Row>(which: Which, text: string): Promise<Row[]> {
    const client = new pg.Client({
      host: "127.0.0.1",
      port: ports[which],
      user: "postgres",
      password,
      database: "postgres",
      connectionTimeoutMillis: 5_000,
    });
    client.on("error", () => {});
    try {
      await client.connect();
      return (await client.query(text)).rows as Row[];
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** One that ends at once is started again, as whoever supervises it would: what was killed a moment ago may still hold its port. */
  async function start(which: Which): Promise<void> {
    const logFile = path.join(place, `server-${which}.log`);
    let isRunning = false;
    let end = "";
    try {
      await eventually(
        `PostgreSQL ${which} answers`,
        async () => {
          if (!isRunning) {
            isRunning = true;
            const log = openSync(logFile, "a");
            const child = spawn(programs.postgres, ["-D", folder(which)], { ...as, stdio: ["ignore", log, log] });
            closeSync(log);
            child.unref();
            child.once("error", (error) => ([isRunning, end] = [false, error.message]));
            child.once("exit", (code) => ([isRunning, end] = [false, `it ended with ${code}`]));
          }
          return (await query(which, "SELECT 1")).length === 1;
        },
        answersMsMax,
      );
    } catch (error) {
      const log = (await fs.readFile(logFile, "utf8")).split("\n").slice(-logLinesShown).join("\n");
      throw new Error(`PostgreSQL ${which} did not start: ${end}\n${log}`, { cause: error });
    }
  }

  function signalAll(which: Which, name: NodeJS.Signals): void {
    for (const pid of processesBelow(folder(which))) {
      try {
        process.kill(pid, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }

  async function rebuildStandby(): Promise<void> {
    const standby = other(primary);
    await makeFolder(standby);
    const client = new pg.Client({ host: "127.0.0.1", port: ports[primary], user: "postgres", password, database: "postgres" });
    await client.connect();
    try {
      // What pg_basebackup does, by hand: the packaged PostgreSQL comes without it.
      await client.query("SELECT pg_backup_start('standby', true)");
      await copyLiving(folder(primary), folder(standby));
      const { rows } = await client.query("SELECT labelfile FROM pg_backup_stop(false)");
      for (const name of ["postmaster.pid", "postmaster.opts"]) await fs.rm(path.join(folder(standby), name), { force: true });
      for (const [name, text] of [
        ["backup_label", (rows[0] as { labelfile: string }).labelfile],
        ["standby.signal", ""],
      ] as const) {
        await fs.writeFile(path.join(folder(standby), name), text);
        if (account!.switched) await fs.chown(path.join(folder(standby), name), account!.uid, account!.gid);
      }
      await configure(standby, {
        port: String(ports[standby]),
        primary_conninfo: `host=127.0.0.1 port=${ports[primary]} user=repl password=${password} application_name=standby`,
        synchronous_standby_names: "",
      });
      await start(standby);
      await eventually(
        "the standby follows",
        async () => (await query(primary, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'")).length === 1,
        answersMsMax,
      );
      await client.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
      await client.query("SELECT pg_reload_conf()");
      await eventually(
        "commits wait for the standby",
        async () => (await query(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")).length === 1,
        answersMsMax,
      );
    } finally {
      await client.end();
    }
  }

  await makeFolder(0);
  const passwordFile = path.join(place, "password");
  await fs.writeFile(passwordFile, password, { mode: 0o600 });
  if (account.switched) await fs.chown(passwordFile, account.uid, account.gid);
  await run(
    programs.initdb,
    ["-D", folder(0), "-U", "postgres", "-A", "scram-sha-256", `--pwfile=${passwordFile}`, "-E", "UTF8", "--no-locale", "--data-checksums"],
    as,
  );
  await configure(0, {
    listen_addresses: "127.0.0.1",
    port: String(ports[0]),
    unix_socket_directories: "",
    wal_log_hints: "on",
    wal_keep_size: "256MB",
    wal_retrieve_retry_interval: "500ms",
    max_connections: "150",
    shared_buffers: "32MB",
  });
  await fs.appendFile(path.join(folder(0), "pg_hba.conf"), "host replication repl 127.0.0.1/32 scram-sha-256\n");
  await start(0);
  await query(0, `CREATE ROLE repl REPLICATION LOGIN PASSWORD '${password}'`);
  await query(0, `CREATE ROLE cuttle LOGIN PASSWORD '${password}'`);
  await query(0, `CREATE DATABASE ${database} OWNER cuttle`);
  await rebuildStandby();

  return {
    ports,
    get primary() {
      return primary;
    },
    connectionString: `Host=127.0.0.1,127.0.0.1;Port=${ports.join(",")};Database=${database};Username=cuttle;Password=${password}`,
    connection: ([first, second] = ports) => ({
      host: "127.0.0.1",
      port: first,
      otherHosts: [{ host: "127.0.0.1", port: second }],
      user: "cuttle",
      password,
      database,
    }),
    query,
    async kill(which) {
      await eventually(`PostgreSQL ${which} is dead`, () => {
        signalAll(which, "SIGKILL");
        return processesBelow(folder(which)).length === 0;
      });
    },
    freeze: (which) => signalAll(which, "SIGSTOP"),
    thaw: (which) => signalAll(which, "SIGCONT"),
    async promote() {
      const standby = other(primary);
      await query(standby, "SELECT pg_promote(true, 60)");
      primary = standby;
    },
    rebuildStandby,
    async startAsItWas(which, { alone } = { alone: false }) {
      if (alone) await configure(which, { synchronous_standby_names: "" });
      await start(which);
    },
  };
}

/** Files that go while they are copied are no fault: the backup's log knows what became of them. */
async function copyLiving(from: string, to: string): Promise<void> {
  try {
    await run("cp", ["-a", `${from}/.`, to]);
  } catch (error) {
    const words = String((error as { stderr?: unknown }).stderr ?? error);
    const others = words.split("\n").filter((line) => line !== "" && !/No such file or directory/.test(line));
    if (others.length > 0) throw error;
  }
}
