// The driver of a trial: a client of the REST API that outlives its servers. Reads are repeated on any node until one answers;
// a create is repeated only under one Idempotency-Key, so what it answers has happened exactly once.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { clusterApiKey } from "./cluster.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- trials look into documents whose shape they state themselves
export type Document = any;

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** Undefined when the answer is not JSON. */
  body: Document;
}

export interface ClusterApi {
  /** One try at one node, whatever comes of it. Rejects when nobody answers by the deadline. */
  once(
    url: string,
    method: string,
    address: string,
    body?: unknown,
    headers?: Record<string, string>,
    deadlineMs?: number,
  ): Promise<ApiAnswer>;
  /** The document, from the first node that has it. */
  get(address: string): Promise<Document>;
  getText(address: string): Promise<string>;
  /** Acknowledged when it resolves. */
  create(address: string, body: unknown): Promise<Document>;
  /** A change that may be repeated as it is. */
  put(address: string, body: unknown): Promise<Document>;
}

/** Longer than a frozen node may hold a request before the driver tries the next one. */
const requestMsMax = 5_000;
/** All nodes may be down for the length of a start. */
const patienceMs = 60_000;
const retryPauseMs = 50;

/** `urls` is asked at every try: nodes come and go. */
export function createClusterApi(urls: () => readonly string[]): ClusterApi {
  let turn = 0;

  async function once(
    url: string,
    method: string,
    address: string,
    body?: unknown,
    headers: Record<string, string> = {},
    deadlineMs = requestMsMax,
  ): Promise<ApiAnswer> {
    const response = await fetch(`${url}${address}`, {
      method,
      headers: { "X-Octopus-ApiKey": clusterApiKey, ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      signal: AbortSignal.timeout(deadlineMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    return { status: response.status, headers: response.headers, text, body: isJson && text !== "" ? JSON.parse(text) : undefined };
  }

  /** Tries until somebody answers other than "not now". Fails on any other error. */
  async function insist(method: string, address: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer> {
    const startedMs = performance.now();
    for (;;) {
      const nodes = urls();
      const url = nodes[turn++ % nodes.length];
      let last: unknown;
      try {
        const answer = await once(url!, method, address, body, headers);
        if (answer.status < 300) return answer;
        last = `${answer.status} ${answer.text}`;
        if (answer.status !== 503) throw new Refused(`${method} ${address} answered ${answer.status}: ${answer.text}`);
      } catch (error) {
        if (error instanceof Refused) throw error;
        last = error;
      }
      if (performance.now() - startedMs > patienceMs)
        throw new Error(`${method} ${address} had no answer within ${patienceMs} ms`, { cause: last });
      await pause(retryPauseMs);
    }
  }

  return {
    once,
    get: async (address) => (await insist("GET", address)).body,
    getText: async (address) => (await insist("GET", address)).text,
    create: async (address, body) => (await insist("POST", address, body, { "Idempotency-Key": randomUUID() })).body,
    put: async (address, body) => (await insist("PUT", address, body)).body,
  };
}

class Refused extends Error {}
