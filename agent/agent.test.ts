// The agent as a server sees it: a real process, real TLS, real bash.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createDecipheriv, createHash, pbkdf2Sync, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fileTransferService } from "@cuttle/contract/agent/file-transfer";
import { processState, type ScriptFile } from "@cuttle/contract/agent/script";
import { scriptServiceV1, type ScriptStatusResponse } from "@cuttle/contract/agent/script-v1";
import { createHalibutClient, createIdentity, type DataStream, HalibutCallError, streamFromBytes } from "@cuttle/halibut";
import { type AgentProcess, eventually, processesOf, scriptLines, startAgentProcess } from "./agent-process.ts";

const file = (name: string, text: string, password: string | null = null): ScriptFile => ({
  Name: name,
  Contents: streamFromBytes(Buffer.from(text)),
  EncryptionPassword: password,
});

/** A text file outside the workspace, where scripts leave their marks. */
function marks(agent: AgentProcess): { path: string; read(): string } {
  const path = join(agent.home, `marks-${randomUUID()}`);
  return { path, read: () => (existsSync(path) ? readFileSync(path, "utf8") : "") };
}

/** For the tests that neither stop it nor look at what is not theirs. */
let agent: AgentProcess;
const cleanUps: (() => Promise<void>)[] = [];
before(async () => {
  agent = await startAgentProcess({ after: (cleanUp) => void cleanUps.push(cleanUp as () => Promise<void>) });
});
after(() => Promise.all(cleanUps.map((cleanUp) => cleanUp())));

test("a script runs, its output comes back with its exit code, and CompleteScript removes what it left", async () => {
  assert.deepEqual(await agent.capabilities(), ["IScriptService", "IFileTransferService", "IScriptServiceV2"]);
  const answer = await agent.start({
    ticket: "Hello-1",
    body: "echo hello\r\necho problem >&2\r\nsleep 0.2\r\npwd\r\nexit 7\r\n",
    waitMs: 20_000,
  });
  assert.equal(answer.State, processState.complete);
  assert.equal(answer.ExitCode, 7);
  assert.equal(answer.Ticket.TaskId, "Hello-1");
  const workspace = join(agent.home, "Work", "hello-1");
  assert.deepEqual(scriptLines(answer.Logs).sort(), [workspace, "hello", "problem"].sort());
  assert.equal(answer.Logs.find((line) => line.Text === "problem")?.Source, 1);
  assert.equal(answer.NextLogSequence, answer.Logs.length);
  assert.equal(statSync(workspace).mode & 0o777, 0o700);
  assert.equal(statSync(join(workspace, "Bootstrap.sh")).mode & 0o777, 0o600);
  assert.deepEqual(
    await agent.status("hello-1"),
    { ...answer, Ticket: { TaskId: "hello-1" } },
    "GetStatus says the same, in any letter case",
  );
  await agent.complete("HELLO-1");
  await agent.complete("Hello-1");
  assert.deepEqual([readdirSync(join(agent.home, "Work")), readdirSync(join(agent.home, "Runs"))], [[], []]);
  const after = await agent.status("Hello-1", 4);
  assert.deepEqual([after.State, after.ExitCode, after.Logs, after.NextLogSequence], [processState.complete, -45, [], 4]);
});

test("a script finds its environment, an empty standard input, and signals as they are by default", async (t) => {
  const agent = await startAgentProcess(t, { environment: { CUTTLE_AGENT_NAME: "hidden", MINE: "seen" } });
  const body = `
    echo "$TentacleHome|$TentacleInstanceName|$MINE|\${CUTTLE_AGENT_NAME-none}"
    read -r x; echo "read $?"
    trap -p
    (yes | head -1) 2>&1
    echo "via device" > /dev/stdout; echo "again" > /dev/stdout
    umask; [ -t 1 ] || echo "no terminal"; kill -0 $$ && echo "$0 $1 $2"
    shopt -q login_shell || echo "no login shell"; case $- in *e*) echo "-e";; esac
  `;
  const answer = await agent.start({ ticket: "env", body, waitMs: 20_000, Arguments: ["one", '"two words"'] });
  assert.deepEqual(scriptLines(answer.Logs), [
    `${agent.home}|test-agent|seen|none`,
    "read 1",
    "y",
    "via device",
    "again",
    process.umask().toString(8).padStart(4, "0"),
    "no terminal",
    `${agent.home}/Work/env/Bootstrap.sh one two words`,
    "no login shell",
  ]);
});

test("D2: the same ticket twice, four times at once, in other letter case and after its end runs once", async () => {
  const mark = marks(agent);
  const start = (ticket: string, waitMs?: number) =>
    agent.start({ ticket, body: `echo run >> ${mark.path}; sleep 0.5; echo done; exit 3`, ...(waitMs === undefined ? {} : { waitMs }) });
  await Promise.all([start("race-A"), start("race-A"), start("race-a"), start("RACE-A", 20_000)]);
  const again = await start("Race-A", 20_000);
  assert.deepEqual([again.State, again.ExitCode, scriptLines(again.Logs)], [processState.complete, 3, ["done"]]);
  assert.equal(mark.read(), "run\n");
});

test("D2: a late StartScript after CompleteScript is answered with the stored result and runs nothing, also after a restart", async (t) => {
  const agent = await startAgentProcess(t);
  const mark = marks(agent);
  const body = `echo run >> ${mark.path}; exit 4`;
  await agent.start({ ticket: "late", body, waitMs: 20_000 });
  await agent.complete("late");
  for (const restart of [false, true]) {
    if (restart) {
      await agent.kill();
      await agent.startAgain();
    }
    const late = await agent.start({ ticket: "Late", body, waitMs: 20_000 });
    assert.deepEqual([late.State, late.ExitCode, late.Logs], [processState.complete, 4, []]);
  }
  assert.equal(mark.read(), "run\n");
  assert.deepEqual(readdirSync(join(agent.home, "Work")), []);
});

test("D5 S5: an unknown ticket is complete with -45, and asking for it makes nothing", async (t) => {
  const agent = await startAgentProcess(t);
  for (const ticket of ["never", "", "../../etc", "a b"]) {
    for (const answer of [await agent.status(ticket, 12), ...(ticket === "never" ? [] : [await agent.cancel(ticket, 12)])]) {
      assert.deepEqual([answer.State, answer.ExitCode, answer.NextLogSequence, answer.Logs], [processState.complete, -45, 12, []]);
    }
    if (ticket !== "never") await agent.complete(ticket);
  }
  for (const folder of ["Work", "Runs", "Tickets"]) assert.deepEqual(readdirSync(join(agent.home, folder)), []);
});

test("D2 D8: a ticket that was cancelled or completed before its StartScript came is never run, also after a restart", async (t) => {
  const agent = await startAgentProcess(t);
  const mark = marks(agent);
  const cancelled = await agent.cancel("early-Cancel", 12);
  assert.deepEqual(
    [cancelled.State, cancelled.ExitCode, cancelled.NextLogSequence, cancelled.Logs],
    [processState.complete, -45, 12, []],
    "the answer is that of any unknown ticket",
  );
  await agent.complete("early-complete");
  for (const restart of [false, true]) {
    if (restart) {
      await agent.kill();
      await agent.startAgain();
    }
    for (const ticket of ["early-cancel", "Early-Complete"]) {
      const late = await agent.start({ ticket, body: `echo ran >> ${mark.path}`, waitMs: 20_000 });
      assert.deepEqual([late.State, late.ExitCode, late.Logs], [processState.complete, -43, []]);
      assert.equal((await agent.status(ticket)).ExitCode, -45);
    }
    await agent.complete("early-cancel");
    assert.equal((await agent.cancel("early-cancel")).ExitCode, -45, "cancelling it again changes nothing");
  }
  assert.equal(mark.read(), "");
  for (const folder of ["Work", "Runs"]) assert.deepEqual(readdirSync(join(agent.home, folder)), []);
});

test("D2 D8: of a StartScript and a CancelScript of one ticket at the same moment, either the script ends as cancelled or it never ran", async () => {
  const ends = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const ticket = `race-${n}`;
      const started = agent.start({ ticket, body: "sleep 7761" });
      await Promise.all([started, agent.cancel(ticket)]);
      return (await agent.start({ ticket, body: "sleep 7761", waitMs: 20_000 })).ExitCode;
    }),
  );
  for (const exitCode of ends) assert.ok([-1, -43].includes(exitCode), `exit code ${exitCode}`);
  assert.deepEqual(processesOf(join(agent.home, "Work")), []);
});

test("S5: tickets and attached files cannot leave the workspace", async () => {
  const foldersNow = (): string[][] => ["Work", "Runs", "Tickets"].map((folder) => readdirSync(join(agent.home, folder)));
  const before = foldersNow();
  const refused = (error: unknown): boolean =>
    error instanceof HalibutCallError &&
    error.kind === "service-failed" &&
    /was not started|outside|keeps for itself|no usable name/.test(error.message);
  for (const ticket of ["", "../escape", "/tmp/escape", "a/b", "..", ".", "x".repeat(101), "ä"]) {
    await assert.rejects(agent.start({ ticket, body: "pwd" }), refused, `ticket ${ticket}`);
  }
  for (const name of [
    "../x",
    "a/../../x",
    "/etc/x",
    "..",
    "..\\x",
    "sub/../../x",
    "Bootstrap.sh",
    "./Bootstrap.sh",
    "sub/../Bootstrap.sh",
    "scriptstate.json",
    "Output.log",
    "",
    "x\0y",
  ]) {
    await assert.rejects(
      agent.start({ ticket: "files", body: "ls", Files: [file("good.txt", "x"), file(name, "x")] }),
      refused,
      `file ${name}`,
    );
  }
  assert.deepEqual(foldersNow(), before, "nothing half done");
  assert.equal(existsSync(join(agent.home, "x")), false);
});

test("attached files lie in the workspace, and one with a password is encrypted", async () => {
  const body = "cat data.txt sub/inner.txt; base64 -w0 secret.json; echo; stat -c %a data.txt sub sub/inner.txt | tr '\\n' ' '; echo";
  const Files = [file("data.txt", "plain\n"), file("sub\\inner.txt", "inner\n"), file("secret.json", '{"a":"bä"}', "Secret1")];
  const answer = await agent.start({ ticket: "files", body, waitMs: 20_000, Files });
  const [plain, inner, secret, modes] = scriptLines(answer.Logs);
  assert.deepEqual([plain, inner, modes], ["plain", "inner", "600 700 600 "]);
  const bytes = Buffer.from(secret!, "base64");
  assert.equal(bytes.toString("ascii", 0, 4), "IV__");
  const decipher = createDecipheriv("aes-128-cbc", pbkdf2Sync("Secret1", "Octopuss", 1000, 16, "sha1"), bytes.subarray(4, 20));
  assert.equal(Buffer.concat([decipher.update(bytes.subarray(20)), decipher.final()]).toString("utf8"), '{"a":"bä"}');
});

test("a PowerShell script on a machine without pwsh ends with -42 and a sentence; a Bash entry goes before it", async (t) => {
  const bin = mkdtempSync(join(tmpdir(), "cuttle-bin-"));
  t.after(() => rmSync(bin, { recursive: true }));
  for (const name of ["cat", "sleep"]) symlinkSync(`/usr/bin/${name}`, join(bin, name));
  const without = await startAgentProcess(t, { environment: { PATH: bin } });
  const answer = await without.start({ ticket: "power", body: "echo no", Scripts: { PowerShell: "'no'" }, waitMs: 20_000 });
  assert.deepEqual([answer.State, answer.ExitCode], [processState.complete, -42]);
  assert.match(scriptLines(answer.Logs).join(), /this machine has no pwsh/);
  const both = await without.start({ ticket: "both", body: "echo no", Scripts: { PowerShell: "'no'", bash: "echo yes" }, waitMs: 20_000 });
  assert.deepEqual([both.ExitCode, scriptLines(both.Logs)], [0, ["yes"]]);
});

test("D8: a cancelled script dies with its whole tree, traps or not, and reports -1", async () => {
  const mark = marks(agent);
  const body = `
    trap 'echo trapped >> ${mark.path}' TERM EXIT
    setsid sleep 7771 &
    (sleep 7772 & sleep 7773) &
    bash -c 'sleep 7774 & disown; exit' &
    echo begun; sleep 7775`;
  await agent.start({ ticket: "tree", body });
  const workspace = join(agent.home, "Work", "tree");
  await eventually("all five sleeps run", () => processesOf(workspace).filter((pid) => /^sleep 777\d/.test(commandOf(pid))).length === 5);
  const answer = await agent.cancel("tree");
  assert.ok(answer.State === processState.running || answer.State === processState.complete);
  const end = await agent.finish("tree");
  assert.deepEqual([end.exitCode, end.lines, mark.read()], [-1, ["begun"], ""]);
  await eventually("nothing of the script is left", () => processesOf(workspace).length === 0);
  assert.equal((await agent.cancel("tree")).ExitCode, -1, "cancelling again changes nothing");
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

test("D8: a cancelled script is cancelled also when the agent dies right after it said so", async (t) => {
  const agent = await startAgentProcess(t);
  await agent.start({ ticket: "cancel-kill", body: "echo begun; sleep 7780" });
  await eventually("it runs", async () => (await agent.status("cancel-kill")).Logs.some((line) => line.Text === "begun"));
  await agent.cancel("cancel-kill");
  await agent.kill();
  await agent.startAgain();
  assert.equal((await agent.finish("cancel-kill")).exitCode, -1);
});

test("a script that ends by a signal reports 128 and the signal's number", async () => {
  assert.equal((await agent.start({ ticket: "kill9", body: "kill -9 $$; sleep 1", waitMs: 20_000 })).ExitCode, 137);
  assert.equal((await agent.start({ ticket: "term", body: "kill -TERM $$; sleep 1", waitMs: 20_000 })).ExitCode, 143);
  assert.equal((await agent.start({ ticket: "group", body: "echo a; kill -9 0", waitMs: 20_000 })).ExitCode, 137);
});

test("D3: a script that is stopped for a while is not taken for ended", async () => {
  await agent.start({ ticket: "stopped", body: "echo begun; kill -STOP $$; echo resumed; exit 5" });
  const workspace = join(agent.home, "Work", "stopped");
  const isStopped = (pid: number): boolean => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.startsWith("T");
  const script = await eventually("it stops itself", () => processesOf(workspace).find(isStopped));
  assert.equal((await agent.status("stopped")).State, processState.running);
  process.kill(script, "SIGCONT");
  const end = await agent.finish("stopped");
  assert.deepEqual([end.exitCode, end.lines], [5, ["begun", "resumed"]]);
});

test("D2: CompleteScript of a running script cancels it first, and its ticket never runs again", async () => {
  const mark = marks(agent);
  const body = `echo run >> ${mark.path}; sleep 7790; echo never >> ${mark.path}`;
  await agent.start({ ticket: "unseen", body });
  await eventually("it runs", () => mark.read() !== "");
  await agent.complete("unseen");
  assert.deepEqual(processesOf(join(agent.home, "Work", "unseen")), []);
  const late = await agent.start({ ticket: "unseen", body, waitMs: 20_000 });
  assert.deepEqual([late.State, late.ExitCode, mark.read()], [processState.complete, -1, "run\n"]);
});

test("a child that holds the output for a while is waited for; one that goes on is left alone, and the log says so", async (t) => {
  const agent = await startAgentProcess(t, { arguments: ["--background-output-wait", "2"] });
  const mark = marks(agent);
  const short = await agent.start({ ticket: "short", body: "(sleep 0.7; echo late) & echo done", waitMs: 20_000 });
  assert.deepEqual([short.ExitCode, scriptLines(short.Logs)], [0, ["done", "late"]]);
  const body = `(for i in 1 2 3 4 5 6 7; do sleep 0.5; echo "tick $i" || exit; done; echo alive >> ${mark.path}) & echo done; exit 6`;
  const long = await agent.start({ ticket: "long", body, waitMs: 20_000 });
  assert.deepEqual([long.State, long.ExitCode], [processState.complete, 6]);
  assert.match(scriptLines(long.Logs).at(-1)!, /still holds its output after 2 s/);
  await eventually("the child goes on and can still write", () => mark.read() === "alive\n");
  assert.deepEqual((await agent.status("long")).Logs, long.Logs, "what it wrote after the end is not in the log");
  const detached = await agent.start({ ticket: "detached", body: "setsid sleep 3 >/dev/null 2>&1 </dev/null & echo done", waitMs: 20_000 });
  assert.deepEqual(scriptLines(detached.Logs), ["done"]);
});

test("the log of a running script grows line by line, within tens of milliseconds", async () => {
  const fifo = join(agent.home, "go");
  // A pipe for each line: in a shared one the next reader could find the last writer, and its end.
  const body = `mkfifo ${fifo}1 ${fifo}2 ${fifo}3; for i in 1 2 3; do echo "line $i"; read -r x < ${fifo}$i; done`;
  await agent.start({ ticket: "slow", body });
  for (const i of [1, 2, 3]) {
    await eventually(`line ${i}`, async () => scriptLines((await agent.status("slow")).Logs).length === i);
    await writeFile(`${fifo}${i}`, "\n");
  }
  assert.equal((await agent.finish("slow")).exitCode, 0);
});

/** Output of one script in the default run; more by the environment variable, as in CI, where keeping it would show in the memory. */
const outputMb = Number(process.env["CUTTLE_TEST_OUTPUT_MB"] ?? 20);

test(`S5 D7: ${outputMb} MB of output and lines of megabytes come page by page, and keep the agent's memory bounded`, async (t) => {
  const agent = await startAgentProcess(t);
  const rssMb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))![1]) / 1024;
  const perLine = 100;
  const count = (outputMb * 1_000_000) / perLine;
  const body = `head -c 5000000 /dev/zero | tr '\\0' x; echo; seq -f '%099.0f' 1 ${count}; echo end`;
  await agent.start({ ticket: "big", body });
  let next = 0;
  let lines = 0;
  let highestMb = 0;
  let longest = 0;
  for (;;) {
    const answer = await agent.status("big", next);
    for (const { Source, Text } of answer.Logs) {
      if (Source === 2 || Text.startsWith("##") || Text.startsWith("Acquiring") || Text === "end") continue;
      longest = Math.max(longest, Text.length);
      if (Text.startsWith("x")) continue;
      lines++;
      if (lines === 1 || lines % 1000 === 0) assert.equal(Number(Text), lines);
    }
    next = answer.NextLogSequence;
    highestMb = Math.max(highestMb, rssMb());
    if (answer.State === processState.complete) break;
  }
  assert.equal(lines, count);
  assert.equal(longest, 1024 * 1024);
  t.diagnostic(`${outputMb} MB in ${next} lines, agent's memory at most ${Math.round(highestMb)} MB`);
  assert.ok(highestMb < 450, `${highestMb} MB`);
});

test("S4: without a file descriptor, a trusted certificate or a trusted thumbprint nothing is answered", async (t) => {
  const stranger = createHalibutClient({ identity: await createIdentity("stranger"), limits: { connectAttemptsMax: 1 } });
  t.after(() => stranger.close());
  const { capabilitiesServiceV2 } = await import("@cuttle/contract/agent/capabilities");
  await assert.rejects(stranger.call(agent.peer, capabilitiesServiceV2, "GetCapabilities", [], { timeoutMs: 10_000 }), HalibutCallError);
  await assert.rejects(
    agent.client.call({ ...agent.peer, thumbprint: "A".repeat(40) }, capabilitiesServiceV2, "GetCapabilities", [], { timeoutMs: 10_000 }),
    { kind: "untrusted" },
  );
});

test("D6: FullIsolation waits, says for whom, and can be cancelled or time out; a script without task id leaks nothing", async (t) => {
  const agent = await startAgentProcess(t);
  const go = join(agent.home, "go");
  const mark = marks(agent);
  const waiting =
    "Waiting for the script in task [ServerTasks-9](~/app#/tasks/ServerTasks-9) to finish as this script requires that no other Octopus scripts are executing on this target at the same time.";
  await agent.start({
    ticket: "holder",
    body: `while [ ! -e ${go} ]; do sleep 0.05; done; echo holder >> ${mark.path}`,
    TaskId: "ServerTasks-9",
    Isolation: 1,
  });
  const behind = { body: `echo ran; echo behind >> ${mark.path}`, Isolation: 1 } as const;
  assert.equal((await agent.start({ ticket: "waits", ...behind, waitMs: 300 })).State, processState.pending);
  await agent.start({ ticket: "cancelled", ...behind });
  await agent.start({ ticket: "timed-out", ...behind, ScriptIsolationMutexTimeout: 300 });
  await agent.start({ ticket: "reader", body: "echo ran" });
  const other = await agent.start({ ticket: "other-name", ...behind, body: "echo ran", IsolationMutexName: "Other", waitMs: 20_000 });
  assert.deepEqual(scriptLines(other.Logs), ["ran"]);
  await eventually("the wait is in the log", async () => scriptLines((await agent.status("cancelled")).Logs).includes(waiting));
  await agent.cancel("cancelled");
  const cancelled = await agent.finish("cancelled");
  assert.equal(cancelled.exitCode, -43);
  assert.deepEqual(cancelled.lines.slice(-2), [
    "This task was canceled before it could start. Task [ServerTasks-9](~/app#/tasks/ServerTasks-9) is still running.",
    "Script execution canceled.",
  ]);
  const timedOut = await agent.finish("timed-out");
  assert.deepEqual([timedOut.exitCode, timedOut.lines.at(-1)], [-44, "Script execution timed out."]);
  assert.equal((await agent.status("waits")).State, processState.pending);
  // The lock is kept over a restart of the agent, and who waited waits on.
  await agent.kill();
  await agent.startAgain();
  assert.equal((await agent.status("waits")).State, processState.pending);
  assert.equal((await agent.start({ ticket: "after-restart", ...behind, waitMs: 200 })).State, processState.pending);
  assert.equal((await agent.status("reader")).State, processState.pending);
  const waitsAgain = async (): Promise<boolean> =>
    (await agent.status("waits")).Logs.filter((line) => line.Text === waiting).length === 2 || mark.read() !== "";
  await eventually("the restarted agent says again whom it waits for", waitsAgain);
  writeFileSync(go, "");
  for (const ticket of ["holder", "waits", "after-restart", "reader"]) assert.equal((await agent.finish(ticket)).exitCode, 0, ticket);
  assert.equal(mark.read(), "holder\nbehind\nbehind\n", "nobody ran beside the script that wanted to be alone");
  const without = await agent.start({ ticket: "no-task", ...behind, TaskId: null, waitMs: 20_000 });
  assert.deepEqual([without.State, without.ExitCode], [processState.complete, -41]);
  const unknown = await agent.start({ ticket: "level-7", ...behind, Isolation: 7 as 1, waitMs: 20_000 });
  assert.equal(unknown.ExitCode, -41);
  assert.equal((await agent.start({ ticket: "afterwards", ...behind, waitMs: 20_000 })).ExitCode, 0);
});

test("D2 D3 S5: a full disk refuses the script with a sentence and leaves nothing behind", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("mounting a small file system needs root");
  const home = mkdtempSync(join(tmpdir(), "cuttle-full-"));
  const run = (command: string, ...args: string[]): Promise<number | null> =>
    new Promise((resolve) =>
      spawn(command, args, { stdio: "ignore" })
        .once("exit", resolve)
        .once("error", () => resolve(1)),
    );
  if ((await run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", home)) !== 0) {
    rmSync(home, { recursive: true });
    return t.skip("a tmpfs cannot be mounted here");
  }
  t.after(async () => {
    await run("umount", "-l", home);
    rmSync(home, { recursive: true, force: true });
  });
  mkdirSync(join(home, "agent"));
  const agent = await startAgentProcess(t, { home: join(home, "agent"), arguments: ["--free-disk-min", "0"] });
  const body = "echo ran";
  const fill = (): void => {
    for (const size of [1 << 20, 1 << 14, 1 << 12]) {
      try {
        for (let i = 0; ; i++) writeFileSync(join(home, `fill-${size}-${i}`), Buffer.alloc(size));
      } catch {
        // Full for this size.
      }
    }
  };
  fill();
  const before = ["Work", "Runs", "Tickets"].map((folder) => readdirSync(join(agent.home, folder)));
  await assert.rejects(agent.start({ ticket: "full", body }), { kind: "service-failed", message: /not started: .*(full|free disk space)/ });
  const nothingHalfDone = (): void => {
    assert.deepEqual(
      ["Work", "Runs", "Tickets"].map((folder) => readdirSync(join(agent.home, folder))),
      before,
    );
  };
  nothingHalfDone();
  // What cannot be kept is not promised: the server learns that its cancel may be forgotten.
  await assert.rejects(agent.cancel("never-heard-of"), { kind: "service-failed", message: /must never run .* the disk of .* is full/ });
  const upload = agent.client.call(agent.peer, fileTransferService, "UploadFile", ["Files/x", streamFromBytes(Buffer.alloc(5000))], {
    timeoutMs: 20_000,
  });
  await assert.rejects(upload, { kind: "service-failed", message: /not stored: .* needed|disk|space/ });
  nothingHalfDone();
  // With one page left the check of free space passes, and the disk refuses in the middle.
  const [large] = readdirSync(home).filter((name) => name.startsWith("fill-") && statSync(join(home, name)).size > 8192);
  truncateSync(join(home, large!), statSync(join(home, large!)).size - 4096);
  await assert.rejects(agent.start({ ticket: "full", body }), { kind: "service-failed", message: /the disk of .* is full/ });
  nothingHalfDone();
  for (const name of readdirSync(home)) if (name.startsWith("fill-")) rmSync(join(home, name));
  const answer = await agent.start({ ticket: "full", body, waitMs: 20_000 });
  assert.deepEqual([answer.ExitCode, scriptLines(answer.Logs)], [0, ["ran"]], "the same ticket starts when there is room");
  // The disk fills up while a script runs: it goes on, its result waits for room.
  const go = join(agent.home, "go");
  await agent.start({
    ticket: "fills",
    body: `echo begun; while [ ! -e ${go} ]; do sleep 0.05; done; head -c 200000 /dev/zero | tr '\\0' '\\n'; exit 9`,
  });
  // Its own words say that it runs: a ticket counts as running before its script is begun.
  await eventually("it runs", async () => scriptLines((await agent.status("fills")).Logs).includes("begun"));
  writeFileSync(go, "");
  fill();
  await eventually(
    "the output meets the full disk",
    () => existsSync(join(agent.home, "Runs/fills/stdout.cut")) || existsSync(join(agent.home, "Runs/fills/exit")),
  );
  for (const name of readdirSync(home)) if (name.startsWith("fill-")) rmSync(join(home, name));
  const end = await agent.finish("fills");
  assert.equal(end.exitCode, 9);
});

test("S5: below the named floor of free space a script is refused", async (t) => {
  const agent = await startAgentProcess(t, { arguments: ["--free-disk-min", "1000000000"] });
  await assert.rejects(agent.start({ ticket: "floor", body: "echo x" }), {
    kind: "service-failed",
    message: /free disk space, and .* are needed/,
  });
});

test("the first generation of the script service: the agent makes the ticket, and CompleteScript gives the last lines", async () => {
  const call = async (method: string, param: unknown) =>
    (await agent.client.call(agent.peer, scriptServiceV1, method, [param], { timeoutMs: 60_000 })) as ScriptStatusResponse;
  const command = {
    ScriptBody: "echo one; sleep 0.3; echo two; exit 5",
    Isolation: 0,
    Scripts: {},
    Files: [],
    Arguments: [],
    TaskId: "ServerTasks-7",
    ScriptIsolationMutexTimeout: 0,
    IsolationMutexName: null,
  };
  const Ticket = (await call("StartScript", command)) as unknown as { TaskId: string };
  assert.match(Ticket.TaskId, /^\d{14}-7-\d+-1$/);
  const running = await eventually("the first line", async () => {
    const answer = await call("GetStatus", { Ticket, LastLogSequence: 0 });
    return answer.Logs.some((line) => line.Text === "one") && answer;
  });
  await eventually("its end", async () => (await call("GetStatus", { Ticket, LastLogSequence: 0 })).State === processState.complete);
  const last = await call("CompleteScript", { Ticket, LastLogSequence: running.NextLogSequence });
  assert.deepEqual([last.State, last.ExitCode, scriptLines([...running.Logs, ...last.Logs])], [processState.complete, 5, ["one", "two"]]);
  assert.equal(existsSync(join(agent.home, "Work", Ticket.TaskId)), false);
  const unknown = await call("GetStatus", { Ticket, LastLogSequence: 0 });
  assert.deepEqual([unknown.State, unknown.ExitCode], [processState.complete, -45]);
  const unseen = (await call("StartScript", { ...command, ScriptBody: "sleep 7799", TaskId: null })) as unknown as { TaskId: string };
  const cancelled = await call("CompleteScript", { Ticket: unseen, LastLogSequence: 0 });
  assert.ok([-1, -43].includes(cancelled.ExitCode));
  assert.deepEqual(processesOf(join(agent.home, "Work", unseen.TaskId)), []);
});

test("files go up and come down whole, below the home or anywhere, and are replaced at once", async () => {
  const call = (method: string, params: unknown[]) =>
    agent.client.call(agent.peer, fileTransferService, method, params, { timeoutMs: 30_000 });
  const big = Buffer.alloc(1_000_003, "Grüße ");
  for (const [path, bytes] of [
    ["Files/a.txt", Buffer.from("abc")],
    ["Files\\sub\\b.bin", big],
    [join(agent.home, "c"), Buffer.alloc(0)],
    ["Files/a.txt", Buffer.from("replaced")],
  ] as const) {
    const FullPath = path.startsWith("/") ? path : join(agent.home, path.replaceAll("\\", "/"));
    const Hash = createHash("sha1").update(bytes).digest("hex");
    assert.deepEqual(await call("UploadFile", [path, streamFromBytes(bytes)]), { FullPath, Hash, Length: bytes.length });
    const back = (await call("DownloadFile", [path])) as DataStream;
    assert.equal(back.length, bytes.length);
    assert.deepEqual(Buffer.concat(await Array.fromAsync(back.open())), bytes);
    await back.dispose?.();
  }
  assert.deepEqual(readdirSync(join(agent.home, "Files")).sort(), ["a.txt", "sub"], "nothing temporary is left");
  const modes = ["Files", "Files/a.txt", "Files/sub", "Files/sub/b.bin"].map((name) => statSync(join(agent.home, name)).mode & 0o777);
  assert.deepEqual(modes, [0o700, 0o600, 0o700, 0o600], "no other user can read them");
  assert.deepEqual(await call("UploadFile", ["Files/none", null]), { FullPath: join(agent.home, "Files/none"), Hash: null, Length: 0 });
  for (const missing of ["Files/none", "Files", "Files/a.txt/x"]) assert.equal(await call("DownloadFile", [missing]), null);
  for (const path of ["Files", "", "Files/a.txt/x"])
    await assert.rejects(call("UploadFile", [path, streamFromBytes(Buffer.from("x"))]), { kind: "service-failed" }, path);
  assert.equal(readFileSync(join(agent.home, "Files/a.txt"), "utf8"), "replaced");
});

test("D2: a second agent on the same home is refused with a sentence; a killed one leaves nothing in the way", async (t) => {
  const agent = await startAgentProcess(t);
  const main = fileURLToPath(new URL("./cuttle-agent.mjs", import.meta.url));
  const second = spawn(process.execPath, [main, "run", "--home", agent.home, "--port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  second.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const code = await new Promise((resolve) => second.once("exit", resolve));
  assert.equal(code, 1);
  assert.match(errors, new RegExp(`Another agent \\(process ${agent.pid}\\) already uses ${agent.home}`));
  await agent.kill();
  await agent.startAgain();
});

test("D2 D3 D7: a stop ends the agent at once, lets the script go on, and the next start follows it", async (t) => {
  const agent = await startAgentProcess(t);
  const go = join(agent.home, "go");
  await agent.start({ ticket: "goes-on", body: `echo one; while [ ! -e ${go} ]; do sleep 0.05; done; echo two; exit 8` });
  await eventually("it runs", async () => (await agent.status("goes-on")).Logs.some((line) => line.Text === "one"));
  const thumbprint = agent.ready["thumbprint"];
  assert.equal(await agent.stop(), 0);
  writeFileSync(go, "");
  await eventually("it ends without an agent", () => existsSync(join(agent.home, "Runs/goes-on/exit")));
  await agent.startAgain();
  assert.equal(agent.ready["thumbprint"], thumbprint);
  const end = await agent.finish("goes-on");
  assert.deepEqual([end.exitCode, end.lines], [8, ["one", "two"]]);
});
