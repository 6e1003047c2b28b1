// One node's API in this process on a database of its own: real HTTP, real PostgreSQL, no task engine. For tests of routes.

import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import type { TestContext } from "node:test";
import { ensureAdministrator, ensureFirstSpace, featureRoutes } from "../../server/features/features.ts";
import type { FeaturesParts } from "../../server/features/features.ts";
import type { PackageFolder } from "../../server/features/library/library.ts";
import { createTaskLogFeed, createTaskLogIndex } from "../../server/engine/tasks/tasks.ts";
import type { LogFolder } from "../../server/engine/tasks/tasks.ts";
import { createFitness } from "../../server/platform/cluster/cluster.ts";
import type { Probe } from "../../server/platform/cluster/cluster.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import type { Database, DatabaseConnection } from "../../server/platform/database/database.ts";
import { openSharedFolder } from "../../server/platform/files/files.ts";
import { createEventStreams, createHttpServer } from "../../server/platform/http/http.ts";
import type { EventStreams, EventStreamsOptions, Route } from "../../server/platform/http/http.ts";
import { createPortalFiles } from "../../server/platform/portal-files/portal-files.ts";
import { createMasterKey, createSecrets } from "../../server/platform/secrets/secrets.ts";
import type { Secrets } from "../../server/platform/secrets/secrets.ts";
import { startPostgres } from "./postgres.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents whose shape the test itself states
export type Json = any;

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed document; undefined for an empty or non-JSON answer. */
  body: Json;
}

export interface ApiNode {
  url: string;
  /** For nodes beside it on the same database. */
  connection: DatabaseConnection;
  database: Database;
  secrets: Secrets;
  routes: readonly Route[];
  adminKey: string;
  /** A signed-in user without any permission. */
  nobodyKey: string;
  faults: { error: unknown; route: string }[];
  /** Where this node keeps packages. */
  sharedRoot: string;
  packageFolder: PackageFolder;
  eventStreams: EventStreams;
  /** `path` as in "/api/projects"; the administrator's key unless headers say otherwise. A string or bytes are sent as they stand. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer>;
  /** The document of a call that must succeed. */
  get(path: string): Promise<Json>;
  post(path: string, body?: unknown): Promise<Json>;
  put(path: string, body?: unknown): Promise<Json>;
  close(): Promise<void>;
}

const adminKey = "API-ADMINISTRATORADMINISTRATOR0001";
const nobodyKey = "API-NOBODYNOBODYNOBODYNOBODYNOBODY1";

/** Any certificate will do: nobody connects to it. */
export const sampleCertificate = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUR8acCKWHMMh6ik52rek5mmSE6WQwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgxNTEwMzZaGA8yMTI2MTEwNDE1MTAz
NlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPq0
0rzUc+2x1miOtPL7Hmm19Wx6WkgwGrTRfKKuW7lap3mMDpDITrrsSgLWZwwiaj1D
7BdYpIcHU/NXBniqmnSjUzBRMB0GA1UdDgQWBBTIN4rabU0wYkwTLcQJm6SLDKIH
CTAfBgNVHSMEGDAWgBTIN4rabU0wYkwTLcQJm6SLDKIHCTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIBuT7kSmG91iBrNVCyNMsnFhtf2zJUH0klZI
8n+JI0JUAiEAzm6R6FoLym4tr4UDQ1kABqtv7KDFXvqPkyO/lawtZ60=
-----END CERTIFICATE-----
`;

export async function startApiNode(
  t: TestContext | undefined,
  options: Partial<FeaturesParts> & {
    probes?: readonly Probe[];
    routes?: (own: Route[]) => Route[];
    jsonBodyBytesMax?: number;
    prefixes?: string;
    /** Where the node finds its database instead. */ through?: (connection: DatabaseConnection) => Promise<DatabaseConnection>;
    requestReceiveTimeoutMs?: number;
    /** Stands between the node and its shared folder. */
    folder?: (real: PackageFolder) => PackageFolder;
    streams?: EventStreamsOptions;
    /** Where the web portal's files lie, for tests in a browser. */
    portalFolder?: string;
  } = {},
): Promise<ApiNode> {
  const postgres = await startPostgres();
  const { connection, drop } = await postgres.createDatabase();
  const database = openDatabase({
    connection: (await options.through?.(connection)) ?? connection,
    applicationName: "cuttle-test-api",
    connectionsMax: 8,
  });
  const secrets = createSecrets(createMasterKey());
  await database.transaction(async (tx) => {
    await ensureFirstSpace(tx);
    await ensureAdministrator(tx, { username: "admin", passwordHash: null, email: "admin@example.com", apiKey: adminKey });
    // A second user whose rights are taken away again, until users can be made through the API.
    await ensureAdministrator(tx, { username: "nobody", passwordHash: null, email: null, apiKey: nobodyKey });
    await tx.execute(`UPDATE users SET is_administrator = false WHERE username = 'nobody'`);
  });
  await database.execute(
    `INSERT INTO server_nodes (id, name, task_cap, instance, version, last_seen_at) VALUES ('OctopusServerNodes-test', 'test', 5, 'i', '0', now() + interval '1 day')`,
  );
  const faults: ApiNode["faults"] = [];
  const home = await mkdtemp(path.join(tmpdir(), "cuttle-api-"));
  const shared = await openSharedFolder({ root: path.join(home, "shared") });
  const packageFolder = options.folder?.(shared) ?? shared;
  const logFolder = options.logFolder ?? noLogs;
  const eventStreams = createEventStreams({ reportFault: (error) => void faults.push({ error, route: "events" }) }, options.streams);
  const installationId = randomUUID();
  const own = featureRoutes({
    database,
    secrets,
    logFolder,
    logFeed: createTaskLogFeed({ database, folder: logFolder }),
    logIndex: createTaskLogIndex({ folder: logFolder }),
    eventStreams,
    packageFolder,
    prepareArchives: () => {},
    installationId,
    certificate: { thumbprint: "ab".repeat(20), signatureAlgorithm: "sha256RSA", pem: sampleCertificate },
    nodeName: "test",
    nodeChanged: () => {},
    askForHealthCheck: async () => {},
    agentArchives: sampleArchives,
    commsPort: 10_943,
    discoverAgent: async () => ({ ok: true, thumbprint: "CD".repeat(20) }),
    queueableTasks: ["Health"],
    fitness: createFitness({
      probes: options.probes ?? [{ name: "Database", check: () => database.query("SELECT 1") }],
      log: { warn: () => {} },
    }),
    ...options,
  });
  const routes = options.routes?.(own) ?? own;
  const server = createHttpServer({
    database,
    routes,
    nodeName: "test",
    reportFault: (fault) => void faults.push(fault),
    ...(options.portalFolder === undefined ? {} : { pages: createPortalFiles({ folders: [options.portalFolder], installationId }) }),
    ...(options.jsonBodyBytesMax === undefined ? {} : { jsonBodyBytesMax: options.jsonBodyBytesMax }),
    ...(options.requestReceiveTimeoutMs === undefined ? {} : { requestReceiveTimeoutMs: options.requestReceiveTimeoutMs }),
  });
  const [address] = await server.listen(options.prefixes ?? "http://127.0.0.1:0");
  const url = `http://127.0.0.1:${address!.port}`;

  async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<ApiAnswer> {
    const payload =
      body === undefined ? {} : { body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body) };
    const sent = new Headers({ "X-Octopus-ApiKey": adminKey, ...(body === undefined ? {} : { "Content-Type": "application/json" }) });
    for (const [name, value] of Object.entries(headers)) sent.set(name, value);
    const response = await fetch(url + path, {
      method,
      headers: sent,
      ...payload,
      redirect: "manual",
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    return { status: response.status, headers: response.headers, text, body: isJson && text !== "" ? JSON.parse(text) : undefined };
  }
  async function must(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
    return answer.body;
  }
  const node: ApiNode = {
    url,
    connection,
    database,
    secrets,
    routes,
    adminKey,
    nobodyKey,
    faults,
    sharedRoot: shared.root,
    packageFolder,
    eventStreams,
    call,
    get: (path) => must("GET", path),
    post: (path, body) => must("POST", path, body ?? {}),
    put: (path, body) => must("PUT", path, body ?? {}),
    async close() {
      await eventStreams.close();
      await server.close(10_000);
      await database.close();
      await drop();
      await rm(home, { recursive: true });
    },
  };
  t?.after(() => node.close());
  return node;
}

/** What a node hands out that has an archive of the agent. */
const sampleArchive = Buffer.from("an archive");
const sampleArchives: FeaturesParts["agentArchives"] = {
  list: async () => [
    {
      file: "cuttle-agent-0.0.0-linux-x64.tar.gz",
      platform: "linux-x64",
      bytes: sampleArchive.length,
      sha256: createHash("sha256").update(sampleArchive).digest("hex"),
    },
  ],
  open: (_archive, from, to) => Readable.from([sampleArchive.subarray(from, to)]),
};

const noLogs: LogFolder = {
  createPart: () => Promise.reject(new Error("This node writes no logs.")),
  readPart: () => Promise.reject(new Error("This node has no logs.")),
};

/** Bodies of things that tests need to exist. */
export const make = {
  environment: (node: ApiNode, name: string) => node.post("/api/environments", { Name: name }),
  machine: (node: ApiNode, name: string, environmentIds: string[], roles = ["web"]) =>
    node.post("/api/machines", {
      Name: name,
      EnvironmentIds: environmentIds,
      Roles: roles,
      Endpoint: { CommunicationStyle: "TentaclePassive", Uri: "https://localhost:10933/", Thumbprint: "cd".repeat(20) },
    }),
  project: async (node: ApiNode, name: string) => {
    const [group] = await node.get("/api/projectgroups/all");
    const [lifecycle] = await node.get("/api/lifecycles/all");
    return node.post("/api/projects", { Name: name, ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
  },
  process: (node: ApiNode, projectId: string, body = "echo hello") =>
    node.put(`/api/projects/${projectId}/deploymentprocesses`, {
      Steps: [
        {
          Name: "Say hello",
          Properties: { "Octopus.Action.TargetRoles": "web" },
          Actions: [
            {
              Name: "Say hello",
              ActionType: "Octopus.Script",
              Properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": body },
            },
          ],
        },
      ],
    }),
  release: (node: ApiNode, projectId: string, version: string) => node.post("/api/releases", { ProjectId: projectId, Version: version }),
};
