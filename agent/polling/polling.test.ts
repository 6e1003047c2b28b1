// Further nodes to poll, as a real agent process learns them over a connection to one it was given: who tells it, what it keeps over a restart,
// and what it never gives up.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { type CapabilitiesResponseV2, capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { pollingAddressesCapability, pollingAddressesMax, pollingAddressesService } from "@cuttle/contract/agent/polling-addresses";
import { createHalibutListener, createIdentity, createPollingQueue, HalibutCallError, type Identity } from "@cuttle/halibut";
import { eventually } from "../../test/support/eventually.ts";
import { type AgentProcess, patienceMs, startAgentProcess, testServerIdentity } from "../agent-process.ts";
import { learnedAddressesName } from "./polling.ts";

/** An agent that is ready has only to connect; one that does not is not waited for any longer. */
const againMsMax = 15_000;
const subscription = "poll://learner0000000000001";

interface Node {
  readonly address: string;
  readonly port: number;
  /** Connections of agents now. */
  connections(): number;
  /** How often anybody was let in. */
  comings(): number;
  tell(agent: AgentProcess, addresses: readonly string[], own?: string | null): Promise<unknown>;
  capabilities(agent: AgentProcess): Promise<string[]>;
  close(): Promise<void>;
}

/** A server's port for polling agents; by default with the certificate that the agent trusts. */
async function openNode(t: TestContext, identity?: Identity): Promise<Node> {
  const queue = createPollingQueue();
  let [connections, comings] = [0, 0];
  const listener = createHalibutListener({
    identity: identity ?? (await testServerIdentity()),
    isTrusted: () => true,
    services: [],
    polling: { queue, mayPoll: () => true },
    onEvent({ kind }) {
      if (kind === "identified") connections++;
      if (kind === "identified") comings++;
      if (kind === "closed") connections--;
    },
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const call = (agent: AgentProcess, contract: Parameters<typeof queue.call>[1], method: string, params: unknown[]): Promise<unknown> =>
    queue.call({ subscription, thumbprint: agent.peer.thumbprint }, contract, method, params, { timeoutMs: patienceMs });
  const node: Node = {
    address: `https://127.0.0.1:${port}`,
    port,
    connections: () => connections,
    comings: () => comings,
    tell: (agent, Addresses, OwnAddress = null) =>
      call(agent, pollingAddressesService, "LearnPollingAddresses", [{ Addresses, OwnAddress }]),
    capabilities: async (agent) =>
      ((await call(agent, capabilitiesServiceV2, "GetCapabilities", [])) as CapabilitiesResponseV2).SupportedCapabilities,
    async close() {
      queue.close();
      await listener.close();
    },
  };
  t.after(() => node.close());
  return node;
}

const polling = (...nodes: Node[]): string[] => [
  ...nodes.flatMap(({ port }) => ["--poll", `127.0.0.1:${port}`]),
  "--subscription",
  `${subscription}/`,
];

function learned(agent: AgentProcess): string[] | undefined {
  const file = join(agent.home, learnedAddressesName);
  if (!existsSync(file)) return undefined;
  const { Version, Clusters } = JSON.parse(readFileSync(file, "utf8")) as { Version: number; Clusters: { Addresses: string[] }[] };
  assert.equal(Version, 1);
  return Clusters.flatMap(({ Addresses }) => Addresses);
}

test("A1: an agent that knows one node is told of a second one, polls it, and after a restart needs no more than that one", async (t) => {
  const [first, second] = [await openNode(t), await openNode(t)];
  const agent = await startAgentProcess(t, { arguments: polling(first) });
  assert.ok((await first.capabilities(agent)).includes(pollingAddressesCapability));
  await first.tell(agent, [first.address, second.address], first.address);
  await eventually("it polls the second", () => second.connections() === 1);
  assert.deepEqual(learned(agent)?.sort(), [first.address, second.address].sort(), "they are on the disk when the answer comes");
  assert.equal(first.comings(), 1, "what it was given is not polled twice");
  await agent.kill();
  await first.close();
  await agent.startAgain();
  await eventually("it polls the second again", () => second.comings() === 2, againMsMax);
});

test("A1: what the list does not name any more is given up; what an operator gave, and the way by which the word came, are kept", async (t) => {
  const [given, second, third] = [await openNode(t), await openNode(t), await openNode(t)];
  const agent = await startAgentProcess(t, { arguments: polling(given) });
  await given.tell(agent, [given.address, second.address, third.address]);
  await eventually("it polls all three", () => second.connections() === 1 && third.connections() === 1);
  // Told by the second itself, which stands under another name in the list now.
  await second.tell(agent, [third.address]);
  assert.deepEqual(learned(agent)?.sort(), [second.address, third.address].sort());
  await given.tell(agent, [third.address]);
  assert.deepEqual(learned(agent), [third.address]);
  // It leaves at the end of the call that comes next.
  await second.capabilities(agent);
  await eventually("the second is left", () => second.connections() === 0);
  await third.tell(agent, []);
  assert.deepEqual(learned(agent), [third.address], "an empty list teaches nothing");
  await given.capabilities(agent);
  assert.deepEqual([given.connections(), third.connections(), second.comings()], [1, 1, 1]);
});

test("a cluster of one node has nothing to tell: its name for itself is no second way to it", async (t) => {
  const node = await openNode(t);
  const agent = await startAgentProcess(t, { arguments: polling(node) });
  await node.tell(agent, ["https://localhost:" + node.port], "https://localhost:" + node.port);
  assert.equal(learned(agent), undefined);
  await node.tell(agent, [`https://localhost:${node.port}`], null);
  await eventually("another node's address counts", () => node.connections() === 2);
});

test("S5 S4: addresses that are none are refused with a sentence, what is too many is passed over, and a stranger's certificate gets nothing", async (t) => {
  const [node, other] = [await openNode(t), await openNode(t)];
  const stranger = await openNode(t, await createIdentity("stranger"));
  const agent = await startAgentProcess(t, { arguments: polling(node) });
  for (const wrong of [
    "https://node-2",
    "http://node-2:1",
    "https://node-2:0",
    "https://a b:1",
    `https://${"a".repeat(300)}:1`,
    "https://u:p@node-2:1",
  ]) {
    await assert.rejects(
      node.tell(agent, [other.address, wrong]),
      (error) =>
        error instanceof HalibutCallError && error.kind === "service-failed" && /is no address to poll; write it as/.test(error.message),
      wrong,
    );
  }
  assert.equal(learned(agent), undefined, "half a list is none");
  const many = Array.from({ length: pollingAddressesMax - 1 }, (_, index) => `https://127.0.0.1:${index + 1}`);
  await node.tell(agent, [stranger.address, ...many, other.address]);
  assert.deepEqual(learned(agent), [stranger.address, ...many]);
  await eventually("it was told whom it met", () =>
    /Not connected to 127\.0\.0\.1:\d+: .*the certificate [0-9A-F]{40}/.test(agent.errors()),
  );
  assert.deepEqual([stranger.comings(), other.comings()], [0, 0]);
});

test("a file of a newer version, or a damaged one, is told and learned anew", async (t) => {
  const [node, other] = [await openNode(t), await openNode(t)];
  for (const text of ["{", JSON.stringify({ Version: 2, Clusters: "elsewhere" })]) {
    const home = mkdtempSync(join(tmpdir(), "cuttle-agent-"));
    writeFileSync(join(home, learnedAddressesName), text);
    const agent = await startAgentProcess(t, { home, arguments: polling(node) });
    await node.tell(agent, [other.address]);
    assert.deepEqual(learned(agent), [other.address]);
    assert.match(agent.errors(), /is forgotten, because .*polling-addresses\.json cannot be read/);
    await agent.kill();
  }
});

test("an agent that ends with the program that started it belongs to that one, and learns of no others", async (t) => {
  const node = await openNode(t);
  const agent = await startAgentProcess(t, { arguments: [...polling(node), "--end-with-input"], keepInputOpen: true });
  assert.ok(!(await node.capabilities(agent)).includes(pollingAddressesCapability));
  await assert.rejects(
    node.tell(agent, ["https://node-2:1"]),
    (error) => error instanceof HalibutCallError && error.kind === "service-not-found",
  );
});
