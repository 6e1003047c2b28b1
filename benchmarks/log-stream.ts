// From the moment a script on an agent prints a line to the moment a reader of the live log has it, with further readers on the same task.
// Lines come with pauses of random length, so that neither the server's questions nor its looks can keep in step with them.

import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { openEvents } from "../test/support/event-reader.ts";
import { commandOf, readCounts, sayRow } from "./figures.ts";
import { apiKey, call, percentile, prepare, startAgent, startServer } from "./programs.ts";

const counts = readCounts({ lines: 150, readers: 10 });
/** Of a line to its reader. */
const reachMs = 300;
const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-bench-"));
await fs.chmod(folder, 0o711);
const server = await startServer({ home: path.join(folder, "home"), port: 18_823 });
const agent = await startAgent({ home: path.join(folder, "agent"), port: 18_824, trust: server.ready.thumbprint });
const { url } = server.ready;
// $EPOCHREALTIME is read by bash itself at the moment of printing.
const { releaseId, environmentIds } = await prepare(
  url,
  [agent],
  1,
  `for n in $(seq ${counts.lines}); do echo "at $EPOCHREALTIME"; sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))"; done`,
);
const deployment = await call(url, "POST", "/deployments", { ReleaseId: releaseId, EnvironmentId: environmentIds[0] });

async function read(): Promise<number[]> {
  const reader = await openEvents(`${url}/api/tasks/${deployment.TaskId}/log/events`, { apiKey });
  const latencies: number[] = [];
  for (let event = await reader.next(); event !== undefined && event.event !== "end"; event = await reader.next()) {
    const printed = event.event === "line" ? /^at (\d+[.,]\d+)$/.exec(event.data.MessageText as string)?.[1] : undefined;
    if (printed !== undefined) latencies.push(Date.now() - Number(printed.replace(",", ".")) * 1000);
  }
  return latencies;
}
const latencies = (await Promise.all(Array.from({ length: counts.readers }, read))).flat();
await agent.stop();
await server.stop();
await fs.rm(folder, { recursive: true, force: true });
const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => Math.round(percentile(latencies, share))) as [number, number, number];
sayRow({
  what: `A line printed on an agent until it is at each of ${counts.readers} readers of the live log`,
  reach: `p95 < ${reachMs} ms`,
  measured: `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms over ${latencies.length} lines`,
  ofLimit: p95 / reachMs,
  ...(latencies.length === counts.lines * counts.readers ? {} : { missed: "lines are missing" }),
  command: commandOf("bench:log-stream", counts),
});
