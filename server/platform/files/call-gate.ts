// Lets few calls to a possibly hanging file system run at once, each with a deadline. A call that never returns keeps its place but
// holds up nobody for longer than their own deadline, and threads of the process stay free for everything else.
import { SharedFolderError } from "./shared-folder-error.ts";

/** Handed to the work: a call whose deadline has passed must have no further effect. */
export interface CallState {
  expired: boolean;
}

export interface CallGate {
  /**
   * Runs `work` when there is a place. Rejects with kind timed-out at the deadline, waiting included; what `work` still brings goes
   * to `onLate`.
   */
  run<T>(call: { doing: string; timeoutMs: number }, work: (state: CallState) => Promise<T>, onLate?: (value: T) => void): Promise<T>;
  /** Calls that run past their deadline right now. */
  hanging(): number;
}

const waitingMax = 1_000; // more than this many calls waiting means that the folder does not keep up at all

export function createCallGate(placesMax: number): CallGate {
  let taken = 0;
  let late = 0;
  const waiting: (() => void)[] = [];

  function free(): void {
    const next = waiting.shift();
    if (next === undefined) taken -= 1;
    else next();
  }

  return {
    hanging: () => late,
    run<T>(
      { doing, timeoutMs }: { doing: string; timeoutMs: number },
      work: (state: CallState) => Promise<T>,
      onLate?: (value: T) => void,
    ) {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const state: CallState = { expired: false };
      let started = false;
      const timer = setTimeout(() => {
        state.expired = true;
        if (started) late += 1;
        else waiting.splice(waiting.indexOf(begin), 1);
        reject(
          new SharedFolderError(
            "timed-out",
            `The shared folder did not answer within ${timeoutMs} ms while asked to ${doing}. Check its file server and the network to it.`,
          ),
        );
      }, timeoutMs);

      function begin(): void {
        started = true;
        work(state)
          .then(
            (value) => (state.expired ? onLate?.(value) : resolve(value)),
            (error: unknown) => reject(error as Error),
          )
          .finally(() => {
            clearTimeout(timer);
            if (state.expired) late -= 1;
            free();
          });
      }

      if (taken < placesMax) {
        taken += 1;
        begin();
      } else if (waiting.length < waitingMax) waiting.push(begin);
      else {
        clearTimeout(timer);
        reject(new SharedFolderError("timed-out", `The shared folder has ${waitingMax} calls waiting; it does not keep up.`));
      }
      return promise;
    },
  };
}
