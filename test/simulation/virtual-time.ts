// The one time line of a simulated cluster: events in order of their moment, each run to the end of all promises it settles before
// the next begins. Nothing waits really, and nothing depends on how busy this machine is.

export interface VirtualTime {
  /** Milliseconds since the simulation began. */
  nowMs(): number;
  /** Runs `work` after `ms`; the answered function takes it back. */
  after(ms: number, work: () => void): () => void;
  /** Lets time pass until `isOver`, or until the moment is reached, or nothing is left to happen. */
  run(until: { isOver: () => boolean; momentMs: number }): Promise<void>;
  /** Events so far. */
  events(): number;
}

interface Event {
  atMs: number;
  /** Equal moments keep the order in which they were asked for. */
  number: number;
  work: (() => void) | undefined;
}

/** Events handed to the event loop at once. Node runs all promises that can go on between one and the next. */
const batch = 256;

export function createVirtualTime(): VirtualTime {
  const heap: Event[] = [];
  let nowMs = 0;
  let made = 0;
  let ran = 0;

  function isBefore(a: Event, b: Event): boolean {
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
  }

  function push(event: Event): void {
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  function pop(): Event | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }

  return {
    nowMs: () => nowMs,
    events: () => ran,
    after(ms, work) {
      const event: Event = { atMs: nowMs + Math.max(0, ms), number: made++, work };
      push(event);
      return () => (event.work = undefined);
    },
    run({ isOver, momentMs }) {
      return new Promise((resolve, reject) => {
        let ended = false;
        function step(): void {
          if (ended) return;
          try {
            if (isOver()) return end();
            let next = pop();
            while (next !== undefined && next.work === undefined) next = pop();
            if (next === undefined || next.atMs > momentMs) {
              if (next !== undefined) push(next);
              if (Number.isFinite(momentMs)) nowMs = momentMs;
              return end();
            }
            nowMs = next.atMs;
            ran += 1;
            next.work!();
          } catch (error) {
            ended = true;
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        }
        function end(): void {
          ended = true;
          resolve();
        }
        function steps(): void {
          if (ended) return;
          for (let n = 0; n < batch; n++) setImmediate(step);
          setImmediate(steps);
        }
        steps();
      });
    },
  };
}
