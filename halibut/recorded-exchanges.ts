/** What the replays share: recorded exchanges as values, and comparing what differs from run to run only in ids. */
import assert from "node:assert/strict";
import { inflateRawSync } from "node:zlib";
import { decodeBson } from "./bson.ts";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { streamFromBytes } from "./data-streams.ts";
import type { DataStream, IncomingStream } from "./data-streams.ts";
import type { FrameReader, Wait } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import { callErrorFrom, decodeRequest, decodeResponse } from "./messages.ts";
import { agentContracts, echoContract, missingContracts } from "./recorded-contracts.ts";
import { toTagged } from "./recordings.ts";
import type { RecordedConnection, RecordedFrame } from "./recordings.ts";
import type { ServiceImplementation } from "./service.ts";
import { collectTypes, decodeValue } from "./values.ts";
import type { ServiceContract, Shape } from "./shapes.ts";

export const anyTime: Wait = { what: "anything", totalMs: Number.POSITIVE_INFINITY };

/** One request with its answer, as recorded; the answer is missing when the connection was lost. */
export interface Exchange {
  request: BsonDocument;
  requestStreams: Map<string, Buffer>;
  response: BsonDocument | null;
  responseStreams: Map<string, Buffer>;
}

/** The requests of a connection with their answers; keyed by the request's frame. */
export function exchangesOf(recorded: RecordedConnection): Map<RecordedFrame, Exchange> {
  const found = new Map<RecordedFrame, Exchange>();
  const requests = recorded.mode === "listening" ? "c2s" : "s2c";
  let current: Exchange | undefined;
  for (const frame of recorded.frames) {
    const bytes = recorded.bytes[frame.dir]!;
    if (frame.kind === "message") {
      if ((frame.envelope as { Message: unknown }).Message === null) continue;
      const document = decodeBson(inflateRawSync(bytes.subarray(frame.at, frame.at + frame.bytes)), defaultLimits);
      if (frame.dir === requests) {
        current = { request: document, requestStreams: new Map(), response: null, responseStreams: new Map() };
        found.set(frame, current);
      } else current!.response = document;
    } else if (frame.kind === "stream") {
      const streams = frame.dir === requests ? current!.requestStreams : current!.responseStreams;
      streams.set(frame.id!, bytes.subarray(frame.dataAt, frame.dataAt! + frame.length!));
    }
  }
  return found;
}

/** The recorded services' contracts, without what they were asked for in vain. */
export const offered = [echoContract, ...agentContracts].map((contract): ServiceContract => {
  const methods = { ...contract.methods };
  delete methods["NotThere"];
  return { name: contract.name, methods };
});
export const contracts = new Map([echoContract, ...agentContracts, ...missingContracts].map((contract) => [contract.name, contract]));
const knownTypes = new Set<string>();
for (const { methods } of contracts.values())
  for (const { params, result } of Object.values(methods)) for (const shape of [...params, result]) collectTypes(shape, knownTypes);

/** A recorded value as JavaScript, its streams filled with the recorded bytes. */
export function valueOf(shape: Shape, value: BsonValue, streams: Map<string, Buffer>): unknown {
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
export async function flatten(value: unknown): Promise<unknown> {
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
export function comparable(envelope: BsonDocument): unknown {
  const text = JSON.stringify(toTagged(envelope), (name, value: unknown) => {
    if (name === "id" || name === "activityId" || name === "BaseUri" || name === "RemoteThumbprint") return "*";
    if (name === "details" && typeof value === "string") return value.split("\n")[0];
    return value;
  });
  return JSON.parse(
    text.replaceAll("System.String[],", "System.Collections.Generic.List`1[[System.String, System.Private.CoreLib]],"),
  ) as unknown;
}

/** Services that expect the recorded request of `expected()` and answer as recorded. */
export function scriptedServices(expected: () => Exchange): ServiceImplementation[] {
  return offered.map((contract): ServiceImplementation => {
    const methods: ServiceImplementation["methods"] = {};
    for (const [name, { params: shapes, result }] of Object.entries(contract.methods))
      methods[name] = async (params) => {
        const exchange = expected();
        const request = decodeRequest(exchange.request)!;
        assert.equal(`${request.service}.${request.method}`, `${contract.name}.${name}`);
        const recordedParams = shapes.map((shape, i) => valueOf(shape, request.params[i]!, exchange.requestStreams));
        assert.deepEqual(await flatten(params), await flatten(recordedParams));
        const response = decodeResponse(exchange.response!);
        if (response.error !== null) throw new Error(response.error.message);
        return valueOf(result, response.result, exchange.responseStreams);
      };
    return { contract, methods };
  });
}

/** The next frame is a response that says the same as the recorded one. */
export async function compareResponse(reader: FrameReader, exchange: Exchange): Promise<void> {
  const ours = await reader.readMessage(anyTime, anyTime);
  const theirs = exchange.response!;
  const error = decodeResponse(theirs).error;
  if (error === null) return assert.deepEqual(comparable(ours), comparable(theirs));
  const ourError = decodeResponse(ours).error;
  assert.ok(ourError !== null, "an error was due");
  assert.equal(callErrorFrom(ourError, "").kind, callErrorFrom(error, "").kind);
  if (callErrorFrom(error, "").kind === "service-failed") assert.equal(ourError.message, error.message);
}

/** The service, method and arguments of a recorded request, and what its caller got. */
export function callOf(exchange: Exchange) {
  const request = decodeRequest(exchange.request)!;
  const contract = contracts.get(request.service!)!;
  const method = contract.methods[request.method!]!;
  const params = method.params.map((shape, i) => valueOf(shape, request.params[i]!, exchange.requestStreams));
  const response = exchange.response === null ? null : decodeResponse(exchange.response);
  return {
    contract,
    method: request.method!,
    params,
    failure: response?.error === null || response === null ? null : callErrorFrom(response.error, "").kind,
    result: response === null ? null : valueOf(method.result, response.result, exchange.responseStreams),
  };
}

/** The next frame is this recorded stream, whatever its id. */
export async function compareStream(reader: FrameReader, recorded: RecordedConnection, frame: RecordedFrame): Promise<void> {
  const header = await reader.readStreamHeader(anyTime);
  assert.equal(header.length, frame.length);
  const pieces: Buffer[] = [];
  for await (const piece of reader.readStreamContent(header.length, anyTime)) pieces.push(piece);
  assert.ok(Buffer.concat(pieces).equals(recorded.bytes[frame.dir]!.subarray(frame.dataAt, frame.dataAt! + frame.length!)));
}

/** The next frame says what this recorded hello block, identity or control word says. */
export async function compareWords(reader: FrameReader, frame: RecordedFrame): Promise<void> {
  if (frame.kind === "control") assert.equal(await reader.readControlWord(anyTime), frame.text!.trim());
  else if (frame.kind === "hello") assert.equal(await reader.readHello(anyTime), "halibut");
  else assert.equal((await reader.readIdentity(anyTime)).kind, identityOf(frame));
}

/** Which kind of identity a recorded line states. */
export function identityOf({ text }: RecordedFrame): "client-identity" | "server-identity" | "subscriber-identity" {
  if (text!.startsWith("MX-CLIENT")) return "client-identity";
  return text!.startsWith("MX-SERVER") ? "server-identity" : "subscriber-identity";
}
