// Follows growing log files and tells their new lines, with those of a node in words instead of JSON.
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

/** Lines are told this late at most. */
const lookMs = 200;
const pieceBytes = 64 * 1024;
const infoLevel = 30;

export interface LogFollower {
  stop(): Promise<void>;
}

/** Tells lines from now on, or from the beginning of a file that is not there yet. */
export function followLogs(logs: readonly { name: string; file: string }[], tell: (name: string, line: string) => void): LogFollower {
  let isStopped = false;
  let wake = (): void => {};
  const follow = async ({ name, file }: { name: string; file: string }): Promise<void> => {
    let handle: FileHandle | undefined;
    let at = 0;
    let rest = "";
    const piece = Buffer.alloc(pieceBytes);
    while (!isStopped) {
      handle ??= await open(file, "r").catch(() => undefined);
      const bytesRead = handle === undefined ? 0 : (await handle.read(piece, 0, pieceBytes, at)).bytesRead;
      at += bytesRead;
      const lines = (rest + piece.toString("utf8", 0, bytesRead)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const words = inWords(line);
        if (words !== undefined) tell(name, words);
      }
      if (bytesRead === 0) await pauseOrWake();
    }
    await handle?.close();
  };
  const pauseOrWake = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, lookMs);
      const before = wake;
      wake = () => {
        before();
        clearTimeout(timer);
        resolve();
      };
    });
  const following = logs.map(follow);
  return {
    async stop() {
      isStopped = true;
      wake();
      await Promise.all(following);
    },
  };
}

/** A line of a node's log as a sentence; undefined for what only matters when something is searched for. */
function inWords(line: string): string | undefined {
  if (!line.startsWith("{")) return line.trim() === "" ? undefined : line;
  try {
    const { level, msg, task, epoch, err, why } = JSON.parse(line) as {
      level?: number;
      msg?: string;
      task?: string;
      epoch?: number;
      err?: { message?: string };
      why?: string;
    };
    if (msg === undefined || (level ?? 0) < infoLevel) return undefined;
    const about = [task, epoch === undefined ? undefined : `epoch ${epoch}`, why, err?.message].filter((one) => one !== undefined);
    return about.length === 0 ? msg : `${msg} (${about.join(", ")})`;
  } catch {
    return line;
  }
}
