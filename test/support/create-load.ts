// A steady load of creates for trials, each sent once and never repeated, and the judgement on what came of them: what was acknowledged is
// there, what was said not to be done is not, nothing is there twice, and nobody was told anything else.
import { setTimeout as pause } from "node:timers/promises";
import type { ClusterApi } from "./cluster-api.ts";

/** Creates of one kind in one space wait for each other, so that their slugs differ; a load that shall not measure this spreads. */
const spaceCount = 10;
/** More at once than this would be a load of its own; further creates wait for the next turn. */
const openMax = 400;
const pageSize = 1_000;

export interface CreateLoad {
  /** When the node with this address acknowledged a create that was sent after `sinceMs`; undefined until then. */
  acknowledgedAt(url: string, sinceMs: number): number | undefined;
  /** Sends no more and waits for the answers. */
  stop(): Promise<void>;
  /** After the stop: reads everything back. */
  judge(): Promise<LoadResult>;
}

export interface LoadResult {
  sent: number;
  acknowledged: number;
  /** 503: nothing was changed. */
  refused: number;
  /** 503: it is not known. */
  unknown: number;
  /** No answer within the driver's own deadline, which a machine that is very busy brings about by itself. */
  silent: number;
  lost: number;
  doubled: number;
  slowestAnswerMs: number;
  faults: string[];
}

interface Create {
  name: string;
  url: string;
  sentAtMs: number;
  answeredAtMs: number;
  outcome: "acknowledged" | "refused" | "unknown" | "silent" | "fault";
}

/**
 * Creates environments: their names are unique, so that a create which the server did twice is told to its caller as one that failed,
 * and counts as doubled as well.
 */
export async function startCreateLoad(parts: {
  api: ClusterApi;
  urls: readonly string[];
  perSecond: number;
  prefix: string;
}): Promise<CreateLoad> {
  const spaces: string[] = [];
  for (let n = 1; n <= spaceCount; n++) {
    const space = await parts.api.create("/api/spaces", { Name: `${parts.prefix} ${n}` });
    spaces.push(space.Id);
  }
  const done: Create[] = [];
  const open = new Set<Promise<void>>();
  const faults: string[] = [];
  let doubled = 0;
  let sent = 0;
  let stopped = false;

  async function create(): Promise<void> {
    const name = `${parts.prefix} ${++sent}`;
    const url = parts.urls[sent % parts.urls.length]!;
    const sentAtMs = performance.now();
    let outcome: Create["outcome"] = "fault";
    try {
      const answer = await parts.api.once(url, "POST", `/api/${spaces[sent % spaceCount]}/environments`, { Name: name });
      if (answer.status === 201) outcome = "acknowledged";
      else if (answer.status === 503 && /Nothing was changed/.test(answer.text)) outcome = "refused";
      else if (answer.status === 503 && /not known whether/.test(answer.text)) outcome = "unknown";
      else {
        if (/already|unique/i.test(answer.text)) doubled += 1;
        faults.push(`${name}: ${answer.status} ${answer.text.slice(0, 300)}`);
      }
      if (answer.status === 503 && answer.headers.get("retry-after") === null) faults.push(`${name}: a 503 without Retry-After`);
    } catch (error) {
      if (error instanceof Error && error.name === "TimeoutError") outcome = "silent";
      else faults.push(`${name}: no answer: ${String(error)}`);
    }
    done.push({ name, url, sentAtMs, answeredAtMs: performance.now(), outcome });
  }

  const loop = (async () => {
    const startedMs = performance.now();
    for (let due = 0; !stopped; due++) {
      const waitMs = startedMs + (due * 1_000) / parts.perSecond - performance.now();
      if (waitMs > 0) await pause(waitMs);
      if (open.size >= openMax || stopped) continue;
      const one = create().finally(() => open.delete(one));
      open.add(one);
    }
  })();

  return {
    acknowledgedAt: (url, sinceMs) =>
      done.find((one) => one.url === url && one.outcome === "acknowledged" && one.sentAtMs >= sinceMs)?.answeredAtMs,
    async stop() {
      stopped = true;
      await loop;
      await Promise.all(open);
    },
    async judge() {
      const there = new Map<string, number>();
      for (const space of spaces) {
        for (let skip = 0; ; skip += pageSize) {
          const page = await parts.api.get(`/api/${space}/environments?skip=${skip}&take=${pageSize}`);
          for (const { Name } of page.Items) there.set(Name, (there.get(Name) ?? 0) + 1);
          if (page.Items.length < pageSize) break;
        }
      }
      let lost = 0;
      for (const { name, outcome } of done) {
        const count = there.get(name) ?? 0;
        if (count > 1) {
          doubled += 1;
          faults.push(`${name} is there ${count} times`);
        }
        if (outcome === "acknowledged" && count === 0) {
          lost += 1;
          faults.push(`${name} was acknowledged and is not there`);
        }
        if (outcome === "refused" && count > 0) faults.push(`${name} was said not to be done and is there`);
      }
      const count = (outcome: Create["outcome"]): number => done.filter((one) => one.outcome === outcome).length;
      return {
        sent,
        acknowledged: count("acknowledged"),
        refused: count("refused"),
        unknown: count("unknown"),
        silent: count("silent"),
        lost,
        doubled,
        slowestAnswerMs: Math.max(0, ...done.map((one) => one.answeredAtMs - one.sentAtMs)),
        faults,
      };
    },
  };
}
