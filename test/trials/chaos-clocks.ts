// Wrong clocks for the nodes of a trial, by libfaketime: one that is stepped by an hour forth and back while deployments go out, one that runs
// half as fast again, one an hour fast, one an hour slow, in turn. The clocks of database, agents and of the trial itself stay right.
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../support/eventually.ts";
import type { ServerProcess } from "../support/cluster.ts";
import { fastClock, shiftedClock, steppedClock } from "../support/shifted-clock.ts";

export interface NodeClocks {
  /** For the n-th node, from 1. */
  environmentOf(n: number): NodeJS.ProcessEnv;
  /** Sees that the clocks are as wrong as they shall be; a sentence for each that is not. */
  faultsOf(nodes: readonly ServerProcess[]): Promise<string[]>;
  /** Steps the clock of the first node as the trial goes on, which `progress` tells from 0 to 1; ends with the last step or with `signal`. */
  stepAlong(first: ServerProcess, progress: () => number, signal: AbortSignal): Promise<string[]>;
}

const hourMs = 3_600_000;
const rate = 1.5;
/** At which part of the trial the first node's clock is stepped, and to how many hours off. */
const steps: readonly { progress: number; hours: number }[] = [
  { progress: 0.2, hours: 1 },
  { progress: 0.45, hours: -1 },
  { progress: 0.7, hours: 0 },
];
const lookMs = 100;
const answerMsMax = 2_000;
/** The node may be dead or frozen just then. */
const seenMsMax = 60_000;
/** Answers tell the time in whole seconds, and take their time. */
const toleranceMs = 10 * 60_000;
/** How long the fast clock is watched, and what it gains at least; answers tell whole seconds, and a busy machine delays them. */
const watchMs = 8_000;
const gainedMsMin = 1_500;

/** Undefined where there is no libfaketime. */
export function createNodeClocks(folder: string): NodeClocks | undefined {
  const stepped = steppedClock(path.join(folder, "clock-of-node-1"));
  const [fast, ahead, behind] = [fastClock(rate), shiftedClock(1), shiftedClock(-1)];
  if (stepped === undefined || fast === undefined || ahead === undefined || behind === undefined) return undefined;
  const clocks: readonly { environment: NodeJS.ProcessEnv; hours: number | "fast" }[] = [
    { environment: stepped.environment, hours: 0 },
    { environment: fast, hours: "fast" },
    { environment: ahead, hours: 1 },
    { environment: behind, hours: -1 },
  ];
  const clockOf = (n: number): (typeof clocks)[number] => clocks[(n - 1) % clocks.length]!;

  async function shownBy(node: ServerProcess): Promise<number> {
    const response = await fetch(node.ready.url, { signal: AbortSignal.timeout(answerMsMax) });
    return Date.parse(response.headers.get("date") ?? "");
  }

  return {
    environmentOf: (n) => clockOf(n).environment,
    async faultsOf(nodes) {
      const faults: string[] = [];
      for (const [index, node] of nodes.entries()) {
        const { hours } = clockOf(index + 1);
        const [shown, nowMs] = [await shownBy(node), Date.now()];
        if (hours === "fast") {
          await pause(watchMs);
          const gained = (await shownBy(node)) - shown - (Date.now() - nowMs);
          if (gained < gainedMsMin) faults.push(`The clock of ${node.name} has gained only ${gained} ms while it was watched.`);
        } else if (Math.abs(shown - nowMs - hours * hourMs) > toleranceMs) {
          faults.push(`The clock of ${node.name} shows ${new Date(shown).toISOString()}, which is not ${hours} h off.`);
        }
      }
      return faults;
    },
    async stepAlong(first, progress, signal) {
      const faults: string[] = [];
      for (const step of steps) {
        while (progress() < step.progress && !signal.aborted) await pause(lookMs);
        if (signal.aborted) break;
        stepped.stepTo(step.hours);
        await eventually(
          `the clock of ${first.name} is seen ${step.hours} h off`,
          async () => Math.abs((await shownBy(first)) - Date.now() - step.hours * hourMs) < toleranceMs,
          seenMsMax,
        ).catch((error: unknown) => faults.push(String(error)));
      }
      return faults;
    },
  };
}
