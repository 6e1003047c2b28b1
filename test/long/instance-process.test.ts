// An agent as an operator of agents sets it up: instance, certificate, registration and service word by word, against a real node, over real
// HTTP and real TLS; then deployments, which the outside observer judges.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { clusterApiKey, createCluster, freePort } from "../support/cluster.ts";
import type { AgentProcess, Cluster, ServerProcess } from "../support/cluster.ts";
import { startConnectProxy } from "../support/connect-proxy.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import type { ObservedProject, Observer } from "../support/observer.ts";

const linux = { skip: process.platform === "linux" ? false : "the agent runs on Linux" } as const;

describe("an agent that is set up by its commands", { ...linux, timeout: 180_000 }, () => {
  let cluster: Cluster;
  let server: ServerProcess;
  let api: ClusterApi;
  let observer: Observer;
  let project: ObservedProject;
  let polling: AgentProcess;
  let listening: AgentProcess;

  before(async () => {
    cluster = await createCluster();
    server = await cluster.server({ name: "node-a", environment: { ADMIN_PASSWORD: "Much better 1" } });
    await server.start();
    api = createClusterApi(() => [server.ready.url]);
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    project = await observer.prepare({ name: "shop", environments: 1, machines: [], steps: [{ lines: 5, pauseMs: 5 }] });
  });
  after(async () => {
    await cluster?.close();
  });

  /** Runs a command that has to work; answers its last line. */
  async function agent(...words: string[]): Promise<string | undefined> {
    const { exitCode, stdout, stderr } = await cluster.agentCommand(...words);
    assert.equal(exitCode, 0, `${words.join(" ")}: ${stdout}${stderr}`);
    return stdout.trimEnd().split("\n").at(-1);
  }
  const restart = "These changes require a restart of the Tentacle.";
  const asAdmin = (): string[] => ["--server", server.ready.url, "--apiKey", clusterApiKey];
  const asTarget = ["--environment", "shop 1", "--role", "observed-shop"];
  const commsPort = (): string[] => ["--server-comms-port", String(server.ready.commsPort)];

  async function machines(): Promise<Document[]> {
    return await api.get("/api/machines/all");
  }
  const isExamined = (name: string) => async (): Promise<boolean> =>
    (await machines()).some((machine) => machine["Name"] === name && /^(Healthy|HasWarnings)$/.test(machine["HealthStatus"]));

  test("registers as a polling target by API key, runs as an instance, is healthy and deploys", async () => {
    const home = path.join(cluster.root, "polling");
    await agent("create-instance", "--instance", "polling", "--config", path.join(home, "polling.config"), "--home", home);
    await agent("new-certificate", "--instance", "polling", "--if-blank");
    await agent("configure", "--instance", "polling", "--noListen", "True");
    const words = ["--instance", "polling", "--name", "web-polling", "--comms-style", "TentacleActive", ...asTarget];
    assert.equal(await agent("register-with", ...words, ...asAdmin(), ...commsPort()), restart);
    polling = cluster.agentInstance({ name: "polling", home });
    await polling.start();
    await eventually("web-polling is healthy", isExamined("web-polling"));
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
    assert.match(
      (await agent("livez", "--instance", "polling")) ?? "",
      /^The Tentacle agent is alive; the last sign of life is \d+ s old\.$/,
    );
  });

  test("registers as a listening target by user name and password, with an instance of its own", async () => {
    const home = path.join(cluster.root, "listening");
    const port = String(await freePort());
    await agent("create-instance", "--instance", "listening", "--config", path.join(home, "listening.config"));
    await agent("new-certificate", "--instance", "listening");
    await agent("configure", "--instance", "listening", "--port", port, "--listenIpAddress", "127.0.0.1", "--noListen", "False");
    const words = ["--instance", "listening", "--name", "web-listening", "--publicHostName", "127.0.0.1", ...asTarget];
    const login = ["--server", server.ready.url, "--username", "admin", "--password", "Much better 1"];
    assert.equal(await agent("register-with", ...words, ...login), restart);
    listening = cluster.agentInstance({ name: "listening", home });
    assert.equal((await listening.start()).port, Number(port));
    await eventually("web-listening is healthy", isExamined("web-listening"));
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
  });

  test("a name that is taken is refused, with --force the machine is changed, and a wrong key changes nothing", async () => {
    const words = ["register-with", "--instance", "listening", "--name", "WEB-listening", "--publicHostName", "127.0.0.1", ...asTarget];
    const again = await cluster.agentCommand(...words, ...asAdmin());
    assert.deepEqual([again.exitCode, /already exists/.test(again.stderr)], [1, true], again.stderr);
    assert.equal(await agent(...words, "--role", "db", "--force", ...asAdmin()), restart);
    const [machine] = (await machines()).filter(({ Name }) => Name === "web-listening");
    assert.deepEqual([machine!["Roles"].sort(), (await machines()).length], [["db", "observed-shop"], 2]);
    const wrong = await cluster.agentCommand(
      ...words,
      "--force",
      "--server",
      server.ready.url,
      "--apiKey",
      "API-WRONGWRONGWRONGWRONGWRONG0",
    );
    assert.equal(wrong.exitCode, 100, wrong.stderr);
    assert.match(wrong.stderr, /API key/);
    assert.doesNotMatch(wrong.stdout + wrong.stderr, /WRONGWRONG/);
  });

  test("is told of one more node to poll, and polls both with one subscription after its restart", async () => {
    assert.equal(
      await agent(
        "poll-server",
        "--instance",
        "polling",
        ...asAdmin(),
        "--server-comms-address",
        `https://127.0.0.1:${server.ready.commsPort}`,
      ),
      restart,
    );
    await polling.stop();
    await polling.start();
    await eventually(
      "it polls both addresses",
      () => /Polling 127\.0\.0\.1:/.test(polling.lastWords()) && /Polling localhost:/.test(polling.lastWords()),
    );
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
  });

  test("polls through the proxy that it is given, and only through it", async () => {
    const proxy = await startConnectProxy();
    const words = ["polling-proxy", "--instance", "polling", "--proxyEnable", "true", "--proxyHost", "127.0.0.1"];
    await agent(...words, "--proxyPort", String(proxy.port), "--proxyUsername", "ann", "--proxyPassword", "s3cret: of ann");
    await polling.stop();
    await polling.start();
    const told = `through the proxy 127.0.0.1:${proxy.port}`;
    await eventually("it polls through the proxy", () =>
      polling.lastWords().includes(`Polling localhost:${server.ready.commsPort} ${told}`),
    );
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
    const credentials = Buffer.from("ann:s3cret: of ann").toString("base64");
    for (const head of proxy.asked)
      assert.match(head, new RegExp(`^CONNECT (localhost|127\\.0\\.0\\.1):${server.ready.commsPort} .*${credentials}`, "s"));
    assert.doesNotMatch(polling.lastWords(), /s3cret/);
    proxy.close();
    await eventually("without the proxy it has no way", () => /Not connected to .* through the proxy/.test(polling.lastWords()));
    await agent("polling-proxy", "--instance", "polling", "--proxyEnable", "false");
    await polling.stop();
    await polling.start();
    assert.deepEqual(await observer.faultsOf(await observer.deploy(project)), []);
  });

  test("registers as a worker into a pool, and leaves it", async () => {
    const words = ["--instance", "polling", "--name", "worker-1", "--comms-style", "TentacleActive", "--workerpool", "Default Worker Pool"];
    assert.equal(await agent("register-worker", ...words, ...asAdmin(), ...commsPort()), restart);
    const workers: Document[] = await api.get("/api/workers/all");
    assert.deepEqual(
      workers.map(({ Name }) => Name),
      ["worker-1"],
    );
    assert.equal(await agent("deregister-worker", "--instance", "polling", ...asAdmin()), "Worker deregistered successfully");
    assert.deepEqual(await api.get("/api/workers/all"), []);
  });

  test("shows what the server knows of it, deregisters, and is not there any more", async () => {
    const shown = await cluster.agentCommand("show-configuration", "--instance", "polling", ...asAdmin());
    assert.equal(shown.exitCode, 0, shown.stderr);
    const { Tentacle } = JSON.parse(shown.stdout);
    assert.deepEqual([Tentacle.DisplayName, Tentacle.Roles, Tentacle.Environments[0].Name], ["web-polling", ["observed-shop"], "shop 1"]);
    await agent("create-instance", "--instance", "busy", "--config", path.join(cluster.root, "busy", "busy.config"));
    await agent("configure", "--instance", "busy", "--port", String(listening.ready.port), "--listenIpAddress", "127.0.0.1");
    const busy = await cluster.agentCommand("run", "--instance", "busy", "--noninteractive");
    assert.equal(busy.exitCode, 100);
    assert.match(busy.stderr, /:\d+\. Another program uses the port; choose one with configure --port=NUMBER\.\n$/);
    const left = await cluster.agentCommand("deregister-from", "--instance", "polling", ...asAdmin());
    assert.deepEqual([left.exitCode, left.stdout.trimEnd().split("\n").at(-1)], [0, "Machine deregistered successfully"]);
    assert.match(left.stdout, /The Octopus Server is still trusted\..*--remove-trust=[0-9A-F]{40}/);
    assert.deepEqual(
      (await machines()).map(({ Name }) => Name),
      ["web-listening"],
    );
    const none = await cluster.agentCommand("deregister-from", "--instance", "polling", ...asAdmin());
    assert.deepEqual([none.exitCode, none.stderr], [1, "No machine was found matching this Tentacle's thumbprint.\n"]);
    // What is not trusted any more needs no hint how to end the trust.
    await agent("configure", "--instance", "listening", "--reset-trust");
    const untrusted = await cluster.agentCommand("deregister-from", "--instance", "listening", ...asAdmin());
    assert.deepEqual([untrusted.exitCode, /still trusted/.test(untrusted.stdout)], [0, false], untrusted.stderr);
  });
});
