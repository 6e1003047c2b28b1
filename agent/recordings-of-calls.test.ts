// Our agent held to the recordings that are not about one script over one listening connection (those are in recordings.test.ts): files,
// the first generation of the script service, polling, lost connections and restarts. The recorded calls are made again, and the answers
// must tell the same story.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { type CapabilitiesResponseV2, capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { fileTransferService } from "@cuttle/contract/agent/file-transfer";
import { pollingAddressesCapability } from "@cuttle/contract/agent/polling-addresses";
import { processState, scriptServiceV2, type ScriptStatusResponseV2 } from "@cuttle/contract/agent/script";
import { scriptServiceV1 } from "@cuttle/contract/agent/script-v1";
import {
  createHalibutListener,
  createPollingQueue,
  type DataStream,
  HalibutCallError,
  normalSubscription,
  type ServiceContract,
  streamFromBytes,
} from "@cuttle/halibut";
import { type AgentProcess, eventually, patienceMs, scriptLines, startAgentProcess, testServerIdentity } from "./agent-process.ts";

const folder = join(import.meta.dirname, "../halibut/fixtures/agent");

type Caller = (contract: ServiceContract, method: string, params: unknown[], signal?: AbortSignal) => Promise<unknown>;

interface RecordedCall {
  op: string;
  ticket?: string;
  body?: string;
  task?: string | null;
  wait?: number;
  from?: number;
  path?: string;
  text?: string;
  size?: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every service
  result: any;
  error?: object;
}

/** The calls of a recording. Its scripts sleep a tenth as long: it is the order that counts. */
function callsOf(scenario: string): RecordedCall[] {
  const text = readFileSync(join(folder, scenario, "scenario.json"), "utf8");
  const { calls } = JSON.parse(text) as { calls: RecordedCall[] };
  return calls.map((call) => ({
    ...call,
    ...(call.body === undefined ? {} : { body: call.body.replace(/\bsleep ([1-9])(?![\d.])/g, "sleep 0.$1") }),
  }));
}

const replayed = {
  files: ["upload-1mb", "upload-small", "upload-null", "upload-failures", "download", "download-1mb"],
  firstGeneration: ["v1-full-cycle", "v1-cancel-and-unknown"],
  polling: ["polling-capabilities", "polling-v2-hello", "polling-upload-download"],
  byThemselves: [
    "capabilities",
    "cut-during-start-listening",
    "cut-during-start-polling",
    "polling-parallel-one-connection",
    "polling-parallel-three-connections",
    "polling-two-nodes",
    "restart-after-script-ended",
  ],
};

/** Where ours does better, and has a test of its own; or what is about the wire and is replayed there. */
const elsewhere: { readonly [scenario: string]: string } = {
  "polling-idle-35s": "empty messages of an idle connection: halibut/replay-polling.test.ts",
  "restart-kill-cancel-first": "the script goes on and a cancel ends it: agent.test.ts",
  "restart-kill-during-script": "the script goes on and its outcome is known: scripts/agent-killed.test.ts",
  "restart-kill-start-first": "the same StartScript joins the script: scripts/agent-killed.test.ts",
  "restart-term-during-script": "the script goes on and its outcome is known: agent.test.ts",
  "restart-v1": "the script goes on and its outcome is known, in this file",
  "unknown-service": "in this file, and in test/agent-messages.test.ts",
};

test("every recording is replayed here, or somewhere else that is named", () => {
  const all = readdirSync(folder).filter((name) => !name.startsWith("v2-"));
  assert.deepEqual([...Object.values(replayed).flat(), ...Object.keys(elsewhere)].sort(), all.sort());
});

test("the recorded calls, made again", { concurrency: 2 }, async (t) => {
  await Promise.all([
    t.test("a listening agent: files, the first generation, a cut connection, restarts", replayListening),
    t.test("a polling agent", replayPolling),
  ]);
});

async function replayListening(t: TestContext): Promise<void> {
  const agent = await startAgentProcess(t);
  const call: Caller = (contract, method, params, signal) =>
    agent.client.call(agent.peer, contract, method, params, { timeoutMs: patienceMs, ...(signal === undefined ? {} : { signal }) });
  const scratch = join(agent.home, "scratch");
  mkdirSync(scratch);
  for (const scenario of ["capabilities", ...replayed.files, ...replayed.firstGeneration])
    await t.test(scenario, () => replay(callsOf(scenario), { agent, call, scratch }));

  await t.test("cut-during-start-listening", () => replayCut("cut-during-start-listening", call, scratch));

  await t.test("restart-after-script-ended", async () => {
    const [first, again] = callsOf("restart-after-script-ended").filter(({ op }) => op === "v2.start");
    const start = (recorded: RecordedCall | undefined) =>
      agent.start({ ticket: "ended", body: recorded!.body!.replaceAll("/home/", `${scratch}/`), waitMs: patienceMs });
    const before = await start(first);
    assert.equal(before.ExitCode, first!.result.ExitCode);
    await agent.kill();
    await agent.startAgain();
    assert.deepEqual(await agent.status("ended"), before);
    assert.deepEqual(await start(again), before);
  });

  await t.test("restart-v1: after a restart the outcome is known, and is no success that never was", async () => {
    const command = firstGenerationCommand({ op: "v1.start", body: callsOf("restart-v1")[0]!.body!, task: null, result: null });
    const Ticket = (await call(scriptServiceV1, "StartScript", [command])) as { TaskId: string };
    const status = () => call(scriptServiceV1, "GetStatus", [{ Ticket, LastLogSequence: 0 }]) as Promise<ScriptStatusResponseV2>;
    await eventually("it runs", async () => scriptLines((await status()).Logs).includes("a"));
    await agent.kill();
    await agent.startAgain();
    const end = await eventually("it has ended", async () => {
      const answer = await status();
      return answer.State === processState.complete && answer;
    });
    assert.equal(end.ExitCode, 5);
  });

  await t.test("unknown-service: the error names the service as a real agent does", async () => {
    for (const name of ["INoSuchService", "iscriptservicev2"]) {
      const contract = { name, methods: { Hello: { params: [], result: { kind: "void" } } } } as const;
      const message = new RegExp(`${name} has not been registered through an IAutofacServiceSource`);
      await assert.rejects(call(contract, "Hello", []), { message });
    }
  });
}

async function replayPolling(t: TestContext): Promise<void> {
  const [nodeOne, nodeTwo] = [await openNode(t), await openNode(t)];
  const polls = (connections: string, ...nodes: Node[]): string[] => [
    ...nodes.flatMap(({ port }) => ["--poll", `127.0.0.1:${port}`]),
    "--subscription",
    subscription,
    "--poll-connections",
    connections,
  ];
  const agent = await startAgentProcess(t, { arguments: polls("1", nodeOne, nodeTwo) });
  const scratch = join(agent.home, "scratch");
  mkdirSync(scratch);
  const [call, callTwo] = [nodeOne.callerOf(agent), nodeTwo.callerOf(agent)];
  for (const scenario of replayed.polling) await t.test(scenario, () => replay(callsOf(scenario), { agent, call, scratch }));

  await t.test("cut-during-start-polling", () => replayCut("cut-during-start-polling", call, scratch));

  await t.test("polling-two-nodes", async () => {
    const recorded = callsOf("polling-two-nodes");
    const { body } = recorded.find(({ op }) => op === "v2.start")!;
    const Ticket = { TaskId: "two-nodes" };
    const begun = (await call(scriptServiceV2, "StartScript", [startCommand(Ticket.TaskId, body!, 0)])) as ScriptStatusResponseV2;
    // The other node goes on where the first one stood.
    const lines = [...begun.Logs];
    let answer = begun;
    while (answer.State !== processState.complete) {
      const request = { Ticket, LastLogSequence: answer.NextLogSequence };
      answer = (await callTwo(scriptServiceV2, "GetStatus", [request])) as ScriptStatusResponseV2;
      lines.push(...answer.Logs);
    }
    assert.deepEqual([answer.ExitCode, scriptLines(lines)], [5, ["tick 1", "tick 2", "tick 3", "tick 4"]]);
    const again = (await callTwo(scriptServiceV2, "StartScript", [
      startCommand(Ticket.TaskId, "echo AGAIN", 1000),
    ])) as ScriptStatusResponseV2;
    assert.deepEqual([again.ExitCode, again.Logs], [5, lines]);
    assert.equal(await callTwo(scriptServiceV2, "CompleteScript", [{ Ticket }]), null);
  });

  await t.test("polling-parallel-one-connection, polling-parallel-three-connections", async () => {
    const third = await openNode(t);
    const parallel = await startAgentProcess(t, { arguments: polls("3", third) });
    for (const [caller, together] of [
      [call, false],
      [third.callerOf(parallel), true],
    ] as const) {
      // Over one connection the second start is collected when the first is answered; over three both scripts wait for each other.
      const gate = join(scratch, `gate-${together}`);
      const script = (mine: string, other: string): string =>
        `touch ${gate}-${mine}; for i in $(seq 1 ${together ? 600 : 5}); do [ -e ${gate}-${other} ] && exit 0; sleep 0.1; done; exit 9`;
      const answers = (await Promise.all(
        [
          ["a", "b"],
          ["b", "a"],
        ].map(([mine, other]) =>
          caller(scriptServiceV2, "StartScript", [startCommand(`parallel-${mine}`, script(mine!, other!), patienceMs)]),
        ),
      )) as ScriptStatusResponseV2[];
      assert.deepEqual(
        answers.map(({ ExitCode }) => ExitCode).sort((a, b) => a - b),
        together ? [0, 0] : [0, 9],
      );
    }
  });
}

const subscription = "poll://v3kycltu3mqzfhvxkuq9/";

interface Node {
  port: number;
  callerOf(agent: AgentProcess): Caller;
}

/** A server's port for polling agents, with its queue. */
async function openNode(t: TestContext): Promise<Node> {
  const queue = createPollingQueue();
  const listener = createHalibutListener({
    identity: await testServerIdentity(),
    isTrusted: () => true,
    services: [],
    polling: { queue, mayPoll: (name) => name === normalSubscription(subscription) },
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  t.after(async () => {
    queue.close();
    await listener.close();
  });
  return {
    port,
    callerOf: (agent) => (contract, method, params, signal) =>
      queue.call({ subscription, thumbprint: agent.peer.thumbprint }, contract, method, params, {
        timeoutMs: patienceMs,
        ...(signal === undefined ? {} : { signal }),
      }),
  };
}

function startCommand(ticket: string, body: string, waitMs: number) {
  return {
    ...firstGenerationCommand({ op: "", body, task: "ServerTasks-1", result: null }),
    ScriptTicket: { TaskId: ticket },
    DurationToWaitForScriptToFinish: waitMs,
  };
}

function firstGenerationCommand({ body, task }: RecordedCall) {
  return {
    ScriptBody: body,
    TaskId: task ?? null,
    Isolation: 0,
    ScriptIsolationMutexTimeout: 0,
    IsolationMutexName: null,
    Scripts: {},
    Files: [],
    Arguments: [],
  };
}

/** What the script printed, without the agent's own lines. */
function printed(result: { Logs: [source: string, text: string][] }): string[] {
  const sources: readonly string[] = ["StdOut", "StdErr", "Debug"];
  return scriptLines(result.Logs.map(([source, Text]) => ({ Source: sources.indexOf(source) as 0, Text, Occurred: new Date(0) })));
}

/** Makes the recorded calls in their order and compares what they answer. */
async function replay(calls: readonly RecordedCall[], { agent, call, scratch }: { agent: AgentProcess; call: Caller; scratch: string }) {
  const place = (path: string): string => path.replace(/^\/home\//, `${scratch}/`);
  const tickets = new Map<string, { TaskId: string }>();
  const begun: { TaskId: string }[] = [];
  for (const recorded of calls) {
    const { op, result, path } = recorded;
    if (op === "caps") {
      const ours = (await call(capabilitiesServiceV2, "GetCapabilities", [])) as CapabilitiesResponseV2;
      // What only our own servers ask a polling agent for is one name more; others look for the names that they know.
      assert.deepEqual(
        ours.SupportedCapabilities.filter((name) => name !== pollingAddressesCapability),
        result.SupportedCapabilities,
      );
      assert.ok(!ours.SupportedCapabilities.some((name) => name.includes("KubernetesScriptService")), "servers would change their ways");
    } else if (op === "upload") {
      const bytes = recorded.size === undefined ? recorded.text : Buffer.from(Array.from({ length: recorded.size }, (_, i) => i % 251));
      const contents = bytes === undefined || bytes === null ? null : streamFromBytes(Buffer.from(bytes));
      const ours = call(fileTransferService, "UploadFile", [place(path!), contents]);
      if (recorded.error !== undefined) {
        await assert.rejects(ours, (error) => error instanceof HalibutCallError && error.kind === "service-failed", path);
        continue;
      }
      const FullPath = place(result.FullPath).replace(/^\/etc\/octopus\/[A-Za-z]+\//, `${agent.home}/`);
      assert.deepEqual(await ours, { ...result, FullPath });
    } else if (op === "download") {
      const ours = (await call(fileTransferService, "DownloadFile", [place(path!)])) as DataStream | null;
      if (result.isNull) assert.equal(ours, null, path);
      else {
        const bytes = Buffer.concat(await Array.fromAsync(ours!.open()));
        assert.deepEqual([ours!.length, createHash("sha1").update(bytes).digest("hex")], [result.Length, result.sha1], path);
        await ours!.dispose?.();
      }
    } else if (op === "v1.start") {
      const ours = (await call(scriptServiceV1, "StartScript", [firstGenerationCommand(recorded)])) as { TaskId: string };
      assert.match(ours.TaskId, new RegExp(`^\\d{14}-${/-(\d*)-/.exec(result.Ticket)![1]}-`));
      tickets.set(result.Ticket, ours);
      begun.push(ours);
    } else if (op.startsWith("v1.")) {
      const Ticket = tickets.get(recorded.ticket!) ?? { TaskId: recorded.ticket! };
      const method = { "v1.status": "GetStatus", "v1.cancel": "CancelScript", "v1.complete": "CompleteScript" }[op]!;
      const ask = (name: string) =>
        call(scriptServiceV1, name, [{ Ticket, LastLogSequence: recorded.from ?? 0 }]) as Promise<ScriptStatusResponseV2>;
      const isOver = result.State === "Complete";
      const isKnown = begun.includes(Ticket) && result.NextLogSequence > 0;
      // Which line comes in which answer is a matter of time: a recorded end is waited for.
      if (isOver && isKnown) await eventually("the script has ended", async () => (await ask("GetStatus")).State === processState.complete);
      const ours = await ask(method);
      // Another agent calls a ticket that it does not know a success.
      if (!isKnown) assert.deepEqual([ours.State, ours.ExitCode, ours.Logs], [processState.complete, -45, []]);
      else if (isOver) {
        assert.equal(ours.ExitCode, result.ExitCode);
        const [theirs, own] = [printed(result), scriptLines(ours.Logs)];
        assert.deepEqual(own.slice(-theirs.length || own.length), theirs);
      }
    } else if (op === "v2.start") {
      await call(scriptServiceV2, "StartScript", [startCommand(recorded.ticket!, recorded.body!, recorded.wait ?? 0)]);
    } else if (op === "v2.complete") {
      const ticket = recorded.ticket!;
      const theirs = calls.filter((one) => one.ticket === ticket && one.result?.Logs !== undefined);
      const ours = await agent.finish(ticket);
      assert.equal(ours.exitCode, theirs.at(-1)!.result.ExitCode);
      // Each answer begins where the one before ended.
      assert.deepEqual(ours.lines, printed({ Logs: theirs.flatMap((one) => one.result.Logs) }));
      assert.equal(await call(scriptServiceV2, "CompleteScript", [{ Ticket: { TaskId: ticket } }]), null);
    } else assert.ok(op === "v2.status", `a call of kind ${op}`);
  }
}

/** The connection of a start that waits is cut; the same start again joins the script, which has run once. */
async function replayCut(scenario: string, call: Caller, scratch: string): Promise<void> {
  const [first, again] = callsOf(scenario).filter(({ op }) => op === "v2.start");
  const mark = join(scratch, /\/home\/(\w+)/.exec(first!.body!)![1]!);
  const body = first!.body!.replaceAll("/home/", `${scratch}/`);
  const cut = new AbortController();
  const start = (waitMs: number, signal?: AbortSignal) =>
    call(scriptServiceV2, "StartScript", [startCommand(first!.ticket!, body, waitMs)], signal) as Promise<ScriptStatusResponseV2>;
  const lost = start(patienceMs, cut.signal);
  const refused = assert.rejects(lost, HalibutCallError);
  await eventually("it runs", () => existsSync(mark));
  cut.abort();
  await refused;
  const joined = await start(patienceMs);
  const lines = callsOf(scenario).findLast(({ op }) => op === "v2.status")!.result;
  assert.deepEqual([joined.State, joined.ExitCode, scriptLines(joined.Logs)], [processState.complete, lines.ExitCode, printed(lines)]);
  assert.equal(again!.ticket, first!.ticket);
  assert.equal(readFileSync(mark, "utf8"), "run\n");
}
