// From the moment a client sends "create deployment" to the moment the script's first command runs on the agent.

import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { call, percentile, prepare, startAgent, startServer, until } from "./programs.ts";

const deployments = Number(process.argv[2] ?? 100);
const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);
const marks = path.join(folder, "marks");
await fs.mkdir(marks);

const server = await startServer({ home: path.join(folder, "home"), port: 18_821 });
const agent = await startAgent({ home: path.join(folder, "agent"), port: 18_822, trust: server.ready.thumbprint });
const { url } = server.ready;
// $EPOCHREALTIME is read by bash itself, before any other program starts.
const { releaseId, environmentIds } = await prepare(
  url,
  [agent],
  1,
  `echo "$EPOCHREALTIME" > "${marks}/$(get_octopusvariable Octopus.Deployment.Id)"`,
);

const latencies: number[] = [];
for (let n = 0; n < deployments; n++) {
  const sentMs = Date.now();
  const deployment = await call(url, "POST", "/deployments", { ReleaseId: releaseId, EnvironmentId: environmentIds[0] });
  await until(async () => (await call(url, "GET", `/tasks/${deployment.TaskId}`)).IsCompleted);
  const startedMs = Number((await fs.readFile(path.join(marks, deployment.Id), "utf8")).replace(",", ".")) * 1000;
  latencies.push(startedMs - sentMs);
}
await agent.stop();
await server.stop();
await fs.rm(folder, { recursive: true, force: true });
console.log(
  JSON.stringify({
    deployments,
    createToScriptMsP50: Math.round(percentile(latencies, 0.5)),
    createToScriptMsP95: Math.round(percentile(latencies, 0.95)),
    createToScriptMsP99: Math.round(percentile(latencies, 0.99)),
  }),
);
