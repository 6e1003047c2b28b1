// One program of ours as a child process: started from its command line, its output kept in a log file, killed and started again on demand.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { HomeFolder } from "./home-folder.ts";

export interface ProgramSettings {
  name: string;
  /** Entry file and arguments, run by this very Node; asked for at each start when a function. */
  args: string[] | (() => string[]);
  /** Added to our own environment; secrets go here, since arguments can be read by everybody on the machine. */
  environment: { [variable: string]: string } | (() => { [variable: string]: string });
  /** Of our own environment, not handed down. */
  withoutVariables: string[];
  cwd: string;
  logFile: string;
  home: HomeFolder;
  /** Called when it ends without having been told to. */
  onUnexpectedEnd: (how: string) => void;
}

export interface Program {
  start(): void;
  /** SIGKILL: no chance to tidy up. Resolves when it is gone. */
  killHard(): Promise<number | null>;
  /** SIGTERM, and SIGKILL after a while. Resolves when it is gone; says whether it had to be killed. */
  stop(): Promise<{ killed: boolean }>;
  isRunning(): boolean;
  /** The end of its log, for a person to read. */
  lastLines(count: number): string;
}

const stopMsMax = 35_000; // the server gives its orderly stop half a minute

export function createProgram(settings: ProgramSettings): Program {
  let child: ChildProcess | null = null;
  let isToldToEnd = false;

  function start(): void {
    isToldToEnd = false;
    const log = openSync(settings.logFile, "a", 0o600);
    const inherited = Object.entries(process.env).filter(([name]) => !settings.withoutVariables.includes(name));
    const started = spawn(process.execPath, typeof settings.args === "function" ? settings.args() : settings.args, {
      cwd: settings.cwd,
      env: {
        ...Object.fromEntries(inherited),
        ...(typeof settings.environment === "function" ? settings.environment() : settings.environment),
      },
      stdio: ["ignore", log, log],
      // Away from our terminal's Ctrl-C: it is stopped in order, by us.
      detached: true,
    });
    closeSync(log);
    child = started;
    started.once("error", (error) => settings.onUnexpectedEnd(`could not be started: ${error.message}`));
    if (started.pid !== undefined) settings.home.note(settings.name, started.pid);
    started.once("exit", (code, signal) => {
      if (child === started) child = null;
      if (isToldToEnd) return;
      settings.home.forget(settings.name);
      settings.onUnexpectedEnd(signal === null ? `ended by itself with exit code ${code}` : `was ended by ${signal}`);
    });
  }

  async function killHard(): Promise<number | null> {
    if (child === null) return null;
    const gone = once(child, "exit");
    const processId = child.pid ?? null;
    isToldToEnd = true;
    child.kill("SIGKILL");
    await gone;
    return processId;
  }

  async function stop(): Promise<{ killed: boolean }> {
    if (child === null) return { killed: false };
    const gone = once(child, "exit").then(() => "gone" as const);
    isToldToEnd = true;
    child.kill("SIGTERM");
    const waiting = new AbortController();
    const late = pause(stopMsMax, "late" as const, { signal: waiting.signal }).catch(() => "gone" as const);
    const outcome = await Promise.race([gone, late]);
    waiting.abort();
    if (outcome === "late") {
      child?.kill("SIGKILL");
      await gone;
    }
    settings.home.forget(settings.name);
    return { killed: outcome === "late" };
  }

  return {
    start,
    killHard,
    stop,
    isRunning: () => child !== null,
    lastLines: (count) => readFileSync(settings.logFile, "utf8").trimEnd().split("\n").slice(-count).join("\n"),
  };
}
