// The agent's commands that ask a server, against the recorded answers of all conversations of a widely used agent: same exit codes, same lines,
// same settings afterwards, and the same documents sent to the server in every member that matters. How often something is read may differ.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { availableParallelism, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createHalibutListener, createIdentity } from "@cuttle/halibut";
import { openConfiguration, settingKeys } from "../configuration/configuration.ts";
import { type CommandIo, runCommand } from "./commands.ts";

const fixtures = new URL("../../contract/fixtures/agent-rest/", import.meta.url);
const agentThumbprint = "A6E17CA6E17CA6E17CA6E17CA6E17CA6E17CA6E1";

interface Exchange {
  request: { effectiveMethod: string; path: string; headers: Record<string, string>; body: Record<string, unknown> | null };
  response: { status: number; headers: Record<string, string | string[]>; body: unknown };
}

interface Step {
  command: string[];
  exitCode: number;
  stdout: string[];
  stderr: string[];
  handshakes: unknown[];
  exchanges: Exchange[];
  configAfter: { TrustedOctopusServers: Record<string, unknown>[] | null; PollingConnectionCount?: string } | null;
}

/** Members of a document that a server acts on. */
const matters = [
  "Name",
  "SpaceId",
  "MachinePolicyId",
  "EnvironmentIds",
  "Roles",
  "TenantIds",
  "TenantTags",
  "TenantedDeploymentParticipation",
  "WorkerPoolIds",
];
const endpointMatters = ["CommunicationStyle", "Uri", "Thumbprint", "ProxyId"];

const credentials = ["x-octopus-apikey", "authorization", "cookie", "x-octopus-csrf-token"];

/** Scenarios in which a line differs, and why; exit codes and what was sent are compared all the same. */
const linesDiffer: { readonly [scenario: string]: string } = {
  "16-poll-server-trusted-but-not-polling": "names the one way there is here, without web sockets",
  "39-fail-api-version": "names this agent's versions in its own words",
  "40-fail-no-server": "one sentence instead of a stack",
  "41-fail-comms-port-closed": "the tries are told in one line each",
  "44-fail-server-error": "the server's trace is left out",
};

const folder = mkdtempSync(join(tmpdir(), "cuttle-registration-"));
let communications: { port: number; close(): Promise<void> };
/** Where the recording met a port that nobody listens on. */
let closedPort: number;

before(async () => {
  const listener = createHalibutListener({ identity: await createIdentity("a server"), isTrusted: () => false, services: [] });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  communications = { port, close: () => listener.close() };
  closedPort = await portWithNobody();
});

/** Nobody listens there: its number was somebody's a moment ago, and is given to others last. */
async function portWithNobody(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1" }, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

after(async () => {
  await communications.close();
  rmSync(folder, { recursive: true, force: true });
});

for (const name of readdirSync(fixtures)
  .filter((one) => /^\d\d-.*\.json$/.test(one))
  .sort()) {
  const scenario = name.replace(/\.json$/, "");
  test(`as recorded: ${scenario}`, async () => {
    const { steps } = JSON.parse(readFileSync(new URL(name, fixtures), "utf8")) as { steps: Step[] };
    const file = join(folder, `${scenario}.config`);
    writeFileSync(file, settingsAsRecorded());
    for (const step of steps) await checkStep(scenario, step, file);
  });
}

async function checkStep(scenario: string, step: Step, file: string): Promise<void> {
  const server = await answerAsRecorded(step.exchanges);
  try {
    const ran = await run(step.command.slice(1), file, server.port);
    const what = `${scenario}: ${step.command.join(" ")}\n${ran.stdout.join("\n")}\n${ran.stderr.join("\n")}`;
    assert.equal(ran.exitCode, step.exitCode, what);
    if (!(scenario in linesDiffer)) {
      assert.deepEqual(ran.stdout, step.stdout.map(steady), what);
      // With exit code 100 the recorded agent prints a banner around the sentence.
      if (step.exitCode === 100) for (const line of ran.stderr) assert.ok(step.stderr.includes(line), `${line}\n${what}`);
      else assert.deepEqual(ran.stderr, step.stderr.map(steady), what);
    }
    if (step.exitCode === 0) assert.equal(ran.stdout.at(-1), steady(step.stdout.at(-1) ?? ""), what);
    assert.deepEqual(server.unknown, [], what);
    assert.deepEqual(server.changes, changesOf(step.exchanges), what);
    await checkSettings(step, file);
  } finally {
    await server.close();
  }
}

async function run(words: readonly string[], file: string, port: number) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const io: CommandIo = {
    environment: { TentacleMachineConfigurationHomeDirectory: folder },
    folder,
    version: "9.1.0",
    programName: "Tentacle",
    program: ["/opt/octopus/tentacle/Tentacle"],
    say: (line) => void stdout.push(...line.split("\n")),
    print: (text) => void stdout.push(...text.split("\n")),
    complain: (line) => void stderr.push(...line.split("\n")),
    serve: () => assert.fail("no agent is to run"),
  };
  // The recorded places, at the ports of this run.
  const placed = words.map((word) =>
    word
      .replace("127.0.0.1:18065", `127.0.0.1:${port}`)
      .replace(/\b10943$/, String(communications.port))
      .replace(/^18943$/, String(closedPort)),
  );
  const isPolling = placed.includes("TentacleActive") || (placed[0] === "poll-server" && !placed.includes("--reuse-server-thumbprint"));
  if (isPolling && !placed.includes("--server-comms-port")) placed.push("--server-comms-port", String(communications.port));
  const at = placed.indexOf("--instance");
  placed.splice(at, 2, "--config", file);
  const exitCode = await runCommand(placed, io);
  const plain = (line: string): string =>
    steady(line)
      .replaceAll(`127.0.0.1:${port}`, "127.0.0.1:18065")
      .replaceAll(String(communications.port), "10943")
      .replaceAll(String(closedPort), "18943")
      .replaceAll(`--config "${file}"`, "--instance Tentacle");
  return { exitCode, stdout: stdout.map(plain), stderr: stderr.map(plain) };
}

/** What differs from run to run and from machine to machine. */
function steady(line: string): string {
  return line
    .replace(/poll:\/\/[a-z0-9]{20}\//g, "poll://<subscription>/")
    .replaceAll(hostname(), "labhost")
    .replace(/^(Setting the polling connection count to )[5-9]\d*$/, `$1${Math.max(5, availableParallelism())}`);
}

/** A server that gives the recorded answers, each request's in their order, and keeps what was sent to change something. */
async function answerAsRecorded(exchanges: readonly Exchange[]) {
  // In whose name it is asked is part of the question: after a sign-in, cookies and the token against forged requests.
  const key = (method: string, path: string, headers: http.IncomingHttpHeaders): string =>
    [method, decodeURIComponent(path).toLowerCase(), ...credentials.map((one) => headers[one] ?? "")].join(" ").trim();
  const answers = new Map<string, Exchange["response"][]>();
  for (const { request, response } of exchanges) {
    const at = key(request.effectiveMethod, request.path.replace("<agent thumbprint>", agentThumbprint), request.headers);
    answers.set(at, [...(answers.get(at) ?? []), response]);
  }
  const unknown: string[] = [];
  const changes: unknown[] = [];
  const server = http.createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => answer(request, response, pieces));
  });
  const answer = (request: http.IncomingMessage, response: http.ServerResponse, pieces: readonly Buffer[]): void => {
    const asked = key(request.method!, steady(request.url!), request.headers);
    const list = answers.get(asked);
    const recorded = list !== undefined && list.length > 1 ? list.shift() : list?.[0];
    const isSignIn = request.url === "/api/users/login";
    if (request.method !== "GET" && !isSignIn) changes.push(describeChange(request.method!, request.url!, pieces));
    if (recorded === undefined) {
      unknown.push(asked);
      response.writeHead(404).end("{}");
      return;
    }
    response.writeHead(recorded.status, recorded.headers).end(recorded.body === null ? "" : JSON.stringify(recorded.body));
  };
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1" }, resolve));
  const close = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { port: (server.address() as AddressInfo).port, unknown, changes, close };
}

function describeChange(method: string, path: string, pieces: readonly Buffer[]): unknown {
  const text = Buffer.concat(pieces).toString("utf8");
  return { method, path, ...(text === "" ? {} : { body: onlyWhatMatters(JSON.parse(text)) }) };
}

function changesOf(exchanges: readonly Exchange[]): unknown[] {
  return exchanges
    .filter(({ request }) => request.effectiveMethod !== "GET" && request.path !== "/api/users/login")
    .map(({ request }) => ({
      method: request.effectiveMethod,
      path: request.path,
      ...(request.body === null ? {} : { body: onlyWhatMatters(request.body) }),
    }));
}

function onlyWhatMatters(body: Record<string, unknown>): unknown {
  const pick = (from: Record<string, unknown>, names: readonly string[]) =>
    Object.fromEntries(names.filter((one) => one in from).map((one) => [one, from[one]]));
  const kept = { ...pick(body, matters), Endpoint: pick((body["Endpoint"] ?? {}) as Record<string, unknown>, endpointMatters) };
  return JSON.parse(steady(JSON.stringify(kept)));
}

async function checkSettings({ configAfter }: Step, file: string): Promise<void> {
  const configuration = await openConfiguration(file);
  const text = configuration.get(settingKeys.trustedServers);
  const servers = text === undefined ? null : JSON.parse(steady(text).replaceAll(String(communications.port), "10943"));
  const recorded = configAfter?.TrustedOctopusServers ?? null;
  assert.deepEqual(servers, recorded === null ? null : JSON.parse(steady(JSON.stringify(recorded))));
  const count = configAfter?.PollingConnectionCount;
  const expected = count === undefined ? undefined : Number(count) >= 5 ? String(Math.max(5, availableParallelism())) : count;
  assert.equal(configuration.get(settingKeys.pollingConnectionCount), expected);
}

/** The settings the recorded agent had before its first command of a scenario. */
function settingsAsRecorded(): string {
  const settings = {
    [settingKeys.home]: "/etc/octopus/Tentacle",
    [settingKeys.thumbprint]: agentThumbprint,
    [settingKeys.applications]: "/home/Octopus/Applications",
    [settingKeys.listenAddress]: "127.0.0.1",
    [settingKeys.noListen]: "false",
    [settingKeys.port]: "10933",
  };
  const lines = Object.entries(settings).map(([key, text]) => `<set key="${key}">${text}</set>`);
  return `<octopus-settings>${lines.join("")}</octopus-settings>`;
}
