// Where a server finds the archives of the agent that it hands out: in the folder of its setting, in one beside its program, and, in a clone
// of the sources, in one where it has them made by the script of the repository.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

/** Packing a hundred megabytes on a busy machine. */
const makeMsMax = 10 * 60_000;
const progressEveryMs = 2_000;
const outputBytesMax = 1024 * 1024;

export function findAgentArchives(
  config: { home: string; agentArchives: string | undefined },
  say: (line: string) => void,
): {
  folders: string[];
  make?: () => Promise<void>;
} {
  const beside = path.join(import.meta.dirname, "agents");
  if (config.agentArchives !== undefined) return { folders: [config.agentArchives, beside] };
  const script = path.join(path.dirname(import.meta.dirname), "scripts", "agent-archive.ts");
  if (!existsSync(script)) return { folders: [path.join(config.home, "agents"), beside] };
  const folder = path.join(config.home, "agents");
  return {
    folders: [folder, beside],
    async make() {
      say("The archive of the agent for new machines is being made.");
      const running = promisify(execFile)(process.execPath, [script, folder], { timeout: makeMsMax, maxBuffer: outputBytesMax });
      let saidAtMs = performance.now();
      running.child.stdout?.on("data", (line: string) => {
        const found = /"done":(\d+),"total":(\d+)/.exec(line);
        if (found === null || performance.now() - saidAtMs < progressEveryMs) return;
        saidAtMs = performance.now();
        say(`Packing the agent: ${mebibytes(Number(found[1]))} of ${mebibytes(Number(found[2]))} MiB.`);
      });
      await running;
      say("The archive of the agent for new machines is there.");
    },
  };
}

const mebibytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);
