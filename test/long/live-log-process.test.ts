// The live log of a deployment over two real nodes with one real agent: a reader that goes from node to node in mid-log, and loses its node
// to kill -9, together with the owner of the task. An outside check puts the events together and compares them with the raw log.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { clusterApiKey, createCluster } from "../support/cluster.ts";
import type { Cluster, ServerProcess } from "../support/cluster.ts";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ClusterApi } from "../support/cluster-api.ts";
import { openEvents, rawTextOf, withoutHead } from "../support/event-reader.ts";
import type { EventReader, ReceivedEvent } from "../support/event-reader.ts";
import { eventually } from "../support/eventually.ts";
import { createObserver } from "../support/observer.ts";
import type { Acknowledged, Observer } from "../support/observer.ts";

const linux = { skip: process.platform === "linux" ? false : "kills processes by signals" } as const;
/** Lines of the long script. */
const manyLines = 200_000;

describe("the live log over two nodes", { ...linux, timeout: 400_000 }, () => {
  let cluster: Cluster;
  let nodes: ServerProcess[];
  let api: ClusterApi;
  let observer: Observer;
  let machine: { name: string; port: number; thumbprint: string };

  before(async () => {
    cluster = await createCluster();
    const postgres = await cluster.postgres();
    const { connectionString } = await postgres.start();
    const a = await cluster.server({ name: "node-a", connectionString });
    await a.start();
    const b = await cluster.server({ name: "node-b", connectionString, masterKey: await cluster.masterKeyOf(a) });
    await b.start();
    nodes = [a, b];
    const agent = await cluster.agent({ name: "web-1", trust: a.ready.thumbprint });
    await agent.start();
    machine = { name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint };
    api = createClusterApi(() => nodes.filter((node) => node.isRunning()).map((node) => node.ready.url));
    observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
  });
  after(() => cluster?.close());

  function open(node: ServerProcess, deployment: Acknowledged, lastEventId?: string): Promise<EventReader> {
    return openEvents(`${node.ready.url}/api/tasks/${deployment.taskId}/log/events`, { apiKey: clusterApiKey, lastEventId });
  }

  /** What an outside reader has of a log: everything it was given, over all its connections. */
  class Log {
    readonly events: ReceivedEvent[] = [];
    lastId: string | undefined;
    /** Reads until `fits`, or the stream ends or is cut; answers whether it was `fits`. */
    async read(reader: EventReader, fits: (event: ReceivedEvent) => boolean): Promise<boolean> {
      for (;;) {
        const event = await reader.next().catch(() => undefined);
        if (event === undefined) return false;
        if (event.id !== undefined) {
          this.events.push(event);
          this.lastId = event.id;
        }
        if (fits(event)) return true;
      }
    }
    get lines(): ReceivedEvent[] {
      return this.events.filter((event) => event.event === "line");
    }
  }

  test("D7 A1: a reader goes from node to node all the time, and its node and the owner are killed: every line once, in order, as in the raw log", async () => {
    const project = await observer.prepare({
      name: "followed",
      environments: 1,
      machines: [machine],
      steps: [
        { lines: 60, pauseMs: 40 },
        { lines: 60, pauseMs: 40 },
      ],
    });
    const deployment = await observer.deploy(project);
    const log = new Log();
    let turn = 0;
    let killed: ServerProcess | undefined;
    for (;;) {
      const node = nodes[turn++ % nodes.length]!;
      if (!node.isRunning()) continue;
      const reader = await open(node, deployment, log.lastId).catch(() => undefined);
      if (reader === undefined || reader.status === 204) {
        if (reader !== undefined) break;
        continue;
      }
      let seen = 0;
      const wanted = 5 + (turn % 7);
      const isOver = { value: false };
      await log.read(reader, (event) => {
        if (event.event === "line") seen += 1;
        if (event.event === "end") isOver.value = true;
        return isOver.value || seen >= wanted;
      });
      if (isOver.value) {
        reader.close();
        break;
      }
      if (killed === undefined && log.lines.length > 40) {
        const owner: string = (await api.get(`/api/tasks/${deployment.taskId}`)).ServerNode;
        killed = nodes.find((one) => owner === `OctopusServerNodes-${one.name}`)!;
        // Read through the very node that dies, so that the stream is cut in the middle.
        const cut = await open(killed, deployment, log.lastId);
        await Promise.all([killed.kill(), log.read(cut, () => false)]);
      }
      reader.close();
    }
    assert.ok(killed !== undefined, "the script ended before its node could be killed");
    await killed.start();
    assert.equal((await observer.final(deployment)).State, "Success");
    assert.equal(rawTextOf(log.events), withoutHead(await api.getText(`/api/tasks/${deployment.taskId}/raw`)));
    assert.deepEqual(
      log.lines.map((event) => event.data.Number),
      log.lines.map((_, n) => n + 1),
    );
    assert.deepEqual(await observer.faultsOf(deployment), []);
  });

  test("D7 S5: two hundred thousand lines come whole through both nodes, one after the other, and by their numbers", async (t) => {
    const project = await observer.prepare({
      name: "long",
      environments: 1,
      machines: [machine],
      steps: [{ lines: 1, pauseMs: 0 }],
      scripts: [`seq -f 'line %.0f of the long log' 1 ${manyLines}`],
    });
    const deployment = await observer.deploy(project);
    const log = new Log();
    let isOver = false;
    for (let turn = 0; !isOver; turn++) {
      const reader = await open(nodes[turn % 2]!, deployment, log.lastId);
      const upTo = log.lines.length + manyLines / 5;
      let seen = log.lines.length;
      await log.read(reader, (event) => {
        if (event.event === "line") seen += 1;
        isOver ||= event.event === "end";
        return isOver || seen >= upTo;
      });
      reader.close();
    }
    const ours = log.lines.filter((event) => /^line \d+ of the long log$/.test(event.data.MessageText as string));
    assert.equal(ours.length, manyLines);
    assert.ok(ours.every((event, n) => event.data.MessageText === `line ${n + 1} of the long log`));
    const raw = await fetch(`${nodes[0]!.ready.url}/api/tasks/${deployment.taskId}/raw`, {
      headers: { "X-Octopus-ApiKey": clusterApiKey },
    });
    assert.ok(rawTextOf(log.events) === withoutHead(await raw.text()), "the events are the raw log");

    const number = ours[150_000]!.data.Number as number;
    const page = await api.get(`/api/tasks/${deployment.taskId}/log/lines?from=${number}&take=2`);
    assert.deepEqual(
      page.Lines.map((one: { MessageText: string }) => one.MessageText),
      ["line 150001 of the long log", "line 150002 of the long log"],
    );
    const found = await api.get(`/api/tasks/${deployment.taskId}/log/search?text=${encodeURIComponent("line 199999 ")}`);
    assert.deepEqual([found.Lines.length, found.NextFrom], [1, null]);
    for (const node of nodes) t.diagnostic(`${node.name} had at most ${Math.round(node.memoryPeakBytes() / 1024 ** 2)} MiB`);
  });

  test("D1 D4: files that a real agent's script announces come whole through the other node, once, though their owner is killed while it fetches them", async () => {
    const count = 12;
    const project = await observer.prepare({
      name: "collected",
      environments: 1,
      machines: [machine],
      steps: [{ lines: 1, pauseMs: 0 }],
      scripts: [
        `update_progress 50 "making files"
for n in $(seq ${count}); do head -c 2000000 /dev/urandom >"part $n.bin"; new_octopusartifact "part $n.bin"; sha256sum <"part $n.bin" | sed "s/ .*/ of part $n.bin/"; done
new_octopusartifact missing.bin || echo "as it should be"`,
      ],
    });
    const deployment = await observer.deploy(project);
    const log = new Log();
    const reader = await open(nodes[0]!, deployment);
    const isCollected = (event: ReceivedEvent): boolean => String(event.data.MessageText).startsWith("Collected the artifact");
    await log.read(reader, isCollected);
    const owner: string = (await api.get(`/api/tasks/${deployment.taskId}`)).ServerNode;
    const killed = nodes.find((one) => owner === `OctopusServerNodes-${one.name}`)!;
    await killed.kill();
    reader.close();
    const further = await open(
      nodes.find((one) => one !== killed)!,
      deployment,
      log.lastId,
    );
    assert.ok(await log.read(further, (event) => event.event === "end"));
    await killed.start();
    assert.equal((await observer.final(deployment)).State, "Success");

    const sums = new Map(
      log.lines.flatMap((event) => {
        const [, sum, name] = /^([0-9a-f]{64}) of (part \d+\.bin)$/.exec(event.data.MessageText as string) ?? [];
        return sum === undefined ? [] : [[name!, sum] as const];
      }),
    );
    assert.equal(sums.size, count);
    const artifacts = (await api.get(`/api/artifacts?regarding=${deployment.id}&take=100&order=asc`)).Items;
    assert.deepEqual(
      artifacts.map((one: { Filename: string }) => one.Filename),
      [...sums.keys()],
    );
    for (const artifact of artifacts) {
      const answer = await fetch(`${nodes[1]!.ready.url}${artifact.Links.Content}`, { headers: { "X-Octopus-ApiKey": clusterApiKey } });
      const content = Buffer.from(await answer.arrayBuffer());
      assert.equal(createHash("sha256").update(content).digest("hex"), sums.get(artifact.Filename as string), artifact.Filename);
    }
    assert.equal(log.events.filter(isCollected).length, count, "each is said once");
    assert.ok(log.events.some((event) => event.event === "progress" && event.data.ProgressPercentage === 50));
    assert.ok(log.lines.some((event) => event.data.MessageText === "as it should be"));
  });

  test("A1 D7: a node that is stopped sends its readers away before it closes, and they go on at the other one", async () => {
    const project = await observer.prepare({ name: "drained", environments: 1, machines: [machine], steps: [{ lines: 100, pauseMs: 40 }] });
    const deployment = await observer.deploy(project);
    const log = new Log();
    const reader = await open(nodes[0]!, deployment);
    await log.read(reader, () => log.lines.length >= 10);
    let last = "";
    const [code] = await Promise.all([
      nodes[0]!.stop(),
      log.read(reader, (event) => {
        last = event.event;
        return false;
      }),
    ]);
    assert.deepEqual([code, last], [0, "reconnect"], nodes[0]!.lastWords(10));
    const further = await open(nodes[1]!, deployment, log.lastId);
    assert.ok(await log.read(further, (event) => event.event === "end"));
    assert.equal(rawTextOf(log.events), withoutHead(await api.getText(`/api/tasks/${deployment.taskId}/raw`)));
    await nodes[0]!.start();
    await eventually(
      "both nodes answer",
      async () => (await api.once(nodes[0]!.ready.url, "GET", "/api/octopusservernodes/ping")).status === 200,
    );
  });
});
