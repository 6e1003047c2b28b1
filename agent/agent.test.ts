// The agent as a server sees it: a real process, real TLS, real bash.
import assert from "node:assert/strict";
import { test } from "node:test";
import { processState } from "@cuttle/contract/agent/script";
import { startAgentProcess } from "./agent-process.ts";

test("a script runs, its output comes back in order with its exit code, and CompleteScript removes what it left", async (t) => {
  const agent = await startAgentProcess(t);
  assert.deepEqual(await agent.capabilities(), ["IScriptServiceV2"]);
  const answer = await agent.start({ ticket: "Hello-1", body: "echo hello; echo problem >&2; pwd; exit 7", waitMs: 20_000 });
  assert.equal(answer.State, processState.complete);
  assert.equal(answer.ExitCode, 7);
});
