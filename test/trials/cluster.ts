// A command: a whole cluster on this machine, with deployments going out all the time, and keys to kill, freeze and bring back its parts.
//   npm run cluster -- --nodes 3                 keys on a terminal
//   npm run cluster -- --nodes 3 --alone 60      plays by itself for a minute, prints plain lines, and fails when anything was lost or doubled
import { setTimeout as pause } from "node:timers/promises";
import { startClusterShow } from "./cluster-show.ts";
import type { ClusterShow, ShowState } from "./cluster-show.ts";
import { readCounts, seedOption } from "./count-options.ts";
import { followLogs } from "./log-follower.ts";
import { createRandom } from "./random.ts";

/** Between two disturbances of a cluster that plays by itself. */
const sceneMs = { min: 3_000, more: 4_000 };
const refreshMs = 500;
/** Without a terminal, and while it plays by itself. */
const plainLineMs = 5_000;
/** A line like one that was told within this time is left out; the files have all of them. */
const alikeMs = 3_000;
/** One for each node, then again from the first. */
const colours = [36, 33, 35, 32, 34, 91, 92, 94];

const options = readCounts({
  nodes: { usual: 3, min: 1, max: 16 },
  agents: { usual: 4, min: 1, max: 32 },
  /** Seconds in which it plays by itself. */
  alone: { usual: 0, min: 0, max: 86_400 },
  seed: seedOption,
});
const isPlayed = options.alone === 0 && process.stdin.isTTY === true && process.stdout.isTTY === true;
let footer = "";

/** One whole line above the line of counts. */
function say(line: string): void {
  process.stdout.write(footer === "" ? `${line}\n` : `\r\u001b[2K${line}\n`);
  drawFooter();
}

function drawFooter(): void {
  // Escape sequences take no room on the screen, so the line is built short enough instead of being cut.
  if (footer !== "") process.stdout.write(`\r\u001b[2K${footer}`);
}

function coloured(text: string, colour: number): string {
  return process.stdout.isTTY ? `\u001b[${colour}m${text}\u001b[0m` : text;
}

const marks: Record<ShowState["nodes"][number]["state"], string> = {
  up: "●",
  killed: "✖ killed",
  frozen: "❄ frozen",
  starting: "… starting",
};

function summary(state: ShowState): string {
  const bad = (count: number): string => (count === 0 ? "0" : coloured(String(count), 91));
  const nodes = state.nodes.map(
    ({ name, state: is, runningTasks }, index) =>
      `${coloured(name, colours[index % colours.length]!)} ${is === "up" ? `${marks.up} ${runningTasks}` : marks[is]}`,
  );
  return `${state.done} done · ${bad(state.lost)} lost · ${bad(state.doubled)} doubled · ${state.underWay} under way | ${nodes.join("  ")} | database: ${state.database}`;
}

const keys = "1–9 choose a node · k kill -9 · f freeze · b bring all back · d fail the database over · q quit";

async function play(show: ClusterShow): Promise<void> {
  let chosen: number | undefined;
  const { promise: quit, resolve } = Promise.withResolvers<void>();
  const attempt = (what: Promise<string>): void =>
    void what.then(
      (sentence) => say(`→ ${sentence}`),
      (error: unknown) => say(`→ That did not work: ${(error as Error).message}`),
    );
  process.stdin.setRawMode(true);
  process.stdin.resume();
  process.stdin.on("data", (bytes) => {
    for (const key of bytes.toString("utf8")) {
      if (key === "q" || key === "\u0003") return resolve();
      if (/[1-9]/.test(key)) {
        chosen = Number(key);
        say(`→ node-${chosen}: k kills it, f freezes it.`);
        continue;
      }
      if (key === "k") attempt(show.kill(chosen));
      else if (key === "f") attempt(show.freeze(chosen));
      else if (key === "b") attempt(show.bringBack());
      else if (key === "d") attempt(show.failDatabaseOver());
      else continue;
      chosen = undefined;
    }
  });
  await quit;
  process.stdin.setRawMode(false);
  process.stdin.pause();
}

/** Disturbs one thing after the other and brings it back, each scene once before any comes again. */
async function playAlone(show: ClusterShow, stopped: AbortSignal): Promise<void> {
  const random = createRandom(options.seed);
  const scenes = [() => show.kill(), () => show.bringBack(), () => show.freeze(), () => show.bringBack(), () => show.failDatabaseOver()];
  const untilMs = performance.now() + options.alone * 1_000;
  for (let turn = 0; performance.now() < untilMs && !stopped.aborted; turn++) {
    const waitMs = sceneMs.min + random() * sceneMs.more;
    await pause(Math.max(0, Math.min(waitMs, untilMs - performance.now())), undefined, { signal: stopped }).catch(() => {});
    if (performance.now() >= untilMs || stopped.aborted) break;
    say(`→ ${await scenes[turn % scenes.length]!()}`);
  }
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
const show = await startClusterShow({ nodes: options.nodes, agents: options.agents, report: say });
try {
  say(`The cluster is at ${show.url} behind ${show.front}; its logs are in ${show.folder}.`);
  say(`Try: curl -H "X-Octopus-ApiKey: ${show.apiKey}" ${show.url}/api/octopusservernodes/summary`);
  if (isPlayed) say(`Keys: ${keys}`);
  const width = Math.max(...show.logs.map(({ name }) => name.length));
  /** When each line was last told; a database that is away makes many lines alike. */
  const told = new Map<string, number>();
  const logs = followLogs(show.logs, (name, line) => {
    const alike = `${name} ${line.replace(/\d+/g, "")}`;
    const nowMs = performance.now();
    if (nowMs - (told.get(alike) ?? -Infinity) < alikeMs && !line.includes("ServerTasks-")) return;
    told.set(alike, nowMs);
    const index = show.logs.findIndex((one) => one.name === name);
    say(`${coloured(name.padEnd(width), colours[index % colours.length]!)} ${line}`);
  });
  const timer = setInterval(
    () => {
      if (isPlayed) {
        footer = summary(show.state());
        drawFooter();
      } else {
        say(summary(show.state()));
      }
    },
    isPlayed ? refreshMs : plainLineMs,
  );
  if (isPlayed) await play(show);
  else if (options.alone > 0) await playAlone(show, stop.signal);
  else await new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve(), { once: true }));
  clearInterval(timer);
  footer = "";
  say("");
  say(await show.bringBack());
  say("Letting the deployments under way end …");
  const faults = await show.finish();
  await logs.stop();
  const { done, lost, doubled } = show.state();
  say(
    `${done} deployments done, ${lost} lost, ${doubled} doubled; ${faults.length === 0 ? "nothing is wrong" : `${faults.length} faults, told above`}.`,
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await show.close();
}
