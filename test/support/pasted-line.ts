// A machine on which somebody pastes a line into a shell: an ordinary user's home with nothing of ours in it, and the agent that the line
// leaves there.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

/** An agent of the tests must not run as root where it can be helped: as a person would paste the line. */
const ordinaryUser = 1000;
const isRoot = process.getuid?.() === 0;

export interface PastedMachine {
  readonly home: string;
  /** Where the agent is put. */
  readonly agentFolder: string;
  /** Resolves when the shell has ended. */
  paste(line: string, environment?: NodeJS.ProcessEnv): Promise<{ code: number; said: string }>;
  endAgent(): void;
}

/** `root`: a folder that an ordinary user may pass through, such as that of a cluster, which ends what runs below it. */
export function createPastedMachine(root: string, name: string): PastedMachine {
  const home = path.join(root, `home ${name}`);
  mkdirSync(home);
  if (isRoot) chownSync(home, ordinaryUser, ordinaryUser);
  chmodSync(root, 0o755);
  const agentFolder = path.join(home, ".local/share/cuttle-agent");
  return {
    home,
    agentFolder,
    async paste(line, environment = {}) {
      const child = spawn("sh", [], {
        cwd: "/",
        env: { PATH: process.env["PATH"], HOME: home, ...environment },
        stdio: ["pipe", "pipe", "pipe"],
        ...(isRoot ? { uid: ordinaryUser, gid: ordinaryUser } : {}),
      });
      let said = "";
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (said += text));
      child.stdin.end(`${line}\n`);
      const [code] = (await once(child, "close")) as [number];
      return { code, said };
    },
    endAgent() {
      const note = path.join(agentFolder, "agent.pid");
      if (!existsSync(note)) return;
      try {
        process.kill(Number(readFileSync(note, "utf8")), "SIGKILL");
      } catch {
        // It has ended already.
      }
      rmSync(note);
    },
  };
}

/** Makes the archive of the agent with its Node, which a server hands out to machines where the line is pasted. */
export async function makeAgentArchive(folder: string): Promise<void> {
  const root = path.dirname(path.dirname(import.meta.dirname));
  const child = spawn(process.execPath, [path.join(root, "scripts", "agent-archive.ts"), folder], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number];
  if (code !== 0) throw new Error(`The agent's archive was not made (exit code ${code}).`);
}
