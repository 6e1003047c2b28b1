/** One side of each recording of a listening service is played against our other side: recorded callers against our listener, recorded services against our client. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { createHalibutClient } from "./client.ts";
import { HalibutCallError } from "./errors.ts";
import { createFrameReader, encodeMessage } from "./frames.ts";
import { defaultLimits } from "./limits.ts";
import { createHalibutListener } from "./listener.ts";
import type { HalibutListener } from "./listener.ts";
import { connectRaw, listenRaw, socketSource } from "./raw-peers.ts";
import {
  anyTime,
  callOf,
  comparable,
  compareResponse,
  compareStream,
  compareWords,
  exchangesOf,
  flatten,
  scriptedServices,
} from "./recorded-exchanges.ts";
import type { Exchange } from "./recorded-exchanges.ts";
import { readRecordings } from "./recordings.ts";
import type { RecordedConnection } from "./recordings.ts";
import { createIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";

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
  ({ scenario, mode, bytes }) => mode === "listening" && leftOut[scenario] === undefined && bytes.c2s !== null && bytes.s2c !== null,
);

let callerIdentity: Identity;
let serviceIdentity: Identity;
let listener: HalibutListener;
let port: number;
/** What the scripted services are about to be asked, and what they shall answer. */
let expected: Exchange;

before(async () => {
  [callerIdentity, serviceIdentity] = await Promise.all([createIdentity("caller"), createIdentity("service")]);
  listener = createHalibutListener({
    identity: serviceIdentity,
    isTrusted: (thumbprint) => thumbprint === callerIdentity.thumbprint,
    services: scriptedServices(() => expected),
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
        } else if (frame.kind === "message") await compareResponse(reader, expected);
        else if (frame.kind === "stream") await compareStream(reader, recorded, frame);
        else await compareWords(reader, frame);
      }
      socket.destroy();
    });
});

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
      const { contract, method, params, failure, result } = callOf(exchange);
      const call = client.call(peer, contract, method, params, { timeoutMs: 10_000 });
      if (failure === null) assert.deepEqual(await flatten(await call), await flatten(result));
      else
        await assert.rejects(call, (error) => error instanceof HalibutCallError && error.kind === failure && error.requestMayHaveArrived);
    }
  } finally {
    await client.close();
    await over;
    await service.close();
  }
  assert.deepEqual(failures, []);
}
