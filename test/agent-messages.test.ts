// Our agent's answers to messages that deviate in one point each, beside those of a real agent, which are in
// halibut/fixtures/hand-made-messages.json: which members may be missing, which spellings are taken, what closes the connection.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createIdentity } from "@cuttle/halibut";
import type { Identity } from "@cuttle/halibut";
import { scriptLines, startAgentProcess } from "../agent/agent-process.ts";
import {
  clientIdentity,
  controlWord,
  createFrameReader,
  encodeMessage,
  helloBlock,
  streamHeader,
  streamTrailer,
} from "../halibut/frames.ts";
import { defaultLimits } from "../halibut/limits.ts";
import { decodeResponse } from "../halibut/messages.ts";
import { connectRaw, socketSource } from "../halibut/raw-peers.ts";
import { fromTagged, toTagged } from "../halibut/recordings.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- messages of any shape, right and wrong
type Json = any;

interface Recorded {
  label: string;
  result: string;
}
const recorded = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "../halibut/fixtures/hand-made-messages.json"), "utf8"),
) as Recorded[];

const contracts = "Octopus.Tentacle.Contracts";
const startType = `${contracts}.ScriptServiceV2.StartScriptCommandV2, ${contracts}`;
const isolationNone = "24.20:31:23.6470000";

interface Message {
  envelope: Json;
  streams: Map<string, Buffer>;
}

function request(service: string, method: string, params: Json[], change: Json = {}): Message {
  const envelope = {
    $type: "Halibut.Transport.Protocol.RequestMessage, Halibut",
    id: `${service}::${method}[1] / x`,
    activityId: { $guid: randomUUID() },
    endpoint: {
      PollingRequestQueueTimeout: "00:02:00",
      RetryListeningSleepInterval: "00:00:01",
      RetryCountLimit: { $i32: 5 },
      ConnectionErrorRetryTimeout: "00:05:00",
      TcpClientConnectTimeout: "00:01:00",
      BaseUri: "https://127.0.0.1/",
      RemoteThumbprint: "AB",
      Proxy: null,
      ForceResolveHost: null,
      IsWebSocketEndpoint: false,
    },
    service,
    method,
    params,
    ...change,
  };
  return { envelope: without(envelope), streams: new Map() };
}

/** Members that were set to undefined are left out. */
function without(members: Json): Json {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

let tickets = 0;
const newTicket = (): { TaskId: string } => ({ TaskId: `hand-${++tickets}` });

function startCommand(change: Json = {}): Json {
  return without({
    $type: startType,
    ScriptTicket: newTicket(),
    ScriptBody: "echo hi",
    TaskId: "ServerTasks-9",
    DurationToWaitForScriptToFinish: "00:00:30",
    Isolation: { $i32: 0 },
    ScriptIsolationMutexTimeout: isolationNone,
    IsolationMutexName: null,
    Scripts: {},
    Files: [],
    Arguments: [],
    ...change,
  });
}
const start = (change: Json = {}): Message => request("IScriptServiceV2", "StartScript", [startCommand(change)]);
const capabilities = (change: Json = {}): Message => request("ICapabilitiesServiceV2", "GetCapabilities", [], change);

function startWithFile(file: (contents: Json) => Json, bytes = "abc"): Message {
  const id = randomUUID();
  const message = start({ ScriptBody: "cat f.txt; echo", Files: [file({ id: { $guid: id }, length: { $i64: "3" } })] });
  message.streams.set(id, Buffer.from(bytes));
  return message;
}
function upload(contents: Json): Message {
  const id = randomUUID();
  const message = request("IFileTransferService", "UploadFile", [
    "Files/raw.txt",
    { ...contents, id: { $guid: id }, length: { $i64: "3" } },
  ]);
  message.streams.set(id, Buffer.from("abc"));
  return message;
}
function startV1(type: string): Message {
  const { ScriptTicket: _, DurationToWaitForScriptToFinish: __, ...rest } = startCommand();
  return request("IScriptService", "StartScript", [{ ...rest, $type: type }]);
}
const status = (change: Json): Message =>
  request("IScriptServiceV2", "GetStatus", [
    { $type: `${contracts}.ScriptServiceV2.ScriptStatusRequestV2, ${contracts}`, Ticket: { TaskId: "unknown" }, ...change },
  ]);

/** The message that each recording is about. */
const messages: { readonly [label: string]: () => Message } = {
  "GetCapabilities, all members": () => capabilities(),
  "GetCapabilities, endpoint null": () => capabilities({ endpoint: null }),
  "GetCapabilities, no endpoint member": () => capabilities({ endpoint: undefined }),
  "GetCapabilities, endpoint with BaseUri only": () => capabilities({ endpoint: { BaseUri: "https://127.0.0.1/" } }),
  "GetCapabilities, endpoint as empty document": () => capabilities({ endpoint: {} }),
  "GetCapabilities, no activityId": () => capabilities({ activityId: undefined }),
  "GetCapabilities, activityId as text": () => capabilities({ activityId: randomUUID() }),
  "GetCapabilities, no id": () => capabilities({ id: undefined }),
  "GetCapabilities, no params member": () => capabilities({ params: undefined }),
  "GetCapabilities, params null": () => capabilities({ params: null }),
  "GetCapabilities, method in lower case": () => capabilities({ method: "getcapabilities" }),
  "GetCapabilities, an unknown extra member": () => capabilities({ extra: "x" }),
  "GetCapabilities, one argument too many": () => capabilities({ params: ["x"] }),
  "ICapabilitiesService (first version)": () => request("ICapabilitiesService", "GetCapabilities", []),
  "method that does not exist": () => request("IScriptServiceV2", "Frobnicate", []),
  "request without $type": () => capabilities({ $type: undefined }),
  "null message": () => ({ envelope: null, streams: new Map() }),
  "StartScript V2 full": () => start(),
  "StartScript V2 without ScriptBody": () => start({ ScriptBody: undefined }),
  "StartScript V2 without DurationToWaitForScriptToFinish": () => start({ DurationToWaitForScriptToFinish: undefined }),
  "StartScript V2 without Isolation": () => start({ Isolation: undefined }),
  "StartScript V2 without ScriptIsolationMutexTimeout": () => start({ ScriptIsolationMutexTimeout: undefined }),
  "StartScript V2 without IsolationMutexName": () => start({ IsolationMutexName: undefined }),
  "StartScript V2 without Scripts": () => start({ Scripts: undefined }),
  "StartScript V2 without Files": () => start({ Files: undefined }),
  "StartScript V2 without Arguments": () => start({ Arguments: undefined }),
  "StartScript V2 without ScriptTicket": () => start({ ScriptTicket: undefined }),
  "StartScript V2 minimal: ticket, body, task id, wait": () =>
    request("IScriptServiceV2", "StartScript", [
      {
        $type: startType,
        ScriptTicket: newTicket(),
        ScriptBody: "echo minimal",
        TaskId: "ServerTasks-9",
        DurationToWaitForScriptToFinish: "00:00:30",
      },
    ]),
  "StartScript V2 Scripts null, Files null, Arguments null": () => start({ Scripts: null, Files: null, Arguments: null }),
  "StartScript V2 Scripts with key name Bash": () => start({ Scripts: { Bash: "echo from-bash" } }),
  "StartScript V2 Scripts with key number 1": () => start({ Scripts: { 1: "echo from-bash" } }),
  "StartScript V2 Scripts with key bash (lower case)": () => start({ Scripts: { bash: "echo from-bash" } }),
  "StartScript V2 Scripts with an unknown key": () => start({ Scripts: { Perl: "print" } }),
  "StartScript V2 Isolation as text": () => start({ Isolation: "NoIsolation" }),
  "StartScript V2 Isolation as int64": () => start({ Isolation: { $i64: "0" } }),
  "StartScript V2 wait as seconds (int)": () => start({ DurationToWaitForScriptToFinish: { $i32: 5 } }),
  "StartScript V2 mutex timeout 00:00:00": () => start({ ScriptIsolationMutexTimeout: "00:00:00" }),
  "StartScript V2 mutex timeout 30.00:00:00 (above int32 ms)": () => start({ ScriptIsolationMutexTimeout: "30.00:00:00" }),
  "StartScript V2 member names in camel case": () =>
    request("IScriptServiceV2", "StartScript", [
      {
        $type: startType,
        scriptTicket: { taskId: newTicket().TaskId },
        scriptBody: "echo camel",
        taskId: "ServerTasks-9",
        durationToWaitForScriptToFinish: "00:00:30",
        isolation: { $i32: 0 },
      },
    ]),
  "StartScript V2 unknown extra members": () => start({ Extra: "x", More: { deep: [{ $i32: 1 }] } }),
  "StartScript V2 ticket as text": () => start({ ScriptTicket: "text" }),
  "StartScript V2 ticket with $type": () => start({ ScriptTicket: { $type: `${contracts}.ScriptTicket, ${contracts}`, ...newTicket() } }),
  "StartScript V2 ticket with legacy $type": () =>
    start({ ScriptTicket: { $type: "Octopus.Shared.Contracts.ScriptTicket, Octopus.Shared", ...newTicket() } }),
  "StartScript V2 $type after the other members": () => {
    const { $type, ...rest } = startCommand();
    return request("IScriptServiceV2", "StartScript", [{ ...rest, $type }]);
  },
  "StartScript V2 no $type on the argument": () => start({ $type: undefined }),
  "StartScript V2 $type with the assembly version": () =>
    start({ $type: `${startType}, Version=1.0.0.0, Culture=neutral, PublicKeyToken=null` }),
  "StartScript V2 $type in the legacy namespace": () =>
    start({ $type: "Octopus.Shared.Contracts.ScriptServiceV2.StartScriptCommandV2, Octopus.Shared" }),
  "StartScript V2 $type not on the allow-list": () => start({ $type: "System.IO.FileInfo, System.Private.CoreLib" }),
  "StartScript V2 a file": () => startWithFile((Contents) => ({ Name: "f.txt", Contents, EncryptionPassword: null })),
  "StartScript V2 a file whose Contents carries $type": () =>
    startWithFile((Contents) => ({
      Name: "f.txt",
      Contents: { $type: "Halibut.DataStream, Halibut", ...Contents },
      EncryptionPassword: null,
    })),
  "StartScript V2 a file whose length is int32": () =>
    startWithFile((Contents) => ({ Name: "f.txt", Contents: { ...Contents, length: { $i32: 3 } }, EncryptionPassword: null })),
  "StartScript V2 a file without EncryptionPassword": () => startWithFile((Contents) => ({ Name: "f.txt", Contents })),
  "StartScript V2 a file with null Contents": () => start({ Files: [{ Name: "f.txt", Contents: null, EncryptionPassword: null }] }),
  "StartScript V2 a file whose stream is longer than announced in the message": () =>
    startWithFile((Contents) => ({ Name: "f.txt", Contents, EncryptionPassword: null }), "abcdef"),
  "StartScript V1, legacy $type": () => startV1("Octopus.Shared.Contracts.StartScriptCommand, Octopus.Shared"),
  "StartScript V1, current $type": () => startV1(`${contracts}.StartScriptCommand, ${contracts}`),
  "GetStatus V2 with int32 LastLogSequence": () => status({ LastLogSequence: { $i32: 0 } }),
  "GetStatus V2 without LastLogSequence": () => status({}),
  "CompleteScript V2": () =>
    request("IScriptServiceV2", "CompleteScript", [
      { $type: `${contracts}.ScriptServiceV2.CompleteScriptCommandV2, ${contracts}`, Ticket: newTicket() },
    ]),
  "UploadFile with a stream argument": () => upload({ $type: "Halibut.DataStream, Halibut" }),
  "UploadFile with a stream argument without $type": () => upload({}),
  DownloadFile: () => request("IFileTransferService", "DownloadFile", ["Files/raw.txt"]),
  "StartScript V2 Isolation 7": () => start({ Isolation: { $i32: 7 } }),
  "StartScript V2 afterwards: a normal FullIsolation script": () => start({ Isolation: { $i32: 1 } }),
  "StartScript V2 TaskId empty text": () => start({ TaskId: "", Isolation: { $i32: 1 } }),
  "StartScript V2 afterwards: FullIsolation": () => start({ Isolation: { $i32: 1 } }),
  "StartScript V2 TaskId null": () => start({ TaskId: null }),
  "StartScript V2 afterwards: NoIsolation": () => start(),
  "StartScript V2 afterwards: FullIsolation waits": () => start({ Isolation: { $i32: 1 } }),
  "StartScript V2 afterwards: NoIsolation waits too": () => start(),
  "StartScript V2 3 s later: NoIsolation still waits": () => start(),
  "StartScript V2 after a restart of the agent: FullIsolation": () => start({ Isolation: { $i32: 1 } }),
};

const runs = 'ok: State 2 ExitCode 0 stdout ["hi"]';
const closed = "connection closed without an answer";

/** Where ours answers otherwise, with the reason. */
const otherwise: { readonly [label: string]: { ours: string; because: string } } = {
  "GetCapabilities, endpoint as empty document": { ours: recorded[0]!.result, because: "the endpoint is for the sender only" },
  "StartScript V2 Scripts with an unknown key": { ours: runs, because: "an agent need not know what is not for it" },
  "StartScript V2 afterwards: FullIsolation waits": { ours: runs, because: "no lock is leaked" },
  "StartScript V2 afterwards: NoIsolation waits too": { ours: runs, because: "no lock is leaked" },
  "StartScript V2 3 s later: NoIsolation still waits": { ours: runs, because: "no lock is leaked" },
};

interface Line {
  exchange(message: Message): Promise<string>;
  close(): void;
}

/** A connection that is made anew when the agent has closed it. Answers are told in the words of the recording. */
function openLine(port: () => number, identity: Identity): Line {
  let open: Awaited<ReturnType<typeof connect>> | undefined;
  const wait = { deadlineMs: Infinity } as never;
  async function connect() {
    const socket = await connectRaw(port(), identity);
    const reader = createFrameReader(socketSource(socket), defaultLimits);
    socket.write(Buffer.concat([helloBlock, clientIdentity]));
    await reader.readIdentity(wait);
    return { socket, reader };
  }
  return {
    async exchange({ envelope, streams }) {
      open ??= await connect();
      const { socket, reader } = open;
      socket.write(await encodeMessage(new Map([["Message", fromTagged(envelope)]])));
      for (const [id, bytes] of streams) {
        socket.write(Buffer.concat([streamHeader(id, bytes.length), bytes, streamTrailer(bytes.length)]));
      }
      let response: ReturnType<typeof decodeResponse>;
      try {
        response = decodeResponse(await reader.readMessage(wait, wait));
      } catch {
        socket.destroy();
        open = undefined;
        return closed;
      }
      const result = toTagged(response.result) as Json;
      if (result?.$type === "Halibut.DataStream, Halibut") {
        const { length } = await reader.readStreamHeader(wait);
        await Array.fromAsync(reader.readStreamContent(length, wait));
      }
      socket.write(controlWord("NEXT"));
      await reader.readControlWord(wait);
      if (response.error !== null) {
        const { message, halibutErrorType } = response.error;
        return `error: ${message}${halibutErrorType === null ? "" : ` [${halibutErrorType}]`}`;
      }
      if (result?.Logs === undefined) return `ok: ${JSON.stringify(result)}`;
      const logs = result.Logs.map((line: Json) => ({ Source: line.Source.$i32, Text: line.Text, Occurred: new Date(0) }));
      const stdout = scriptLines(logs.filter((line: Json) => line.Source === 0));
      return `ok: State ${result.State.$i32} ExitCode ${result.ExitCode.$i32} stdout ${JSON.stringify(stdout)}`;
    },
    close: () => open?.socket.destroy(),
  };
}

/** What must be equal in two answers: not the words of errors, but their type; not names and numbers that are each machine's own. */
function essence(answer: string): string {
  const error = /^error: .*?(?:\[(\S+)\])?$/s.exec(answer);
  if (error !== null) return `error [${error[1] ?? ""}]`;
  return answer
    .replace(/ stdout \[\]$/, "")
    .replace(/^ok: State [01] /, "ok: not complete ")
    .replace(/"\$guid":"[^"]+"/, "")
    .replace(/"FullPath":"[^"]+"/, "")
    .replace(/"TaskId":"\d{14}-9-[^"]+"/, "");
}

/** So many recordings, from the first, do not depend on what was sent before them. */
const independent = recorded.findIndex(({ label }) => label.startsWith("UploadFile"));
const linesAtOnce = 4;

test("messages that deviate in one point are answered as a real agent answers them, or better for a stated reason", async (t) => {
  const identity = await createIdentity("test server");
  const agent = await startAgentProcess(t, { arguments: ["--trust", identity.thumbprint] });
  const lines = Array.from({ length: linesAtOnce }, () => openLine(() => agent.peer.port, identity));
  t.after(() => lines.forEach((line) => line.close()));
  assert.deepEqual(
    recorded.map(({ label }) => label),
    Object.keys(messages),
  );
  const different: string[] = [];
  async function compare({ label, result }: Recorded, line: Line): Promise<void> {
    const expected = otherwise[label]?.ours ?? result;
    const ours = await line.exchange(messages[label]!());
    if (essence(ours) !== essence(expected)) different.push(`${label}\n  theirs: ${result}\n  ours:   ${ours}`);
  }
  const waiting = recorded.slice(0, independent).values();
  await Promise.all(
    lines.map(async (line) => {
      for (const one of waiting) await compare(one, line);
    }),
  );
  for (const one of recorded.slice(independent)) await compare(one, lines[0]!);
  assert.deepEqual(different, []);
});
