// From the pasted line to a healthy target: a real server, its archive of the agent with Node, a shell, a folder of its own. Each round
// installs anew; what is measured is what somebody waits who has pasted the line.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { apiKey, percentile, startServer } from "./programs.ts";

const counts = readCounts({ rounds: 5 });
const secondsMax = 15;
const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
const port = 18_821;
const agentPort = 18_823;
const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);
const home = path.join(folder, "home");
const packed = spawnSync(process.execPath, [path.join(import.meta.dirname, "../scripts/agent-archive.ts"), path.join(home, "agents")]);
if (packed.status !== 0) throw new Error(String(packed.stderr));
const server = await startServer({ home, port });

async function call<T>(method: string, address: string, body?: object): Promise<T> {
  const answer = await fetch(`http://127.0.0.1:${port}${address}`, {
    method,
    headers: { "X-Octopus-ApiKey": apiKey, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${address}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

const environment = await call<{ Id: string }>("POST", "/api/environments", { Name: "Test" });
const took: number[] = [];
try {
  for (let round = 0; round < counts.rounds; round++) {
    const agentFolder = path.join(folder, `agent-${round}`);
    const token = await call<{ ShellLine: string; Links: { Self: string } }>("POST", "/api/machines/install-tokens", {
      EnvironmentIds: [environment.Id],
      Roles: ["web"],
      MachineName: `machine ${round}`,
      CommunicationStyle: round % 2 === 0 ? "TentaclePassive" : "TentacleActive",
    });
    const startedAt = performance.now();
    const child = spawn("sh", [], {
      env: { PATH: process.env["PATH"], HOME: folder, CUTTLE_AGENT_FOLDER: agentFolder, CUTTLE_AGENT_PORT: String(agentPort) },
      stdio: ["pipe", "ignore", "inherit"],
    });
    child.stdin.end(`${token.ShellLine}\n`);
    const [code] = (await once(child, "close")) as [number];
    took.push(performance.now() - startedAt);
    process.kill(Number(await fs.readFile(path.join(agentFolder, "agent.pid"), "utf8")), "SIGKILL");
    if (code !== 0) throw new Error(`The line ended with ${code}.`);
  }
} finally {
  await server.stop();
  await fs.rm(folder, { recursive: true, force: true });
}
sayRow({
  what: "adding a target: from the pasted line to a healthy target",
  reach: `≤ ${secondsMax} s`,
  measured: `median ${seconds(percentile(took, 0.5))} s, worst of ${counts.rounds} ${seconds(Math.max(...took))} s`,
  ofLimit: Math.max(...took) / 1_000 / secondsMax,
  command: commandOf("bench:add-target", counts),
});
