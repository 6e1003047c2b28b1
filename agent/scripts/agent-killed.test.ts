// The agent dies at any moment, and yet each ticket runs once, with its outcome and with a log without gap or double.
// The windows that chance rarely meets are set up by hand: files as a dead agent leaves them, then a real agent on top.
//
// Each of these changes was made once, and the named test was seen to fail:
//   state written 400 ms after the spawn · a line shown before its index record is written      kills at random moments
//   no claim by the next agent · claim of the wrapper not exclusive                             killed between the durable state and the spawn
//   a waiting script begins by itself after a restart                                           a script that waited when the agent died
//   boot not compared · exit code taken without its line end                                    the four reboot cases
//   processes known by number only                                                              a process that only has the number …
//   closing lines not marked as the end                                                         killed while it wrote the last lines
//   version of a ticket file not compared                                                       a ticket of a newer agent …
//   (output-log.test.ts) the streams' positions not taken from the index                        lines keep their numbers …
//   (isolation-locks.test.ts) a reader passes a waiting writer                                  a waiting FullIsolation script goes before …
//   (agent.test.ts) no tombstone · CompleteScript without cancel · cancel not saved · only the main process killed · job control on during
//   the wait · lock not taken again after a restart · names not confined · no floor of free disk · half-made folders stay · complete said
//   before the last page · lock of the home not compared · output of children waited for without end: the test of that sentence
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { processState, type ScriptStatusResponseV2 } from "@cuttle/contract/agent/script";
import { eventually, scriptLines, startAgentProcess } from "../agent-process.ts";
import { readBootId } from "../processes/processes.ts";
import { prepareDirectly, type PreparedWrapper } from "./nursery.ts";

/** Kills of the agent in the default run: each kind of round once, of two kinds and of three. More by the environment variable, as in CI. */
const rounds = Number(process.env["CUTTLE_TEST_KILLS"] ?? 6);

test(`D2 D3 D7: ${rounds} kills of the agent at random moments: each script runs once, keeps its exit code, and its log has no gap and no double`, async (t) => {
  const agent = await startAgentProcess(t);
  for (let round = 0; round < rounds; round++) {
    const ticket = `round-${round}`;
    const mark = join(agent.home, `mark-${round}`);
    const body = `echo run >> ${mark}; for i in $(seq 1 60); do echo "line $i"; [ $((i % 3)) = 0 ] && sleep 0.01; done; exit ${round + 1}`;
    const seen: string[] = [];
    let next = 0;
    const start = agent.start({ ticket, body }).catch(() => undefined);
    const until = performance.now() + Math.random() * 600;
    while (performance.now() < until) {
      if (round % 3 !== 0) {
        const answer = await agent.status(ticket, next).catch(() => undefined);
        if (answer !== undefined && answer.ExitCode !== -45) {
          seen.push(...answer.Logs.map((line) => line.Text));
          next = answer.NextLogSequence;
        }
      }
      await delay(5);
    }
    await agent.kill();
    await start;
    // Sometimes long enough that the script ends without an agent.
    if (round % 2 === 0) await delay(Math.random() * 800);
    await agent.startAgain();
    await agent.start({ ticket, body });
    for (;;) {
      const answer = await agent.status(ticket, next);
      seen.push(...answer.Logs.map((line) => line.Text));
      next = answer.NextLogSequence;
      if (answer.State !== processState.complete) continue;
      assert.equal(answer.ExitCode, round + 1, `round ${round}`);
      break;
    }
    assert.equal(readFileSync(mark, "utf8"), "run\n", `round ${round}: run once`);
    const whole = await agent.finish(ticket);
    assert.deepEqual(
      whole.all.map((line) => line.Text),
      seen,
      `round ${round}: what was read piece by piece is the log`,
    );
    assert.deepEqual(
      seen.filter((text) => text.startsWith("line ")),
      Array.from({ length: 60 }, (_, i) => `line ${i + 1}`),
      `round ${round}`,
    );
    await agent.complete(ticket);
  }
});

test("D7: killed again and again during one script, the agent still gives its whole log once", async (t) => {
  const agent = await startAgentProcess(t);
  const body =
    "for i in $(seq 1 200); do echo \"line $i\"; echo \"err $i\" >&2; sleep 0.02; done; printf 'tail\\r'; sleep 0.3; printf '\\nno end'; exit 77";
  await agent.start({ ticket: "often", body });
  const seen: string[] = [];
  let next = 0;
  for (let kills = 0; ;) {
    const answer = await agent.status("often", next);
    seen.push(...answer.Logs.map((line) => line.Text));
    next = answer.NextLogSequence;
    if (answer.State === processState.complete) break;
    if (kills < 4) {
      await delay(Math.random() * 300);
      await agent.kill();
      await agent.startAgain();
      kills++;
    }
  }
  const end = await agent.finish("often");
  assert.deepEqual(
    end.all.map((line) => line.Text),
    seen,
  );
  assert.equal(end.exitCode, 77);
  assert.deepEqual(
    end.lines.filter((text) => text.startsWith("line")),
    Array.from({ length: 200 }, (_, i) => `line ${i + 1}`),
  );
  assert.deepEqual(
    end.lines.filter((text) => text.startsWith("err")),
    Array.from({ length: 200 }, (_, i) => `err ${i + 1}`),
  );
  assert.deepEqual(
    end.lines.filter((text) => !/^(line|err) /.test(text)),
    ["tail", "no end"],
  );
});

/**
 * A home as an agent leaves it that died right after `phase` was on the disk. The agent that is started on it removes it after the test: hooks
 * run in the order they were given, and a removal given here would run beside that agent.
 */
function homeAfterDeath(
  ticket: string,
  body: string,
  state: object = {},
): { home: string; record: string; workspace: string; state: string } {
  const home = mkdtempSync(join(tmpdir(), "cuttle-agent-dead-"));
  const [record, workspace] = [join(home, "Runs", ticket), join(home, "Work", ticket)];
  for (const folder of [record, workspace, join(home, "Tickets")]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(workspace, "Bootstrap.sh"), body);
  const path = join(home, "Tickets", `${ticket}.json`);
  const content = {
    version: 1,
    ticket,
    phase: "launching",
    taskId: "ServerTasks-1",
    bootId: readBootId(),
    attempt: 1,
    mutexName: "RunningScript",
    exclusive: false,
    mutexTimeoutMs: 1e15,
    arguments: [],
    createdAt: new Date().toISOString(),
    cancelRequested: false,
    exitCode: null,
    finishedAt: null,
    logLines: null,
    ...state,
  };
  writeFileSync(path, `${JSON.stringify(content)}\n`);
  return { home, record, workspace, state: path };
}

const launch = async (dead: { record: string; workspace: string }, attempt = 1): Promise<PreparedWrapper> => {
  const wrapper = await prepareDirectly({ streamBytesMax: 1e9, umask: 0o22, environment: process.env }, dead.record, attempt);
  await wrapper.go(dead.record, { shell: "bash", workspace: dead.workspace, arguments: [] });
  return wrapper;
};

test("D2: killed between the durable state and the spawn: the next agent runs it once, and the old attempt can never begin", async (t) => {
  const body = `echo run >> "$TentacleHome/mark"; exit 3`;
  const dead = homeAfterDeath("window", body);
  const agent = await startAgentProcess(t, { home: dead.home });
  // A wrapper of the dead agent that was late: it finds its attempt void.
  const late = await launch(dead);
  assert.equal(await new Promise((resolve) => late.onEnd(resolve)), 72);
  assert.equal(existsSync(join(dead.home, "mark")), false, "nothing runs before the server asks for the ticket");
  const answer = await agent.start({ ticket: "window", body, waitMs: 20_000 });
  assert.deepEqual([answer.State, answer.ExitCode, readFileSync(join(dead.home, "mark"), "utf8")], [processState.complete, 3, "run\n"]);
});

test("D2 D3: killed between the spawn and anything that could tell of it: the script runs on and is taken up", async (t) => {
  const dead = homeAfterDeath("spawned", "echo one; sleep 0.5; echo two; exit 9");
  writeFileSync(join(dead.record, "stdout"), "");
  await launch(dead);
  await eventually("it began", () => existsSync(join(dead.record, "started-1")));
  const agent = await startAgentProcess(t, { home: dead.home });
  const joined = await agent.start({ ticket: "spawned", body: "echo other body; exit 1" });
  assert.notEqual(joined.ExitCode, -46);
  const end = await agent.finish("spawned");
  assert.deepEqual([end.exitCode, end.lines], [9, ["one", "two"]]);
});

test("D2 D8: a script that waited when the agent died runs only when the server asks again; cancelled before that, it never does", async (t) => {
  const body = `echo run >> "$TentacleHome/mark"; exit 3`;
  const dead = homeAfterDeath("waited", body, { phase: "waiting" });
  const other = homeAfterDeath("dropped", body, { phase: "waiting" });
  const agent = await startAgentProcess(t, { home: dead.home });
  assert.equal((await agent.finish("waited")).exitCode, 3);
  assert.equal(readFileSync(join(dead.home, "mark"), "utf8"), "run\n");
  const second = await startAgentProcess(t, { home: other.home });
  assert.equal((await second.cancel("dropped")).ExitCode, -43);
  assert.equal((await second.start({ ticket: "dropped", body, waitMs: 20_000 })).ExitCode, -43);
  assert.equal(existsSync(join(other.home, "mark")), false);
});

for (const [what, state, files, exitCode] of [
  ["a script that was running at a reboot has an unknown result", {}, {}, -46],
  ["a script that waited at a reboot has an unknown result", { phase: "waiting" }, {}, -46],
  [
    "a script that had ended before the reboot keeps its exit code",
    {},
    { "started-1": "wrapper\n", "wrapper-1": "1 1\n", stdout: "a\nb", exit: "6\n", "stdout.closed": "" },
    6,
  ],
  ["an exit code that is not wholly written does not count", {}, { "started-1": "wrapper\n", "wrapper-1": "1 1\n", exit: "6" }, -46],
] as const) {
  test(`D2 D5: ${what}, and never runs again`, async (t) => {
    const dead = homeAfterDeath("reboot", 'touch "$TentacleHome/mark"', { bootId: "another boot", ...state });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(dead.record, name), content);
    const agent = await startAgentProcess(t, { home: dead.home });
    for (let restarts = 0; restarts < 2; restarts++) {
      const answer = await agent.start({ ticket: "reboot", body: 'touch "$TentacleHome/mark"', waitMs: 20_000 });
      assert.deepEqual([answer.State, answer.ExitCode], [processState.complete, exitCode]);
      if (exitCode === 6) assert.deepEqual(scriptLines(answer.Logs), ["a", "b"]);
      else assert.match(answer.Logs.map((line) => line.Text).join("\n"), /machine was restarted/);
      await agent.kill();
      await agent.startAgain();
    }
    assert.equal(existsSync(join(dead.home, "mark")), false);
  });
}

test("D5: a process that only has the number of a dead wrapper is not taken for it", async (t) => {
  const dead = homeAfterDeath("pid", "true");
  for (const [name, content] of [
    ["started-1", "wrapper\n"],
    ["wrapper-1", `${process.pid} 1\n`],
    ["script", `${process.pid} 1\n`],
  ] as const)
    writeFileSync(join(dead.record, name), content);
  const agent = await startAgentProcess(t, { home: dead.home });
  assert.equal((await agent.finish("pid")).exitCode, -46);
});

test("D5: a script whose wrapper is killed goes on as running, and then has an unknown result", async (t) => {
  const agent = await startAgentProcess(t);
  const go = join(agent.home, "go");
  await agent.start({ ticket: "orphan", body: `echo one; while [ ! -e ${go} ]; do sleep 0.05; done; echo two; exit 5` });
  await eventually("it runs", async () => scriptLines((await agent.status("orphan")).Logs).includes("one"));
  process.kill(Number(readFileSync(join(agent.home, "Runs/orphan/wrapper-1"), "utf8").split(" ")[0]), "SIGKILL");
  await delay(50);
  assert.equal((await agent.status("orphan")).State, processState.running);
  writeFileSync(go, "");
  const end = await agent.finish("orphan");
  assert.deepEqual([end.exitCode, end.lines.slice(0, 2)], [-46, ["one", "two"]]);
});

test("D2: killed before the state was durable: the half-made folders go, and the server's repetition starts afresh", async (t) => {
  const dead = homeAfterDeath("half", "echo old");
  rmSync(dead.state);
  const foreign = join(dead.home, "Work", "not-ours");
  mkdirSync(foreign);
  const agent = await startAgentProcess(t, { home: dead.home });
  assert.deepEqual([existsSync(dead.record), existsSync(dead.workspace), existsSync(foreign)], [false, false, true]);
  const answer = await agent.start({ ticket: "half", body: "echo new", waitMs: 20_000 });
  assert.deepEqual(scriptLines(answer.Logs), ["new"]);
});

test("D2: killed during CompleteScript: the next agent finishes the removal, and the ticket stays done", async (t) => {
  const dead = homeAfterDeath("removing", "echo again", {
    phase: "completed",
    exitCode: 2,
    finishedAt: new Date().toISOString(),
    logLines: 3,
  });
  const agent = await startAgentProcess(t, { home: dead.home });
  assert.deepEqual([existsSync(dead.record), existsSync(dead.workspace)], [false, false]);
  const late = await agent.start({ ticket: "removing", body: "echo again", waitMs: 20_000 });
  assert.deepEqual([late.ExitCode, late.Logs], [2, []]);
});

test("D7: killed while it wrote the last lines: they are not written twice", async (t) => {
  const agent = await startAgentProcess(t);
  const first = await agent.start({ ticket: "last", body: "echo x; exit 4", waitMs: 20_000 });
  await agent.kill();
  const path = join(agent.home, "Tickets/last.json");
  const state = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...state, phase: "launching", exitCode: null, finishedAt: null, logLines: null }));
  await agent.startAgain();
  const end = await agent.finish("last");
  assert.deepEqual([end.exitCode, end.all], [4, first.Logs]);
});

test("D7: killed while it appended to the log: a torn record is taken again", async (t) => {
  const agent = await startAgentProcess(t);
  const go = join(agent.home, "go");
  await agent.start({ ticket: "torn", body: `echo one; while [ ! -e ${go} ]; do sleep 0.05; done; echo two` });
  await eventually("a line is there", async () => scriptLines((await agent.status("torn")).Logs).includes("one"));
  await agent.kill();
  const index = join(agent.home, "Runs/torn/index");
  appendFileSync(index, Buffer.alloc(20, 1));
  writeFileSync(go, "");
  await agent.startAgain();
  assert.deepEqual((await agent.finish("torn")).lines, ["one", "two"]);
});

test("D11: a ticket of a newer agent is refused with a sentence and left as it is; others are served", async (t) => {
  const dead = homeAfterDeath("newer", "echo no", { version: 99 });
  const before = readFileSync(dead.state, "utf8");
  const agent = await startAgentProcess(t, { home: dead.home });
  for (const ask of [() => agent.start({ ticket: "newer", body: "echo no" }), () => agent.status("newer"), () => agent.complete("newer")]) {
    await assert.rejects(ask(), { kind: "service-failed", message: /written by a newer agent \(version 99; this agent reads up to 2\)/ });
  }
  assert.equal(readFileSync(dead.state, "utf8"), before);
  assert.match(agent.errors(), /newer could not be taken up/);
  assert.equal((await agent.start({ ticket: "other", body: "exit 2", waitMs: 20_000 })).ExitCode, 2);
});

test("D5: with its folder gone a script that was being run has an unknown result, and its ticket is not run again", async (t) => {
  const dead = homeAfterDeath("folderless", "echo no");
  rmSync(dead.record, { recursive: true });
  const agent = await startAgentProcess(t, { home: dead.home });
  const again = (): Promise<ScriptStatusResponseV2> => agent.start({ ticket: "folderless", body: "echo no", waitMs: 20_000 });
  for (const answer of [await agent.status("folderless", 7), await again()])
    assert.deepEqual([answer.State, answer.ExitCode, answer.Logs], [processState.complete, -46, []]);
  await agent.complete("folderless");
  assert.equal((await again()).ExitCode, -46);
  assert.equal(existsSync(dead.workspace), false);
});

test("D5: a damaged ticket file means an unknown result, and the ticket is not run again", async (t) => {
  const dead = homeAfterDeath("damaged", "echo no");
  truncateSync(dead.state, 30);
  const agent = await startAgentProcess(t, { home: dead.home });
  for (const answer of [await agent.start({ ticket: "damaged", body: "echo no", waitMs: 20_000 }), await agent.status("damaged")]) {
    assert.deepEqual([answer.State, answer.ExitCode, answer.Logs], [processState.complete, -46, []]);
  }
  assert.equal((await agent.cancel("damaged")).ExitCode, -46);
  await agent.complete("damaged");
  assert.deepEqual([existsSync(dead.record), existsSync(dead.workspace)], [false, false]);
  assert.equal((await agent.start({ ticket: "damaged", body: "echo no", waitMs: 20_000 })).ExitCode, -46);
});

test("S5: tombstones and unclaimed results go when their time is over, not before", async (t) => {
  const agent = await startAgentProcess(t);
  const age = (ticket: string, days: number): void => {
    const at = new Date(Date.now() - days * 24 * 3_600_000);
    utimesSync(join(agent.home, "Tickets", `${ticket}.json`), at, at);
  };
  for (const ticket of ["young", "old", "unclaimed", "claimed"]) await agent.start({ ticket, body: "echo x; exit 2", waitMs: 20_000 });
  for (const ticket of ["young", "old"]) await agent.complete(ticket);
  await agent.stop();
  age("young", 6.9);
  age("old", 7.1);
  age("unclaimed", 3.1);
  age("claimed", 2.9);
  await agent.startAgain();
  await eventually(
    "the sweep at the start is done",
    () => !existsSync(join(agent.home, "Tickets/old.json")) && !existsSync(join(agent.home, "Runs/unclaimed")),
  );
  assert.deepEqual(readdirSync(join(agent.home, "Tickets")).sort(), ["claimed.json", "unclaimed.json", "young.json"]);
  assert.deepEqual(readdirSync(join(agent.home, "Work")), ["claimed"]);
  assert.equal((await agent.start({ ticket: "unclaimed", body: "echo x", waitMs: 20_000 })).ExitCode, 2, "its result stays known");
  assert.equal((await agent.start({ ticket: "young", body: "echo x", waitMs: 20_000 })).ExitCode, 2);
});

test("S3: the home's certificate is for its user only", async (t) => {
  const agent = await startAgentProcess(t);
  const modes = ["identity.pem", "Tickets", "Runs", "Work"].map((name) =>
    existsSync(join(agent.home, name)) ? statMode(join(agent.home, name)) : 0,
  );
  assert.deepEqual(modes, [0o600, 0o700, 0o700, 0o700]);
});

function statMode(path: string): number {
  return statSync(path).mode & 0o777;
}
