// Says in one sentence why a node could not start and what to do: for the person at the terminal, who knows the settings, not the code.
import type { ServerConfig } from "./config.ts";
import { JoinRefused } from "./platform/cluster/cluster.ts";
import { DatabaseTooOld, DatabaseUnavailable, SchemaTooNew } from "./platform/database/database.ts";
import { EmbeddedPostgresError } from "./platform/database/embedded-postgres.ts";
import { MasterKeyProblem } from "./platform/secrets/secrets.ts";

/** Errors whose message already is that sentence. */
const speaking = [EmbeddedPostgresError, JoinRefused, MasterKeyProblem, DatabaseTooOld, SchemaTooNew];

/** A sentence for what is known, the whole error with its stack for what is not. Holds no secret. */
export function explainStartFailure(error: unknown, config: ServerConfig): string {
  if (!(error instanceof Error)) return `The node could not start: ${String(error)}`;
  if (speaking.some((kind) => error instanceof kind)) return error.message;
  const { code, port, syscall } = error as NodeJS.ErrnoException & { port?: number };
  if (syscall === "listen" && port !== undefined) return explainPort(code ?? "unknown error", port, config);
  const cause = (error instanceof DatabaseUnavailable ? error.cause : error) as NodeJS.ErrnoException | undefined;
  const databaseCode = cause?.code ?? code;
  if (config.database.kind === "external" && config.database.connection.otherHosts !== undefined && error instanceof DatabaseUnavailable)
    return `${error.message}. Check DB_CONNECTION_STRING.`;
  if (config.database.kind === "external" && databaseCode !== undefined) {
    const { host, port: databasePort, user, database } = config.database.connection;
    const where = `the database server at ${host}:${databasePort}`;
    const why = databaseRefusals[databaseCode];
    if (why !== undefined)
      return `Cannot use ${where}: ${why.replace("{user}", user).replace("{database}", database)} (${databaseCode}). Check DB_CONNECTION_STRING.`;
  }
  // Errors that were written to be read have a name of their own; a plain Error or TypeError is a fault of ours.
  return /^(Error|TypeError|RangeError|ReferenceError|AssertionError)$/.test(error.name)
    ? `The node could not start: ${error.stack ?? error.message}`
    : error.message;
}

const databaseRefusals: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing answers there",
  ENOENT: "there is no such socket",
  ENOTFOUND: "that name is not known",
  EAI_AGAIN: "that name could not be looked up",
  ETIMEDOUT: "it did not answer in time",
  EHOSTUNREACH: "there is no way to that host",
  ECONNRESET: "it closed the connection",
  "28P01": "it does not accept the password of {user}",
  "28000": "it does not let {user} in",
  "3D000": "it has no database {database}; make one, owned by {user}",
  "42501": "{user} may not make tables in {database}; make it the owner",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself; name it as sslrootcert or use sslmode=require",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate's authority is not trusted; name that as sslrootcert",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate's authority is not trusted; name that as sslrootcert",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

function explainPort(code: string, port: number, config: ServerConfig): string {
  const flag =
    config.web.some((address) => address.port === port) || port !== config.commsPort ? "--webListenPrefixes" : "--commsListenPort";
  const example =
    flag === "--webListenPrefixes" ? ` (for example ${flag} http://localhost:${port + 1})` : ` (for example ${flag} ${port + 1})`;
  if (code === "EADDRINUSE")
    return `Port ${port} is taken by another program. Stop that one, or choose another port with ${flag}${example}.`;
  if (code === "EACCES") return `This account may not listen on port ${port}. Choose a port above 1023 with ${flag}${example}.`;
  if (code === "EADDRNOTAVAIL")
    return `This machine does not have the address to listen on with port ${port}. Choose another one with ${flag}${example}.`;
  return `Cannot listen on port ${port} (${code}). Choose another one with ${flag}${example}.`;
}
