/**
 * Requests that wait for polling services to collect them: the interface between whoever makes calls and the listener's dispatchers, and one
 * implementation in memory, for one process. A call is handed out at most once after its first byte was sent, and kept as long as none was.
 */
import { HalibutCallError } from "./errors.ts";
import { watchCall } from "./giving-up.ts";
import type { CallOptions, GivingUp } from "./giving-up.ts";
import { withDefaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { encodeRequest } from "./messages.ts";
import type { ServiceContract } from "./shapes.ts";

/** A call that a dispatcher has taken. Exactly one of `settle` and `putBack` is to be called. */
export interface CollectedCall {
  readonly contract: ServiceContract;
  readonly method: string;
  readonly params: readonly unknown[];
  readonly options: CallOptions;
  readonly givingUp: GivingUp;
  settle(outcome: { ok: true; result: unknown } | { ok: false; error: unknown }): void;
  /** Not a byte was sent: the call goes back to the head of the queue. */
  putBack(): void;
}

/**
 * A polling service: its subscription, and the certificate that must ask for it. Calls are for this pair, so that a subscription that was
 * given to another certificate hands nothing to a connection from before.
 */
export interface PollingPeer {
  subscription: string;
  /** SHA-1 of its certificate, 40 upper-case hex digits. */
  thumbprint: string;
}

/** Where dispatchers get their calls. Subscriptions are normalised (`normalSubscription`). */
export interface PollingQueue {
  /** The next call for a peer, first in first out; null when none came in time or `signal` was aborted. */
  take(peer: PollingPeer, waitMs: number, signal: AbortSignal): Promise<CollectedCall | null>;
}

export interface InMemoryPollingQueue extends PollingQueue {
  /** Like `HalibutClient.call`, for a polling service. A call that nobody collects in time is unreachable, with nothing sent. */
  call(peer: PollingPeer, contract: ServiceContract, method: string, params: readonly unknown[], options: CallOptions): Promise<unknown>;
  /** Cancels all calls, waiting or collected. */
  close(): void;
}

/** One spelling per subscription: lower case, without the slash at its end. */
export function normalSubscription(subscription: string): string {
  return subscription.toLowerCase().replace(/\/+$/, "");
}

function keyOf(peer: PollingPeer): string {
  return `${peer.thumbprint} ${normalSubscription(peer.subscription)}`;
}

type Taker = (call: CollectedCall) => void;

interface Line {
  waiting: Entry[];
  takers: Taker[];
}

interface Entry {
  collected: CollectedCall;
  /** Starts or stops the time in which the call has to be collected. */
  expectCollection(): void;
  markCollected(): void;
}

export function createPollingQueue(parts: { limits?: Partial<HalibutLimits> } = {}): InMemoryPollingQueue {
  const limits = withDefaultLimits(parts.limits);
  const lines = new Map<string, Line>();
  const open = new Set<GivingUp>();
  let closed = false;

  function lineOf(key: string): Line {
    const line = lines.get(key) ?? { waiting: [], takers: [] };
    lines.set(key, line);
    return line;
  }

  function tidy(key: string): void {
    const line = lines.get(key);
    if (line?.waiting.length === 0 && line.takers.length === 0) lines.delete(key);
  }

  /** Gives the call to the dispatcher that has waited longest, else puts it into the line. */
  function offer(key: string, entry: Entry, where: "first" | "last"): void {
    const line = lineOf(key);
    const taker = line.takers.shift();
    if (taker !== undefined) {
      entry.markCollected();
      return taker(entry.collected);
    }
    if (where === "first") line.waiting.unshift(entry);
    else line.waiting.push(entry);
    entry.expectCollection();
  }

  return {
    call(peer, contract, method, params, options) {
      const key = keyOf(peer);
      const subscription = normalSubscription(peer.subscription);
      const what = `${contract.name}.${method} on ${subscription}`;
      return new Promise((resolve, reject) => {
        // Arguments that do not fit are the caller's mistake, and told at once.
        encodeRequest({ contract, method, params }, { url: `${subscription}/`, thumbprint: peer.thumbprint }, 0);
        if (closed) throw new HalibutCallError("cancelled", `${what} was cancelled: the queue is closed.`);
        if ((lines.get(key)?.waiting.length ?? 0) >= limits.queuedCallsMax)
          throw new HalibutCallError(
            "unreachable",
            `${what}: ${limits.queuedCallsMax} requests wait for this agent already. Is it connected?`,
          );
        const givingUp = watchCall(options);
        const collectUntil = performance.now() + limits.collectMs;
        let collecting: NodeJS.Timeout | undefined;
        let settled = false;

        const entry: Entry = {
          collected: {
            contract,
            method,
            params,
            options,
            givingUp,
            settle(outcome) {
              if (settled) return;
              settled = true;
              givingUp.release();
              open.delete(givingUp);
              if (outcome.ok) resolve(outcome.result);
              else reject(outcome.error as Error);
            },
            putBack() {
              if (givingUp.reason === null) offer(key, entry, "first");
              else giveUp();
            },
          },
          expectCollection() {
            collecting = setTimeout(withdraw, collectUntil - performance.now());
            givingUp.signal.addEventListener("abort", withdraw);
          },
          markCollected() {
            // From here on the call is its dispatcher's to settle: it alone knows whether a byte was sent.
            clearTimeout(collecting);
            givingUp.signal.removeEventListener("abort", withdraw);
          },
        };

        /** Takes the waiting call out of the line and ends it. */
        function withdraw(): void {
          const { waiting } = lines.get(key)!;
          waiting.splice(waiting.indexOf(entry), 1);
          tidy(key);
          entry.markCollected();
          giveUp();
        }

        function giveUp(): void {
          const why =
            givingUp.reason === "cancelled"
              ? "was cancelled before the agent collected it."
              : "was not collected in time. Is the agent connected?";
          const error = new HalibutCallError(givingUp.reason ?? "unreachable", `${what} ${why}`);
          entry.collected.settle({ ok: false, error });
        }

        open.add(givingUp);
        if (givingUp.reason !== null) giveUp();
        else offer(key, entry, "last");
      });
    },

    take(peer, waitMs, signal) {
      const key = keyOf(peer);
      const line = lineOf(key);
      const next = line.waiting.shift();
      if (next !== undefined) {
        next.markCollected();
        tidy(key);
        return Promise.resolve(next.collected);
      }
      return new Promise((resolve) => {
        const timer = setTimeout(leave, waitMs);
        const taker: Taker = (collected) => {
          clearTimeout(timer);
          signal.removeEventListener("abort", leave);
          resolve(collected);
        };
        function leave(): void {
          clearTimeout(timer);
          signal.removeEventListener("abort", leave);
          const at = line.takers.indexOf(taker);
          if (at >= 0) line.takers.splice(at, 1);
          tidy(key);
          resolve(null);
        }
        line.takers.push(taker);
        if (signal.aborted) leave();
        else signal.addEventListener("abort", leave);
      });
    },

    close() {
      closed = true;
      for (const givingUp of open) givingUp.cancel();
    },
  };
}
