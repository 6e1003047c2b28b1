// The folder in which `npm start` keeps everything between starts: the server's and the agents' homes, the page, logs, the key,
// and which processes it has started, so that what a killed start left behind is found and ended.
import { randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { endPages } from "./page.ts";
import { type NotedProcess, endProcess, isStillThere, noteProcess } from "./process-identity.ts";
import { runToEnd } from "./run-to-end.ts";
import { StartError } from "./start-error.ts";

/** What the first start chose; a later one uses the same. */
export interface Keys {
  version: 1;
  apiKey: string;
  adminPassword: string;
}

export interface HomeFolder {
  readonly path: string;
  readonly server: string;
  /** Of a second node. */
  readonly secondServer: string;
  readonly agent: string;
  readonly pollingAgent: string;
  readonly page: string;
  readonly logs: string;
  readonly keys: Keys;
  /** Whether an earlier start has been here. */
  readonly isNew: boolean;
  /** Remembers a running process until `forget`. */
  note(name: string, processId: number): void;
  forget(name: string): void;
  /** Nothing runs any more. */
  close(): void;
}

/** Ending a database and removing its files takes a second or two. */
const deleteDatabaseMsMax = 60_000;
const keysName = "keys.json";
const processesName = "processes.json";
/** Everything of ours in the home. `--fresh` removes these names and nothing else. */
const ownNames = ["server", "second-server", "agent", "polling-agent", "page", "logs", keysName, processesName];

export async function openHomeFolder(folder: string, options: { fresh: boolean; say: (line: string) => void }): Promise<HomeFolder> {
  const processesFile = path.join(folder, processesName);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    await endLeftBehind(folder, readProcesses(processesFile), options.say);
    if (options.fresh) await removeAll(folder, options.say);
    // The programs make their own homes, with the rights they need.
    for (const name of ["page", "logs"]) mkdirSync(path.join(folder, name), { recursive: true });
    const { keys, isNew } = readKeys(path.join(folder, keysName));
    let processes: NotedProcess[] = [noteProcess("start", process.pid)];
    const save = () => replaceFile(processesFile, JSON.stringify(processes, null, 1), 0o644);
    save();
    return {
      path: folder,
      server: path.join(folder, "server"),
      secondServer: path.join(folder, "second-server"),
      agent: path.join(folder, "agent"),
      pollingAgent: path.join(folder, "polling-agent"),
      page: path.join(folder, "page"),
      logs: path.join(folder, "logs"),
      keys,
      isNew,
      note(name, processId) {
        processes = [...processes.filter((each) => each.name !== name), noteProcess(name, processId)];
        save();
      },
      forget(name) {
        processes = processes.filter((each) => each.name !== name);
        save();
      },
      close: () => rmSync(processesFile, { force: true }),
    };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
      throw new StartError(`${folder} cannot be written by this user (${code}). Use a folder of your own: npm start -- --home <folder>`, {
        cause: error,
      });
    }
    throw error;
  }
}

function readKeys(file: string): { keys: Keys; isNew: boolean } {
  if (existsSync(file)) {
    const keys = JSON.parse(readFileSync(file, "utf8")) as Keys;
    if (keys.version !== 1)
      throw new StartError(
        `${file} has version ${String(keys.version)}, written by a newer Cuttle. Use that one, or begin anew: npm start -- --fresh`,
      );
    return { keys, isNew: false };
  }
  const letters = randomBytes(20).toString("hex").toUpperCase();
  const keys: Keys = { version: 1, apiKey: `API-${letters.slice(0, 32)}`, adminPassword: randomBytes(18).toString("base64url") };
  replaceFile(file, JSON.stringify(keys, null, 1), 0o600);
  return { keys, isNew: true };
}

function replaceFile(file: string, text: string, mode: number): void {
  writeFileSync(`${file}.new`, text, { mode });
  renameSync(`${file}.new`, file);
}

function readProcesses(file: string): NotedProcess[] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as NotedProcess[];
  } catch {
    return []; // none yet, or torn by a crash: the ports will tell
  }
}

/** A start that was killed leaves its server and agent behind. A start that still runs is left alone. */
async function endLeftBehind(folder: string, noted: NotedProcess[], say: (line: string) => void): Promise<void> {
  const running = noted.filter((each) => isStillThere(each));
  const other = running.find((each) => each.name === "start");
  if (other !== undefined) {
    throw new StartError(
      `Another npm start (process ${other.processId}) uses ${folder}. Stop it with q or Ctrl-C, or choose another folder and ports: npm start -- --help`,
    );
  }
  for (const each of running) {
    say(`Ending the ${each.name} that an earlier start left behind (process ${each.processId})`);
    await endProcess(each);
  }
  if (await endPages(path.join(folder, "page"))) say("Ended what an earlier start had deployed");
}

async function removeAll(folder: string, say: (line: string) => void): Promise<void> {
  const present = ownNames.filter((name) => existsSync(path.join(folder, name)));
  if (present.length === 0) return;
  if (!existsSync(path.join(folder, keysName))) {
    throw new StartError(
      `${folder} holds ${present.join(", ")} but no ${keysName}, so an npm start did not make it. Choose another folder, or remove them by hand.`,
    );
  }
  // A database whose server was killed runs on; its note is in its own data folder.
  for (const note of globSync("**/postmaster.pid", { cwd: folder })) {
    const processId = Number(readFileSync(path.join(folder, note), "utf8").split("\n")[0]);
    const database = noteProcess("database", processId);
    if (Number.isInteger(processId) && processId > 1 && isStillThere(database)) await endProcess(database);
  }
  say(`Beginning anew: removing ${present.join(", ")} in ${folder}`);
  // Where the database's account cannot enter this folder, the server keeps the database elsewhere; it knows where.
  const server = path.join(folder, "server");
  if (existsSync(path.join(server, "database", "moved-to"))) {
    const main = path.join(path.dirname(path.dirname(import.meta.dirname)), "server", "main.ts");
    const { code, output } = await runToEnd([main, "database", "--delete", `--home=${server}`], { msMax: deleteDatabaseMsMax });
    if (code !== 0) throw new StartError(`The database of ${server} could not be deleted: ${output.trim()}`);
  }
  for (const name of present) rmSync(path.join(folder, name), { recursive: true, force: true });
}
