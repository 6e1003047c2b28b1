// The trial of database failovers: nodes and an agent at work under a steady load of creates, and again and again the primary is killed in
// mid-script, its synchronous standby promoted, and a new standby made. The outside observer judges the deployments, the load its creates.
import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createCluster } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import { startCreateLoad } from "../support/create-load.ts";
import type { LoadResult } from "../support/create-load.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import { startPostgresPair } from "../support/postgres-pair.ts";
import { createRandom } from "./random.ts";

export interface FailoverTrial {
  failovers: number;
  createsPerSecond: number;
  /** The same seed chooses the same moments. */
  seed: number;
  keepFolderOnFaults: boolean;
  report(line: string): void;
}

export interface FailoverResult {
  load: LoadResult;
  /** For each failover and node: from the order to promote until a create sent since was acknowledged. */
  backAfterMs: number[];
  deploymentsInSuccess: number;
  /** Scripts that ran through the failover: begun before the kill, still running when the standby was promoted. */
  ranThrough: number;
  faults: string[];
}

const nodeCount = 2;
/** The first script outlasts the kill and the promotion, so that it has to go on without a database. */
const steps = [
  { lines: 40, pauseMs: 50 },
  { lines: 8, pauseMs: 25 },
];
/** The operator, or a program, needs so long to see that the primary is gone. */
const unnoticedMsMax = 1_000;
/** Into the script, before the kill. */
const intoScriptMsMax = 400;
const backMsMax = 60_000;

export async function runFailoverTrial(trial: FailoverTrial): Promise<FailoverResult> {
  const random = createRandom(trial.seed);
  const cluster = await createCluster();
  const faults: string[] = ["The trial did not come to its end."];
  try {
    const pair = await startPostgresPair(cluster.root);
    const { connectionString } = pair;
    const first = await cluster.server({ name: "node-1", connectionString });
    await first.start();
    const masterKey = await cluster.masterKeyOf(first);
    const nodes = [first];
    for (let n = 2; n <= nodeCount; n++) nodes.push(await cluster.server({ name: `node-${n}`, connectionString, masterKey }));
    await Promise.all(nodes.slice(1).map((node) => node.start()));
    const agent = await cluster.agent({ name: "web-1", trust: first.ready.thumbprint });
    await agent.start();
    const urls = nodes.map((node) => node.ready.url);
    const api = createClusterApi(() => urls);
    const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
    const project = await observer.prepare({
      name: "shop",
      environments: 1,
      machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
      steps,
    });
    trial.report(`${nodeCount} nodes and two PostgreSQL servers in ${cluster.root}; seed ${trial.seed}.`);

    const load = await startCreateLoad({ api, urls, perSecond: trial.createsPerSecond, prefix: "load" });
    const backAfterMs: number[] = [];
    let ranThrough = 0;
    for (let n = 1; n <= trial.failovers; n++) {
      const deployment = await observer.deploy(project);
      const trace = await observer.began(deployment, 1);
      await pause(random() * intoScriptMsMax);
      await pair.kill(pair.primary);
      await pause(random() * unnoticedMsMax);
      const orderedMs = performance.now();
      await pair.promote();
      const promotionMs = performance.now() - orderedMs;
      if (existsSync(`/proc/${trace.pid}`)) ranThrough += 1;
      const back = await Promise.all(
        urls.map(
          async (url) => (await eventually(`${url} takes creates again`, () => load.acknowledgedAt(url, orderedMs), backMsMax)) - orderedMs,
        ),
      );
      backAfterMs.push(...back);
      await pair.rebuildStandby();
      await observer.final(deployment);
      trial.report(
        `failover ${n} of ${trial.failovers}: promoted in ${promotionMs.toFixed(0)} ms; nodes back after ${back.map((ms) => ms.toFixed(0)).join(" and ")} ms.`,
      );
    }
    await load.stop();
    const judged = await load.judge();
    const found = [...judged.faults];
    let deploymentsInSuccess = 0;
    for (const deployment of observer.acknowledged) {
      const its = await observer.faultsOf(deployment);
      if (its.length === 0) deploymentsInSuccess += 1;
      found.push(...its);
    }
    found.push(...(await observer.faultsOverall()));
    faults.splice(0, 1, ...found);
    return { load: judged, backAfterMs, deploymentsInSuccess, ranThrough, faults };
  } finally {
    const keepFolder = trial.keepFolderOnFaults && faults.length > 0;
    await cluster.close({ keepFolder });
    if (keepFolder) trial.report(`Logs and homes are kept in ${cluster.root}.`);
  }
}
