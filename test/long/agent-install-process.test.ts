// The pasted line as somebody pastes it: a real server, a real archive with its Node, a shell with nothing of ours, an ordinary user's home.
// The agent becomes healthy and deploys; what is used twice, tampered with, or interrupted ends as it should.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi, Document } from "../support/cluster-api.ts";
import { createCluster, freePort } from "../support/cluster.ts";
import type { Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createPastedMachine, makeAgentArchive } from "../support/pasted-line.ts";
import type { PastedMachine } from "../support/pasted-line.ts";

const linux = { skip: process.platform === "linux" ? false : "the agent runs on Linux" } as const;
/** A check, or the first words of the script, on a machine where everything else runs too. */
const busyMsMax = 120_000;

describe("a pasted line", { ...linux, timeout: 900_000 }, () => {
  let cluster: Cluster;
  let server: ServerProcess;
  let api: ClusterApi;
  let archives: string;
  let environment: Document;
  const machines: PastedMachine[] = [];

  before(async () => {
    cluster = await createCluster();
    archives = path.join(cluster.root, "archives");
    await makeAgentArchive(archives);
    server = await cluster.server({ name: "node-1", environment: { CUTTLE_AGENT_ARCHIVES: archives } });
    await server.start();
    api = createClusterApi(() => [server.ready.url]);
    environment = await api.create("/api/environments", { Name: "Test" });
  });
  after(async () => {
    for (const machine of machines) machine.endAgent();
    await cluster?.close();
  });

  const newToken = (more: object): Promise<Document> =>
    api.create("/api/machines/install-tokens", { EnvironmentIds: [environment.Id], Roles: ["web"], ...more });

  function newMachine(name: string): PastedMachine {
    const machine = createPastedMachine(cluster.root, name);
    machines.push(machine);
    return machine;
  }

  /** The state of another check by script, as a person would ask for one. */
  async function checkAgain(machineId: string): Promise<string> {
    const task = await api.create("/api/tasks", { Name: "Health", Arguments: { MachineIds: [machineId] } });
    const end = await eventually(
      "its check is over",
      async () => {
        const now = await api.get(`/api/tasks/${task.Id}`);
        return now.IsCompleted ? now : undefined;
      },
      busyMsMax,
    );
    return end.State;
  }

  for (const style of ["TentacleActive", "TentaclePassive"] as const) {
    test(`D7 S1: a ${style} agent is healthy when the line ends, its token stands in no process and no log, and the line is good once`, async () => {
      const machine = newMachine(style);
      const port = await freePort();
      const token = await newToken({ CommunicationStyle: style, MachineName: style });
      const { code, said } = await machine.paste(token.ShellLine, { CUTTLE_AGENT_PORT: String(port) });
      assert.equal(code, 0, said);
      const state = await api.get(token.Links.Self);
      assert.equal(state.State, "Healthy", state.Message);
      assert.deepEqual(
        state.Stages.map((one: Document) => one.Stage),
        ["Started", "Downloaded", "Installed", "Registered", "Healthy"],
      );
      assert.equal(await checkAgain(state.MachineId), "Success");
      const folder = machine.agentFolder;
      const agentPid = readFileSync(path.join(folder, "agent.pid"), "utf8").trim();
      const everything = [
        said,
        readFileSync(`/proc/${agentPid}/environ`, "utf8"),
        readFileSync(path.join(folder, "agent.log"), "utf8"),
        server.lastWords(10_000),
      ];
      for (const text of everything) assert.ok(!text.includes(token.Token), "the token is where others may read it");
      // On another machine.
      const other = newMachine(`${style} twice`);
      const twice = await other.paste(token.ShellLine, { CUTTLE_AGENT_PORT: String(await freePort()) });
      assert.equal(twice.code, 1, twice.said);
      assert.match(twice.said, new RegExp(`used already, by the machine ${style}`));
      assert.equal((await api.get("/api/machines/all")).filter((one: Document) => one.Name === style).length, 1);
      assert.ok(!existsSync(path.join(other.agentFolder, "agent.pid")));
      // Here it goes on where it was.
      const again = await machine.paste(token.ShellLine, { CUTTLE_AGENT_PORT: String(port) });
      assert.equal(again.code, 0, again.said);
      machine.endAgent();
    });
  }

  test("a download that is not what the server packed is thrown away, and nothing is registered", async () => {
    const machine = newMachine("tampered");
    const token = await newToken({ MachineName: "tampered" });
    const [name] = readdirSync(archives);
    // The script with the hash was read before the file changed; what the server says of itself is always right.
    const script = await (await fetch(`${server.ready.url}/api/agent/install`)).text();
    const wrong = script.replace(/sha256=[0-9a-f]{64}/, `sha256=${"0".repeat(64)}`);
    assert.ok(name !== undefined && wrong !== script && script.includes(name));
    const file = path.join(cluster.root, "install.sh");
    writeFileSync(file, wrong);
    const { code, said } = await machine.paste(`CUTTLE_INSTALL_TOKEN=${token.Token} sh '${file}'`);
    assert.equal(code, 1, said);
    assert.match(said, /wrong hash .* and was thrown away/);
    const state = await api.get(token.Links.Self);
    assert.deepEqual([state.State, state.MachineId], ["Failed", null]);
    assert.match(state.Message, /wrong hash/);
    assert.deepEqual(readdirSync(path.join(machine.agentFolder, "downloads")), []);
  });

  test("D7: a server that is killed in the middle is waited for, and the same line ends well", async () => {
    const machine = newMachine("interrupted");
    const token = await newToken({ MachineName: "interrupted", CommunicationStyle: "TentacleActive" });
    const pasted = machine.paste(token.ShellLine);
    await eventually("it has begun", async () => (await api.get(token.Links.Self)).State !== "Waiting", busyMsMax);
    await server.kill();
    await server.start();
    const { code, said } = await pasted;
    assert.equal(code, 0, said);
    assert.equal((await api.get(token.Links.Self)).State, "Healthy");
    assert.equal((await api.get("/api/machines/all")).filter((one: Document) => one.Name === "interrupted").length, 1);
    machine.endAgent();
  });

  test("a revoked token is refused before anything is downloaded", async () => {
    const machine = newMachine("revoked");
    const token = await newToken({ MachineName: "revoked" });
    assert.equal((await api.once(server.ready.url, "DELETE", token.Links.Self)).status, 200);
    const { code, said } = await machine.paste(token.ShellLine);
    assert.equal(code, 1, said);
    assert.match(said, /This install token was revoked/);
    assert.ok(!existsSync(path.join(machine.agentFolder, "downloads")));
  });
});
