// The main job, `npm start`: one server with its own database, two agents, and an example deployed through them, with keys that kill any of
// them on the way. It uses them as a person would: their command lines, the REST API, signals. It remembers nothing
// outside one folder (start/home-folder.ts), so it can be stopped, killed and started again.
import path from "node:path";
import { createInterface } from "node:readline";
import { createMainJob } from "./start/main-job.ts";
import { openHomeFolder } from "./start/home-folder.ts";
import { StartError } from "./start/start-error.ts";
import { UsageError, readOptions } from "./start/options.ts";
import { createTerminal } from "./start/terminal.ts";

const root = path.dirname(import.meta.dirname);
const terminal = createTerminal(process.stdout);
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopping.abort());

/** Ctrl-C as a terminal in raw mode delivers it. */
const controlC = "\u0003";

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), root);
  const home = await openHomeFolder(options.home, { fresh: options.fresh, say: terminal.say });
  const job = createMainJob({ options, root, home, terminal, signal: stopping.signal });
  const leaveKeys = options.once ? () => {} : takeKeys((key) => void job.press(key));
  let leaveLines = (): void => {};
  try {
    await job.bringUp();
    const isRight = await job.deployFirst();
    if (options.once) return isRight ? 0 : 1;
    await job.explain();
    leaveLines = takeLines(job.press);
    await new Promise<void>((resolve) => {
      if (stopping.signal.aborted) resolve();
      else stopping.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return options.once ? 1 : 0;
    throw error;
  } finally {
    leaveKeys();
    leaveLines();
    await job.stop();
  }
}

/** Reads single keys where there is a terminal. Answers how to give the terminal back. */
function takeKeys(press: (key: string) => void): () => void {
  const input = process.stdin;
  if (input.isTTY !== true) return () => {};
  input.setRawMode(true);
  input.setEncoding("utf8").on("data", (keys: string) => {
    for (const key of keys) {
      if (key === "q" || key === controlC) stopping.abort();
      else press(key);
    }
  });
  return () => {
    input.setRawMode(false);
    input.pause();
  };
}

/**
 * Without a terminal a line is a key: its first letter. Lines are obeyed one after the other, so that they can be written beforehand; their
 * end ends nothing. Answers how to stop.
 */
function takeLines(press: (key: string) => Promise<void>): () => void {
  const input = process.stdin;
  if (input.isTTY === true) return () => {};
  const lines = createInterface({ input });
  let before: Promise<void> = Promise.resolve();
  lines.on("line", (line) => {
    const key = line.trim().slice(0, 1);
    before = before.then(() => {
      if (stopping.signal.aborted) return;
      if (key !== "q") return press(key);
      stopping.abort();
    });
  });
  return () => lines.close();
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    process.exitCode = error.exitCode;
    (error.exitCode === 0 ? process.stdout : process.stderr).write(`${error.message}\n`);
  } else if (error instanceof StartError) {
    process.exitCode = 1;
    process.stderr.write(`\n${error.message}\n`);
  } else {
    throw error;
  }
}
