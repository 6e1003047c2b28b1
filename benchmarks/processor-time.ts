// How much processor time processes have used: their own, and that of their children, living ones with what those have waited for.

import fs from "node:fs/promises";

/** Of Linux on all machines that Node runs on. */
const ticksPerSecond = 100;

export interface ProcessorTime {
  /** Seconds. */
  own: number;
  children: number;
}

export async function processorTime(pids: readonly number[]): Promise<ProcessorTime> {
  const sum = { own: 0, children: 0 };
  for (const pid of pids) {
    const used = await read(pid);
    sum.own += used.own;
    sum.children += used.children;
    for (const child of (await fs.readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).split(" ").filter(Boolean)) {
      // One that has ended since counts with its parent.
      const ofChild = await read(Number(child)).catch(() => ({ own: 0, children: 0 }));
      sum.children += ofChild.own + ofChild.children;
    }
  }
  return sum;
}

async function read(pid: number): Promise<ProcessorTime> {
  const text = await fs.readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the program, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const seconds = (n: number): number => Number(fields[n]) / ticksPerSecond;
  return { own: seconds(11) + seconds(12), children: seconds(13) + seconds(14) };
}
