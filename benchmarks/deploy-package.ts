// A package to many agents at once: from the request to the end of the deployment, when no agent has it, when all have it, and when a new
// version differs in one file. Judged by what lies on the agents' disks. Beside it in the same run: Ansible, which copies and unpacks the
// same archive on as many hosts. Runs soon after one another hinder each other on ext4 without a journal: it looks past each file that was
// removed in the last minutes before it makes a new one, half of all processor time in the third run. With TMPDIR=/dev/shm there is no disk.

import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { makeZip } from "../test/support/archives.ts";
import { startAnsible } from "./ansible-peer.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { processorTime } from "./processor-time.ts";
import { apiKey, call, percentile, startAgent, startServer, until } from "./programs.ts";
import type { Program } from "./programs.ts";

const counts = readCounts({ agents: 10, files: 200, bytes: 5_000_000, rounds: 5, peerRounds: 1 });
/** On a quiet machine with two cores: with 10 agents, and with 50. */
const reachMs = counts.agents <= 10 ? { first: 1_200, again: 500 } : { first: 6_000, again: 2_000 };
const timesPeer = 12;

const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-package-"));
const server = await startServer({ home: path.join(folder, "home"), port: 18_841 });
const { url } = server.ready;
const agents: Program[] = [];
for (let n = 0; n < counts.agents; n++)
  agents.push(await startAgent({ home: path.join(folder, `agent-${n}`), port: 18_842 + n, trust: server.ready.thumbprint }));

const environment = await call(url, "POST", "/environments", { Name: "Production" });
for (const [n, agent] of agents.entries()) {
  await call(url, "POST", "/machines", {
    Name: `machine ${n}`,
    EnvironmentIds: [environment.Id],
    Roles: ["web"],
    Endpoint: { CommunicationStyle: "TentaclePassive", Uri: `https://127.0.0.1:${agent.ready.port}/`, Thumbprint: agent.ready.thumbprint },
  });
}
await until(async () => (await call(url, "GET", "/machines/all")).every((one: { HealthStatus: string }) => one.HealthStatus === "Healthy"));
const [group] = (await call(url, "GET", "/projectgroups")).Items;
const [lifecycle] = (await call(url, "GET", "/lifecycles")).Items;
const project = await call(url, "POST", "/projects", { Name: "Shop", ProjectGroupId: group.Id, LifecycleId: lifecycle.Id });
const process_ = await call(url, "GET", `/deploymentprocesses/${project.DeploymentProcessId}`);
await call(url, "PUT", `/deploymentprocesses/${process_.Id}`, {
  ...process_,
  Steps: [
    {
      Name: "Shop",
      Properties: { "Octopus.Action.TargetRoles": "web" },
      Actions: [
        {
          Name: "Shop",
          ActionType: "Octopus.TentaclePackage",
          Packages: [{ Name: "", PackageId: "Acme.Shop", FeedId: "feeds-builtin" }],
          Properties: { "Octopus.Action.Package.PackageId": "Acme.Shop", "Octopus.Action.Package.FeedId": "feeds-builtin" },
        },
      ],
    },
  ],
});

const perFile = Math.ceil(counts.bytes / counts.files);
const newFiles = () => Array.from({ length: counts.files }, (_, n) => ({ name: `files/${n}.bin`, content: randomBytes(perFile) }));
let version = 0;

async function push(zip: Buffer): Promise<string> {
  version += 1;
  const form = new FormData();
  form.append("file", new Blob([new Uint8Array(zip)]), `Acme.Shop.${version}.0.0.zip`);
  const response = await fetch(`${url}/api/packages/raw`, { method: "POST", headers: { "X-Octopus-ApiKey": apiKey }, body: form });
  if (!response.ok) throw new Error(`The push answered ${response.status}: ${await response.text()}`);
  const release = await call(url, "POST", "/releases", {
    ProjectId: project.Id,
    Version: `${version}.0.0`,
    SelectedPackages: [{ ActionName: "Shop", PackageReferenceName: "", Version: `${version}.0.0` }],
  });
  return release.Id;
}

async function deploy(releaseId: string): Promise<number> {
  const startedMs = performance.now();
  const { TaskId } = await call(url, "POST", "/deployments", { ReleaseId: releaseId, EnvironmentId: environment.Id });
  let task = { State: "", IsCompleted: false, ErrorMessage: "" };
  await until(async () => (task = await call(url, "GET", `/tasks/${TaskId}`)).IsCompleted);
  const tookMs = performance.now() - startedMs;
  deployments += 1;
  if (task.State !== "Success") throw new Error(`${TaskId} ended as ${task.State}: ${task.ErrorMessage}`);
  return tookMs;
}

const pids = agents.map((agent) => agent.child.pid!);
const usage = async () => ({ server: await processorTime([server.child.pid!]), agents: await processorTime(pids) });
const [first, again, changed]: [number[], number[], number[]] = [[], [], []];
const theirs: { first: number[]; again: number[] } = { first: [], again: [] };
const archive = path.join(folder, "package.zip");
let deployments = 0;
const before = await usage();
for (let round = 0; round < counts.rounds; round++) {
  const files = newFiles();
  const zip = makeZip(files);
  const release = await push(zip);
  first.push(await deploy(release));
  again.push(await deploy(release));
  files[7] = { ...files[7]!, content: randomBytes(perFile) };
  changed.push(await deploy(await push(makeZip(files))));
  for (let n = 0; n < counts.agents; n++) {
    const place = path.join(folder, `agent-${n}`, "Applications", "Production", "Acme.Shop", `${version}.0.0`, "files", "7.bin");
    const found = await fs.readFile(place).catch(() => undefined);
    if (found === undefined || !found.equals(files[7].content)) throw new Error(`${place} is not what was deployed.`);
  }
}
const used = await usage();
// After all of ours: what it writes on as many hosts keeps the disk busy for a while.
const peer = counts.peerRounds === 0 ? "it was not asked for" : await startAnsible(folder, counts.agents);
if (typeof peer === "string") console.log(`Without Ansible: ${peer}.`);
for (let round = 0; typeof peer !== "string" && round < counts.peerRounds; round++) {
  await fs.writeFile(archive, makeZip(newFiles()));
  // Its connections are opened before the clock counts, as ours are.
  await peer.runTrue();
  theirs.first.push(await peer.unpack(archive));
  theirs.again.push(await peer.unpack(archive));
  for (let n = 0; n < counts.agents; n++) await fs.access(path.join(peer.folderOf(n), "files", "7.bin"));
}
if (typeof peer !== "string") await peer.stop();
await Promise.all(agents.map((agent) => agent.stop()));
await server.stop();
await fs.rm(folder, { recursive: true, force: true });

const middle = (of: number[]): number => Math.round(percentile(of, 0.5));
const times = { first: middle(theirs.first) / middle(first), again: middle(theirs.again) / middle(again) };
const beside =
  theirs.first.length === 0
    ? ""
    : `; Ansible ${middle(theirs.first)} and ${middle(theirs.again)} ms, ${times.first.toFixed(1)} and ${times.again.toFixed(1)} ×`;
const share = (now: number, then: number): string => `${Math.round(((now - then) * 1000) / deployments / counts.agents)} ms`;
const processor = [
  `server ${share(used.server.own, before.server.own)}`,
  `agent ${share(used.agents.own, before.agents.own)}`,
  `its scripts ${share(used.agents.children, before.agents.children)}`,
].join(", ");
sayRow({
  what: `A package of ${counts.files} files and ${counts.bytes} bytes to ${counts.agents} agents at once`,
  reach: `first ${reachMs.first} ms, unchanged ${reachMs.again} ms; ≥ ${timesPeer} × Ansible`,
  measured:
    `first ${middle(first)} ms, unchanged ${middle(again)} ms, one file changed ${middle(changed)} ms${beside}; ` +
    `processor time for each agent and deployment: ${processor}; load ${os.loadavg()[0]!.toFixed(1)}`,
  ofLimit: Math.max(middle(first) / reachMs.first, middle(again) / reachMs.again),
  ...(Math.min(times.first, times.again) < timesPeer ? { missed: `less than ${timesPeer} × Ansible` } : {}),
  command: commandOf("bench:deploy-package", counts),
});
