// Reads a PostgreSQL connection string in the three forms people have: a postgres:// URL, `Host=…;Username=…` as .NET programs write it,
// and libpq's `host=… user=…`. Pure, but for the file of a certificate authority, which the caller reads.
import type { DatabaseConnection, DatabaseHost } from "./platform/database/database.ts";

const defaultPort = 5432;
/** A primary, its standbys and a few names on the way to new machines; each is asked at a failover, and more are a mistake. */
const hostsMax = 8;

/** How the connection is protected. `verify` checks the server's certificate, `verify-host` also its name. */
export type TlsMode = "off" | "encrypt" | "verify" | "verify-host";

export interface ParsedConnection {
  connection: DatabaseConnection;
  tls: TlsMode;
  /** File with the certificate authority to trust instead of the system's. */
  tlsAuthorityFile: string | undefined;
}

/** What is wrong with a connection string, without showing any of it: it holds a password. */
export class ConnectionStringProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConnectionStringProblem";
  }
}

/** Throws ConnectionStringProblem. Unknown words are refused, because a misspelt one would silently change where we connect. */
export function parseConnectionString(text: string): ParsedConnection {
  const trimmed = text.trim();
  if (trimmed === "") throw new ConnectionStringProblem("it is empty");
  if (/^postgres(ql)?:\/\//i.test(trimmed)) return fromWords(wordsOfUrl(trimmed));
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)) throw new ConnectionStringProblem("a URL must begin with postgres://");
  return fromWords(trimmed.includes(";") || !/\s\w+\s*=/.test(trimmed) ? wordsOfDotNet(trimmed) : wordsOfLibpq(trimmed));
}

type Words = Map<string, string>;

const meanings: Readonly<Record<string, keyof Meant>> = {
  host: "host",
  server: "host",
  hostaddr: "host",
  port: "port",
  database: "database",
  dbname: "database",
  db: "database",
  username: "user",
  "user name": "user",
  "user id": "user",
  userid: "user",
  uid: "user",
  user: "user",
  password: "password",
  pwd: "password",
  sslmode: "sslMode",
  "ssl mode": "sslMode",
  sslrootcert: "sslAuthority",
  "root certificate": "sslAuthority",
  rootcertificate: "sslAuthority",
};

interface Meant {
  host: string;
  port: string;
  database: string;
  user: string;
  password: string;
  sslMode: string;
  sslAuthority: string;
}

/** Settings of other drivers that have no meaning here and do no harm: pooling, names and time limits are our own, and so is the choice of a host. */
const ignored = new Set(
  "target_session_attrs, target session attributes, application_name, application name, applicationname, connect_timeout, timeout, command timeout, commandtimeout, keepalive, pooling, maximum pool size, minimum pool size, max pool size, min pool size, maxpoolsize, minpoolsize, include error detail".split(
    ", ",
  ),
);

const sqlServerWords = [
  "initial catalog",
  "data source",
  "multipleactiveresultsets",
  "integrated security",
  "trusted_connection",
  "attachdbfilename",
];

function fromWords(words: Words): ParsedConnection {
  if (sqlServerWords.some((word) => words.has(word)) || /,\d+$/.test(words.get("server") ?? "")) {
    throw new ConnectionStringProblem("it looks like one for SQL Server, but this server needs PostgreSQL 15 or newer");
  }
  const meant: Partial<Meant> = {};
  for (const [word, value] of words) {
    const meaning = meanings[word];
    if (meaning !== undefined) meant[meaning] = value;
    else if (!ignored.has(word)) throw new ConnectionStringProblem(`it holds the word "${word.slice(0, 40)}", which is not known here`);
  }
  const { host, user, database } = meant;
  const missing = Object.entries({ host, user, database }).flatMap(([name, value]) => (value === undefined || value === "" ? [name] : []));
  if (host === undefined || user === undefined || database === undefined || missing.length > 0) {
    throw new ConnectionStringProblem(`it does not say the ${missing.join(" and the ")}`);
  }
  const [first, ...otherHosts] = hostsOf(host, meant.port);
  return {
    connection: {
      ...first,
      ...(otherHosts.length === 0 ? {} : { otherHosts }),
      user,
      password: meant.password ?? "",
      database,
    },
    tls: tlsMode(meant.sslMode, host),
    tlsAuthorityFile: meant.sslAuthority,
  };
}

/** `a,b` with `5432,5433`, with one port for all, or with ports written behind the hosts as .NET programs allow: `a:5432,b`. */
function hostsOf(host: string, port: string | undefined): [DatabaseHost, ...DatabaseHost[]] {
  const names = host.split(",").map((name) => name.trim());
  const ports = (port ?? String(defaultPort)).split(",").map((text) => text.trim());
  if (ports.length !== 1 && ports.length !== names.length)
    throw new ConnectionStringProblem(`it names ${names.length} hosts and ${ports.length} ports; give one port, or one for each host`);
  if (names.length > hostsMax) throw new ConnectionStringProblem(`it names ${names.length} hosts; more than ${hostsMax} are not asked`);
  const hosts = names.map((name, index): DatabaseHost => {
    if (name === "") throw new ConnectionStringProblem("it does not say the host before or after a comma");
    const own = names.length > 1 ? /^(\[[^\]]*\]|[^:]+):(\d{1,6})$/.exec(name) : null;
    const number = Number(own?.[2] ?? (ports[index] || ports[0] || defaultPort));
    if (!Number.isInteger(number) || number < 1 || number > 65_535)
      throw new ConnectionStringProblem("its port is not a number from 1 to 65535");
    return { host: (own?.[1] ?? name).replace(/^\[(.*)\]$/, "$1"), port: number };
  });
  if (new Set(hosts.map((one) => `${one.host} ${one.port}`)).size < hosts.length)
    throw new ConnectionStringProblem("it names the same host and port twice");
  return hosts as [DatabaseHost, ...DatabaseHost[]];
}

function tlsMode(text: string | undefined, host: string): TlsMode {
  const mode = (text ?? "disable").toLowerCase().replace(/[-_ ]/g, "");
  const modes: Readonly<Record<string, TlsMode>> = {
    disable: "off",
    // The two that mean "perhaps" protect against nobody; without a certificate to check we do not pretend.
    allow: "off",
    prefer: "off",
    require: "encrypt",
    verifyca: "verify",
    verifyfull: "verify-host",
  };
  const found = modes[mode];
  if (found === undefined) throw new ConnectionStringProblem("its sslmode is none of disable, require, verify-ca and verify-full");
  return host.startsWith("/") ? "off" : found;
}

function wordsOfUrl(text: string): Words {
  // Not the URL class: it refuses an empty host, which means that ?host= names a socket folder.
  const parts =
    /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?((?:\[[0-9a-f:.]+\]|[^:,/?#@]*)(?::\d{1,6})?(?:,(?:\[[0-9a-f:.]+\]|[^:,/?#@]*)(?::\d{1,6})?)*)(?:\/([^?#/]*))?(?:\?([^#]*))?$/i.exec(
      text,
    );
  if (parts === null) {
    throw new ConnectionStringProblem(
      "it begins like a URL but is not one; special characters in its user name or password must be percent-encoded",
    );
  }
  const words: Words = new Map();
  const hosts = parts[3]!.split(",").map((host) => /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(host)!);
  words.set("host", hosts.map(([, host]) => decode(host!)).join(","));
  if (hosts.some(([, , port]) => port !== undefined)) words.set("port", hosts.map(([, , port]) => port ?? defaultPort).join(","));
  for (const [word, value] of Object.entries({ user: parts[1], password: parts[2], database: parts[4] }))
    if (value !== undefined && value !== "") words.set(word, decode(value));
  if (words.get("host") === "") words.delete("host");
  for (const [word, value] of new URLSearchParams(parts[5] ?? "")) words.set(word.toLowerCase(), value);
  return words;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConnectionStringProblem("a percent sign in it does not begin an encoded character; write it as %25");
  }
}

/** `Word=value;Word='a;b';Word="it""s"` */
function wordsOfDotNet(text: string): Words {
  const words: Words = new Map();
  const part = /\s*([^=;]+?)\s*=\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([^;]*?))\s*(?:;|$)/y;
  while (part.lastIndex < text.length) {
    const at = part.lastIndex;
    const found = part.exec(text);
    if (found === null) {
      part.lastIndex = at;
      if (/^[;\s]*$/.test(text.slice(at))) break;
      throw new ConnectionStringProblem("one of its parts is not of the form word=value");
    }
    words.set(found[1]!.toLowerCase(), found[2]?.replaceAll('""', '"') ?? found[3]?.replaceAll("''", "'") ?? found[4] ?? "");
  }
  return words;
}

/** `word=value word='a b\'c'` */
function wordsOfLibpq(text: string): Words {
  const words: Words = new Map();
  const part = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S*))(?:\s+|$)/y;
  while (part.lastIndex < text.length) {
    const found = part.exec(text);
    if (found === null) throw new ConnectionStringProblem("one of its parts is not of the form word=value");
    words.set(found[1]!.toLowerCase(), (found[2] ?? found[3] ?? "").replace(/\\(.)/g, "$1"));
  }
  return words;
}
