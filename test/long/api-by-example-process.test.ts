// The guide "The API by example", followed word by word: all its blocks in one shell, against a real server and agent.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { clusterApiKey, createCluster } from "../support/cluster.ts";

const guide = path.join(import.meta.dirname, "../../docs/guides/api-by-example.md");
const followedMsMax = 120_000;
const missing = ["bash", "curl", "jq", "tar"].filter((program) => spawnSync(program, ["--version"]).status !== 0);

test(
  "every block of the guide to the API does what the guide says",
  { skip: missing.length > 0 && `needs ${missing.join(", ")}`, timeout: 180_000 },
  async (t) => {
    const cluster = await createCluster();
    t.after(() => cluster.close());
    const server = await cluster.server({ name: "node-a" });
    await server.start();
    const agent = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint });
    await agent.start();

    const blocks = [...readFileSync(guide, "utf8").matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block);
    assert.ok(blocks.length > 8);
    const { code, output } = await bash(`set -euo pipefail\n${blocks.join("\n")}`, {
      url: server.ready.url,
      key: clusterApiKey,
      agent: `https://127.0.0.1:${agent.port}/`,
      thumbprint: agent.ready.thumbprint,
      TMPDIR: cluster.root,
    });
    assert.equal(code, 0, output);
    const lines = output.split("\n").map((line) => line.trimEnd());
    for (const line of [
      "Healthy",
      "Hello 1.0.0",
      "Password = (sensitive)",
      "Hello from Test, try it",
      "Hello from Production, welcome",
      "one deployment",
      "Step 1: Files: Success",
      "1.0.0: Success, Success",
      "One other task goes first, since they work on the same: Deploy Hello release 1.0.1 to Test.",
    ])
      assert.ok(lines.includes(line), `"${line}" is not in:\n${output}`);
    assert.deepEqual(
      lines.filter((line) => /^(Success|Failed|Canceled|TimedOut)/.test(line)),
      ["Success", "Success", "Success", "Canceled", "Canceled"],
    );
  },
);

async function bash(script: string, environment: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  const child = spawn("bash", ["-s"], { env: { ...process.env, ...environment }, timeout: followedMsMax, killSignal: "SIGKILL" });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
  child.stdin.end(script);
  const code = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  return { code, output };
}
