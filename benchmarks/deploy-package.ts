// A package to many agents at once: from the request to the end of the deployment, when no agent has it, when all have it, and when a new
// version differs in one file. Judged by what lies on the agents' disks.

import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { makeZip } from "../test/support/archives.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { apiKey, call, percentile, startAgent, startServer, until } from "./programs.ts";
import type { Program } from "./programs.ts";

const counts = readCounts({ agents: 10, files: 200, bytes: 5_000_000, rounds: 5 });
/** On a quiet machine with two cores. */
const reachMs = { first: 1_200, again: 500 };

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

async function push(files: { name: string; content: Buffer }[]): Promise<string> {
  version += 1;
  const form = new FormData();
  form.append("file", new Blob([new Uint8Array(makeZip(files))]), `Acme.Shop.${version}.0.0.zip`);
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
  if (task.State !== "Success") throw new Error(`${TaskId} ended as ${task.State}: ${task.ErrorMessage}`);
  return tookMs;
}

const [first, again, changed]: [number[], number[], number[]] = [[], [], []];
for (let round = 0; round < counts.rounds; round++) {
  const files = newFiles();
  const release = await push(files);
  first.push(await deploy(release));
  again.push(await deploy(release));
  files[7] = { ...files[7]!, content: randomBytes(perFile) };
  changed.push(await deploy(await push(files)));
  for (let n = 0; n < counts.agents; n++) {
    const place = path.join(folder, `agent-${n}`, "Applications", "Production", "Acme.Shop", `${version}.0.0`, "files", "7.bin");
    const found = await fs.readFile(place).catch(() => undefined);
    if (found === undefined || !found.equals(files[7].content)) throw new Error(`${place} is not what was deployed.`);
  }
}
await Promise.all(agents.map((agent) => agent.stop()));
await server.stop();
await fs.rm(folder, { recursive: true, force: true });

const middle = (of: number[]): number => Math.round(percentile(of, 0.5));
sayRow({
  what: `A package of ${counts.files} files and ${counts.bytes} bytes to ${counts.agents} agents at once`,
  reach: `first ${reachMs.first} ms, unchanged ${reachMs.again} ms`,
  measured: `first ${middle(first)} ms, unchanged ${middle(again)} ms, one file changed ${middle(changed)} ms; load ${os.loadavg()[0]!.toFixed(1)}`,
  ofLimit: Math.max(middle(first) / reachMs.first, middle(again) / reachMs.again),
  command: commandOf("bench:deploy-package", counts),
});
