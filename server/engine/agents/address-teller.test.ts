// Who is told at which addresses the cluster is polled, and when: by the calls that a polling agent's connections would collect.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { capability } from "@cuttle/contract/agent/capabilities";
import { pollingAddressesCapability } from "@cuttle/contract/agent/polling-addresses";
import { HalibutCallError } from "@cuttle/halibut";
import type { CollectedCall, InMemoryPollingQueue, PollingPeer } from "@cuttle/halibut";
import { createPollingQueue } from "./agents.ts";
import { createAddressTeller } from "./address-teller.ts";
import type { AddressTeller } from "./address-teller.ts";

const agent = { subscription: "poll://Web1/", thumbprint: "AB".repeat(20) };
const collectedAs = { subscription: "poll://web1", thumbprint: agent.thumbprint };
const own = "https://a:10943";
const alone = { Addresses: [own], OwnAddress: own };
const two = { Addresses: [own, "https://b:10943"], OwnAddress: own };
const three = { Addresses: [own, "https://b:10943", "https://c:10943"], OwnAddress: own };
const ours = { SupportedCapabilities: [capability.scriptServiceV2, pollingAddressesCapability] };
const anothers = { SupportedCapabilities: [capability.scriptServiceV1, capability.fileTransfer, capability.scriptServiceV2] };
const collectMsMax = 10_000;

function prepare(t: TestContext): { teller: AddressTeller; queue: InMemoryPollingQueue; said: string[] } {
  // Pauses pass when the test says so.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const queue = createPollingQueue();
  const said: string[] = [];
  const teller = createAddressTeller({ queue, log: { info: (_fields, message) => void said.push(message) }, random: () => 0.5 });
  t.after(() => {
    teller.stop();
    queue.close();
  });
  return { teller, queue, said };
}

/** What a connection of the agent would be given next; null when nothing waits for it. */
function collect(queue: InMemoryPollingQueue, peer: PollingPeer = collectedAs): Promise<CollectedCall | null> {
  return new Promise((resolve) => {
    const over = new AbortController();
    void queue.take(peer, collectMsMax, over.signal).then(resolve);
    setImmediate(() => over.abort());
  });
}

async function answer(queue: InMemoryPollingQueue, method: string, result: unknown): Promise<readonly unknown[]> {
  const call = await collect(queue);
  assert.equal(call?.method, method);
  call.settle({ ok: true, result });
  return call.params;
}

async function nothingIsSaid(queue: InMemoryPollingQueue): Promise<void> {
  assert.equal((await collect(queue))?.method, undefined);
}

test("A1: an agent is asked once whether it learns, told the list a moment after it came, and told anew when a node joins", async (t) => {
  const { teller, queue } = prepare(t);
  teller.announce(alone);
  teller.connected(agent);
  await nothingIsSaid(queue);
  t.mock.timers.tick(4_000);
  await answer(queue, "GetCapabilities", ours);
  assert.deepEqual(await answer(queue, "LearnPollingAddresses", null), [alone]);
  await nothingIsSaid(queue);
  teller.announce(two);
  assert.deepEqual(await answer(queue, "LearnPollingAddresses", null), [two]);
  // A further connection of the same agent brings nothing new; one that has been away may have forgotten.
  teller.connected(agent);
  teller.disconnected(agent);
  t.mock.timers.tick(4_000);
  await nothingIsSaid(queue);
  teller.disconnected(agent);
  teller.connected(agent);
  t.mock.timers.tick(4_000);
  await answer(queue, "GetCapabilities", ours);
  assert.deepEqual(await answer(queue, "LearnPollingAddresses", null), [two]);
});

test("an agent that does not offer to learn, or does not know the question, is left alone", async (t) => {
  const { teller, queue } = prepare(t);
  for (const outcome of [
    { ok: true, result: anothers },
    { ok: false, error: new HalibutCallError("service-not-found", "ICapabilitiesServiceV2 is not there.") },
  ] as const) {
    teller.connected(agent);
    teller.announce({ ...two });
    const question = await collect(queue);
    assert.equal(question?.method, "GetCapabilities");
    question.settle(outcome);
    await nothingIsSaid(queue);
    teller.announce({ ...three });
    t.mock.timers.tick(600_000);
    await nothingIsSaid(queue);
    teller.disconnected(agent);
  }
});

test("a list that changes while an agent is told one follows it, and never overtakes it", async (t) => {
  const { teller, queue } = prepare(t);
  teller.connected(agent);
  teller.announce(two);
  await answer(queue, "GetCapabilities", ours);
  const first = await collect(queue);
  teller.announce(three);
  await nothingIsSaid(queue);
  first!.settle({ ok: true, result: null });
  assert.deepEqual([first!.params, await answer(queue, "LearnPollingAddresses", null)], [[two], [three]]);
});

test("a call that fails is made again later; an empty list is told to nobody; an agent that has left is forgotten", async (t) => {
  const { teller, queue, said } = prepare(t);
  teller.connected(agent);
  teller.announce({ Addresses: [], OwnAddress: null });
  t.mock.timers.tick(600_000);
  await nothingIsSaid(queue);
  teller.announce(two);
  await answer(queue, "GetCapabilities", ours);
  (await collect(queue))!.settle({ ok: false, error: new HalibutCallError("service-failed", "No space left on device.") });
  await nothingIsSaid(queue);
  assert.equal(said.length, 1);
  t.mock.timers.tick(60_000);
  assert.deepEqual(await answer(queue, "LearnPollingAddresses", null), [two]);
  teller.disconnected(agent);
  teller.announce(three);
  t.mock.timers.tick(600_000);
  await nothingIsSaid(queue);
});

test("S5: of a thousand agents a few are told at once", async (t) => {
  const { teller, queue } = prepare(t);
  const agents = Array.from({ length: 1_000 }, (_, index) => ({ ...agent, subscription: `poll://web${index}` }));
  for (const one of agents) teller.connected(one);
  teller.announce(two);
  const asked = async (): Promise<CollectedCall[]> =>
    (await Promise.all(agents.map((one) => collect(queue, one)))).filter((call) => call !== null);
  const first = await asked();
  assert.equal(first.length, 8);
  for (const call of first) call.settle({ ok: true, result: anothers });
  assert.equal((await asked()).length, 8, "the next ones follow");
});
