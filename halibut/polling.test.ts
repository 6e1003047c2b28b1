/** Polling end to end: our poller, our listener and the queue in memory, over real TLS; and what each does when the other goes away. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { eventually } from "../test/support/eventually.ts";
import { streamFromBytes } from "./data-streams.ts";
import type { DataStream } from "./data-streams.ts";
import { ConnectionError, HalibutCallError } from "./errors.ts";
import type { HalibutCallFailure } from "./errors.ts";
import { createFrameReader, encodeMessage, serverIdentity } from "./frames.ts";
import type { FrameReader, Wait } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { createHalibutListener } from "./listener.ts";
import type { ListenerEvent } from "./listener.ts";
import { decodeRequest, encodeResult } from "./messages.ts";
import { createHalibutPoller } from "./poller.ts";
import type { HalibutPoller, PollerEvent } from "./poller.ts";
import { createPollingQueue, normalSubscription } from "./polling-queue.ts";
import type { InMemoryPollingQueue, PollingPeer } from "./polling-queue.ts";
import { connectRaw, listenRaw, readToEnd, socketSource } from "./raw-peers.ts";
import { createIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";
import type { ServiceContract } from "./shapes.ts";

const anyTime: Wait = { what: "anything", totalMs: Number.POSITIVE_INFINITY };
const contract: ServiceContract = {
  name: "ITestService",
  methods: {
    SayHello: { params: [{ kind: "string" }], result: { kind: "string" } },
    Double: { params: [{ kind: "stream" }], result: { kind: "stream" } },
    Wait: { params: [], result: { kind: "void" } },
  },
};
const soon = { timeoutMs: 5_000 };

let server: Identity;
let agent: Identity;
let stranger: Identity;

before(async () => {
  [server, agent, stranger] = await Promise.all([createIdentity("server"), createIdentity("agent"), createIdentity("stranger")]);
});

function at(subscription: string): PollingPeer {
  return { subscription, thumbprint: agent.thumbprint };
}

interface Setup {
  port: number;
  queue: InMemoryPollingQueue;
  events: ListenerEvent[];
  /** A poller of the agent; closed at the end. */
  poll(limits?: Partial<HalibutLimits>): { poller: HalibutPoller; events: PollerEvent[]; greeted: string[]; waiting: Promise<AbortSignal> };
}

async function withServer(limits: Partial<HalibutLimits>, run: (setup: Setup) => Promise<void>): Promise<void> {
  const queue = createPollingQueue({ limits });
  const events: ListenerEvent[] = [];
  const listener = createHalibutListener({
    identity: server,
    isTrusted: (thumbprint) => thumbprint !== stranger.thumbprint,
    services: [],
    polling: { queue, mayPoll: (subscription, thumbprint) => subscription === "poll://agent-1" && thumbprint === agent.thumbprint },
    limits,
    onEvent: (event) => events.push(event),
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const pollers: HalibutPoller[] = [];
  try {
    await run({
      port,
      queue,
      events,
      poll(own) {
        const seen: PollerEvent[] = [];
        const greeted: string[] = [];
        let begun: (signal: AbortSignal) => void = () => {};
        const waiting = new Promise<AbortSignal>((resolve) => (begun = resolve));
        const poller = createHalibutPoller({
          identity: agent,
          server: { host: "127.0.0.1", port, thumbprint: server.thumbprint },
          subscription: "poll://Agent-1/",
          services: [
            {
              contract,
              methods: {
                SayHello: async ([name]) => {
                  greeted.push(name as string);
                  return `Hello ${name}`;
                },
                Double: async ([stream]) => {
                  const pieces: Uint8Array[] = [];
                  for await (const piece of (stream as DataStream).open()) pieces.push(piece);
                  return streamFromBytes(Buffer.concat([...pieces, ...pieces]));
                },
                Wait: async (_params, { signal }) => {
                  begun(signal);
                  await once(signal, "abort");
                },
              },
            },
          ],
          limits: { reconnectMsMin: 20, reconnectMsMax: 100, ...own },
          onEvent: (event) => seen.push(event),
        });
        pollers.push(poller);
        poller.start();
        return { poller, events: seen, greeted, waiting };
      },
    });
  } finally {
    for (const poller of pollers) await poller.close();
    queue.close();
    await listener.close();
  }
}

function callError(kind: HalibutCallFailure, requestMayHaveArrived: boolean): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HalibutCallError, String(error));
    assert.deepEqual(
      { kind: error.kind, requestMayHaveArrived: error.requestMayHaveArrived },
      { kind, requestMayHaveArrived },
      error.message,
    );
    return true;
  };
}

/** A subscriber that says only what the test says. */
async function subscribe(port: number, identity: Identity = agent): Promise<{ socket: TLSSocket; reader: FrameReader }> {
  const socket = await connectRaw(port, identity);
  const reader = createFrameReader(socketSource(socket), defaultLimits);
  socket.write("MX\r\n\r\nMX-SUBSCRIBER 1.0 poll://agent-1/\r\n\r\n");
  return { socket, reader };
}

test("calls are collected by the agent in their order, with streams both ways", async () => {
  await withServer({}, async ({ queue, poll }) => {
    // Before the agent is there, so that they have to stand in line.
    const waiting = ["a", "b", "c"].map((name) => queue.call(at("poll://agent-1/"), contract, "SayHello", [name], soon));
    const { greeted } = poll();
    assert.deepEqual(await Promise.all(waiting), ["Hello a", "Hello b", "Hello c"]);
    assert.deepEqual(greeted, ["a", "b", "c"]);
    for (const size of [0, 10, 300_000]) {
      const stream = (await queue.call(
        at("POLL://AGENT-1"),
        contract,
        "Double",
        [streamFromBytes(Buffer.alloc(size, 1))],
        soon,
      )) as DataStream;
      assert.equal(stream.length, size * 2);
      await stream.dispose?.();
    }
  });
});

test("one subscription has one queue, however it is written", () => {
  for (const text of ["poll://ABC/", "poll://abc", "POLL://Abc//"]) assert.equal(normalSubscription(text), "poll://abc");
});

test("an idle subscriber gets the empty message when the hold is over, and asks again", async () => {
  await withServer({ pollHoldMs: 30 }, async ({ port }) => {
    const { socket, reader } = await subscribe(port);
    await reader.readIdentity(anyTime);
    for (let round = 0; round < 3; round++) {
      assert.equal((await reader.readMessage(anyTime, anyTime)).get("Message"), null);
      socket.write("NEXT\r\n");
      assert.equal(await reader.readControlWord(anyTime), "PROCEED");
    }
    socket.destroy();
  });
});

test("PROCEED comes as soon as the response is complete, and the next request only after NEXT", async () => {
  await withServer({}, async ({ port, queue }) => {
    const { socket, reader } = await subscribe(port);
    await reader.readIdentity(anyTime);
    const calls = ["a", "b"].map((name) => queue.call(at("poll://agent-1"), contract, "SayHello", [name], soon));
    const request = decodeRequest(await reader.readMessage(anyTime, anyTime))!;
    socket.write(await encodeMessage(encodeResult(request.id, { kind: "string" }, "first", "it").document));
    assert.equal(await reader.readControlWord(anyTime), "PROCEED");
    assert.equal(await calls[0], "first");
    let more = false;
    const second = reader.readMessage(anyTime, anyTime).then((message) => {
      more = true;
      return message;
    });
    await new Promise((resolve) => setTimeout(resolve, 50)); // a request sent too early would have arrived by now
    assert.equal(more, false);
    socket.write("NEXT\r\n");
    const { id } = decodeRequest(await second)!;
    socket.write(await encodeMessage(encodeResult(id, { kind: "string" }, "second", "it").document));
    assert.equal(await calls[1], "second");
    socket.destroy();
  });
});

test("S4: a subscription is given only to the certificate it belongs to", async () => {
  await withServer({}, async ({ port, events }) => {
    for (const identity of [server, stranger]) {
      const { socket } = await subscribe(port, identity);
      assert.equal((await readToEnd(socket)).length, 0);
    }
    assert.deepEqual(
      events.map((event) => (event.kind === "refused" ? event.reason : event.kind)),
      ["The subscription poll://agent-1 does not belong to its certificate.", "Its certificate is not trusted."],
    );
  });
});

test("D5: a call that no agent collects in time is unreachable, with nothing sent", async () => {
  await withServer({ collectMs: 50 }, async ({ queue }) => {
    await assert.rejects(queue.call(at("poll://agent-1"), contract, "Wait", [], soon), callError("unreachable", false));
    await assert.rejects(queue.call(at("poll://agent-1"), contract, "Wait", [], { timeoutMs: 20 }), callError("timed-out", false));
  });
});

test("D5: a call that is cancelled while it waits is withdrawn, and the agent never sees it", async () => {
  await withServer({}, async ({ queue, poll }) => {
    const stop = new AbortController();
    const call = queue.call(at("poll://agent-1"), contract, "SayHello", ["never"], { ...soon, signal: stop.signal });
    stop.abort();
    await assert.rejects(call, callError("cancelled", false));
    const { events } = poll();
    assert.equal(await queue.call(at("poll://agent-1"), contract, "SayHello", ["now"], soon), "Hello now");
    assert.equal(events.filter(({ kind }) => kind === "served").length, 1);
  });
});

test("D5: a call that is cancelled after it was collected closes the connection; the method is told, and the agent comes back", async () => {
  await withServer({}, async ({ queue, poll }) => {
    const { waiting } = poll();
    const stop = new AbortController();
    const call = queue.call(at("poll://agent-1"), contract, "Wait", [], { timeoutMs: 60_000, signal: stop.signal });
    const signal = await waiting;
    stop.abort();
    await assert.rejects(call, callError("cancelled", true));
    if (!signal.aborted) await once(signal, "abort");
    assert.equal(await queue.call(at("poll://agent-1"), contract, "SayHello", ["again"], soon), "Hello again");
  });
});

test("S4: a call is for one certificate: another one on the same subscription is not given it", async () => {
  await withServer({ collectMs: 300 }, async ({ queue, poll }) => {
    const { events, greeted } = poll();
    // Else the time for the connection would count, too.
    await eventually("the agent is connected", () => events.some(({ kind }) => kind === "connected"));
    assert.equal(await queue.call(at("poll://agent-1"), contract, "SayHello", ["ours"], soon), "Hello ours");
    const another = { subscription: "poll://agent-1", thumbprint: stranger.thumbprint };
    await assert.rejects(queue.call(another, contract, "SayHello", ["theirs"], soon), callError("unreachable", false));
    assert.deepEqual(greeted, ["ours"]);
  });
});

test("D2 D5: a collected call whose connection is lost fails, and is not handed out again", async () => {
  await withServer({}, async ({ port, queue, poll }) => {
    const { socket, reader } = await subscribe(port);
    await reader.readIdentity(anyTime);
    const call = queue.call(at("poll://agent-1"), contract, "SayHello", ["lost"], soon);
    await Promise.all([
      assert.rejects(call, callError("connection-lost", true)),
      reader.readMessage(anyTime, anyTime).then(() => socket.destroy()),
    ]);
    const { events } = poll();
    assert.equal(await queue.call(at("poll://agent-1"), contract, "SayHello", ["next"], soon), "Hello next");
    assert.equal(events.filter(({ kind }) => kind === "served").length, 1);
  });
});

test("D2: a call whose connection dies before its first byte is collected again", async () => {
  await withServer({}, async ({ port, queue, poll }) => {
    const { socket, reader } = await subscribe(port);
    await reader.readIdentity(anyTime);
    let runs = 0;
    const beforeSend = async (): Promise<void> => {
      if (++runs > 1) return;
      socket.destroy();
      await new Promise((resolve) => setTimeout(resolve, 50)); // until the server's socket knows
    };
    const call = queue.call(at("poll://agent-1"), contract, "SayHello", ["x"], { ...soon, beforeSend });
    await once(socket, "close");
    poll();
    assert.equal(await call, "Hello x");
    assert.equal(runs, 2);
  });
});

test("D4: beforeSend that throws ends the call with nothing sent, and the agent stays connected", async () => {
  await withServer({}, async ({ queue, poll }) => {
    const { events } = poll();
    const stop = new Error("the lease is lost");
    const call = queue.call(at("poll://agent-1"), contract, "SayHello", ["x"], { ...soon, beforeSend: () => Promise.reject(stop) });
    await assert.rejects(call, (error) => error === stop);
    assert.equal(await queue.call(at("poll://agent-1"), contract, "SayHello", ["y"], soon), "Hello y");
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ["connected", "served"],
    );
  });
});

test("S5: arguments that do not fit, and calls beyond the queue's limit, are refused at once", async () => {
  await withServer({ queuedCallsMax: 2 }, async ({ queue }) => {
    await assert.rejects(queue.call(at("poll://agent-1"), contract, "SayHello", [7], soon), TypeError);
    const waiting = [1, 2].map(() => queue.call(at("poll://agent-1"), contract, "Wait", [], soon));
    await assert.rejects(queue.call(at("poll://agent-1"), contract, "Wait", [], soon), callError("unreachable", false));
    const ended = Promise.all(waiting.map((call) => assert.rejects(call, callError("cancelled", false))));
    queue.close();
    await ended;
    await assert.rejects(queue.call(at("poll://agent-1"), contract, "Wait", [], soon), callError("cancelled", false));
  });
});

test("A1: a poller comes back after every failure, with growing pauses that are spread at random", async () => {
  const pauses: number[] = [];
  let done: () => void = () => {};
  const enough = new Promise<void>((resolve) => (done = resolve));
  let connections = 0;
  const raw = await listenRaw(server, async (socket) => {
    connections++;
    socket.destroy();
  });
  const poller = createHalibutPoller({
    identity: agent,
    server: { host: "127.0.0.1", port: raw.port, thumbprint: server.thumbprint },
    subscription: "poll://agent-1/",
    services: [],
    limits: { reconnectMsMin: 2, reconnectMsMax: 10 },
    random: () => 0.5,
    onEvent: (event) => {
      if (event.kind === "disconnected") pauses.push(event.retryMs);
      if (pauses.length === 6) done();
    },
  });
  poller.start();
  await enough;
  await poller.close();
  await raw.close();
  assert.deepEqual(pauses.slice(0, 6), [2, 4, 8, 10, 10, 10]);
  assert.ok(connections >= 5);
});

test("A1 S5: a poller gives up a server that sends nothing, and says END when it is closed", async () => {
  let words: Promise<string> | undefined;
  let connections = 0;
  let second: () => void = () => {};
  const reconnected = new Promise<void>((resolve) => (second = resolve));
  const raw = await listenRaw(server, async (socket) => {
    const reader = createFrameReader(socketSource(socket), defaultLimits);
    await reader.readHello(anyTime);
    await reader.readIdentity(anyTime);
    socket.write(serverIdentity);
    if (++connections < 2) return;
    words = readToEnd(socket).then(String);
    second();
  });
  const connected: PollerEvent[] = [];
  const poller = createHalibutPoller({
    identity: agent,
    server: { host: "127.0.0.1", port: raw.port, thumbprint: server.thumbprint },
    subscription: "poll://agent-1/",
    services: [],
    limits: { pollMs: 300, reconnectMsMin: 5 },
    onEvent: (event) => connected.push(event),
  });
  poller.start();
  await reconnected;
  while (connected.filter(({ kind }) => kind === "connected").length < 2) await new Promise((resolve) => setImmediate(resolve));
  await poller.close();
  assert.equal(await words, "END\r\n");
  assert.match(String((connected.find(({ kind }) => kind === "disconnected") as { reason: string }).reason), /too long to send a message/);
  await raw.close();
});

test("D5: a poller that retires answers the call that runs or comes next, and is then gone; one that is not connected is gone at once", async () => {
  await withServer({ pollHoldMs: 60_000 }, async ({ queue, poll, events }) => {
    const { poller, greeted } = poll();
    while (!events.some(({ kind }) => kind === "identified")) await new Promise((resolve) => setImmediate(resolve));
    const retired = poller.retire();
    assert.equal(await queue.call(at("poll://agent-1"), contract, "SayHello", ["last"], soon), "Hello last");
    await retired;
    while (!events.some(({ kind }) => kind === "closed")) await new Promise((resolve) => setImmediate(resolve));
    const next = queue.call(at("poll://agent-1"), contract, "SayHello", ["next"], soon);
    const other = poll();
    assert.equal(await next, "Hello next");
    assert.deepEqual([greeted, other.greeted], [["last"], ["next"]]);
  });
  await withServer({ pollHoldMs: 20 }, async ({ poll, events }) => {
    const { poller } = poll();
    while (!events.some(({ kind }) => kind === "identified")) await new Promise((resolve) => setImmediate(resolve));
    await poller.retire(); // with the word that there is nothing
  });
  const nobody = createHalibutPoller({
    identity: agent,
    server: { host: "127.0.0.1", port: 1, thumbprint: server.thumbprint },
    subscription: "poll://agent-1/",
    services: [],
    limits: { reconnectMsMin: 600_000, reconnectMsMax: 600_000 },
  });
  nobody.start();
  await nobody.retire();
});

test("A1: an agent that says END in its poll gets no further request, even when nothing else tells that it leaves", async () => {
  await withServer({}, async ({ port, queue, events, poll }) => {
    for (const together of [false, true]) {
      const { socket, reader } = await subscribe(port);
      await reader.readIdentity(anyTime);
      const call = queue.call(at("poll://agent-1"), contract, "SayHello", ["first"], soon);
      const { id } = decodeRequest(await reader.readMessage(anyTime, anyTime))!;
      socket.write(await encodeMessage(encodeResult(id, { kind: "string" }, "answer", "it").document));
      await call;
      socket.write(together ? "NEXT\r\nEND\r\n" : "NEXT\r\n");
      assert.equal(await reader.readControlWord(anyTime), "PROCEED");
      if (!together) socket.write("END\r\n");
      while (events.filter(({ kind }) => kind === "closed").length < (together ? 2 : 1))
        await new Promise((resolve) => setImmediate(resolve));
      await assert.rejects(reader.readMessage(anyTime, anyTime), ConnectionError);
      socket.destroy();
    }
    const call = queue.call(at("poll://agent-1"), contract, "SayHello", ["next"], soon);
    poll();
    assert.equal(await call, "Hello next");
  });
});

test("A1: an agent that vanishes in its poll is noticed, and its successor gets the call", async () => {
  await withServer({}, async ({ port, queue, poll, events }) => {
    const { socket, reader } = await subscribe(port);
    await reader.readIdentity(anyTime);
    socket.destroy();
    while (!events.some(({ kind }) => kind === "closed")) await new Promise((resolve) => setImmediate(resolve));
    const call = queue.call(at("poll://agent-1"), contract, "SayHello", ["x"], soon);
    poll();
    assert.equal(await call, "Hello x");
  });
});
