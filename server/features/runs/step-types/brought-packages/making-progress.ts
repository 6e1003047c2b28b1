// How far a package's archive is, which is made before its first deployment and may take minutes: said in the log beside the action, now and then.

import type { ActionContext } from "../../../../engine/execution/execution.ts";

/** What is done sooner needs no words, and more often nobody reads it. */
const sayEveryMs = 2_000;
const mebibyte = 1024 * 1024;

/** To be called with bytes that are done and bytes of all. */
export function sayMaking(
  { run, block }: Pick<ActionContext, "run" | "block">,
  packageName: string,
  nowMs: () => number = () => performance.now(),
): (done: number, of: number) => void {
  const startedMs = nowMs();
  let saidMs = startedMs;
  return (done, of) => {
    const atMs = nowMs();
    if (atMs - saidMs < sayEveryMs || done >= of) return;
    saidMs = atMs;
    const secondsLeft = Math.max(1, Math.ceil(((atMs - startedMs) * (of - done)) / done / 1000));
    const amount = `${Math.floor(done / mebibyte)} of ${Math.ceil(of / mebibyte)} MiB`;
    const message = `Preparing ${packageName}: ${amount}, about ${secondsLeft} s left`;
    // A task that was lost meanwhile hears of it by what it does next.
    run.log
      .append([{ kind: "progress", id: block, percentage: Math.floor((done * 100) / of), message, at: new Date().toISOString() }])
      .catch(() => {});
  };
}
