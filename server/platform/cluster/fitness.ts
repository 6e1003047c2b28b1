// Whether this node can work at all: what it stands on is looked at again and again, each look with a deadline. One answer for everybody
// who has to know: a node that is not well takes no task, and tells load balancers to send requests elsewhere.

import { pause } from "../../base/clock.ts";

/** Something this node stands on. `check` settles when it is well and rejects when it is not. */
export interface Probe {
  name: string;
  check: () => Promise<unknown>;
}

/** What one probe has shown. */
export interface ProbeFinding {
  name: string;
  state: "ok" | "failing" | "late" | "leaving";
}

export interface Fitness {
  start(): void;
  /** Looks now, or waits for the look that is under way; answers within `probeDeadlineMs`. In the order of the probes. */
  look(): Promise<readonly ProbeFinding[]>;
  /** As the last look showed. */
  isAble(): boolean;
  /** Names of the probes that were not well at the last look. */
  impairments(): readonly string[];
  /** From now on the node is not able any more, whatever the probes say: it is about to stop. */
  leave(): void;
  stop(): Promise<void>;
}

/** Load balancers ask every few seconds and count a late answer as none. */
export const probeDeadlineMs = 2_000;
/** So long a node may go on taking tasks after what it stands on has failed, a probe's deadline besides. */
const lookEveryMs = 1_000;
/** Shown beside the probes once the node is about to stop. */
const leaving: ProbeFinding = { name: "Node", state: "leaving" };

export function createFitness(parts: { probes: readonly Probe[]; log: { warn(fields: object, message: string): void } }): Fitness {
  const stopping = new AbortController();
  const checks = parts.probes.map(createCheck);
  let away: readonly string[] = [];
  let isLeaving = false;
  let looking: Promise<readonly ProbeFinding[]> | undefined;
  let loop: Promise<void> = Promise.resolve();

  async function lookNow(): Promise<readonly ProbeFinding[]> {
    const findings = await Promise.all(checks.map((check) => check()));
    const wasWell = away.length === 0;
    away = findings.filter((one) => one.state !== "ok").map((one) => one.name);
    if (wasWell && away.length > 0) {
      parts.log.warn({ away }, "This node cannot work and takes no task until what it stands on is back.");
    } else if (away.length === 0 && !wasWell) {
      parts.log.warn({}, "What this node stands on is back; it works again.");
    }
    return findings;
  }

  async function look(): Promise<readonly ProbeFinding[]> {
    looking ??= lookNow().finally(() => (looking = undefined));
    const findings = await looking;
    return isLeaving ? [leaving, ...findings] : findings;
  }

  return {
    look,
    isAble: () => away.length === 0 && !isLeaving,
    impairments: () => away,
    leave: () => void (isLeaving = true),
    start() {
      loop = (async () => {
        while (await pause(lookEveryMs, stopping.signal)) await look();
      })();
    },
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

/** One probe with its deadline. While a check hangs no second one is begun: hanging calls would take all threads or connections. */
function createCheck(probe: Probe): () => Promise<ProbeFinding> {
  let hanging: Promise<ProbeFinding> | undefined;
  return async () => {
    hanging ??= Promise.resolve()
      .then(() => probe.check())
      .then(
        () => ({ name: probe.name, state: "ok" }) as const,
        () => ({ name: probe.name, state: "failing" }) as const,
      )
      .finally(() => (hanging = undefined));
    const { promise: late, resolve } = Promise.withResolvers<ProbeFinding>();
    const timer = setTimeout(() => resolve({ name: probe.name, state: "late" }), probeDeadlineMs);
    try {
      return await Promise.race([hanging, late]);
    } finally {
      clearTimeout(timer);
    }
  };
}
