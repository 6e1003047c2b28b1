// Our agent held to recordings of another one: each recorded request is sent to ours, in the recorded order, and the answers must
// tell the same story: final state, exit code, and what the script printed. Which line came in which answer depends on timing.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { processState, scriptServiceV2, type ScriptStatusResponseV2, type StartScriptCommandV2 } from "@cuttle/contract/agent/script";
import { streamFromBytes } from "@cuttle/halibut";
import { type AgentProcess, patienceMs, startAgentProcess } from "./agent-process.ts";

const folder = join(import.meta.dirname, "../halibut/fixtures/agent");

interface Call {
  op: "caps" | "v2.start" | "v2.status" | "v2.cancel" | "v2.complete";
  ticket: string;
  result: null | {
    State: "Pending" | "Running" | "Complete";
    ExitCode: number;
    NextLogSequence: number;
    LogCount: number;
    Logs: [source: string, text: string][];
  };
}
interface Frame {
  dir: string;
  kind: string;
  id?: string;
  length?: number;
  dataAt?: number;
  envelope?: { Message: { method: string; params: unknown[] } };
}
interface Scenario {
  calls: Call[];
  connections: { connection: number; frames: Frame[] }[];
}

/** Each on an agent of its own, because they use the isolation lock; the rest goes side by side on one agent. */
const onTheirOwn = [
  "v2-isolation-cancel-while-waiting",
  "v2-isolation-full-behind-two-readers",
  "v2-isolation-full-full",
  "v2-isolation-none-none",
  "v2-isolation-other-name",
  "v2-isolation-same-task",
  "v2-isolation-timeout",
];
const sideBySide = [
  "v2-background-child",
  "v2-cancel-finished-and-unknown",
  "v2-cancel-running",
  "v2-cancel-setsid-child",
  "v2-cancel-trap",
  "v2-detached-child",
  "v2-exit-1",
  "v2-exit-137",
  "v2-exit-2",
  "v2-exit-255",
  "v2-hello",
  "v2-killed-by-signal",
  "v2-long-running",
  "v2-output-1mb",
  "v2-output-invalid-utf8",
  "v2-output-one-long-line",
  "v2-output-shapes",
  "v2-same-ticket-race",
  "v2-same-ticket-twice",
  "v2-script-variants",
  "v2-service-messages",
  "v2-start-wait-zero",
  "v2-start-without-wait",
  "v2-stdout-stderr",
  "v2-unknown-ticket",
];

/** Where we differ on purpose, and how: each has a test of its own in agent.test.ts. The list is complete: a recording in neither list fails. */
const differOnPurpose: { readonly [scenario: string]: string } = {
  "v2-complete-while-running": "CompleteScript cancels a running script instead of letting it go on unseen",
  "v2-empty-and-null-ticket": "an empty ticket is refused instead of meaning the folder of all workspaces",
  "v2-environment": "the environment is that of our machine",
  "v2-file-name-escape": "an attached file cannot lie outside the workspace",
  "v2-files-and-arguments": "files are 0600 and folders 0700; arguments and contents are compared in agent.test.ts and shell.test.ts",
  "v2-health-check": "it prints the machine's own name and disks",
  "v2-start-after-complete": "a ticket that is done does not run again",
  "v2-ticket-path-escape": "a ticket cannot name a path",
};

/** The recorded agent says this much about each script in Debug lines. */
const debugLinesOfRecordedAgent = 4;

test("every recording of a script is either replayed or differs for a stated reason", () => {
  // The others are in recordings-of-calls.test.ts.
  const all = readdirSync(folder).filter((name) => name.startsWith("v2-"));
  assert.deepEqual([...onTheirOwn, ...sideBySide, ...Object.keys(differOnPurpose)].sort(), all.sort());
});

// Most of the time of a recording is waiting, for the recorded seconds: side by side all take as long as the longest.
describe("recordings", { concurrency: 3 }, () => {
  test("scripts side by side", { concurrency: 3 }, async (t) => {
    const agent = await startAgentProcess(t);
    await Promise.all(sideBySide.map((name) => t.test(name, () => replay(agent, name))));
  });

  for (const name of onTheirOwn) test(`${name}, with the isolation lock`, async (t) => replay(await startAgentProcess(t), name));
});

async function replay(agent: AgentProcess, name: string): Promise<void> {
  const scenario = JSON.parse(readFileSync(join(folder, name, "scenario.json"), "utf8")) as Scenario;
  const scratch = join(agent.home, "scratch", name);
  mkdirSync(scratch, { recursive: true });
  const requests = scenario.connections.flatMap(({ connection, frames }) => {
    const file = join(folder, name, `conn-${connection}.c2s.bin`);
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const streams = new Map<string, Buffer>();
    for (const frame of frames)
      if (frame.kind === "stream" && frame.dir === "c2s")
        streams.set(frame.id!, bytes.subarray(frame.dataAt, frame.dataAt! + frame.length!));
    return frames
      .filter((frame) => frame.kind === "message" && frame.dir === "c2s")
      .map((frame) => ({ ...frame.envelope!.Message, streams, used: false }));
  });
  const methods = {
    "v2.start": "StartScript",
    "v2.status": "GetStatus",
    "v2.cancel": "CancelScript",
    "v2.complete": "CompleteScript",
    caps: "GetCapabilities",
  } as const;
  const send = async (call: Call): Promise<ScriptStatusResponseV2 | null> => {
    const request = requests.find(
      (candidate) => !candidate.used && candidate.method === methods[call.op] && ticketOf(candidate.params[0]) === call.ticket,
    );
    assert.ok(request, `no recorded request for ${call.op} ${call.ticket}`);
    request.used = true;
    const params = request.params.map((param) => fromRecording(param, request.streams)) as [StartScriptCommandV2];
    // Marks that scripts leave go where the test may write.
    if (call.op === "v2.start") params[0].ScriptBody = params[0].ScriptBody.replaceAll("/home/", `${scratch}/`);
    return (await agent.client.call(agent.peer, scriptServiceV2, request.method, params, {
      timeoutMs: patienceMs,
    })) as ScriptStatusResponseV2 | null;
  };

  const story = new Map<string, Story>();
  for (const { ticket, result } of scenario.calls) {
    if (result === null || result.Logs === undefined || result.ExitCode === -45) continue;
    const known = story.get(ticket) ?? newStory();
    for (const [i, line] of result.Logs.entries()) known.texts.set(result.NextLogSequence - result.Logs.length + i, line);
    if (result.State === "Complete") known.end = result;
    if (result.LogCount > result.Logs.length) known.lineCount = result.NextLogSequence;
    story.set(ticket, known);
  }

  for (const call of scenario.calls) {
    if (call.op === "caps") continue;
    // A cancel came when the script had printed something: wait for as much.
    if (call.op === "v2.cancel") await waitForLines(agent, call);
    // Before the log is deleted it is compared.
    if (call.op === "v2.complete" && story.has(call.ticket)) {
      const known = story.get(call.ticket)!;
      story.delete(call.ticket);
      const ours = await agent.finish(call.ticket);
      assert.equal(ours.exitCode, known.end?.ExitCode, `${call.ticket}: exit code`);
      compareLogs(call.ticket, ours.all, known, (text) => comparable(text, scratch, agent.home));
    }
    const answer = await send(call);
    if (call.op === "v2.complete") assert.equal(answer, null);
    else {
      assert.ok(answer);
      assert.equal(answer.Ticket.TaskId, call.ticket);
      if (call.result!.ExitCode === -45)
        assert.deepEqual(
          [answer.State, answer.ExitCode, answer.NextLogSequence, answer.Logs],
          [processState.complete, -45, call.result!.NextLogSequence, []],
        );
    }
  }
}

interface Story {
  texts: Map<number, [source: string, text: string]>;
  end: { ExitCode: number } | undefined;
  /** The recording shows only the beginning of a log of this many lines. */
  lineCount?: number;
}

function newStory(): Story {
  return { texts: new Map(), end: undefined };
}

/** Each stream by itself, in its own order. */
function compareLogs(ticket: string, ours: ScriptStatusResponseV2["Logs"], known: Story, normal: (text: string) => string): void {
  if (known.lineCount !== undefined) {
    assert.equal(ours.filter((line) => line.Source !== 2).length, known.lineCount - debugLinesOfRecordedAgent, `${ticket}: lines`);
    return;
  }
  const theirs = [...known.texts.entries()].sort(([a], [b]) => a - b).map(([, line]) => line);
  for (const [number, source] of ["StdOut", "StdErr"].entries()) {
    assert.deepEqual(
      ours.filter((line) => line.Source === number).map((line) => normal(line.Text)),
      theirs.filter(([from]) => from === source).map(([, text]) => normal(text)),
      `${ticket}: ${source}`,
    );
  }
}

async function waitForLines(agent: AgentProcess, call: Call): Promise<void> {
  const wanted = call.result!.Logs.filter(([source]) => source !== "Debug").length;
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline; await delay(10)) {
    const { Logs, State } = await agent.status(call.ticket);
    const running = call.result!.State !== "Running" || State === processState.running;
    if (State === processState.complete || (running && Logs.filter((line) => line.Source !== 2).length >= wanted)) return;
  }
}

function ticketOf(param: unknown): string | undefined {
  const { ScriptTicket, Ticket } = (param ?? {}) as { ScriptTicket?: { TaskId: string }; Ticket?: { TaskId: string } };
  return (ScriptTicket ?? Ticket)?.TaskId;
}

/** What differs between two machines: process numbers, the home, and where marks are left. */
function comparable(text: string, scratch: string, home: string): string {
  return text
    .replaceAll(`${scratch}/`, "/home/")
    .replaceAll(`${home}/Work`, "/etc/octopus/Tentacle/Work")
    .replace(/\/Work\/[A-Za-z0-9-]+/g, (path) => path.toLowerCase())
    .replace(/: +\d+ Killed +/, ": N Killed ")
    .replace(/^hello from .*/, "hello from HOST")
    .replace(/line \d+: +/, "line: ");
}

/** A value of the recording as our client wants it. */
function fromRecording(value: unknown, streams: ReadonlyMap<string, Buffer>, member = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => fromRecording(item, streams));
  if (typeof value === "string" && (member === "DurationToWaitForScriptToFinish" || member === "ScriptIsolationMutexTimeout"))
    return milliseconds(value);
  if (typeof value !== "object" || value === null) return value;
  const tagged = value as { $i32?: number; $i64?: string; id?: { $guid?: string }; length?: unknown };
  if (tagged.$i32 !== undefined) return tagged.$i32;
  if (tagged.$i64 !== undefined) return Number(tagged.$i64);
  if (member === "Contents") return streamFromBytes(streams.get(tagged.id!.$guid!)!);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "$type")
      .map(([name, item]) => [name, fromRecording(item, streams, name)]),
  );
}

/** `[d.]hh:mm:ss[.fffffff]` in milliseconds. */
function milliseconds(text: string): number {
  const [, days = "0", hours, minutes, seconds] = /^(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(text)!;
  return Math.round((((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000);
}
