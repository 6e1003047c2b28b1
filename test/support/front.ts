// The front door of a trial's cluster: HAProxy with the configuration of examples/load-balancers where it is installed, else a small proxy that
// passes TCP on. One address for the API, one for polling agents.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./cluster.ts";
import type { ServerProcess } from "./cluster.ts";
import { startTcpBalancer } from "./tcp-balancer.ts";

export interface Front {
  /** What stands there, for people. */
  readonly name: string;
  readonly url: string;
  /** Where polling agents connect. */
  readonly agentsPort: number;
  close(): Promise<void>;
}

const example = fileURLToPath(new URL("../../examples/load-balancers/haproxy.cfg", import.meta.url));

/** For nodes that have been started at least once, so that their ports are known. */
export async function startFront(parts: { folder: string; nodes: readonly ServerProcess[] }): Promise<Front> {
  const web = parts.nodes.map((node) => Number(new URL(node.ready.url).port));
  const agents = parts.nodes.map((node) => node.ready.commsPort);
  if (spawnSync("haproxy", ["-v"], { stdio: "ignore" }).error === undefined) return await startHaproxy(parts.folder, web, agents);
  const [forWeb, forAgents] = [await startTcpBalancer(web, { inTurn: true }), await startTcpBalancer(agents, { inTurn: true })];
  return {
    name: "a small TCP proxy (install haproxy to see the real thing)",
    url: `http://127.0.0.1:${forWeb.port}`,
    agentsPort: forAgents.port,
    close: async () => void (await Promise.all([forWeb.close(), forAgents.close()])),
  };
}

async function startHaproxy(folder: string, web: readonly number[], agents: readonly number[]): Promise<Front> {
  const [webPort, agentsPort] = [await freePort(), await freePort()];
  const file = path.join(folder, "haproxy.cfg");
  await writeFile(file, configurationFor(await readFile(example, "utf8"), { web, agents, webPort, agentsPort }));
  const child = spawn("haproxy", ["-db", "-f", file], { stdio: "ignore", cwd: folder });
  await once(child, "spawn");
  return {
    name: "HAProxy",
    url: `http://127.0.0.1:${webPort}`,
    agentsPort,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** The example with as many servers as there are nodes, on loopback. Throws when the example has changed its form. */
function configurationFor(
  text: string,
  { web, agents, webPort, agentsPort }: { web: readonly number[]; agents: readonly number[]; webPort: number; agentsPort: number },
): string {
  function replaced(from: string, pattern: RegExp, by: string): string {
    if (!pattern.test(from)) throw new Error(`${example} has no ${pattern.source} any more.`);
    return from.replace(pattern, by);
  }
  const servers = (lines: readonly string[]): string => lines.map((line) => `  server ${line}\n`).join("");
  let result = replaced(text, /bind \*:80$/m, `bind 127.0.0.1:${webPort}`);
  result = replaced(result, /bind \*:10943$/m, `bind 127.0.0.1:${agentsPort}`);
  result = replaced(
    result,
    /(?: {2}server node-\d+ node-\d+\.internal:8065 check\n)+/,
    servers(web.map((port, index) => `node-${index + 1} 127.0.0.1:${port} check`)),
  );
  return replaced(
    result,
    /(?: {2}server node-\d+ node-\d+\.internal:10943 check port 8065\n?)+/,
    servers(agents.map((port, index) => `node-${index + 1} 127.0.0.1:${port} check port ${web[index]}`)),
  );
}
