// The trial of lost commits: a proxy between a node and its database cuts connections exactly at COMMIT, each time in another way, under a load
// of creates and deployments. The load judges its creates, the outside observer the deployments.
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createCluster } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import { cuts, startCommitCutter } from "../support/commit-cutter.ts";
import type { Cut } from "../support/commit-cutter.ts";
import { startCreateLoad } from "../support/create-load.ts";
import type { LoadResult } from "../support/create-load.ts";
import { createObserver } from "../support/observer.ts";
import { createRandom } from "./random.ts";

export interface CommitTrial {
  /** At least so many. */
  cuts: number;
  /** The same seed chooses the same ways to cut. */
  seed: number;
  keepFolderOnFaults: boolean;
  report(line: string): void;
}

export interface CommitResult {
  done: Readonly<Record<Cut, number>>;
  load: LoadResult;
  deployments: number;
  deploymentsInSuccess: number;
  faults: string[];
}

const createsPerSecond = 20;
/** Of all commits: so many that most changes meet one, and few meet five in a row. */
const cutShare = 0.25;
/** A COMMIT that comes late comes while its repeat is under way, or after it. */
const lateMsMax = 200;
const deploymentsAtOnce = 3;
const steps = Array.from({ length: 2 }, () => ({ lines: 4, pauseMs: 25 }));
const finalMsMax = 120_000;

export async function runCommitTrial(trial: CommitTrial): Promise<CommitResult> {
  const random = createRandom(trial.seed);
  const cluster = await createCluster();
  const faults: string[] = ["The trial did not come to its end."];
  let isCutting = false;
  try {
    const postgres = await cluster.postgres();
    const { connectionString } = await postgres.start();
    const cutter = await startCommitCutter({
      target: { host: "127.0.0.1", port: Number(/Port=(\d+)/.exec(connectionString)![1]) },
      choose: () => (isCutting && random() < cutShare ? cuts[Math.floor(random() * cuts.length)] : undefined),
      late: () => pause(random() * lateMsMax),
    });
    try {
      const node = await cluster.server({ name: "node-1", connectionString: connectionString.replace(/Port=\d+/, `Port=${cutter.port}`) });
      await node.start();
      const agent = await cluster.agent({ name: "web-1", trust: node.ready.thumbprint });
      await agent.start();
      const urls = [node.ready.url];
      const api = createClusterApi(() => urls);
      const observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
      const project = await observer.prepare({
        name: "shop",
        environments: deploymentsAtOnce,
        machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
        steps,
      });
      trial.report(`A node and its database, with a proxy between them, in ${cluster.root}; seed ${trial.seed}.`);

      const countDone = (): number => Object.values(cutter.done).reduce((sum, count) => sum + count, 0);
      let told = 0;
      const load = await startCreateLoad({ api, urls, perSecond: createsPerSecond, prefix: "load" });
      isCutting = true;
      await Promise.all(
        project.environmentIds.map(async (_, environment) => {
          do {
            await observer.final(await observer.deploy(project, environment), finalMsMax);
            if (countDone() >= told + 50) trial.report(`  ${(told = countDone())} commits were cut.`);
          } while (countDone() < trial.cuts);
        }),
      );
      await load.stop();
      isCutting = false;
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
      return { done: cutter.done, load: judged, deployments: observer.acknowledged.length, deploymentsInSuccess, faults };
    } finally {
      isCutting = false;
      await cutter.close();
    }
  } finally {
    const keepFolder = trial.keepFolderOnFaults && faults.length > 0;
    await cluster.close({ keepFolder });
    if (keepFolder) trial.report(`Logs and homes are kept in ${cluster.root}.`);
  }
}
