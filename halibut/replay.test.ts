/** One side of each recording is played against our other side: recorded callers against our listener, recorded services against our client. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { decodeBson } from "./bson.ts";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { createHalibutClient } from "./client.ts";
import type { DataStream, IncomingStream } from "./data-streams.ts";
import { streamFromBytes } from "./data-streams.ts";
import { HalibutCallError } from "./errors.ts";
import { createFrameReader, encodeMessage } from "./frames.ts";
import type { FrameReader, Wait } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import { createHalibutListener } from "./listener.ts";
import type { HalibutListener } from "./listener.ts";
import { callErrorFrom, decodeRequest, decodeResponse } from "./messages.ts";
import { connectRaw, listenRaw, socketSource } from "./raw-peers.ts";
import { agentContracts, echoContract, missingContracts } from "./recorded-contracts.ts";
import { readRecordings, toTagged } from "./recordings.ts";
import type { RecordedConnection, RecordedFrame } from "./recordings.ts";
import type { ServiceImplementation } from "./service.ts";
import { createIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";
import { collectTypes, decodeValue } from "./values.ts";
import type { ServiceContract, Shape } from "./values.ts";

const anyTime: Wait = { what: "anything", totalMs: Number.POSITIVE_INFINITY };

/** Why a recording cannot be played in full against an end whose contracts are shapes. Each is tested on its own in halibut.test.ts or values.test.ts. */
const leftOut: { readonly [scenario: string]: string } = {
  "listening-complex-object": "64-bit numbers and lists of mixed types",
  "listening-not-callable-types": "original services refuse what ours take",
  "listening-type-not-allowed": "the connection is dropped in mid-call",
  "listening-cancelled-call": "the caller hangs up in mid-call",
  "listening-idle-timeout": "needs the service's patience to end",
  "listening-ambiguous": "one method under two shapes",
  "listening-upload-same-twice": "the original breaks its own stream rules here",
};

const recordings = [...readRecordings("library"), ...readRecordings("agent")].filter(
  ({ scenario, bytes }) => leftOut[scenario] === undefined && bytes.c2s !== null && bytes.s2c !== null,
);

interface Exchange {
  request: BsonDocument;
  requestStreams: Map<string, Buffer>;
  response: BsonDocument | null;
  responseStreams: Map<string, Buffer>;
}

/** The requests of a connection with their answers; keyed by the request's frame. */
function exchangesOf(recorded: RecordedConnection): Map<RecordedFrame, Exchange> {
  const found = new Map<RecordedFrame, Exchange>();
  let current: Exchange | undefined;
  for (const frame of recorded.frames) {
    const bytes = recorded.bytes[frame.dir]!;
    if (frame.kind === "message") {
      const document = decodeBson(inflateRawSync(bytes.subarray(frame.at, frame.at + frame.bytes)), defaultLimits);
      if (frame.dir === "c2s") {
        current = { request: document, requestStreams: new Map(), response: null, responseStreams: new Map() };
        found.set(frame, current);
      } else current!.response = document;
    } else if (frame.kind === "stream") {
      const streams = frame.dir === "c2s" ? current!.requestStreams : current!.responseStreams;
      streams.set(frame.id!, bytes.subarray(frame.dataAt, frame.dataAt! + frame.length!));
    }
  }
  return found;
}

const offered = [echoContract, ...agentContracts].map((contract): ServiceContract => {
  const methods = { ...contract.methods };
  delete methods["NotThere"];
  return { name: contract.name, methods };
});
const contracts = new Map([echoContract, ...agentContracts, ...missingContracts].map((contract) => [contract.name, contract]));
const knownTypes = new Set<string>();
for (const { methods } of contracts.values())
  for (const { params, result } of Object.values(methods)) for (const shape of [...params, result]) collectTypes(shape, knownTypes);

/** A recorded value as JavaScript, its streams filled with the recorded bytes. */
function valueOf(shape: Shape, value: BsonValue, streams: Map<string, Buffer>): unknown {
  const incoming: IncomingStream[] = [];
  const decoded = decodeValue(shape, value, true, { incoming, knownTypes, streamsPerMessageMax: 100 }, "recorded");
  const replace = (part: unknown): unknown => {
    const stream = incoming.find(({ content }) => content === part);
    if (stream !== undefined) return streamFromBytes(streams.get(stream.id)!);
    if (Array.isArray(part)) return part.map(replace);
    if (typeof part !== "object" || part === null || part instanceof Date || part instanceof Uint8Array) return part;
    return Object.fromEntries(Object.entries(part).map(([name, member]) => [name, replace(member)]));
  };
  return replace(decoded);
}

/** Plain data in place of streams, for comparing. */
async function flatten(value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map(flatten));
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if ("open" in value) {
    const pieces: Uint8Array[] = [];
    for await (const piece of (value as DataStream).open()) pieces.push(piece);
    return `stream ${Buffer.concat(pieces).toString("hex")}`;
  }
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([name, member]) => [name, await flatten(member)])));
}

/** An envelope without what differs from run to run: ids, peers' addresses, stack traces. Arrays and lists of .NET are the same to us. */
function comparable(envelope: BsonDocument): unknown {
  const text = JSON.stringify(toTagged(envelope), (name, value: unknown) => {
    if (name === "id" || name === "activityId" || name === "BaseUri" || name === "RemoteThumbprint") return "*";
    if (name === "details" && typeof value === "string") return value.split("\n")[0];
    return value;
  });
  return JSON.parse(
    text.replaceAll("System.String[],", "System.Collections.Generic.List`1[[System.String, System.Private.CoreLib]],"),
  ) as unknown;
}

let callerIdentity: Identity;
let serviceIdentity: Identity;
let listener: HalibutListener;
let port: number;
/** What the scripted services are about to be asked, and what they shall answer. */
let expected: Exchange;

before(async () => {
  [callerIdentity, serviceIdentity] = await Promise.all([createIdentity("caller"), createIdentity("service")]);
  const services = offered.map((contract): ServiceImplementation => {
    const methods: ServiceImplementation["methods"] = {};
    for (const [name, { params: shapes, result }] of Object.entries(contract.methods))
      methods[name] = async (params) => {
        const request = decodeRequest(expected.request)!;
        assert.equal(`${request.service}.${request.method}`, `${contract.name}.${name}`);
        const recordedParams = shapes.map((shape, i) => valueOf(shape, request.params[i]!, expected.requestStreams));
        assert.deepEqual(await flatten(params), await flatten(recordedParams));
        const response = decodeResponse(expected.response!);
        if (response.error !== null) throw new Error(response.error.message);
        return valueOf(result, response.result, expected.responseStreams);
      };
    return { contract, methods };
  });
  listener = createHalibutListener({
    identity: serviceIdentity,
    isTrusted: (thumbprint) => thumbprint === callerIdentity.thumbprint,
    services,
  });
  ({ port } = await listener.listen({ host: "127.0.0.1", port: 0 }));
});

after(() => listener.close());

test("recorded callers get from our listener what they got from the original service", { timeout: 60_000 }, async (t) => {
  assert.ok(recordings.length > 60, `${recordings.length} recordings`);
  for (const recorded of recordings)
    await t.test(recorded.name, async () => {
      const exchanges = exchangesOf(recorded);
      const socket = await connectRaw(port, callerIdentity);
      const reader = createFrameReader(socketSource(socket), defaultLimits);
      for (const frame of recorded.frames) {
        if (frame.dir === "c2s") {
          expected = exchanges.get(frame) ?? expected;
          socket.write(recorded.bytes.c2s!.subarray(frame.at, frame.at + frame.bytes));
        } else if (frame.kind === "message") await compareResponse(reader);
        else if (frame.kind === "stream") await compareStream(reader, recorded, frame);
        else await compareWords(reader, frame);
      }
      socket.destroy();
    });
});

async function compareResponse(reader: FrameReader): Promise<void> {
  const ours = await reader.readMessage(anyTime, anyTime);
  const theirs = expected.response!;
  const error = decodeResponse(theirs).error;
  if (error === null) return assert.deepEqual(comparable(ours), comparable(theirs));
  const ourError = decodeResponse(ours).error;
  assert.ok(ourError !== null, "an error was due");
  assert.equal(callErrorFrom(ourError, "").kind, callErrorFrom(error, "").kind);
  if (callErrorFrom(error, "").kind === "service-failed") assert.equal(ourError.message, error.message);
}

async function compareStream(reader: FrameReader, recorded: RecordedConnection, frame: RecordedFrame): Promise<void> {
  const header = await reader.readStreamHeader(anyTime);
  assert.equal(header.length, frame.length);
  const pieces: Buffer[] = [];
  for await (const piece of reader.readStreamContent(header.length, anyTime)) pieces.push(piece);
  assert.ok(Buffer.concat(pieces).equals(recorded.bytes[frame.dir]!.subarray(frame.dataAt, frame.dataAt! + frame.length!)));
}

async function compareWords(reader: FrameReader, frame: RecordedFrame): Promise<void> {
  if (frame.kind === "control") assert.equal(await reader.readControlWord(anyTime), frame.text!.trim());
  else if (frame.kind === "hello") assert.equal(await reader.readHello(anyTime), "halibut");
  else assert.equal((await reader.readIdentity(anyTime)).kind, frame.text!.startsWith("MX-SERVER") ? "server-identity" : "client-identity");
}

test("our client asks recorded services as the original caller did, and gets the same answers", { timeout: 60_000 }, async (t) => {
  for (const recorded of recordings) {
    if (recorded.frames.some(({ dir, kind }) => dir === "s2c" && kind === "message"))
      await t.test(recorded.name, () => playService(recorded));
  }
});

async function playService(recorded: RecordedConnection): Promise<void> {
  const exchanges = exchangesOf(recorded);
  const failures: unknown[] = [];
  let spoken = (): void => {};
  const over = new Promise<void>((resolve) => (spoken = resolve));
  const service = await listenRaw(serviceIdentity, async (socket) => {
    try {
      const reader = createFrameReader(socketSource(socket), defaultLimits);
      let id: BsonValue = null;
      const lastAnswer = recorded.frames.findLastIndex(({ dir }) => dir === "s2c");
      for (const [index, frame] of recorded.frames.entries()) {
        // A NEXT that went to a dead service: the recording ends there, and so does the play.
        if (index > lastAnswer && frame.text !== "END\r\n") break;
        if (frame.dir === "c2s") {
          if (frame.kind === "message") {
            const asked = await reader.readMessage(anyTime, anyTime);
            assert.deepEqual(comparable(asked), comparable(exchanges.get(frame)!.request));
            expected = exchanges.get(frame)!;
            id = (asked.get("Message") as BsonDocument).get("id")!;
          } else if (frame.kind === "stream") await compareStream(reader, recorded, frame);
          else await compareWords(reader, frame);
        } else if (frame.kind === "message") {
          (expected.response!.get("Message") as BsonDocument).set("id", id);
          socket.write(await encodeMessage(expected.response!));
        } else socket.write(recorded.bytes.s2c!.subarray(frame.at, frame.at + frame.bytes));
      }
    } catch (error) {
      failures.push(error);
    }
    socket.destroy();
    spoken();
  });
  const client = createHalibutClient({ identity: callerIdentity });
  try {
    const peer = { host: "127.0.0.1", port: service.port, thumbprint: serviceIdentity.thumbprint };
    for (const exchange of exchanges.values()) {
      if (exchange.response === null) break;
      const request = decodeRequest(exchange.request)!;
      const contract = contracts.get(request.service!)!;
      const method = contract.methods[request.method!]!;
      const params = method.params.map((shape, i) => valueOf(shape, request.params[i]!, exchange.requestStreams));
      const response = decodeResponse(exchange.response);
      const call = client.call(peer, contract, request.method!, params, { timeoutMs: 10_000 });
      if (response.error !== null) {
        const { kind } = callErrorFrom(response.error, "");
        await assert.rejects(call, (error) => error instanceof HalibutCallError && error.kind === kind && error.requestMayHaveArrived);
      } else {
        assert.deepEqual(await flatten(await call), await flatten(valueOf(method.result, response.result, exchange.responseStreams)));
      }
    }
  } finally {
    await client.close();
    await over;
    await service.close();
  }
  assert.deepEqual(failures, []);
}
