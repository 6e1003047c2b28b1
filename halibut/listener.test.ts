/** Our listener against peers of every kind, on a real port: browsers, strangers, broken and hostile ones. After each it must still serve. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, readlink, rm } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { constants, deflateRawSync } from "node:zlib";
import { Binary, encodeBson, guidToBytes } from "./bson.ts";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { streamFromBytes } from "./data-streams.ts";
import type { DataStream } from "./data-streams.ts";
import { ConnectionError } from "./errors.ts";
import { createFrameReader, encodeMessage, streamHeader, streamTrailer } from "./frames.ts";
import type { FrameReader, Wait } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import type { HalibutLimits } from "./limits.ts";
import { createHalibutListener } from "./listener.ts";
import type { HalibutListener, ListenerEvent } from "./listener.ts";
import { decodeResponse, encodeRequest } from "./messages.ts";
import { connectRaw, readToEnd, socketSource } from "./raw-peers.ts";
import { createIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";
import type { ServiceContract } from "./shapes.ts";

const anyTime: Wait = { what: "anything", totalMs: Number.POSITIVE_INFINITY };
const greeting = "MX\r\n\r\nMX-CLIENT 1.0\r\n\r\n";

const contract: ServiceContract = {
  name: "ITestService",
  methods: {
    SayHello: { params: [{ kind: "string" }], result: { kind: "string" } },
    Take: { params: [{ kind: "stream" }], result: { kind: "int64" } },
    Give: { params: [{ kind: "int64" }], result: { kind: "stream" } },
    Configure: {
      params: [{ kind: "object", type: "Test.Settings, Test", members: { Name: { kind: "string" } } }],
      result: { kind: "string" },
    },
    Wait: { params: [], result: { kind: "void" } },
  },
};

let caller: Identity;
let stranger: Identity;
let service: Identity;
let spoolFolder: string;

before(async () => {
  [caller, stranger, service] = await Promise.all([createIdentity("caller"), createIdentity("stranger"), createIdentity("service")]);
  spoolFolder = await mkdtemp(join(tmpdir(), "halibut-listener-"));
});

after(() => rm(spoolFolder, { recursive: true }));

interface Setup {
  port: number;
  listener: HalibutListener;
  events: ListenerEvent[];
  calls: string[];
  trusted: Set<string>;
  /** Resolves when a Wait has begun, with the signal that the method was given. */
  waiting: Promise<AbortSignal>;
  /** Resolves when the listener has asked about trust for the first time. */
  looked: Promise<void>;
  /** Resolves when an event of this kind has come. */
  event(kind: ListenerEvent["kind"]): Promise<ListenerEvent>;
}

async function withListener(limits: Partial<HalibutLimits>, run: (setup: Setup) => Promise<void>): Promise<void> {
  const events: ListenerEvent[] = [];
  const watchers: (() => void)[] = [];
  const calls: string[] = [];
  const trusted = new Set([caller.thumbprint]);
  let waitBegun: (signal: AbortSignal) => void = () => {};
  const waiting = new Promise<AbortSignal>((resolve) => (waitBegun = resolve));
  let asked: () => void = () => {};
  const looked = new Promise<void>((resolve) => (asked = resolve));
  const listener = createHalibutListener({
    identity: service,
    isTrusted: (thumbprint) => {
      asked();
      return trusted.has(thumbprint);
    },
    services: [
      {
        contract,
        methods: {
          SayHello: async ([name]) => {
            calls.push("SayHello");
            return `Hello ${name}`;
          },
          Take: async ([stream]) => {
            calls.push(`Take with ${(await readdir(spoolFolder)).length} names and ${await openSpoolFiles()} open files`);
            let bytes = 0;
            for await (const piece of (stream as DataStream).open()) bytes += piece.length;
            return bytes;
          },
          Give: async ([bytes]) => streamFromBytes(Buffer.alloc(bytes as number)),
          Configure: async () => {
            calls.push("Configure");
            return "done";
          },
          Wait: (_params, { signal }) =>
            new Promise<void>((resolve) => {
              signal.addEventListener("abort", () => resolve());
              waitBegun(signal);
            }),
        },
      },
    ],
    limits,
    spoolFolder,
    page: "<html><body><p>Hello!</p></body></html>",
    onEvent: (event) => {
      events.push(event);
      for (const watcher of watchers) watcher();
    },
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  async function event(kind: ListenerEvent["kind"]): Promise<ListenerEvent> {
    for (;;) {
      const found = events.find((candidate) => candidate.kind === kind);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => watchers.push(resolve));
    }
  }
  try {
    await run({ port, listener, events, calls, trusted, waiting, looked, event });
  } finally {
    await listener.close();
  }
  assert.deepEqual(await readdir(spoolFolder), [], "no received stream is left behind");
}

/** A trusted raw peer that has been introduced. */
async function introduced(port: number): Promise<{ socket: TLSSocket; reader: FrameReader }> {
  const socket = await connectRaw(port, caller);
  const reader = createFrameReader(socketSource(socket), defaultLimits);
  socket.write(greeting);
  assert.equal((await reader.readIdentity(anyTime)).kind, "server-identity");
  return { socket, reader };
}

function requestFor(method: string, params: readonly unknown[]): ReturnType<typeof encodeRequest> {
  return encodeRequest({ contract, method, params }, { url: "https://localhost:1/", thumbprint: service.thumbprint }, 1);
}

async function encoded(method: string, params: readonly unknown[]): Promise<Buffer> {
  return encodeMessage(requestFor(method, params).document);
}

async function assertServes(port: number): Promise<void> {
  const { socket, reader } = await introduced(port);
  socket.write(await encoded("SayHello", ["again"]));
  assert.equal(decodeResponse(await reader.readMessage(anyTime, anyTime)).result, "Hello again");
  socket.destroy();
}

/** The peer closes and sends nothing. */
async function assertDropped(socket: TLSSocket): Promise<void> {
  assert.equal((await readToEnd(socket)).toString(), "");
  socket.destroy();
}

for (const name of ["web-browser-get", "web-handshake-post"])
  test(`S1: a web client without a certificate gets the recorded answer: ${name}`, async () => {
    await withListener({}, async ({ port }) => {
      const folder = join(import.meta.dirname, "fixtures/library", name);
      const socket = await connectRaw(port, null);
      socket.write(await readFile(join(folder, "request.bin")));
      assert.equal((await readToEnd(socket)).toString(), (await readFile(join(folder, "response.bin"))).toString());
      await assertServes(port);
    });
  });

test("POST /handshake over HTTPS without a certificate answers 200 and shows our certificate", async () => {
  await withListener({}, async ({ port }) => {
    const [status, fingerprint] = await new Promise<[number | undefined, string]>((resolve, reject) => {
      const request = httpsRequest(
        { host: "127.0.0.1", port, path: "/handshake", method: "POST", rejectUnauthorized: false },
        (response) => {
          const socket = response.socket as TLSSocket;
          resolve([response.statusCode, socket.getPeerCertificate().fingerprint.replaceAll(":", "")]);
          response.resume();
        },
      );
      request.on("error", reject);
      request.end();
    });
    assert.equal(status, 200);
    assert.equal(fingerprint, service.thumbprint);
  });
});

for (const [who, identity] of [
  ["a peer without a certificate", () => null],
  ["a peer with a certificate that is not trusted", () => stranger],
] as const)
  test(`S1 S4: ${who} is dropped without a byte`, async () => {
    await withListener({}, async ({ port, event, calls }) => {
      const socket = await connectRaw(port, identity());
      socket.write(Buffer.concat([Buffer.from(greeting), await encoded("SayHello", ["x"])]));
      await assertDropped(socket);
      const refused = await event("refused");
      assert.equal(refused.kind === "refused" && refused.thumbprint, identity()?.thumbprint ?? null);
      assert.deepEqual(calls, []);
      await assertServes(port);
    });
  });

test("S4: a connector that resumes its TLS session is still known by its certificate", async () => {
  await withListener({}, async ({ port }) => {
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const first = await connectRaw(port, caller, { maxVersion });
      const session =
        maxVersion === "TLSv1.3" ? once(first, "session").then(([value]) => value as Buffer) : Promise.resolve(first.getSession()!);
      first.write(greeting);
      const resumed = await connectRaw(port, caller, { maxVersion, session: await session });
      assert.equal(resumed.isSessionReused(), true, maxVersion);
      resumed.write(greeting);
      const reader = createFrameReader(socketSource(resumed), defaultLimits);
      assert.equal((await reader.readIdentity(anyTime)).kind, "server-identity");
      first.destroy();
      resumed.destroy();
    }
  });
});

for (const [how, pieces] of [
  ["with the line feeds of Linux", ["MX\n\n", "MX-CLIENT 1.0\r\n\r\n"]],
  ["byte by byte", greeting.split("")],
  ["with text between MX and the empty line", ["MX and something\r\nmore\r\n\r\nMX-CLIENT 1.0\r\n\r\n"]],
  ["with another version and extra words", ["MX\r\n\r\nMX-CLIENT 2.0 more words\r\n\r\n"]],
] as const)
  test(`a hello ${how} is understood`, async () => {
    await withListener({}, async ({ port }) => {
      const socket = await connectRaw(port, caller);
      for (const piece of pieces) await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
      assert.equal((await createFrameReader(socketSource(socket), defaultLimits).readIdentity(anyTime)).kind, "server-identity");
      socket.destroy();
    });
  });

for (const [what, bytes] of [
  ["an identity line without an end", `MX\r\n\r\n${"MX-CLIENT 1.0 ".padEnd(1_100, "x")}`],
  ["an identity line ended by a line feed only", "MX\r\n\r\nMX-CLIENT 1.0\n\n"],
  ["an unknown identity", "MX\r\n\r\nMX-SOMEBODY 1.0\r\n\r\n"],
  ["a second line that is not empty", "MX\r\n\r\nMX-CLIENT 1.0\r\nmore\r\n"],
  ["a subscriber where there is no queue", "MX\r\n\r\nMX-SUBSCRIBER 1.0 poll://x/\r\n\r\n"],
  ["binary garbage", Buffer.concat([Buffer.from("MX\r\n\r\n"), Buffer.alloc(5_000, 0xfe)])],
] as const)
  test(`S5: ${what} ends the connection at once and without a byte`, async () => {
    await withListener({}, async ({ port, event }) => {
      const socket = await connectRaw(port, caller);
      socket.write(bytes);
      await assertDropped(socket);
      await event("refused");
      await assertServes(port);
    });
  });

test("S5: a peer that says nothing is dropped when the time for its hello is over", async () => {
  await withListener({ helloMs: 150 }, async ({ port }) => {
    const silent = await connectRaw(port, caller);
    await assertDropped(silent);
    const withoutTls = connectTcp(port, "127.0.0.1");
    withoutTls.resume();
    await once(withoutTls, "close");
    await assertServes(port);
  });
});

test("S5: a peer that sends its hello byte by byte, slowly, gets no more time than a silent one", async () => {
  await withListener({ helloMs: 300 }, async ({ port }) => {
    const slow = await connectRaw(port, caller);
    const startedAt = performance.now();
    const drip = setInterval(() => slow.write("x"), 20);
    await readToEnd(slow);
    clearInterval(drip);
    slow.destroy();
    assert.ok(performance.now() - startedAt < 2_000);
    await assertServes(port);
  });
});

test("S1 S5: bytes that are not TLS are dropped", async () => {
  await withListener({}, async ({ port }) => {
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    await assertServes(port);
  });
});

test("S5: strangers can use up their own places only", async () => {
  await withListener({ unidentifiedConnectionsMax: 3 }, async ({ port }) => {
    const { socket, reader } = await introduced(port);
    const strangers = await Promise.all([1, 2, 3].map(() => connectRaw(port, stranger)));
    const refused = connectTcp(port, "127.0.0.1");
    refused.on("error", () => {});
    refused.resume();
    await once(refused, "close");
    socket.write(await encoded("SayHello", ["friend"]));
    assert.equal(decodeResponse(await reader.readMessage(anyTime, anyTime)).result, "Hello friend");
    const gone = Promise.all(strangers.map((each) => once(each, "close")));
    for (const each of strangers) each.destroy();
    await gone;
    socket.destroy();
  });
});

/** A gigabyte of zeros in a megabyte: sync-flushed runs put end to end. */
function bomb(head: Buffer): Buffer {
  const flush = { finishFlush: constants.Z_SYNC_FLUSH };
  const run = deflateRawSync(Buffer.alloc(16 * 1024 * 1024), flush);
  return Buffer.concat([deflateRawSync(head, flush), ...Array.from({ length: 64 }, () => run)]);
}

function length32(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(length);
  return bytes;
}

function envelope(message: BsonDocument): BsonDocument {
  return new Map([["Message", message]]);
}

/** The request with one member of its message changed. */
function changed(method: string, params: readonly unknown[], member: string, value: BsonValue): BsonDocument {
  const message = new Map(requestFor(method, params).document.get("Message") as BsonDocument);
  return envelope(message.set(member, value));
}

/** An envelope whose message holds documents within documents. */
function nested(depth: number): Buffer {
  let document: Buffer = Buffer.from([5, 0, 0, 0, 0]);
  const wrap = (name: string): void => {
    document = Buffer.concat([length32(document.length + name.length + 7), Buffer.from(`\x03${name}\0`), document, Buffer.alloc(1)]);
  };
  for (let i = 0; i < depth; i++) wrap("x");
  wrap("Message");
  return document;
}

const hostileMessages: { readonly [what: string]: () => Promise<Buffer> | Buffer } = {
  garbage: () => Buffer.alloc(3_000, 0xa7),
  "a zlib header": () => Buffer.from([0x78, 0x9c, 0x01, 0x02]),
  "a stray END": () => Buffer.from("END\r\n".repeat(20)),
  "a deflate bomb that announces a small document": () => bomb(length32(1_000)),
  "a deflate bomb that announces all it has": () => bomb(length32(2_000_000_000)),
  "a document that is not BSON": () => deflateRawSync(Buffer.from("this is not a document, is it?")),
  "a type that no contract names": () =>
    encodeMessage(changed("Configure", [{ Name: "x" }], "params", [new Map([["$type", "System.Diagnostics.Process, System"]])])),
  "a response where a request is due": () =>
    encodeMessage(changed("SayHello", ["x"], "$type", "Halibut.Transport.Protocol.ResponseMessage, Halibut")),
  "params that are not a list": () => encodeMessage(changed("SayHello", ["x"], "params", "x")),
  "nesting without end": () => deflateRawSync(nested(5_000)),
  "an envelope without a message": () => encodeMessage(new Map()),
  "the empty message": () => encodeMessage(new Map([["Message", null]])),
  "a flood of elements": () => deflateRawSync(encodeBson(new Map([["Message", Array.from({ length: 10_001 }, () => null)]]))),
};

for (const [what, make] of Object.entries(hostileMessages))
  test(`S5: ${what} in place of a request ends the connection without an answer`, { timeout: 60_000 }, async () => {
    await withListener({ stallMs: 1_000, messageElementsMax: 10_000 }, async ({ port, calls, event }) => {
      const before = process.memoryUsage.rss();
      const { socket } = await introduced(port);
      socket.write(await make());
      await assertDropped(socket);
      const closed = await event("closed");
      // At once and for its size, not because it took too long.
      if (what.includes("bomb")) assert.match(String(closed.kind === "closed" && closed.reason), /announces/);
      assert.deepEqual(calls, []);
      assert.ok(process.memoryUsage.rss() - before < 500 * 1024 * 1024, "memory stays bounded");
      await assertServes(port);
    });
  });

test("S2: arguments cannot reach the prototype of objects", async () => {
  await withListener({}, async ({ port, calls }) => {
    const { socket, reader } = await introduced(port);
    const evil: BsonDocument = new Map<string, BsonValue>([
      ["$type", "Test.Settings, Test"],
      ["__proto__", new Map<string, BsonValue>([["polluted", true]])],
    ]);
    socket.write(await encodeMessage(changed("Configure", [{ Name: "x" }], "params", [evil])));
    assert.equal(decodeResponse(await reader.readMessage(anyTime, anyTime)).result, "done");
    assert.deepEqual(calls, ["Configure"]);
    assert.equal("polluted" in {}, false);
    socket.destroy();
  });
});

test("S5: an argument without its type name, of another known type or in the wrong number is answered with an error, and the connection lives on", async () => {
  await withListener({}, async ({ port, calls }) => {
    const { socket, reader } = await introduced(port);
    for (const params of [[new Map([["Name", "x"]])], [], ["x", "y"], ["text"], [new Map([["$type", "Halibut.DataStream, Halibut"]])]]) {
      socket.write(await encodeMessage(changed("Configure", [{ Name: "x" }], "params", params)));
      const { error } = decodeResponse(await reader.readMessage(anyTime, anyTime));
      assert.equal(error?.halibutErrorType, "Halibut.Exceptions.AmbiguousMethodMatchHalibutClientException");
      socket.write("NEXT\r\n");
      assert.equal(await reader.readControlWord(anyTime), "PROCEED");
    }
    assert.deepEqual(calls, []);
    socket.destroy();
  });
});

for (const [word, fine] of [
  ["\r\n\r\nNEXT\r\n", true],
  ["next\r\n", false],
  ["NEXT \r\n", false],
  ["NEXT\n", false],
  ["NEXT\rx", false],
  ["PROCEED\r\n", false],
  ["\r\n".repeat(1_000), false],
  ["N".repeat(100), false],
] as const)
  test(`${fine ? "" : "S5: "}${JSON.stringify(word.slice(0, 20))} after an answer is ${fine ? "a NEXT" : "refused by closing"}`, async () => {
    await withListener({}, async ({ port }) => {
      const { socket, reader } = await introduced(port);
      socket.write(await encoded("SayHello", ["x"]));
      await reader.readMessage(anyTime, anyTime);
      socket.write(word);
      if (fine) assert.equal(await reader.readControlWord(anyTime), "PROCEED");
      else await assertDropped(socket);
      socket.destroy();
    });
  });

test("D2: a request that is cut in the middle never reaches its method", async () => {
  await withListener({}, async ({ port, calls, event }) => {
    const whole = await encoded("SayHello", ["x".repeat(500)]);
    const { socket } = await introduced(port);
    socket.write(whole.subarray(0, whole.length - 1));
    socket.end();
    await assertDropped(socket);
    await event("closed");
    assert.deepEqual(calls, []);
    await assertServes(port);
  });
});

test("D2 S5: a peer that stops in the middle of a request or a stream is dropped", async () => {
  await withListener({ stallMs: 150 }, async ({ port, calls }) => {
    const { document, streams } = requestFor("Take", [streamFromBytes(Buffer.alloc(100_000))]);
    const head = await encodeMessage(document);
    const header = streamHeader(streams[0]!.id, 100_000);
    for (const bytes of [head.subarray(0, 20), head, Buffer.concat([head, header, Buffer.alloc(70_000)])]) {
      const { socket } = await introduced(port);
      socket.write(bytes);
      await assertDropped(socket);
    }
    assert.deepEqual(calls, []);
    await assertServes(port);
  });
});

const id = "00112233-4455-6677-8899-aabbccddeeff";
const reference: BsonDocument = new Map<string, BsonValue>([
  ["$type", "Halibut.DataStream, Halibut"],
  ["id", new Binary(4, guidToBytes(id))],
  ["length", 5n],
]);
const negative = streamHeader(id, 0);
negative.writeBigInt64LE(-5n, 16);

for (const [what, frame] of [
  ["whose trailer differs", Buffer.concat([streamHeader(id, 5), Buffer.alloc(5), streamTrailer(6)])],
  [
    "that the message does not mention",
    Buffer.concat([streamHeader("99112233-4455-6677-8899-aabbccddeeff", 5), Buffer.alloc(5), streamTrailer(5)]),
  ],
  ["with a negative length", Buffer.concat([negative, streamTrailer(-5)])],
  ["beyond the limit", streamHeader(id, 1_000_001)],
] as const)
  test(`D2 S5: a stream ${what} ends the connection and the method is not called`, async () => {
    await withListener({ streamBytesMax: 1_000_000 }, async ({ port, calls }) => {
      const { socket } = await introduced(port);
      socket.write(Buffer.concat([await encodeMessage(changed("Take", [null], "params", [reference])), frame]));
      await assertDropped(socket);
      assert.deepEqual(calls, []);
      await assertServes(port);
    });
  });

test("S5: more streams than allowed end the connection before they are read", async () => {
  await withListener({ streamsPerMessageMax: 3 }, async ({ port, calls }) => {
    const { socket } = await introduced(port);
    socket.write(await encodeMessage(changed("Take", [null], "params", [[reference, reference, reference, reference], 1])));
    await assertDropped(socket);
    assert.deepEqual(calls, []);
  });
});

test("S5: streams behind a request for an unknown method are read past, and the connection lives on", async () => {
  await withListener({}, async ({ port, calls }) => {
    const { socket, reader } = await introduced(port);
    const inside = new Map<string, BsonValue>([["deep", [reference]]]);
    const frame = Buffer.concat([streamHeader(id, 5), Buffer.from("hello"), streamTrailer(5)]);
    socket.write(Buffer.concat([await encodeMessage(changed("SayHello", ["x"], "params", [inside, null, 3])), frame]));
    assert.match(decodeResponse(await reader.readMessage(anyTime, anyTime)).error!.message, /takes 1 arguments, not 3/);
    socket.write("NEXT\r\n");
    assert.equal(await reader.readControlWord(anyTime), "PROCEED");
    assert.deepEqual(calls, []);
    socket.destroy();
  });
});

/** Open files of this process that lie in the folder for received streams; undefined where the system does not tell. */
async function openSpoolFiles(): Promise<number | undefined> {
  const folder = "/proc/self/fd";
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  const targets = await Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => "")));
  return targets.filter((target) => target.startsWith(spoolFolder)).length;
}

test(
  "S5: a large stream lies in a nameless file while its method runs, and nowhere afterwards",
  { skip: process.platform !== "linux" && "needs /proc" },
  async () => {
    await withListener({}, async ({ port, calls }) => {
      const { socket, reader } = await introduced(port);
      for (const bytes of [10, 1_000_000]) {
        const { document, streams } = requestFor("Take", [streamFromBytes(Buffer.alloc(bytes))]);
        socket.write(
          Buffer.concat([await encodeMessage(document), streamHeader(streams[0]!.id, bytes), Buffer.alloc(bytes), streamTrailer(bytes)]),
        );
        assert.equal(decodeResponse(await reader.readMessage(anyTime, anyTime)).result, BigInt(bytes));
        socket.write("NEXT\r\n");
        assert.equal(await reader.readControlWord(anyTime), "PROCEED");
        assert.equal(await openSpoolFiles(), 0);
      }
      assert.deepEqual(calls, ["Take with 0 names and 0 open files", "Take with 0 names and 1 open files"]);
      socket.destroy();
    });
  },
);

test("S5: an answer with a stream that nobody takes holds neither the method's memory nor its connection for ever", async () => {
  await withListener({ stallMs: 200 }, async ({ port, event }) => {
    const { socket } = await introduced(port);
    socket.write(await encoded("Give", [200_000_000]));
    const closed = await event("closed");
    assert.match(closed.kind === "closed" ? (closed.reason ?? "") : "", /too long to take/);
    socket.destroy();
    await assertServes(port);
  });
});

test("S5: a method learns when its caller hangs up", async () => {
  await withListener({}, async ({ port, waiting }) => {
    const { socket } = await introduced(port);
    socket.write(await encoded("Wait", []));
    const signal = await waiting;
    assert.equal(signal.aborted, false);
    const aborted = once(signal, "abort");
    socket.end();
    await aborted;
    socket.destroy();
  });
});

test("S4: a peer whose trust ends is dropped at once when the program says so", async () => {
  await withListener({}, async ({ port, listener, trusted }) => {
    const { socket, reader } = await introduced(port);
    await listener.dropUntrusted();
    socket.write(await encoded("SayHello", ["x"]));
    assert.equal(decodeResponse(await reader.readMessage(anyTime, anyTime)).result, "Hello x");
    trusted.clear();
    await listener.dropUntrusted();
    await assert.rejects(reader.readControlWord(anyTime), ConnectionError);
    socket.destroy();
  });
});

test("S4: a peer whose trust ends while it introduces itself is not let in", async () => {
  await withListener({}, async ({ port, trusted, looked, event }) => {
    const socket = await connectRaw(port, caller);
    socket.write("MX\r\n\r\nMX-CLIENT");
    await looked;
    trusted.clear();
    socket.write(" 1.0\r\n\r\n");
    await assertDropped(socket);
    await event("refused");
  });
});

test("closing the listener ends idle connections, running methods and handshakes", async () => {
  await withListener({}, async ({ port, listener, waiting }) => {
    const { socket, reader } = await introduced(port);
    socket.write(await encoded("Wait", []));
    const handshaking = connectTcp(port, "127.0.0.1");
    handshaking.on("error", () => {});
    await Promise.all([waiting, once(handshaking, "connect")]);
    const closed = once(handshaking.resume(), "close");
    await listener.close();
    await closed;
    await assert.rejects(reader.readMessage(anyTime, anyTime), ConnectionError);
    socket.destroy();
  });
});
