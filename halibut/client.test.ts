/** Our client: what it does when peers are away, wrong, dead, slow or hostile, and what its caller then knows about the request. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { constants, deflateRawSync } from "node:zlib";
import type { BsonDocument } from "./bson.ts";
import { createHalibutClient } from "./client.ts";
import type { HalibutClient } from "./client.ts";
import type { Peer } from "./connector.ts";
import { streamFromBytes } from "./data-streams.ts";
import { HalibutCallError } from "./errors.ts";
import type { HalibutCallFailure } from "./errors.ts";
import { createFrameReader, encodeMessage, serverIdentity } from "./frames.ts";
import type { FrameReader, Wait } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { createHalibutListener } from "./listener.ts";
import { encodeResult } from "./messages.ts";
import { listenRaw, readToEnd, socketSource } from "./raw-peers.ts";
import { createIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";
import type { ServiceContract } from "./shapes.ts";

const anyTime: Wait = { what: "anything", totalMs: Number.POSITIVE_INFINITY };
const contract: ServiceContract = {
  name: "ITestService",
  methods: {
    SayHello: { params: [{ kind: "string" }], result: { kind: "string" } },
    Take: { params: [{ kind: "stream" }], result: { kind: "int64" } },
    Wait: { params: [], result: { kind: "void" } },
    Throw: { params: [], result: { kind: "void" } },
    WrongResult: { params: [], result: { kind: "int64" } },
  },
};
const quick: Partial<HalibutLimits> = { connectAttemptsMax: 2, connectRetryPauseMs: 10 };

let caller: Identity;
let service: Identity;
let stranger: Identity;

before(async () => {
  [caller, service, stranger] = await Promise.all([createIdentity("caller"), createIdentity("service"), createIdentity("stranger")]);
});

/** A raw service that plays `play` on each connection after identification; `connections` counts them. */
async function withRawService(
  play: (reader: FrameReader, socket: TLSSocket, connection: number) => Promise<void>,
  run: (peer: Peer, client: HalibutClient, seen: { connections: number }) => Promise<void>,
  limits: Partial<HalibutLimits> = {},
): Promise<void> {
  const seen = { connections: 0 };
  const raw = await listenRaw(service, async (socket) => {
    const connection = ++seen.connections;
    const reader = createFrameReader(socketSource(socket), defaultLimits);
    await reader.readHello(anyTime);
    await reader.readIdentity(anyTime);
    socket.write(serverIdentity);
    await play(reader, socket, connection).catch(() => {}); // the client hanging up is the end of most plays
  });
  const client = createHalibutClient({ identity: caller, limits: { ...quick, ...limits } });
  try {
    await run({ host: "127.0.0.1", port: raw.port, thumbprint: service.thumbprint }, client, seen);
  } finally {
    await client.close();
    await raw.close();
  }
}

/** Reads a SayHello and answers it. */
async function answer(reader: FrameReader, socket: TLSSocket): Promise<void> {
  const request = (await reader.readMessage(anyTime, anyTime)).get("Message") as BsonDocument;
  const [name] = request.get("params") as string[];
  socket.write(await encodeMessage(encodeResult(request.get("id") as string, { kind: "string" }, `Hello ${name}`, "it").document));
}

/** Answers whatever comes over one connection. */
async function answerAll(reader: FrameReader, socket: TLSSocket): Promise<void> {
  for (;;) {
    await answer(reader, socket);
    if ((await reader.readControlWord(anyTime)) === "END") return;
    socket.write("PROCEED\r\n");
  }
}

function callError(kind: HalibutCallFailure, requestMayHaveArrived: boolean, text?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HalibutCallError, String(error));
    assert.deepEqual(
      { kind: error.kind, requestMayHaveArrived: error.requestMayHaveArrived },
      { kind, requestMayHaveArrived },
      error.message,
    );
    if (text !== undefined) assert.match(error.message, text);
    return true;
  };
}

const soon = { timeoutMs: 5_000 };

test("S4: a peer with another certificate than the pinned one is untrusted, and not a byte of ours is written to it", async () => {
  let receive: (bytes: Promise<Buffer>) => void = () => {};
  // TLS 1.2, where the listener is done with the handshake first: in 1.3 it may never get to see a connector that leaves at once.
  const raw = await listenRaw(service, (socket) => receive(readToEnd(socket)), { maxVersion: "TLSv1.2" });
  const client = createHalibutClient({ identity: caller, limits: quick });
  for (const thumbprint of [stranger.thumbprint, service.thumbprint.toLowerCase()]) {
    const peer = { host: "127.0.0.1", port: raw.port, thumbprint };
    const received = new Promise<Buffer>((resolve) => (receive = resolve));
    await assert.rejects(client.call(peer, contract, "SayHello", ["x"], soon), callError("untrusted", false, /expected was/));
    assert.equal((await received).length, 0);
  }
  await client.close();
  await raw.close();
});

test("S4 D5: a listener that does not trust us makes the call unreachable, with a hint", async () => {
  const listener = createHalibutListener({ identity: service, isTrusted: () => false, services: [] });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const client = createHalibutClient({ identity: caller, limits: quick });
  const peer = { host: "127.0.0.1", port, thumbprint: service.thumbprint };
  await assert.rejects(
    client.call(peer, contract, "SayHello", ["x"], soon),
    callError("unreachable", false, /may not trust our certificate/),
  );
  await client.close();
  await listener.close();
});

test("connecting is tried again as often as allowed, and a service that comes up in between is reached", async () => {
  const gate = createServer((socket) => socket.destroy());
  gate.listen(0, "127.0.0.1");
  await once(gate, "listening");
  const { port } = gate.address() as { port: number };
  const client = createHalibutClient({ identity: caller, limits: { connectAttemptsMax: 3, connectRetryPauseMs: 50 } });
  const peer = { host: "127.0.0.1", port, thumbprint: service.thumbprint };
  let attempts = 0;
  gate.on("connection", () => attempts++);
  await assert.rejects(client.call(peer, contract, "SayHello", ["x"], soon), callError("unreachable", false));
  assert.equal(attempts, 3);

  const listener = createHalibutListener({
    identity: service,
    isTrusted: () => true,
    services: [
      { contract: { name: "ITestService", methods: { SayHello: contract.methods["SayHello"]! } }, methods: { SayHello: async () => "up" } },
    ],
  });
  gate.once("connection", () => gate.close(() => void listener.listen({ host: "127.0.0.1", port })));
  assert.equal(await client.call(peer, contract, "SayHello", ["x"], soon), "up");
  await client.close();
  await listener.close();
});

test("D2: a pooled connection that the service has closed costs nothing: the request goes over a new one, once", async () => {
  await withRawService(
    async (reader, socket, connection) => {
      await answer(reader, socket);
      if (connection === 1) return void socket.end();
      await reader.readControlWord(anyTime);
    },
    async (peer, client, seen) => {
      const startedMs = performance.now();
      assert.equal(client.connectionLostMs(peer), undefined);
      assert.equal(await client.call(peer, contract, "SayHello", ["one"], soon), "Hello one");
      assert.equal(await client.call(peer, contract, "SayHello", ["two"], soon), "Hello two");
      assert.equal(seen.connections, 2);
      assert.ok(client.connectionLostMs(peer)! >= startedMs, "whoever asks learns that the peer may have been restarted");
    },
  );
});

for (const [what, afterNext] of [
  ["does not answer NEXT", (_socket: TLSSocket) => {}],
  ["closes on NEXT", (socket: TLSSocket) => void socket.destroy()],
  ["answers NEXT with garbage", (socket: TLSSocket) => void socket.write("WHAT?\r\n")],
] as const)
  test(`D2 S5: a pooled connection that ${what} is given up before the request is sent, and another one takes it`, async () => {
    const heard: string[] = [];
    await withRawService(
      async (reader, socket, connection) => {
        await answer(reader, socket);
        heard.push(`${connection}: ${await reader.readControlWord(anyTime)}`);
        afterNext(socket);
        // Anything that comes now would be a request sent without PROCEED.
        for (const piece of [await readRest(socket)]) if (piece !== "") heard.push(piece);
      },
      async (peer, client, seen) => {
        await client.call(peer, contract, "SayHello", ["one"], soon);
        assert.equal(await client.call(peer, contract, "SayHello", ["two"], soon), "Hello two");
        assert.equal(seen.connections, 2);
        assert.deepEqual(heard, ["1: NEXT"]);
      },
      { proceedMs: 100 },
    );
  });

async function readRest(socket: TLSSocket): Promise<string> {
  return (await readToEnd(socket)).toString("latin1");
}

test("D2 D5: a connection that is lost after the request was sent fails the call without a second try", async () => {
  await withRawService(
    async (reader, socket) => {
      await reader.readMessage(anyTime, anyTime);
      socket.destroy();
    },
    async (peer, client, seen) => {
      await assert.rejects(client.call(peer, contract, "SayHello", ["x"], soon), callError("connection-lost", true));
      assert.equal(seen.connections, 1);
    },
  );
});

test("D5: an answer that does not come in time fails the call as timed out, and the service sees the connection close", async () => {
  let closed: Promise<unknown> | undefined;
  await withRawService(
    async (reader, socket) => {
      await reader.readMessage(anyTime, anyTime);
      closed = readToEnd(socket);
      await closed;
    },
    async (peer, client) => {
      await assert.rejects(client.call(peer, contract, "Wait", [], { timeoutMs: 200 }), callError("timed-out", true, /200 ms/));
      await closed;
    },
  );
});

test("D5: a silent port times the call out with nothing sent", async () => {
  const silent = createServer(() => {});
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const sockets: { destroy(): void }[] = [];
  silent.on("connection", (socket) => sockets.push(socket));
  const client = createHalibutClient({ identity: caller });
  const peer = { host: "127.0.0.1", port: (silent.address() as { port: number }).port, thumbprint: service.thumbprint };
  await assert.rejects(client.call(peer, contract, "Wait", [], { timeoutMs: 150 }), callError("timed-out", false));
  await client.close();
  for (const socket of sockets) socket.destroy();
  silent.close();
});

test("D5: cancelling a call closes its connection, and the method is told", { timeout: 10_000 }, async () => {
  let begun: (signal: AbortSignal) => void = () => {};
  const running = new Promise<AbortSignal>((resolve) => (begun = resolve));
  const listener = createHalibutListener({
    identity: service,
    isTrusted: () => true,
    services: [
      {
        contract: { name: "ITestService", methods: { Wait: contract.methods["Wait"]! } },
        methods: {
          Wait: (_params, { signal }) => {
            begun(signal);
            return once(signal, "abort");
          },
        },
      },
    ],
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const client = createHalibutClient({ identity: caller });
  const stop = new AbortController();
  const call = client.call({ host: "127.0.0.1", port, thumbprint: service.thumbprint }, contract, "Wait", [], {
    timeoutMs: 60_000,
    signal: stop.signal,
  });
  const signal = await running;
  stop.abort();
  await assert.rejects(call, callError("cancelled", true));
  if (!signal.aborted) await once(signal, "abort");
  await client.close();
  await listener.close();
});

test("D5: closing the client cancels its calls, and no further ones begin", async () => {
  let arrived: () => void = () => {};
  const arrival = new Promise<void>((resolve) => (arrived = resolve));
  await withRawService(
    async (reader, socket) => {
      await reader.readMessage(anyTime, anyTime);
      arrived();
      await readToEnd(socket);
    },
    async (peer, client) => {
      const call = client.call(peer, contract, "Wait", [], soon);
      await arrival;
      await client.close();
      await assert.rejects(call, callError("cancelled", true));
      await assert.rejects(client.call(peer, contract, "Wait", [], soon), callError("cancelled", false));
    },
  );
});

test("D4: beforeSend runs before the first byte of the request, and its error stops the call with nothing sent", async () => {
  let heard: Promise<string> | undefined;
  await withRawService(
    async (_reader, socket) => {
      heard = readRest(socket);
      await heard;
    },
    async (peer, client) => {
      const stop = new Error("the lease is lost");
      const call = client.call(peer, contract, "SayHello", ["x"], { ...soon, beforeSend: () => Promise.reject(stop) });
      await assert.rejects(call, (error) => error === stop);
      assert.equal(await heard, "END\r\n");
    },
  );
});

test("D2 D4: a connection that dies during beforeSend is replaced, because nothing was sent; beforeSend then runs again", async () => {
  let runs = 0;
  let first: TLSSocket | undefined;
  await withRawService(
    async (reader, socket, connection) => {
      if (connection === 1) first = socket;
      await answer(reader, socket);
    },
    async (peer, client, seen) => {
      const beforeSend = async (): Promise<void> => {
        if (++runs > 1) return;
        // The end reaches the client's socket in its own time; the pooled check cannot be what notices it.
        first!.destroy();
        await new Promise((resolve) => setTimeout(resolve, 50));
      };
      assert.equal(await client.call(peer, contract, "SayHello", ["x"], { ...soon, beforeSend }), "Hello x");
      assert.deepEqual({ runs, connections: seen.connections }, { runs: 2, connections: 2 });
    },
  );
});

test("S5: an idle connection is closed with END when its time is over", async () => {
  let word: Promise<string> | undefined;
  await withRawService(
    async (reader, socket) => {
      await answer(reader, socket);
      word = reader.readControlWord(anyTime);
      await word;
    },
    async (peer, client) => {
      await client.call(peer, contract, "SayHello", ["x"], soon);
      assert.equal(await word, "END");
      assert.equal(client.connectionLostMs(peer), undefined, "what we end ourselves is not lost");
    },
    { poolIdleMs: 50 },
  );
});

test("a call may be given any length of time", async () => {
  await withRawService(answerAll, async (peer, client) => {
    for (const timeoutMs of [2 ** 40, Number.POSITIVE_INFINITY])
      assert.equal(await client.call(peer, contract, "SayHello", ["x"], { timeoutMs }), "Hello x");
  });
});

test("parallel calls use connections of their own, which later calls use again", async () => {
  await withRawService(answerAll, async (peer, client, seen) => {
    for (let round = 0; round < 3; round++) {
      const names = Array.from({ length: 10 }, (_, i) => `${round}.${i}`);
      const answers = await Promise.all(names.map((name) => client.call(peer, contract, "SayHello", [name], soon)));
      assert.deepEqual(
        answers,
        names.map((name) => `Hello ${name}`),
      );
    }
    assert.equal(seen.connections, 10);
  });
});

/** A gigabyte in a megabyte. */
function bomb(): Buffer {
  const run = deflateRawSync(Buffer.alloc(16 * 1024 * 1024, 1), { finishFlush: constants.Z_SYNC_FLUSH });
  return Buffer.concat(Array.from({ length: 64 }, () => run));
}

for (const [what, bytes] of [
  ["garbage", () => Buffer.alloc(500, 0xa7)],
  ["the empty message", () => encodeMessage(new Map([["Message", null]]))],
  ["an answer to another request", () => encodeMessage(encodeResult("somebody else's", { kind: "string" }, "x", "it").document)],
  ["a result of another kind", () => encodeMessage(encodeResult(null, { kind: "list", of: { kind: "string" } }, ["x"], "it").document)],
  ["a deflate bomb", bomb],
] as const)
  test(`D2 D5 S5: ${what} in place of an answer is a protocol error`, async () => {
    await withRawService(
      async (reader, socket) => {
        await reader.readMessage(anyTime, anyTime);
        socket.write(await bytes());
        await readToEnd(socket);
      },
      async (peer, client, seen) => {
        await assert.rejects(client.call(peer, contract, "SayHello", ["x"], soon), callError("protocol", true));
        assert.equal(seen.connections, 1);
      },
    );
  });

test("D5: errors of the service come back by kind, with its own details", async () => {
  const { SayHello, ...offered } = contract.methods;
  assert.ok(SayHello);
  const listener = createHalibutListener({
    identity: service,
    isTrusted: () => true,
    services: [
      {
        contract: { name: "ITestService", methods: offered },
        methods: {
          Take: async () => 0,
          Wait: async () => {},
          Throw: async () => {
            throw new RangeError("no such thing");
          },
          WrongResult: async () => "not a number",
        },
      },
    ],
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const peer = { host: "127.0.0.1", port, thumbprint: service.thumbprint };
  const client = createHalibutClient({ identity: caller });
  await assert.rejects(client.call(peer, contract, "SayHello", ["x"], soon), callError("method-not-found", true));
  await assert.rejects(client.call(peer, { ...contract, name: "INone" }, "Wait", [], soon), callError("service-not-found", true));
  await assert.rejects(client.call(peer, contract, "Throw", [], soon), (error) => {
    callError("service-failed", true, /no such thing/)(error);
    assert.ok((error as HalibutCallError).details!.startsWith("System.Reflection.TargetInvocationException: Exception has been thrown"));
    assert.ok(!(error as HalibutCallError).details!.includes("client.test.ts"), "no file names of the service");
    return true;
  });
  await assert.rejects(client.call(peer, contract, "WrongResult", [], soon), callError("service-failed", true, /safe integer/));
  assert.equal(await client.call(peer, contract, "Wait", [], soon), null, "the connection lives on");
  await client.close();
  await listener.close();
});

test("arguments that do not fit the contract are refused before anything is connected", async () => {
  const client = createHalibutClient({ identity: caller });
  const nowhere = { host: "127.0.0.1", port: 1, thumbprint: service.thumbprint };
  await assert.rejects(client.call(nowhere, contract, "SayHello", [7], soon), TypeError);
  await assert.rejects(client.call(nowhere, contract, "SayHello", [], soon), TypeError);
  await assert.rejects(client.call(nowhere, contract, "toString", [], soon), TypeError);
  for (const timeoutMs of [0, -1, Number.NaN]) await assert.rejects(client.call(nowhere, contract, "Wait", [], { timeoutMs }), TypeError);
  await client.close();
});

test("D2: a stream that has fewer or more bytes than it promised breaks the connection, so that the service never runs the method", async () => {
  let methodRan = false;
  const listener = createHalibutListener({
    identity: service,
    isTrusted: () => true,
    services: [
      {
        contract: { name: "ITestService", methods: { Take: contract.methods["Take"]! } },
        methods: {
          Take: async () => {
            methodRan = true;
            return 0;
          },
        },
      },
    ],
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const client = createHalibutClient({ identity: caller });
  for (const length of [99, 101]) {
    const liar = { ...streamFromBytes(Buffer.alloc(100)), length };
    const call = client.call({ host: "127.0.0.1", port, thumbprint: service.thumbprint }, contract, "Take", [liar], soon);
    await assert.rejects(call, /promised/);
  }
  await client.close();
  await listener.close();
  assert.equal(methodRan, false);
});
