// Runs one job again and again on this node, one run at a time, until it is stopped. A failed run is told and tried at the next turn.

import { pause } from "../../base/clock.ts";

export interface BackgroundLoop {
  start(): void;
  stop(): Promise<void>;
}

export function createBackgroundLoop(job: {
  name: string;
  everyMs: number;
  runOnce: () => Promise<unknown>;
  log: { warn(fields: object, message: string): void };
}): BackgroundLoop {
  const stopping = new AbortController();
  let loop: Promise<void> = Promise.resolve();
  return {
    start() {
      loop = (async () => {
        // Nodes that start together should not all come at the same moments.
        let waitMs = Math.random() * job.everyMs;
        while (await pause(waitMs, stopping.signal)) {
          await job
            .runOnce()
            .catch((error: unknown) =>
              job.log.warn({ err: error, job: job.name }, "A background job failed; it runs again at its next turn."),
            );
          waitMs = job.everyMs;
        }
      })();
    },
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}
