// The trial of kills: in each round some deployments run at once, the server or the agent is killed (kill -9) at a random moment in
// the middle of a script and started again on the same home, and the outside observer judges what came of it.
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createCluster } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import { createObserver } from "../support/observer.ts";
import { createRandom } from "./random.ts";

export interface KillTrial {
  serverKills: number;
  agentKills: number;
  /** The same seed chooses the same moments. */
  seed: number;
  /** Leaves the folder with all logs when something is wrong. */
  keepFolderOnFaults: boolean;
  /** Told as it happens, a sentence each. */
  report(line: string): void;
}

export interface KillResult {
  victim: "server" | "agent";
  /** Where the kill hit. */
  moment: string;
  /** From the kill until the process was ready again. */
  backAfterMs: number;
  /** From the kill until all deployments of the round were final. */
  finalAfterMs: number;
  /** Empty when everything is as it must be. */
  faults: string[];
}

/** Deployments to different environments at the same time in each round. */
const deploymentsAtOnce = 2;
const steps = Array.from({ length: 3 }, () => ({ lines: 16, pauseMs: 40 }));

/** Runs all rounds on a cluster of its own. `overall` are faults of no single round. */
export async function runKillTrial(trial: KillTrial): Promise<{ results: KillResult[]; overall: string[] }> {
  const random = createRandom(trial.seed);
  const cluster = await createCluster();
  const results: KillResult[] = [];
  let overall: string[] = ["The trial did not come to its end."];
  try {
    const server = await cluster.server({ name: "node-1" });
    await server.start();
    const agent = await cluster.agent({ name: "web-1", trust: server.ready.thumbprint });
    await agent.start();
    const api = createClusterApi(() => [server.ready.url]);
    const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    const project = await observer.prepare({
      name: "shop",
      environments: deploymentsAtOnce,
      machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
      steps,
    });
    trial.report(`The cluster runs in ${cluster.root}; seed ${trial.seed}.`);

    async function round(victim: "server" | "agent"): Promise<KillResult | undefined> {
      const deployments = await Promise.all(
        Array.from({ length: deploymentsAtOnce }, (_, environment) => observer.deploy(project, environment)),
      );
      const step = 1 + Math.floor(random() * steps.length);
      const share = random();
      const aimed = deployments[Math.floor(random() * deployments.length)]!;
      const trace = await observer.began(aimed, step);
      await pause(share * steps[step - 1]!.lines * steps[step - 1]!.pauseMs);
      // The script still runs: that is what "in mid-script" means.
      const isMidScript = existsSync(`/proc/${trace.pid}`);
      const killedMs = performance.now();
      const process = victim === "server" ? server : agent;
      await process.kill();
      await process.start();
      const backAfterMs = performance.now() - killedMs;
      for (const one of deployments) await observer.final(one);
      const finalAfterMs = performance.now() - killedMs;
      const faults = (await Promise.all(deployments.map((one) => observer.faultsOf(one)))).flat();
      const moment = `${aimed.id} step ${step} at ${Math.round(share * 100)} %`;
      if (!isMidScript && faults.length === 0) {
        trial.report(`  The script of ${moment} had just ended; that kill is not counted.`);
        return undefined;
      }
      return { victim, moment, backAfterMs, finalAfterMs, faults };
    }

    for (const [victim, count] of [
      ["server", trial.serverKills],
      ["agent", trial.agentKills],
    ] as const) {
      for (let done = 0; done < count;) {
        const result = await round(victim);
        if (result === undefined) continue;
        done += 1;
        results.push(result);
        const verdict = result.faults.length === 0 ? "all well" : `${result.faults.length} FAULTS\n    ${result.faults.join("\n    ")}`;
        trial.report(
          `${victim} kill ${done} of ${count}: ${result.moment}; ready again after ${seconds(result.backAfterMs)}, ` +
            `${deploymentsAtOnce} deployments final after ${seconds(result.finalAfterMs)}: ${verdict}`,
        );
      }
    }
    overall = await observer.faultsOverall();
    for (const fault of overall) trial.report(`FAULT: ${fault}`);
  } finally {
    const keepFolder = trial.keepFolderOnFaults && (overall.length > 0 || results.some((one) => one.faults.length > 0));
    await cluster.close({ keepFolder });
    if (keepFolder) trial.report(`Logs and homes are kept in ${cluster.root}.`);
  }
  return { results, overall };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
