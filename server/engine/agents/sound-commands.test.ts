// Commands that would hurt the agents which are in place do not leave the server, whoever in it makes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { StartScriptCommandV2 } from "@cuttle/contract/agent/script";
import { createIdentity } from "@cuttle/halibut";
import { createAgents, createPollingQueue } from "./agents.ts";

const address = { host: "127.0.0.1", port: 1, thumbprint: "AB".repeat(20) };
const sound: StartScriptCommandV2 = {
  ScriptTicket: { TaskId: "0b9d3c1e-7c7e-4c1f-9d2b-2f0b6d0a1c11" },
  ScriptBody: "exit 0",
  TaskId: "ServerTasks-1",
  DurationToWaitForScriptToFinish: null,
  Isolation: 1,
  ScriptIsolationMutexTimeout: 0,
  IsolationMutexName: null,
  Scripts: { Bash: "exit 0" },
  Files: [],
  Arguments: [],
};

test("D2 S5: a start without its task, tickets that are empty, lead elsewhere or have two spellings, and long waits never go out", async (t) => {
  const identity = await createIdentity("server");
  const agents = createAgents({ identity, polling: createPollingQueue(), findProxy: async () => undefined });
  t.after(() => agents.close());
  const asked: string[] = [];
  const terms = {
    beforeSend: async () => {
      asked.push("sent");
      throw new Error("It goes out.");
    },
    signal: new AbortController().signal,
  };
  const refused = { name: "AssertionError" };
  for (const TaskId of [null, ""]) await assert.rejects(async () => agents.startScript(address, { ...sound, TaskId }, terms), refused);
  await assert.rejects(async () => agents.firstGeneration.startScript(address, { ...sound, TaskId: null }, terms), refused);
  await assert.rejects(async () => agents.startScript(address, { ...sound, DurationToWaitForScriptToFinish: 60_000 }, terms), refused);
  for (const TaskId of ["", "..", "a/b", "UPPER", "a b", "x".repeat(101)]) {
    const ticket = { TaskId };
    await assert.rejects(async () => agents.startScript(address, { ...sound, ScriptTicket: ticket }, terms), refused, TaskId);
    await assert.rejects(async () => agents.getStatus(address, { Ticket: ticket, LastLogSequence: 0 }, terms), refused, TaskId);
    await assert.rejects(async () => agents.cancelScript(address, { Ticket: ticket, LastLogSequence: 0 }, terms), refused, TaskId);
    await assert.rejects(async () => agents.completeScript(address, { Ticket: ticket }, terms), refused, TaskId);
  }
  const forgotten = await agents.firstGeneration.completeScript(address, { Ticket: { TaskId: "" }, LastLogSequence: 0 }, terms);
  assert.equal(forgotten.ok, false);
  assert.deepEqual(asked, []);
});
