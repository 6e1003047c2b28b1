// `npm start` as tests run it: through the launcher, on free ports, in a home of its own, with what it says and what it leaves behind.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

const root = path.dirname(path.dirname(import.meta.dirname));
/** A first start makes a database; on two busy cores all of it takes some seconds. */
export const startMsMax = 100_000;

export interface Home {
  folder: string;
  ports: { web: number; comms: number; agent: number; page: number; secondWeb: number; secondComms: number };
}

export function setUp(t: TestContext, ports: Home["ports"]): Home {
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle main job "));
  chmodSync(folder, 0o711); // as root the embedded database runs under another account, which must get through
  t.after(async () => {
    // Nothing is there unless the test failed.
    for (const line of (await leftBehind(folder)).split("\n")) if (line !== "") process.kill(Number.parseInt(line, 10), "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, ports };
}

/** Ports that are free now, below the range from which the system hands out its own. */
export async function freePorts(): Promise<Home["ports"]> {
  const found: number[] = [];
  // The last two lie side by side: the second environment's page takes the port after the first one's.
  for (let port = 20_000 + (process.pid % 8_000); found.length < 7; port++) {
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (isFree) found.push(port);
    else if (found.length === 6) found.pop();
  }
  const [web, comms, agent, secondWeb, secondComms, page] = found as [number, number, number, number, number, number];
  return { web, comms, agent, page, secondWeb, secondComms };
}

export function begin(
  t: TestContext,
  { folder, ports }: Home,
  ...flags: string[]
): { child: ChildProcess; output: () => string; waitFor: (text: string) => Promise<void> } {
  const args = [
    "start",
    `--home=${folder}`,
    `--web-port=${ports.web}`,
    `--comms-port=${ports.comms}`,
    `--agent-port=${ports.agent}`,
    `--page-port=${ports.page}`,
    `--second-web-port=${ports.secondWeb}`,
    `--second-comms-port=${ports.secondComms}`,
  ];
  const child = spawn(process.execPath, [path.join(root, "launch.mjs"), ...args, ...flags], { stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      for (const check of waiting) check();
    });
  }
  const waitFor = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (!output.includes(text)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      child.once("exit", () => reject(new Error(`it ended before it said "${text}":\n${output}`)));
      check();
    });
  return { child, output: () => output, waitFor };
}

export async function endOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

export async function versionOnPage(port: number): Promise<string | null> {
  const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null);
  return answer === null ? null : (/Version (\d[\w.]*)/.exec(await answer.text())?.[1] ?? null);
}

/** Every process that still has the home in its command line. */
export async function leftBehind(folder: string): Promise<string> {
  const ps = spawn("ps", ["-eo", "pid=,args="], { stdio: ["ignore", "pipe", "ignore"] });
  let all = "";
  for await (const chunk of ps.stdout) all += String(chunk);
  return all
    .split("\n")
    .filter((line) => line.includes(folder))
    .join("\n");
}
