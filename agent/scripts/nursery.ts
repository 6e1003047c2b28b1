// Starts wrappers (wrapper.ts) without the agent's own process having to be copied for each: a small shell beside the agent, the nursery,
// does it when it is told to, and the agent goes on meanwhile. When there is no nursery, or it is gone, the agent starts them itself.
// A wrapper is prepared in its record folder and waits there; it begins its script at a word, and ends unheard when the agent is gone.
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { identifyProcess, isAlive, type ProcessIdentity } from "../processes/processes.ts";
import { type Command, commandLine, isOnPath, shellPath } from "./shell.ts";
import { commandName, wrapperText } from "./wrapper.ts";

/** What every wrapper of an agent is started with. */
export interface WrapperSettings {
  streamBytesMax: number;
  umask: number;
  environment: NodeJS.ProcessEnv;
}

/** A wrapper that is started and prepared but has no script yet. */
export interface PreparedWrapper {
  /** Its record folder, which may be renamed while it waits. */
  readonly record: string;
  hasEnded(): boolean;
  /** Calls the listener when it ends, if that can be known at once; not every wrapper tells. */
  onEnd(listener: (exitCode: number | null) => void): void;
  /** Lets it begin the script; `record` is where its folder is now. Throws the system's error when the disk refuses, and may be tried again. */
  go(record: string, command: Command): Promise<void>;
  /** Ends it when it has no script yet; its folder stays. Safe to call at any time. */
  dismiss(): void;
}

export interface Nursery {
  /** Starts a wrapper in an empty folder that exists. Rejects when the system refuses, and then nothing was started. */
  prepare(record: string, attempt: number): Promise<PreparedWrapper>;
  /** Ends the nursery, and with it the wrappers that wait. */
  close(): void;
}

/** A nursery that has not answered within this is taken for broken. */
const answerMsMax = 5_000;

/**
 * The nursery's text. Requests come over standard input, each field ended by NUL: `make`, id, folder, attempt; `go`, id; `drop`, id. To `make`
 * it answers with a line of id and process number, 0 for none. It stands in the folder itself when it makes the wrapper, since the folder may be
 * renamed as soon as it has answered. Each wrapper waits at a pipe from here, of which nobody else has the writing end; so it hears the end of
 * the nursery too. A handler for SIGPIPE, unlike ignoring it, is not inherited.
 */
const nurseryText = `
kib=$1 mask=$2 wrapper=$3
SHLVL=$((SHLVL - 1))
trap : PIPE
declare -A pipes
while IFS= read -r -d '' verb && IFS= read -r -d '' id; do
  if [ "$verb" = make ]; then
    IFS= read -r -d '' folder && IFS= read -r -d '' attempt || exit 0
    cd "$folder" || { printf '%s 0\\n' "$id"; continue; }
    exec {pipe}> >(
      for other in "\${pipes[@]}"; do exec {other}>&-; done
      exec setsid ${shellPath} --norc -p -c "$wrapper" cuttle-script "$attempt" "$kib" "$mask" >/dev/null
    )
    cd /
    pipes[$id]=$pipe
    printf '%s %s\\n' "$id" "$!"
  else
    pipe=\${pipes[$id]-}
    [ -n "$pipe" ] || continue
    [ "$verb" = drop ] || printf 'go\\n' >&"$pipe"
    exec {pipe}>&-
    unset "pipes[$id]"
  fi
done
`;

export function createNursery(settings: WrapperSettings): Nursery {
  let shell: ChildProcess | undefined;
  /** Begun once, with the first wrapper. */
  let isBegun = false;
  let made = 0;
  const waiting = new Map<string, (pid: number | undefined) => void>();

  const giveUp = (): void => {
    shell = undefined;
    for (const settle of waiting.values()) settle(undefined);
    waiting.clear();
  };
  const tell = (...fields: string[]): void => void shell?.stdin?.write(`${fields.join("\0")}\0`);

  const begin = (): void => {
    isBegun = true;
    if (!isOnPath("setsid", settings.environment)) return;
    shell = startNursery(settings);
    shell.once("exit", giveUp);
    shell.once("error", giveUp);
    shell.stdin!.on("error", giveUp);
    createInterface({ input: shell.stdout! }).on("line", (line) => {
      const [id = "", pid] = line.split(" ");
      waiting.get(id)?.(Number(pid) || undefined);
      waiting.delete(id);
    });
  };

  /** The process that the nursery has made, or undefined when it cannot. */
  async function makeThere(id: string, record: string, attempt: number): Promise<ProcessIdentity | undefined> {
    if (!isBegun) begin();
    if (shell === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    waiting.set(id, resolve);
    // One that hangs is of no use any more; what it still makes ends with it.
    const broken = shell;
    const timer = setTimeout(() => {
      broken.kill("SIGKILL");
      giveUp();
    }, answerMsMax);
    tell("make", id, record, String(attempt));
    const pid = await promise;
    clearTimeout(timer);
    return pid === undefined ? undefined : identifyProcess(pid);
  }

  return {
    async prepare(record, attempt) {
      const id = String(++made);
      const wrapper = await makeThere(id, record, attempt);
      if (wrapper === undefined) return prepareDirectly(settings, record, attempt);
      return {
        record,
        hasEnded: () => !isAlive(wrapper),
        onEnd: () => {},
        async go(place, command) {
          writeCommand(place, command);
          tell("go", id);
        },
        dismiss: () => tell("drop", id),
      };
    },
    close: () => shell?.stdin?.end(),
  };
}

function startNursery({ environment, umask, streamBytesMax }: WrapperSettings): ChildProcess {
  const words = [kibibytes(streamBytesMax), octal(umask), wrapperText];
  const child = spawn(shellPath, ["--norc", "-p", "-c", nurseryText, "cuttle-nursery", ...words], {
    env: environment,
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
  // The agent may stop whatever the nursery does.
  child.unref();
  (child.stdin as Socket).unref();
  (child.stdout as Socket).unref();
  return child;
}

/** Starts a wrapper as a child of the agent. Rejects when the system refuses. */
export async function prepareDirectly(settings: WrapperSettings, record: string, attempt: number): Promise<PreparedWrapper> {
  const words = [String(attempt), kibibytes(settings.streamBytesMax), octal(settings.umask)];
  // Node's pipes are sockets, and bash runs ~/.bashrc when its input is one and no shell is above it: whatever that does, however long.
  const child = spawn(shellPath, ["--norc", "-p", "-c", wrapperText, "cuttle-script", ...words], {
    cwd: record,
    env: settings.environment,
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // The agent may stop while scripts go on.
  child.unref();
  const input = child.stdin as Socket;
  input.unref();
  // It may die at any time; who follows it notices by its exit.
  input.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  return {
    record,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    onEnd: (listener) => void child.once("exit", listener),
    async go(place, command) {
      writeCommand(place, command);
      input.end("go\n");
    },
    dismiss: () => input.destroy(),
  };
}

/** Read by the wrapper when it is let go, and only then. */
function writeCommand(record: string, command: Command): void {
  writeFileSync(join(record, commandName), [command.workspace, ...commandLine(command), ""].join("\0"), { mode: 0o600 });
}

function kibibytes(bytes: number): string {
  return String(Math.ceil(bytes / 1024));
}

function octal(umask: number): string {
  return umask.toString(8).padStart(4, "0");
}
