/** One side of each recording of a polling service is played against our other side: recorded subscribers against our dispatcher, recorded dispatchers against our poller. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { HalibutCallError } from "./errors.ts";
import { createFrameReader, encodeMessage } from "./frames.ts";
import { watchCall } from "./giving-up.ts";
import { defaultLimits } from "./limits.ts";
import { createHalibutListener } from "./listener.ts";
import { createHalibutPoller } from "./poller.ts";
import { normalSubscription } from "./polling-queue.ts";
import type { CollectedCall, PollingQueue } from "./polling-queue.ts";
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
import type { RecordedConnection, RecordedFrame } from "./recordings.ts";
import { createIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";

/** `polling-complex-object` has 64-bit numbers and lists of mixed types, which shapes cannot express. */
const recordings = [...readRecordings("library"), ...readRecordings("agent")].filter(
  ({ scenario, mode, bytes }) => mode === "polling" && scenario !== "polling-complex-object" && bytes.c2s !== null && bytes.s2c !== null,
);

let server: Identity;
let agent: Identity;

before(async () => {
  [server, agent] = await Promise.all([createIdentity("server"), createIdentity("agent")]);
});

function isEmptyMessage(frame: RecordedFrame): boolean {
  return frame.kind === "message" && (frame.envelope as { Message: unknown }).Message === null;
}

test("recorded subscribers collect their requests from our dispatcher, and the callers get the recorded answers", async (t) => {
  assert.ok(recordings.length >= 20, `${recordings.length} recordings`);
  for (const recorded of recordings) await t.test(recorded.name, () => playSubscriber(recorded));
});

async function playSubscriber(recorded: RecordedConnection): Promise<void> {
  const exchanges = exchangesOf(recorded);
  const script = recorded.frames.filter(({ dir, kind }) => dir === "s2c" && kind === "message");
  const outcomes: { exchange: Exchange; outcome: Parameters<CollectedCall["settle"]>[0] }[] = [];
  const answered = [...exchanges.values()].filter(({ response }) => response !== null);
  let settled: () => void = () => {};
  const queue: PollingQueue = {
    async take(_peer, waitMs, signal) {
      const frame = script.shift();
      if (frame === undefined) await new Promise((resolve) => signal.addEventListener("abort", resolve)); // the recording ends here
      if (frame === undefined || isEmptyMessage(frame)) return null;
      assert.ok(waitMs > 0);
      const exchange = exchanges.get(frame)!;
      const options = { timeoutMs: 10_000 };
      const givingUp = watchCall(options);
      return {
        ...callOf(exchange),
        options,
        givingUp,
        settle(outcome) {
          givingUp.release();
          outcomes.push({ exchange, outcome });
          settled();
        },
        putBack: () => assert.fail("the request was sent"),
      };
    },
  };
  const polled: string[] = [];
  const listener = createHalibutListener({
    identity: server,
    isTrusted: (thumbprint) => thumbprint === agent.thumbprint,
    services: [],
    polling: {
      queue,
      mayPoll: (subscription, thumbprint) => {
        polled.push(`${subscription} ${thumbprint}`);
        return true;
      },
    },
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  try {
    const socket = await connectRaw(port, agent);
    const reader = createFrameReader(socketSource(socket), defaultLimits);
    let id: BsonValue = null;
    for (const frame of recorded.frames) {
      if (frame.dir === "s2c") {
        if (frame.kind === "message") {
          const sent = await reader.readMessage(anyTime, anyTime);
          if (isEmptyMessage(frame)) assert.equal(sent.get("Message"), null);
          else {
            assert.deepEqual(comparable(sent), comparable(exchanges.get(frame)!.request));
            id = (sent.get("Message") as BsonDocument).get("id")!;
          }
        } else if (frame.kind === "stream") await compareStream(reader, recorded, frame);
        else await compareWords(reader, frame);
      } else if (frame.kind === "message") {
        const exchange = [...exchanges.values()].find(
          ({ response }) => response !== null && response === responseAt(recorded, exchanges, frame),
        )!;
        (exchange.response!.get("Message") as BsonDocument).set("id", id);
        socket.write(await encodeMessage(exchange.response!));
      } else socket.write(recorded.bytes.c2s!.subarray(frame.at, frame.at + frame.bytes));
    }
    while (outcomes.length < answered.length) await new Promise<void>((resolve) => (settled = resolve));
    socket.destroy();
  } finally {
    await listener.close();
  }
  const line = recorded.frames.find(({ kind, dir }) => kind === "identity" && dir === "c2s")!.text!;
  assert.deepEqual(polled, [`${normalSubscription(line.trim().split(" ")[2]!)} ${agent.thumbprint}`]);
  for (const exchange of answered) {
    const { outcome } = outcomes.find((candidate) => candidate.exchange === exchange)!;
    const { failure, result } = callOf(exchange);
    if (failure === null) assert.deepEqual(outcome.ok && (await flatten(outcome.result)), await flatten(result));
    else assert.ok(!outcome.ok && outcome.error instanceof HalibutCallError && outcome.error.kind === failure);
  }
}

/** The recorded response that begins at this frame. */
function responseAt(recorded: RecordedConnection, exchanges: Map<RecordedFrame, Exchange>, frame: RecordedFrame): BsonDocument | null {
  const request = recorded.frames
    .slice(0, recorded.frames.indexOf(frame))
    .findLast(({ dir, kind }) => dir === "s2c" && kind === "message")!;
  return exchanges.get(request)!.response;
}

test("our poller answers recorded dispatchers as the original service did", async (t) => {
  for (const recorded of recordings) await t.test(recorded.name, () => playDispatcher(recorded));
});

async function playDispatcher(recorded: RecordedConnection): Promise<void> {
  const exchanges = exchangesOf(recorded);
  let expected: Exchange;
  const failures: unknown[] = [];
  let played: () => void = () => {};
  const over = new Promise<void>((resolve) => (played = resolve));
  const line = recorded.frames.find(({ kind, dir }) => kind === "identity" && dir === "c2s")!.text!;
  const subscription = line.trim().split(" ")[2]!;
  const raw = await listenRaw(server, async (socket) => {
    try {
      const reader = createFrameReader(socketSource(socket), defaultLimits);
      for (const frame of recorded.frames) {
        // How the original's END crosses with PROCEED is not ours to repeat; that ours comes is looked at below.
        if (frame.kind === "control" && frame.text === "END\r\n") break;
        if (frame.dir === "s2c") {
          expected = exchanges.get(frame) ?? expected;
          socket.write(recorded.bytes.s2c!.subarray(frame.at, frame.at + frame.bytes));
        } else if (frame.kind === "message") await compareResponse(reader, expected);
        else if (frame.kind === "stream") await compareStream(reader, recorded, frame);
        else if (frame.kind === "identity")
          assert.deepEqual(await reader.readIdentity(anyTime), { kind: "subscriber-identity", subscription });
        else await compareWords(reader, frame);
      }
    } catch (error) {
      failures.push(error);
    }
    played();
    socket.resume();
  });
  const poller = createHalibutPoller({
    identity: agent,
    server: { host: "127.0.0.1", port: raw.port, thumbprint: server.thumbprint },
    subscription,
    services: scriptedServices(() => expected),
  });
  poller.start();
  await over;
  await poller.close();
  await raw.close();
  assert.deepEqual(failures, []);
}
