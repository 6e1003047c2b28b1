// Breaks the rules of the engine one at a time, in a copy, and runs the test that must notice. A mutant that lives is a rule that
// nothing holds. Slow; its own command: `npm run mutants` (with words: only mutants whose name holds one of them).

import { spawn } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";

interface Mutant {
  rule: string;
  name: string;
  file: string;
  find: string;
  put: string;
  test: string;
  pattern: string;
}

const takeover = "test/cluster/takeover.test.ts";
const twoNodes = "test/cluster/two-nodes-process.test.ts";
const anyNode = "server/engine/agents/any-node-polling.test.ts";
const requestStore = "server/engine/agents/agent-request-store.ts";

const mutants: Mutant[] = [
  {
    rule: "D2, rule 4",
    name: "a takeover makes a new ticket",
    file: "server/engine/execution/step-run-store.ts",
    find: "ON CONFLICT (task_id, step, machine_id, attempt) DO NOTHING",
    put: "ON CONFLICT (task_id, step, machine_id, attempt) DO UPDATE SET ticket = EXCLUDED.ticket",
    test: takeover,
    pattern: "wherever kill -9",
  },
  {
    rule: "D4, rule 2",
    name: "no guard in the writing transaction",
    file: "server/engine/tasks/task-engine.ts",
    find: 'if (!(await lockOwnTask(tx, ours))) throw new LeaseLost("another node owns the task or it has ended");\n            return work(tx);',
    put: "await lockOwnTask(tx, ours);\n            return work(tx);",
    test: takeover,
    pattern: "changes nothing",
  },
  {
    rule: "D4, rule 7",
    name: "no proof of the lease before a command",
    file: "server/engine/execution/run-script.ts",
    find: "beforeSend: run.checkLease",
    put: "beforeSend: async () => {}",
    test: takeover,
    pattern: "never leaves it",
  },
  {
    rule: "rule 7",
    name: "the ticket is forgotten although the task changed owner",
    file: "server/engine/execution/run-script.ts",
    find: "row.firstEpoch === run.task.epoch && !unansweredStart",
    put: "!unansweredStart",
    test: takeover,
    pattern: "agent without tombstones",
  },
  {
    rule: "D7, rule 5",
    name: "the cursor is not stored with the lines",
    file: "server/engine/execution/step-run-store.ts",
    find: "started_at = coalesce(started_at, clock_timestamp()), log_next = $2",
    put: "started_at = coalesce(started_at, clock_timestamp()), log_next = log_next + 0 * $2",
    test: takeover,
    pattern: "wherever kill -9",
  },
  {
    rule: "D8, rule 8",
    name: "a taken-over task that is cancelled leaves its script running",
    file: "server/engine/execution/run-plan.ts",
    find: "if (passOver && before.length === 0)",
    put: "if (passOver)",
    test: takeover,
    pattern: "cancel that was acknowledged",
  },
  {
    rule: "D6",
    name: "every queued task is eligible, not only the head of its tag",
    file: "server/engine/tasks/task-store.ts",
    find: "WHERE state = 'queued' AND is_head",
    put: "WHERE state = 'queued'",
    test: takeover,
    pattern: "two tasks of one tag",
  },
  {
    rule: "D6",
    name: "the next of a tag is not made eligible when a queued one is cancelled",
    file: "server/engine/tasks/tasks.ts",
    find: "await promoteNext(tx, found.tag);",
    put: "",
    test: takeover,
    pattern: "lets the next of its tag run",
  },
  {
    rule: "D3",
    name: "a finished step is run again after a takeover",
    file: "server/engine/execution/run-script.ts",
    find: 'if (row.state === "done") return',
    put: 'if (row.state === "done" && row.id < 0) return',
    test: takeover,
    pattern: "wherever kill -9",
  },
  {
    rule: "rule 6",
    name: "the ticket is forgotten before the result is stored",
    file: "server/engine/execution/run-script.ts",
    find: "await run.log.append(entries, (tx) => markDone(",
    put: "await parts.agents.completeScript(script.agent, { Ticket: ticket }, terms);\n    await run.log.append(entries, (tx) => markDone(",
    test: takeover,
    pattern: "wherever kill -9",
  },
  {
    rule: "rule 7c",
    name: "the agent keeps no tombstone",
    file: "agent/scripts/scripts.ts",
    find: 'if (state.phase !== "completed") await writeTicketState(statePath(key), { ...state, phase: "completed" });',
    put: "await unlink(statePath(key));",
    test: "agent/agent.test.ts",
    pattern: "late StartScript after CompleteScript",
  },
  {
    rule: "rule 9, D2",
    name: "a start over the first script service goes out before its intent is stored",
    file: "server/engine/execution/script-conversation.ts",
    find: "if (!intended) await stored.intend();",
    put: "",
    test: takeover,
    pattern: "wherever kill -9 hits, no script runs twice",
  },
  {
    rule: "rule 9, D3",
    name: "a start over the first script service is repeated when its answer is lost",
    file: "server/engine/execution/script-conversation.ts",
    find: "return ticket !== undefined;",
    put: "return true;",
    test: takeover,
    pattern: "whose answer is lost is not sent again",
  },
  {
    rule: "rule 9",
    name: "a success of the first script service is believed after its agent was restarted",
    file: "server/engine/execution/script-conversation.ts",
    find: "      isFollowing\n        ? undefined",
    put: "      isFollowing || true\n        ? undefined",
    test: takeover,
    pattern: "claims after its restart is not believed",
  },
  {
    rule: "S4",
    name: "a call for a polling agent is given to whoever has its subscription",
    file: "halibut/polling-queue.ts",
    find: "return `${peer.thumbprint} ${normalSubscription(peer.subscription)}`;",
    put: "return normalSubscription(peer.subscription);",
    test: "halibut/polling.test.ts",
    pattern: "for one certificate",
  },
  {
    rule: "D2, processes",
    name: "a takeover makes a new ticket, between real nodes",
    file: "server/engine/execution/step-run-store.ts",
    find: "ON CONFLICT (task_id, step, machine_id, attempt) DO NOTHING",
    put: "ON CONFLICT (task_id, step, machine_id, attempt) DO UPDATE SET ticket = EXCLUDED.ticket",
    test: twoNodes,
    pattern: "frozen just before StartScript",
  },
  {
    rule: "A2, processes",
    name: "leases last ten seconds longer than they should",
    file: "server/engine/tasks/task-engine.ts",
    find: "const leaseMsDefault = 4_000;",
    put: "const leaseMsDefault = 14_000;",
    test: twoNodes,
    pattern: "within lease",
  },
  {
    rule: "D8, processes",
    name: "a taken-over task that is cancelled leaves its script running on the machine",
    file: "server/engine/execution/run-plan.ts",
    find: "if (passOver && before.length === 0)",
    put: "if (passOver)",
    test: twoNodes,
    pattern: "cancel is acknowledged",
  },
  {
    rule: "D4, rule 13",
    name: "a polling agent is handed requests of an old epoch",
    file: requestStore,
    find: "FROM found WHERE r.id = found.id AND found.is_current",
    put: "FROM found WHERE r.id = found.id",
    test: anyNode,
    pattern: "old epoch is dropped",
  },
  {
    rule: "D4, rule 13",
    name: "another node sends for a lease that is lost",
    file: requestStore,
    find: "AND r.expires_at > clock_timestamp() AND ${leaseIsCurrent}`",
    put: "AND r.expires_at > clock_timestamp()`",
    test: anyNode,
    pattern: "between hand-out and the first byte",
  },
  {
    rule: "D5, rule 13",
    name: "what a dead node has sent is handed out again",
    file: requestStore,
    find: "(r.state = 'claimed' AND NOT r.sent AND ${holderIsDead})",
    put: "(r.state = 'claimed' AND ${holderIsDead})",
    test: anyNode,
    pattern: "what a dead node had sent",
  },
  {
    rule: "rule 12",
    name: "nobody looks for requests by itself",
    file: "server/engine/agents/any-node-polling.ts",
    find: "for (const agent of await listAwaitedAgents(database)) holder.hint(agentKey(agent))",
    put: "await listAwaitedAgents(database)",
    test: anyNode,
    pattern: "without any notification",
  },
  {
    rule: "D2, rule 13",
    name: "a former holder sends what another one has",
    file: requestStore,
    find: "WHERE r.id = $1 AND r.holder = $2 AND r.state = 'claimed' AND r.expires_at",
    put: "WHERE r.id = $1 AND $2::uuid IS NOT NULL AND r.state = 'claimed' AND r.expires_at",
    test: anyNode,
    pattern: "what a dead node had sent",
  },
  {
    rule: "rule 7",
    name: "a start without an answer is taken for answered by the next one",
    file: "server/engine/execution/run-script.ts",
    find: 'if (!one.ok && one.failure === "interrupted") {',
    put: 'if (one.ok) unansweredStart = false;\n        if (!one.ok && one.failure === "interrupted") {',
    test: takeover,
    pattern: "whose first answer was lost",
  },
];

/** The slowest test that must notice takes a minute when nothing is wrong. */
const deadlineMs = 5 * 60_000;
/** A single test that waits for what the mutant prevents. */
const testDeadlineMs = 150_000;
const root = path.dirname(import.meta.dirname);
const words = process.argv.slice(2);
const chosen = mutants.filter((mutant) => words.length === 0 || words.some((word) => mutant.name.includes(word)));

let lived = 0;
for (const mutant of chosen) {
  const copy = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-mutant-"));
  try {
    for (const part of ["agent", "contract", "halibut", "server", "templates", "test", "package.json", "tsconfig.json"]) {
      await fs.cp(path.join(root, part), path.join(copy, part), { recursive: true, filter: (from) => !from.includes("node_modules") });
    }
    await linkPackages(copy);
    const file = path.join(copy, mutant.file);
    const source = await fs.readFile(file, "utf8");
    if (source.split(mutant.find).length !== 2) throw new Error(`${mutant.file} does not hold exactly once: ${mutant.find}`);
    await fs.writeFile(
      file,
      source.replace(mutant.find, () => mutant.put),
    );
    const startedMs = performance.now();
    const passed = await runTest(copy, mutant);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    if (passed) lived += 1;
    console.log(`${passed ? "LIVES " : "caught"}  ${mutant.rule.padEnd(12)} ${mutant.name} (${mutant.pattern}, ${seconds} s)`);
  } finally {
    await fs.rm(copy, { recursive: true, force: true });
  }
}
console.log(`${chosen.length - lived} of ${chosen.length} mutants were caught.`);
process.exitCode = lived === 0 ? 0 : 1;

/** The installed packages, with our own workspaces pointing into the copy. */
async function linkPackages(copy: string): Promise<void> {
  const installed = path.join(root, "node_modules");
  await fs.mkdir(path.join(copy, "node_modules", "@cuttle"), { recursive: true });
  for (const name of await fs.readdir(installed)) {
    if (name === "@cuttle" || name.startsWith(".")) continue;
    await fs.symlink(path.join(installed, name), path.join(copy, "node_modules", name));
  }
  for (const name of ["agent", "contract", "halibut", "server", "templates"]) {
    await fs.symlink(path.join(copy, name), path.join(copy, "node_modules", "@cuttle", name));
  }
}

/** Whether the test passes. One that hangs has noticed as well. */
function runTest(copy: string, mutant: Mutant): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ["--test", `--test-timeout=${testDeadlineMs}`, `--test-name-pattern=${mutant.pattern}`, mutant.test],
      { cwd: copy, stdio: "ignore" },
    );
    const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code === 0);
    });
  });
}
