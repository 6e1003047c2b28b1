// Scripts and operators that behave badly, against one real agent. Each test names the invariants of the design that it holds:
// D2 no double start, D3 one result, D5 honest unknown, D7 logs without gap or double, D8 cancel, S5 bounded.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { processState } from "@cuttle/contract/agent/script";
import { scriptServiceV1 } from "@cuttle/contract/agent/script-v1";
import { type AgentProcess, eventually, patienceMs, processesOf, scriptLines, startAgentProcess } from "./agent-process.ts";

test("one agent and what is done to it", { concurrency: 3 }, async (t) => {
  const agent = await startAgentProcess(t);
  await Promise.all(Object.entries(misdeeds).map(([name, check]) => t.test(name, () => check(agent))));
});

/** A script that prints `begun` and then waits for a byte. */
function waiting(agent: AgentProcess, name: string, rest: string): { body: string; release(): Promise<void> } {
  const fifo = join(agent.home, `${name}.fifo`);
  return { body: `mkfifo ${fifo}; echo begun; read -r x < ${fifo}; ${rest}`, release: () => writeFile(fifo, "\n") };
}

async function begun(agent: AgentProcess, ticket: string): Promise<void> {
  await eventually(`${ticket} has begun`, async () => scriptLines((await agent.status(ticket)).Logs).includes("begun"));
}

const misdeeds: { readonly [name: string]: (agent: AgentProcess) => Promise<void> } = {
  "D3 D7: a workspace that is removed under a running script costs neither its result nor its log": async (agent) => {
    const { body, release } = waiting(agent, "homeless", "echo after; exit 6");
    await agent.start({ ticket: "homeless", body });
    await begun(agent, "homeless");
    rmSync(join(agent.home, "Work/homeless"), { recursive: true });
    await release();
    const end = await agent.finish("homeless");
    assert.deepEqual([end.exitCode, end.lines], [6, ["begun", "after"]]);
    await agent.complete("homeless");
  },

  "D5: when the folder with a script's records is removed, its result is unknown, and it is not run again": async (agent) => {
    const { body, release } = waiting(agent, "unrecorded", "exit 6");
    await agent.start({ ticket: "unrecorded", body });
    await begun(agent, "unrecorded");
    rmSync(join(agent.home, "Runs/unrecorded"), { recursive: true });
    await release();
    assert.equal((await agent.finish("unrecorded")).exitCode, -46);
    assert.equal((await agent.start({ ticket: "unrecorded", body, waitMs: 20_000 })).ExitCode, -46);
    await agent.complete("unrecorded");
  },

  "D8: a script whose records were removed can still be cancelled": async (agent) => {
    const { body } = waiting(agent, "cancel-unrecorded", "exit 6");
    await agent.start({ ticket: "cancel-unrecorded", body });
    await begun(agent, "cancel-unrecorded");
    rmSync(join(agent.home, "Runs/cancel-unrecorded"), { recursive: true });
    await agent.cancel("cancel-unrecorded");
    assert.equal((await agent.finish("cancel-unrecorded")).exitCode, -1);
    assert.deepEqual(processesOf(join(agent.home, "Work/cancel-unrecorded")), []);
  },

  "D3: a script that closes its output runs to its end": async (agent) => {
    const { body, release } = waiting(agent, "closed", "exit 3");
    const mark = join(agent.home, "closed.mark");
    await agent.start({ ticket: "closed", body: body.replace("read", `exec >&- 2>&-; : > ${mark}; read`) });
    await eventually("it has closed both streams", () => isThere(mark));
    assert.equal((await agent.status("closed")).State, processState.running);
    await release();
    const end = await agent.finish("closed");
    assert.deepEqual([end.exitCode, end.lines], [3, ["begun"]]);
  },

  "D7: a character whose bytes come apart is one character, and bytes that are none become U+FFFD": async (agent) => {
    const { body, release } = waiting(agent, "bytes", "printf '\\x82\\xac|\\xff\\xfe|\\xed\\xa0\\x80|\\xe2\\x82'");
    await agent.start({ ticket: "bytes", body: body.replace("read", "printf '\\xe2'; read") });
    await begun(agent, "bytes");
    await release();
    assert.deepEqual((await agent.finish("bytes")).lines, ["begun", "\u20ac|\ufffd\ufffd|\ufffd\ufffd\ufffd|\ufffd"]);
  },

  "D8: a script that ignores signals and starts children without end is ended with all of them": async (agent) => {
    await agent.start({ ticket: "hydra", body: "trap '' TERM INT HUP QUIT; echo begun; while :; do sleep 7762 & sleep 0.02; done" });
    const workspace = join(agent.home, "Work/hydra");
    await eventually("it has ten children", () => processesOf(workspace).length > 10);
    await agent.cancel("hydra");
    assert.equal((await agent.finish("hydra")).exitCode, -1);
    assert.deepEqual(processesOf(workspace), []);
  },

  "S5: a script's links are removed with its workspace, and what they point to stays": async (agent) => {
    const outside = join(agent.home, "precious");
    mkdirSync(outside);
    writeFileSync(join(outside, "file"), "kept");
    await agent.start({ ticket: "links", body: `ln -s ${outside} folder; ln -s ${outside}/file file; mkdir -m 0 locked`, waitMs: 20_000 });
    await agent.complete("links");
    assert.equal(isThere(join(agent.home, "Work/links")), false);
    assert.equal(readFileSync(join(outside, "file"), "utf8"), "kept");
  },

  "S5: twenty StartScripts that wait for the end of their scripts hold up nobody else": async (agent) => {
    const scripts = Array.from({ length: 20 }, (_, n) => waiting(agent, `waits-${n}`, "exit 2"));
    let answered = 0;
    const starts = scripts.map(async ({ body }, n) => {
      const answer = await agent.start({ ticket: `waits-${n}`, body, waitMs: 60_000 });
      answered++;
      return answer;
    });
    for (let n = 0; n < 20; n++) await begun(agent, `waits-${n}`);
    const other = await agent.start({ ticket: "passes", body: "echo through", waitMs: 60_000 });
    assert.deepEqual([other.State, scriptLines(other.Logs), answered], [processState.complete, ["through"], 0]);
    await Promise.all(scripts.map(({ release }) => release()));
    for (const answer of await Promise.all(starts)) assert.deepEqual([answer.State, answer.ExitCode], [processState.complete, 2]);
  },

  "D3 S5: empty tickets and tickets that lead elsewhere harm no other script's workspace, running or ended": async (agent) => {
    const { body, release } = waiting(agent, "neighbour", "cat kept; exit 6");
    await agent.start({ ticket: "neighbour", body: `echo mine > kept; ${body}` });
    await agent.start({ ticket: "done", body: "echo before > kept; echo before; exit 4", waitMs: 20_000 });
    await begun(agent, "neighbour");
    const places = ["Work", "Runs", "Tickets"];
    const unusual = places.flatMap((place) => [`../${place}/neighbour`, `../${place}/done`, `../${place}`]);
    const v1 = async (method: string, request: unknown): Promise<unknown> =>
      agent.client.call(agent.peer, scriptServiceV1, method, [request], { timeoutMs: patienceMs });
    for (const ticket of ["", ".", "..", "./neighbour", "done/.", "done/", "../", "x/../neighbour", "..\\Work\\done", ...unusual]) {
      for (const answer of [await agent.status(ticket), await agent.cancel(ticket)])
        assert.deepEqual([answer.State, answer.ExitCode, answer.Logs], [processState.complete, -45, []], ticket);
      await agent.complete(ticket);
      const request = { Ticket: { TaskId: ticket }, LastLogSequence: 0 };
      for (const method of ["GetStatus", "CancelScript", "CompleteScript"]) await v1(method, request);
    }
    for (const name of ["neighbour", "done"]) assert.ok(isThere(join(agent.home, "Work", name, "kept")), name);
    assert.equal((await agent.status("neighbour")).State, processState.running);
    await release();
    const ended = [await agent.finish("neighbour"), await agent.finish("done")];
    assert.deepEqual(
      ended.map(({ exitCode, lines }) => [exitCode, lines]),
      [
        [6, ["begun", "mine"]],
        [4, ["before"]],
      ],
    );
  },

  "S5: cursors that make no sense are answered": async (agent) => {
    await agent.start({ ticket: "cursors", body: "echo one", waitMs: 20_000 });
    const whole = await agent.status("cursors");
    for (const cursor of [-1, -9_000_000_000]) assert.deepEqual((await agent.status("cursors", cursor)).Logs, whole.Logs);
    for (const cursor of [whole.NextLogSequence + 1, 2 ** 40]) {
      const { Logs, NextLogSequence, State } = await agent.status("cursors", cursor);
      assert.deepEqual([Logs, NextLogSequence, State], [[], cursor, processState.complete]);
    }
  },
};

function isThere(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}
