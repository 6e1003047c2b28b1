// A program: PostgreSQL on a data folder and a loopback port, for trials that kill it and bring it back. Says in one line of JSON
// when it answers; ends it at SIGTERM. Durable as in production, since a trial of loss with a lossy database shows nothing.
import { startEmbeddedPostgres } from "../../server/platform/database/embedded-postgres.ts";

const [dataRoot, port, connectionsMax] = process.argv.slice(2);
if (dataRoot === undefined || port === undefined) throw new Error("Usage: cluster-postgres.ts <folder> <port> [connections]");

const postgres = await startEmbeddedPostgres({
  dataRoot,
  sharePort: Number(port),
  programsFolder: process.env["CUTTLE_TEST_PGBIN"],
  ...(connectionsMax === undefined ? {} : { settings: { max_connections: connectionsMax } }),
  log: { info: () => undefined, warn: (message) => process.stderr.write(`${message}\n`) },
});
process.once("SIGTERM", () => void postgres.stop().then(() => process.exit(0)));
const { user, password, database } = postgres.connection;
const connectionString = `Host=127.0.0.1;Port=${port};Database=${database};Username=${user};Password=${password}`;
process.stdout.write(`${JSON.stringify({ connectionString, pid: postgres.pid })}\n`);
