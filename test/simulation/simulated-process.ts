// A server process of the simulation, as the world sees it: everything that reaches it or leaves it passes here, so that it can be
// killed or frozen at any of these effects. What is dead never goes on; what is frozen goes on later, with its clock ahead.

import type { Clock } from "../../server/base/clock.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  state(): "running" | "frozen" | "dead";
  /** Something reaches the process or is about to leave it: happens now, after its sleep, or never. */
  effect(name: string, happens: () => void): void;
  /** Goes on in the same way, at a moment of its own. */
  turn(name: string): Promise<void>;
  kill(): void;
  freeze(ms: number): void;
  onDeath(work: () => void): void;
  onFreeze(work: (ms: number) => void): void;
}

/** What befalls a process at its n-th effect. */
export interface Misfortune {
  effect: number;
  /** Undefined: killed. */
  frozenMs: number | undefined;
}

export function createSimulatedProcess(parts: {
  name: string;
  time: VirtualTime;
  random: () => number;
  /** Of its monotonic clock against the database's. */
  clockRate: number;
  misfortunes: readonly Misfortune[];
  trace: (text: string) => void;
}): SimulatedProcess {
  const { time, random, clockRate } = parts;
  const waiting: (() => void)[] = [];
  /** Node keeps a combined signal, and all behind it, as long as somebody listens to it: the dead have to be taken off. */
  const sleeping = new Set<() => void>();
  const deaths: (() => void)[] = [];
  const freezes: ((ms: number) => void)[] = [];
  let state: "running" | "frozen" | "dead" = "running";
  let effects = 0;

  function deliver(happens: () => void): void {
    if (state === "running") happens();
    else if (state === "frozen") waiting.push(happens);
  }

  function sleep(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const cancel = time.after(ms / clockRate, () =>
        deliver(() => {
          forget();
          resolve(true);
        }),
      );
      function stop(): void {
        cancel();
        sleeping.delete(forget);
        resolve(false);
      }
      function forget(): void {
        signal?.removeEventListener("abort", stop);
        sleeping.delete(forget);
      }
      signal?.addEventListener("abort", stop, { once: true });
      sleeping.add(forget);
    });
  }

  const clock: Clock = {
    monotonicMs: () => time.nowMs() * clockRate,
    pause: sleep,
    pauseBetween: (msMin, msMax, signal) => sleep(msMin + random() * (msMax - msMin), signal),
    every(ms, work) {
      let stopped = false;
      function next(): void {
        if (stopped || state === "dead") return;
        time.after(ms / clockRate, () =>
          deliver(() => {
            if (stopped) return;
            work();
            next();
          }),
        );
      }
      next();
      return () => (stopped = true);
    },
    deadline(ms) {
      const controller = new AbortController();
      time.after(ms / clockRate, () => deliver(() => controller.abort(new Error("The time is up."))));
      return controller.signal;
    },
  };

  const process: SimulatedProcess = {
    name: parts.name,
    clock,
    state: () => state,
    effect(name, happens) {
      if (state === "running") {
        effects += 1;
        const misfortune = parts.misfortunes.find((one) => one.effect === effects);
        if (misfortune !== undefined) {
          parts.trace(
            `${parts.name} ${misfortune.frozenMs === undefined ? "is killed" : `freezes for ${misfortune.frozenMs} ms`} at ${name}`,
          );
          if (misfortune.frozenMs === undefined) process.kill();
          else process.freeze(misfortune.frozenMs);
        }
      }
      deliver(happens);
    },
    turn: (name) => new Promise((resolve) => process.effect(name, resolve)),
    kill() {
      if (state === "dead") return;
      state = "dead";
      waiting.length = 0;
      for (const forget of sleeping) forget();
      for (const work of deaths) work();
    },
    freeze(ms) {
      if (state !== "running") return;
      state = "frozen";
      for (const work of freezes) work(ms);
      time.after(ms, () => {
        if (state !== "frozen") return;
        state = "running";
        parts.trace(`${parts.name} wakes up`);
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          // Each at a moment of its own, so that what it sets off comes to its end before the next.
          const happens = next;
          time.after(0, () => deliver(happens));
        }
      });
    },
    onDeath: (work) => void deaths.push(work),
    onFreeze: (work) => void freezes.push(work),
  };
  return process;
}
