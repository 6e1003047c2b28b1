// `npm run simulation -- --seeds 10000 [--from 1] [--workers 2]` runs the simulation for many seeds and tells which broke a promise;
// `npm run simulation -- --seed 42 --trace` replays one and tells all that happened in it. With `--first` it ends at the first that did.

import os from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { SeedResult } from "./run-seed.ts";
import { runSeed } from "./run-seed.ts";

/** Failed seeds that are told in full; the rest are numbers. */
const toldMax = 20;
/** A seed takes milliseconds; a worker that says nothing for so long hangs. */
const silenceMsMax = 120_000;

interface Options {
  from: number;
  seeds: number;
  workers: number;
  trace: boolean;
  first: boolean;
}

interface Portion {
  first: number;
  step: number;
  end: number;
}

if (!isMainThread) await work(workerData as Portion);
else process.exitCode = await main(readOptions(process.argv.slice(2)));

/** Nothing was tried, and nobody shall take that for a success. */
function refuse(message: string): never {
  console.error(`${message} What there is: --seeds 1000 --from 1 --workers 2 --seed 42 --trace --first`);
  process.exit(2);
}

function readOptions(words: readonly string[]): Options {
  const options: Options = { from: 1, seeds: 1_000, workers: Math.max(1, os.availableParallelism()), trace: false, first: false };
  for (let n = 0; n < words.length; n++) {
    const word = words[n]!;
    if (word === "--trace") {
      options.trace = true;
      continue;
    }
    if (word === "--first") {
      options.first = true;
      options.workers = 1;
      continue;
    }
    const value = Number(words[++n]);
    if (!Number.isSafeInteger(value) || value < 0) refuse(`${word} needs a whole number.`);
    if (word === "--seeds") options.seeds = value > 0 ? value : refuse("--seeds needs at least 1.");
    else if (word === "--from") options.from = value;
    else if (word === "--workers") options.workers = Math.max(1, value);
    else if (word === "--seed") Object.assign(options, { from: value, seeds: 1, workers: 1 });
    else refuse(`The simulation does not know ${word}.`);
  }
  return options;
}

async function main({ from, seeds, workers, trace, first }: Options): Promise<number> {
  const startedMs = performance.now();
  const failed: SeedResult[] = [];
  const counts: Record<string, number> = {};
  let events = 0;
  function take(result: SeedResult): void {
    events += result.events;
    for (const [name, count] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + count;
    if (result.failures.length > 0) failed.push(result);
  }
  if (workers === 1 || seeds === 1) {
    for (let seed = from; seed < from + seeds && !(first && failed.length > 0); seed++)
      take(await runSeed(seed, trace ? { trace: (text) => console.log(text) } : {}));
  } else {
    // Every worker takes each n-th seed: seeds are equally long on the average.
    const all = await Promise.all(
      Array.from({ length: workers }, (_, n) => inWorker({ first: from + n, step: workers, end: from + seeds })),
    );
    for (const result of all.flat()) take(result);
  }
  failed.sort((a, b) => a.seed - b.seed);
  for (const { seed, failures } of failed.slice(0, toldMax)) {
    console.log(`seed ${seed} broke a promise; replay it with: npm run simulation -- --seed ${seed} --trace`);
    for (const failure of failures) console.log(`  ${failure}`);
  }
  if (failed.length > toldMax)
    console.log(
      `and the seeds ${failed
        .slice(toldMax)
        .map(({ seed }) => seed)
        .join(", ")}`,
    );
  const told = Object.entries(counts).map(([name, count]) => `${count} ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`);
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(
    `${seeds} seeds from ${from}: ${failed.length} broke a promise. ${told.join(", ")}; ${events} events in ${seconds.toFixed(1)} s.`,
  );
  return failed.length === 0 ? 0 : 1;
}

function inWorker(portion: Portion): Promise<SeedResult[]> {
  return new Promise((resolve, reject) => {
    const results: SeedResult[] = [];
    const worker = new Worker(new URL(import.meta.url), { workerData: portion });
    let silence = watch();
    function watch(): NodeJS.Timeout {
      return setTimeout(() => {
        void worker.terminate();
        reject(new Error(`Seed ${portion.first + results.length * portion.step} does not come to an end.`));
      }, silenceMsMax);
    }
    worker.on("message", (result: SeedResult) => {
      clearTimeout(silence);
      results.push(result);
      silence = watch();
    });
    worker.once("error", (error) => {
      clearTimeout(silence);
      reject(error instanceof Error ? error : new Error(String(error)));
    });
    worker.once("exit", () => {
      clearTimeout(silence);
      resolve(results);
    });
  });
}

async function work({ first, step, end }: Portion): Promise<void> {
  for (let seed = first; seed < end; seed += step) parentPort!.postMessage(await runSeed(seed));
}
