// What the wire costs: calls, streams, idle and returning agents of the halibut library, each beside bare node:tls doing the same amount of
// talk in the same run. Server and agents are two processes. `npm run bench:wire` runs all; words choose: calls streams big idle return.

import { fork } from "node:child_process";
import { once } from "node:events";
import { createHalibutClient, createHalibutListener, createIdentity, createPollingQueue } from "@cuttle/halibut";
import type { DataStream } from "@cuttle/halibut";
import { connect } from "node:tls";
import { percentile } from "./programs.ts";
import { benchContract, collectGarbage, streamOf, tlsOptionsOf } from "./wire-agents.ts";
import type { FromAgents, ToAgents } from "./wire-agents.ts";

const seconds = 4;
const rounds = 3;
const MB = 1e6;
const wanted = process.argv.slice(2);
const chosen = (name: string): boolean => wanted.length === 0 || wanted.includes(name);

const [server, agent] = await Promise.all([createIdentity("bench server"), createIdentity("bench agent")]);
const agents = fork(new URL("wire-agents.ts", import.meta.url));

/** Tells the agents' process something and waits for its answer. */
async function tell(message: ToAgents): Promise<FromAgents> {
  const answer = once(agents, "message");
  agents.send(message);
  const [reply] = (await answer) as [FromAgents];
  return reply;
}

const { port, barePort } = await tell({ do: "listen", agent, server });
const peer = { host: "127.0.0.1", port: port!, thumbprint: agent.thumbprint };
const soon = { timeoutMs: 600_000 };
const client = createHalibutClient({ identity: server });
const hello = (): Promise<unknown> => client.call(peer, benchContract, "SayHello", ["somebody"], soon);

/** Calls per second and latencies of `callers` loops, each waiting for its answer before it asks again. */
async function loops(callers: number, ask: (caller: number) => Promise<unknown>): Promise<{ perSecond: number; p99Ms: number }> {
  const took: number[] = [];
  await Promise.all(Array.from({ length: callers }, (_, caller) => ask(caller)));
  const begin = performance.now();
  const until = begin + seconds * 1_000;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let at = performance.now(); at < until;) {
        await ask(caller);
        const now = performance.now();
        took.push(now - at);
        at = now;
      }
    }),
  );
  return { perSecond: (took.length / (performance.now() - begin)) * 1_000, p99Ms: percentile(took, 0.99) };
}

/** A bare connection to the agents' process that answers each request of the size of ours with an answer of that size, after NEXT and PROCEED. */
async function bareConnections(count: number): Promise<{ ask(caller: number): Promise<void>; close(): void }> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ host: "127.0.0.1", port: barePort!, ...tlsOptionsOf(server) });
      await once(socket, "secureConnect");
      return socket.setNoDelay(true);
    }),
  );
  const turns: [string, number][] = [
    ["NEXT\r\n", 9],
    ["q".repeat(440), 166],
  ];
  return {
    async ask(caller) {
      const socket = sockets[caller]!;
      for (const [say, answerBytes] of turns) {
        let due = answerBytes;
        await new Promise<void>((resolve) => {
          socket.on("data", function take(piece: Buffer) {
            due -= piece.length;
            if (due > 0) return;
            socket.removeListener("data", take);
            resolve();
          });
          socket.write(say);
        });
      }
    },
    close: () => sockets.forEach((socket) => socket.destroy()),
  };
}

function say(what: string, figures: { [name: string]: number | string }): void {
  console.log(JSON.stringify({ what, ...figures }));
}

/** The best of some rounds of each, taken in turn, so that a busy moment of the machine hits both. */
async function beside<T>(better: (a: T, b: T) => T, ours: () => Promise<T>, bare: () => Promise<T>): Promise<[T, T]> {
  let best: [T, T] = [await ours(), await bare()];
  for (let round = 1; round < rounds; round++) best = [better(best[0], await ours()), better(best[1], await bare())];
  return best;
}

type Loops = { perSecond: number; p99Ms: number };
const faster = (a: Loops, b: Loops): Loops => (a.perSecond > b.perSecond ? a : b);

function sayCalls(what: string, [ours, bare]: [Loops, Loops]): void {
  say(what, {
    callsPerSecond: Math.round(ours.perSecond),
    p99Ms: Number(ours.p99Ms.toFixed(1)),
    bareTlsPerSecond: Math.round(bare.perSecond),
    ofBareTls: Number((ours.perSecond / bare.perSecond).toFixed(2)),
  });
}

if (chosen("calls")) {
  const bare = await bareConnections(50);
  sayCalls(
    "listening, one connection",
    await beside(
      faster,
      () => loops(1, hello),
      () => loops(1, bare.ask),
    ),
  );
  sayCalls(
    "listening, 50 callers",
    await beside(
      faster,
      () => loops(50, hello),
      () => loops(50, bare.ask),
    ),
  );

  const polling = await openPolling();
  await tell({ do: "poll", port: polling.port, agents: 1, identity: agent, server: server.thumbprint });
  const ask = (): Promise<unknown> => polling.call(0, "SayHello", ["somebody"]);
  sayCalls(
    "polling, one connection",
    await beside(
      faster,
      () => loops(1, ask),
      () => loops(1, bare.ask),
    ),
  );
  bare.close();
  await tell({ do: "stop polling" });
  await polling.close();
}

if (chosen("streams")) {
  const bytes = 1e9;
  const rates = async (move: () => Promise<unknown>): Promise<number> => {
    const begin = performance.now();
    await move();
    return bytes / MB / ((performance.now() - begin) / 1_000);
  };
  const up = (): Promise<unknown> => client.call(peer, benchContract, "Take", [streamOf(bytes)], soon);
  async function down(): Promise<void> {
    const stream = (await client.call(peer, benchContract, "Give", [bytes], soon)) as DataStream;
    await stream.dispose?.();
  }
  async function barePipe(): Promise<void> {
    const socket = connect({ host: "127.0.0.1", port: barePort!, ...tlsOptionsOf(server) });
    await once(socket, "secureConnect");
    const ended = once(socket, "data");
    socket.write(Buffer.from("PIPE"));
    for await (const piece of streamOf(bytes).open()) if (!socket.write(piece)) await once(socket, "drain");
    socket.end();
    await ended;
    socket.destroy();
  }
  for (const [what, move] of [
    ["stream up", up],
    ["stream down", down],
  ] as const) {
    const [ours, bare] = await beside(
      Math.max,
      () => rates(move),
      () => rates(barePipe),
    );
    say(what, { MBPerSecond: Math.round(ours), bareTlsMBPerSecond: Math.round(bare), ofBareTls: Number((ours / bare).toFixed(2)) });
  }
}

if (chosen("big")) {
  const bytes = 2e9;
  for (const [what, move] of [
    ["2 GB up", () => client.call(peer, benchContract, "Take", [streamOf(bytes)], soon)],
    ["2 GB down", async () => ((await client.call(peer, benchContract, "Give", [bytes], soon)) as DataStream).dispose?.()],
  ] as const) {
    await hello();
    collectGarbage();
    await tell({ do: "watch memory" });
    const before = process.memoryUsage.rss();
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
    await move();
    clearInterval(watch);
    const { grownBytes } = await tell({ do: "stop watching memory" });
    say(what, { callerGrewMiB: Math.round((peak - before) / 2 ** 20), serviceGrewMiB: Math.round(grownBytes! / 2 ** 20), limitMiB: 64 });
  }
}

for (const count of [1_000, 5_000]) {
  if (!chosen("idle") && !chosen("return")) break;
  if (count > 1_000 && !wanted.includes("5000")) break;
  const first = await openPolling(count + 100);
  collectGarbage();
  const before = process.memoryUsage();
  await tell({ do: "poll", port: first.port, agents: count, identity: agent, server: server.thumbprint });
  await first.polled(count);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  collectGarbage();
  const after = process.memoryUsage();
  say(`${count} idle polling agents`, {
    kBEach: Math.round((after.rss - before.rss) / count / 1_000),
    heapKBEach: Math.round((after.heapUsed - before.heapUsed) / count / 1_000),
    processMB: Math.round(after.rss / MB),
  });
  if (chosen("return")) {
    await first.close();
    // All of them are trying by now; the port opens and the clock starts.
    const begin = performance.now();
    const second = await openPolling(count + 100, first.port);
    await second.polled(count);
    say(`${count} agents return at once`, { untilEachHasPolledMs: Math.round(performance.now() - begin) });
    await tell({ do: "stop polling" });
    await second.close();
  } else {
    await tell({ do: "stop polling" });
    await first.close();
  }
}

/** A listener for polling agents with its queue; `polled` waits until so many different agents have asked for work. */
async function openPolling(connectionsMax = 100, onPort = 0) {
  const limits = { connectionsMax, unidentifiedConnectionsMax: connectionsMax };
  const queue = createPollingQueue({ limits });
  const asked = new Set<string>();
  let notice = (): void => {};
  const listener = createHalibutListener({
    identity: server,
    isTrusted: (thumbprint) => thumbprint === agent.thumbprint,
    services: [],
    limits,
    polling: {
      mayPoll: () => true,
      queue: {
        take(who, waitMs, signal) {
          asked.add(who.subscription);
          notice();
          return queue.take(who, waitMs, signal);
        },
      },
    },
  });
  const opened = await listener.listen({ host: "127.0.0.1", port: onPort });
  return {
    port: opened.port,
    call: (n: number, method: string, params: unknown[]) =>
      queue.call({ subscription: `poll://bench-${n}`, thumbprint: agent.thumbprint }, benchContract, method, params, soon),
    async polled(count: number) {
      while (asked.size < count) await new Promise<void>((resolve) => (notice = resolve));
    },
    async close() {
      queue.close();
      await listener.close();
    },
  };
}

await client.close();
agents.disconnect();
await once(agents, "exit");
