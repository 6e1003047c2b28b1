// The agent's entry: takes the words of the command line to the command they name. The only file of the agent that reads the environment,
// prints, or ends the process.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { AgentSettings } from "./agent.ts";
import { type CommandIo, exitCodes, instanceThere, runCommand } from "./commands/commands.ts";

/** A stop that takes longer is cut short; running scripts are not touched either way. */
const stopMsMax = 5000;

const version = (JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8")) as { version: string }).version;
const words = process.argv.slice(2);
const io: CommandIo = {
  environment: process.env,
  folder: process.cwd(),
  version,
  programName: basename(process.argv[1]!).replace(/\.mjs$/, ""),
  program: [process.execPath, process.argv[1]!],
  say: (line) => void process.stdout.write(`${line}\n`),
  print: (text) => void process.stdout.write(text),
  complain: (line) => void process.stderr.write(`${line}\n`),
  serve,
};

/** Starts the agent; comes back when it has been told to stop and has. */
async function serve(settings: AgentSettings, how?: { endsWithInput: boolean }): Promise<void> {
  if (process.platform !== "linux") throw new Error(`The agent runs on Linux; this is ${process.platform}.`);
  // Loaded late: most commands need no agent.
  const { startAgent } = await import("./agent.ts");
  const agent = await startAgent({ ...settings, report });
  const stopped = new Promise<void>((resolve, reject) => {
    let isStopping = false;
    const stop = (): void => {
      if (isStopping) return;
      isStopping = true;
      setTimeout(() => process.exit(exitCodes.done), stopMsMax).unref();
      agent.stop().then(resolve, reject);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    if (how?.endsWithInput === true) process.stdin.on("end", stop).on("error", stop).resume();
  });
  // For whoever started the agent: one line, when it can be called.
  const ready = {
    ready: true,
    thumbprint: agent.identity.thumbprint,
    port: agent.port,
    address: settings.listen?.host ?? null,
    polls: settings.poll.map((server) => `${server.host}:${server.port}`),
    name: settings.name,
    home: settings.home,
    version,
    pid: process.pid,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  await stopped;
}

function report(message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${message.replace(/\s+/g, " ")}\n`);
}

/** Whether the words are a command in the form with flags: asked for by them, or because there is no instance. */
async function isByFlags(): Promise<boolean> {
  const [first] = words;
  if (first !== "run" && first !== "show-thumbprint") return false;
  const { usesFlags } = await import("./commands/run-by-flags.ts");
  if (usesFlags(words, process.env)) return true;
  if (words.some((word) => /^--(instance|config)(=|$)/i.test(word))) return false;
  return (first === "run" && words.includes("--help")) || !(await instanceThere(io));
}

async function runWords(): Promise<number> {
  if (!(await isByFlags())) return await runCommand(words, io);
  const { runByFlags } = await import("./commands/run-by-flags.ts");
  try {
    await runByFlags(words, io);
    return exitCodes.done;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint =
      code === "EADDRINUSE"
        ? ". Another program uses the port; choose one with --port."
        : code === "EACCES"
          ? ". Check the permissions, or choose another folder with --home or port with --port."
          : "";
    process.stderr.write(`${io.programName}: ${message}${hint}\n`);
    return exitCodes.failed;
  }
}

const code = await runWords();
// What was printed into a pipe arrives before the end.
process.exitCode = code;
if (process.listenerCount("SIGTERM") > 0) process.exit(code);
