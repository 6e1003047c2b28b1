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
  /** Of the test that must notice; for the simulation, that many seeds. */
  pattern: string | number;
}

const takeover = "test/cluster/takeover.test.ts";
const twoNodes = "test/cluster/two-nodes-process.test.ts";
const hosts = "server/platform/database/database-hosts.test.ts";
const commits = "server/platform/database/commit-outcome.test.ts";
const anyNode = "server/engine/agents/any-node-polling.test.ts";
const scheduleStore = "server/engine/schedules/schedule-store.ts";
const schedules = "server/engine/schedules/schedules.test.ts";
const tidying = "server/features/operations/tidying.test.ts";
const cuts = "test/cut-connections.test.ts";
const simulation = "test/simulation/simulation.ts";
const conformance = "test/simulation/model-conformance.test.ts";
const requestStore = "server/engine/agents/agent-request-store.ts";

const operating = "test/long/operating-process.test.ts";

const mutants: Mutant[] = [
  {
    rule: "A3",
    name: "a node without its folder takes tasks",
    file: "server/compose.ts",
    find: "taskCap: () => (fitness.isAble() ? registry.taskCap() : 0)",
    put: "taskCap: () => registry.taskCap()",
    test: operating,
    pattern: "operating a node",
  },
  {
    rule: "A3 D7",
    name: "a task whose log cannot be written here fails",
    file: "server/engine/tasks/task-engine.ts",
    find: "if (error instanceof LogNotWritable && parts.isAble?.() === false) {",
    put: "if (error instanceof LogNotWritable && parts.isAble === undefined) {",
    test: "server/engine/tasks/task-engine.test.ts",
    pattern: "loses the shared folder",
  },
  {
    rule: "A3",
    name: "any folder will do",
    file: "server/platform/files/shared-folder.ts",
    find: 'if (Buffer.from(found).toString("utf8") === expected) return;',
    put: "if (found.length > 0) return;",
    test: "server/platform/files/files.test.ts",
    pattern: "tells itself from another",
  },
  {
    rule: "D9",
    name: "a repeated create is done again",
    file: "server/platform/http/idempotency.ts",
    find: "if (earlier !== undefined) {",
    put: "if (earlier !== undefined && request.fingerprint.length === 0) {",
    test: "server/platform/http/http.test.ts",
    pattern: "a repeated POST",
  },
  {
    rule: "D11",
    name: "an older node starts on a newer schema",
    file: "server/platform/database/migrate.ts",
    find: ".filter((name) => !known.has(name))",
    put: ".filter((name) => !known.has(name) && known.size === 0)",
    test: operating,
    pattern: "operating a node",
  },
  {
    rule: "D11",
    name: "a name is taken from a node that lives",
    file: "server/platform/cluster/cluster.ts",
    find: "throw new NodeNameTaken(parts.nodeName);\n      }",
    put: "break;\n      }",
    test: operating,
    pattern: "operating a node",
  },
  {
    rule: "D2, D5, rule 13",
    name: "a call that was cut on its way is handed out again",
    file: "server/engine/agents/request-holder.ts",
    find: 'if (neverWent && !withdrawn.aborted) return "give back";',
    put: 'if (!withdrawn.aborted) return "give back";',
    test: cuts,
    pattern: "another node",
  },
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
  {
    rule: "D8 D3",
    name: "an agent's -1 is taken for our cancel",
    file: "server/engine/execution/run-script.ts",
    find: "  if (cancelled) return {",
    put: "  if (cancelled || exitCode === -1) return {",
    test: takeover,
    pattern: "without a cancel of ours",
  },
  {
    rule: "S5",
    name: "an empty ticket is a name",
    file: "agent/scripts/ticket-state.ts",
    find: "ticket.length === 0 || ticket.length > ticketLengthMax || !/^[A-Za-z0-9-]+$/",
    put: "ticket.length > ticketLengthMax || !/^[A-Za-z0-9-]*$/",
    test: "agent/bad-input.test.ts",
    pattern: "one agent and what is done to it",
  },
  {
    rule: "S5",
    name: "a ticket may hold a path",
    file: "agent/scripts/ticket-state.ts",
    find: " || !/^[A-Za-z0-9-]+$/.test(ticket)",
    put: "",
    test: "agent/bad-input.test.ts",
    pattern: "one agent and what is done to it",
  },
  {
    rule: "D2",
    name: "half a request is taken for a whole one",
    file: "halibut/deflate.ts",
    find: "inflateRawSync(bytes, { info: true, maxOutputLength",
    put: "inflateRawSync(bytes, { info: true, finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength",
    test: "halibut/listener.test.ts",
    pattern: "cut in the middle",
  },
  {
    rule: "S4",
    name: "a certificate that has expired is refused",
    file: "halibut/trust.ts",
    find: "certificate === undefined ? null",
    put: "certificate === undefined || Date.parse(certificate.validTo) < Date.now() ? null",
    test: "halibut/certificates.test.ts",
    pattern: "expired long ago",
  },
  {
    rule: "S4",
    name: "a peer is known by its key alone",
    file: "halibut/trust.ts",
    find: 'createHash("sha1").update(der)',
    put: 'createHash("sha1").update(new X509Certificate(der).publicKey.export({ type: "spki", format: "der" }))',
    test: "halibut/certificates.test.ts",
    pattern: "issued anew",
  },
  {
    rule: "S4 D2",
    name: "idle connections are kept by thumbprint alone",
    file: "halibut/client.ts",
    find: "const key = [peer.thumbprint, peer.host, peer.port,",
    put: "const key = [peer.thumbprint,",
    test: "test/cluster/bad-input-process.test.ts",
    pattern: "two listening agents with one certificate",
  },
  {
    rule: "D10",
    name: "a due time may be written down twice",
    file: "server/migrations/0011-schedules.ts",
    find: "CONSTRAINT schedule_firings_once UNIQUE (trigger, due_at)",
    put: "CONSTRAINT schedule_firings_once UNIQUE (trigger, due_at, fired_at)",
    test: schedules,
    pattern: "put back",
  },
  {
    rule: "D10",
    name: "two nodes fire one trigger at the same moment",
    file: scheduleStore,
    find: "AND ${isDue} FOR UPDATE SKIP LOCKED`",
    put: "AND ${isDue}`",
    test: schedules,
    pattern: "a later due time",
  },
  {
    rule: "D10, same transaction",
    name: "the task is made in a transaction of its own",
    file: "server/engine/schedules/schedules.ts",
    find: "const taskId = await enqueueTask(tx, {",
    put: "const taskId = await ((task: Parameters<typeof enqueueTask>[1]) => database.transaction((own) => enqueueTask(own, task)))({",
    test: schedules,
    pattern: "dies at any statement",
  },
  {
    rule: "D10, FireLatestOnce",
    name: "after an outage the oldest due time is fired",
    file: scheduleStore,
    find: "SELECT trigger, next_due + $2::bigint * interval_ms * interval '1 millisecond',",
    put: "SELECT trigger, next_due,",
    test: schedules,
    pattern: "after an outage",
  },
  {
    rule: "D7",
    name: "the sweep takes a part that a frozen owner may still commit",
    file: "server/engine/tasks/task-store.ts",
    find: "openFromEpoch: row.epoch ?? Infinity",
    put: "openFromEpoch: Infinity",
    test: tidying,
    pattern: "nobody can commit it",
  },
  {
    rule: "D7",
    name: "the sweep takes files however young they are",
    file: "server/engine/tasks/task-files.ts",
    find: "isNeeded || entry.changedAtMs >= olderThanMs",
    put: "isNeeded",
    test: tidying,
    pattern: "nobody can commit it",
  },
  {
    rule: "D1",
    name: "retention takes tasks that run",
    file: "server/engine/tasks/task-store.ts",
    find: "WHERE t.id = ANY ($1) AND t.completed_at IS NOT NULL\n       AND NOT EXISTS (SELECT 1 FROM task_queue q WHERE q.task_id = t.id)",
    put: "WHERE t.id = ANY ($1)",
    test: tidying,
    pattern: "what ended long ago",
  },
  {
    rule: "rule 7",
    name: "retention forgets a ticket that an agent has still to be told of",
    file: "server/features/operations/retention/retention-store.ts",
    find: "s.completion = 'due'",
    put: "s.completion = 'never'",
    test: tidying,
    pattern: "what ended long ago",
  },
  {
    rule: "D1, PostgreSQL rule 6",
    name: "an old primary is written to when it comes back",
    file: "server/platform/database/database-hosts.ts",
    find: "} else if (lineage.timeline < highest.timeline) {",
    put: "} else if (lineage.timeline < 0) {",
    test: hosts,
    pattern: "old primary|several hosts",
  },
  {
    rule: "D1, PostgreSQL rule 6",
    name: "of two hosts that can be written to, the first in the list is taken",
    file: "server/platform/database/database-hosts.ts",
    find: "timelineOf(b.standing) - timelineOf(a.standing) ||",
    put: "",
    test: hosts,
    pattern: "several hosts",
  },
  {
    rule: "A1",
    name: "what waits on a primary that stands still goes on waiting",
    file: "server/platform/database/database-hosts.ts",
    find: "  /** What waits on a host that is not the one any more would wait in vain, perhaps for ever. */\n  function dropOthers(): void {",
    put: "  function dropOthers(): void {\n    if (hosts.length > 0) return;",
    test: hosts,
    pattern: "several hosts",
  },
  {
    rule: "D1, PostgreSQL rule 3",
    name: "a commit whose answer was lost is repeated without reading back",
    file: "server/platform/database/pool.ts",
    find: "const isRepeat = mark !== undefined && mark.unknown.size > 0;",
    put: "if (mark !== undefined) (mark as { intent: string }).intent = randomUUID();\n      const isRepeat = mark !== undefined && mark.unknown.size > 0;",
    test: commits,
    pattern: "cut at COMMIT",
  },
  {
    rule: "D1, PostgreSQL rule 3",
    name: "a commit that is not seen yet is taken for one that failed",
    file: "server/platform/database/commit-mark-store.ts",
    find: "  const inserted = await tx.execute(",
    put: "  const [seen] = await tx.query(`SELECT 1 FROM commit_marks WHERE intent = $1`, [intent]);\n  if (seen === undefined) return attempt;\n  const inserted = await tx.execute(",
    test: commits,
    pattern: "cut at COMMIT",
  },
  // What the simulation must notice; statements of SQL are held by the comparison of its database with the real one.
  {
    rule: "rule 1, D4",
    name: "simulation: a claim keeps the epoch",
    file: "test/simulation/model-statements.ts",
    find: 'const epoch = (row["epoch"] as number) + 1;',
    put: 'const epoch = Math.max(row["epoch"] as number, 1);',
    test: simulation,
    pattern: 500,
  },
  {
    rule: "rule 1, D4",
    name: "conformance: a claim keeps the epoch",
    file: "server/engine/tasks/task-store.ts",
    find: "owner = $1, epoch = epoch + 1,",
    put: "owner = $1, epoch = greatest(epoch, 1),",
    test: conformance,
    pattern: "the model of the database",
  },
  {
    rule: "rule 1, D4",
    name: "conformance: a lease that lasts is taken away",
    file: "server/engine/tasks/task-store.ts",
    find: "WHERE $5 AND state = 'running' AND lease_until < now()",
    put: "WHERE state = 'running'",
    test: conformance,
    pattern: "the model of the database",
  },
  {
    rule: "rule 2, D4",
    name: "simulation: no guard in the writing transaction",
    file: "server/engine/tasks/task-engine.ts",
    find: 'if (!(await lockOwnTask(tx, ours))) throw new LeaseLost("another node owns the task or it has ended");\n            return work(tx);',
    put: "await lockOwnTask(tx, ours);\n            return work(tx);",
    test: simulation,
    pattern: 500,
  },
  {
    rule: "rule 2, D4",
    name: "simulation: the guard is asked in a transaction before",
    file: "server/engine/tasks/task-engine.ts",
    find: "return await parts.database.transaction(async (tx) => {\n            if (!(await lockOwnTask(tx, ours)))",
    put: "const held = await parts.database.transaction((tx) => lockOwnTask(tx, ours));\n          return await parts.database.transaction(async (tx) => {\n            if (!held)",
    test: simulation,
    pattern: 1_000,
  },
  {
    rule: "rule 2, D4",
    name: "conformance: the guard does not look at the epoch",
    file: "server/engine/tasks/task-store.ts",
    find: "WHERE task_id = $1 AND owner = $2 AND epoch = $3 AND state = 'running'`;",
    put: "WHERE task_id = $1 AND owner = $2 AND epoch + 0 * $3 >= 0 AND state = 'running'`;",
    test: conformance,
    pattern: "the model of the database",
  },
  {
    rule: "rule 3, D2",
    name: "simulation: a start goes out with a ticket that is not stored",
    file: "server/engine/execution/run-plan.ts",
    find: "const rowOf = new Map(rows.map((row) => [row.machineId, row]));",
    put: 'const rowOf = new Map(rows.map((row) => [row.machineId, row.state === "intended" ? { ...row, ticket: randomUUID() } : row]));',
    test: simulation,
    pattern: 500,
  },
  {
    rule: "rule 4, D2",
    name: "simulation: a takeover makes a new attempt with a new ticket",
    file: "server/engine/execution/run-plan.ts",
    find: "attempt: firstAttempt,",
    put: "attempt: run.task.epoch,",
    test: simulation,
    pattern: 500,
  },
  {
    rule: "rule 4, D3",
    name: "simulation: a finished step is run again after a takeover",
    file: "server/engine/execution/run-script.ts",
    find: 'if (row.state === "done") return',
    put: 'if (row.state === "done" && row.id < 0) return',
    test: simulation,
    pattern: 500,
  },
  {
    rule: "rule 5, D7",
    name: "simulation: the cursor is not stored with the lines",
    file: "server/engine/execution/run-script.ts",
    find: "markProgress(tx, row.id, { logNext: cursor,",
    put: "markProgress(tx, row.id, { logNext: row.logNext,",
    test: simulation,
    pattern: 1_000,
  },
  {
    rule: "rule 5, D7",
    name: "simulation: what the masker holds back counts as shown",
    file: "server/engine/execution/run-script.ts",
    find: "markProgress(tx, row.id, { logNext: cursor,",
    put: "markProgress(tx, row.id, { logNext: read,",
    test: simulation,
    pattern: 1_000,
  },
  {
    rule: "rule 5, D7",
    name: "simulation: after a failed write the log goes on in the same file",
    file: "server/engine/tasks/task-log.ts",
    find: "        part = undefined;\n        await abandoned",
    put: "        await abandoned",
    test: simulation,
    pattern: 1_500,
  },
  {
    rule: "rule 6, D3",
    name: "simulation: the ticket is forgotten before the result is stored",
    file: "server/engine/execution/run-script.ts",
    find: "await run.log.append(entries, (tx) => markDone(",
    put: "await parts.agents.completeScript(script.agent, { Ticket: ticket }, terms);\n    await run.log.append(entries, (tx) => markDone(",
    test: simulation,
    pattern: 500,
  },
  {
    rule: "rule 7a, D2",
    name: "simulation: the ticket is forgotten although the task changed owner",
    file: "server/engine/execution/run-script.ts",
    find: "row.firstEpoch === run.task.epoch && !unansweredStart",
    put: "!unansweredStart",
    test: simulation,
    pattern: 4_000,
  },
  {
    rule: "rule 7a, D2",
    name: "simulation: the ticket is forgotten although a start has no answer",
    file: "server/engine/execution/run-script.ts",
    find: "row.firstEpoch === run.task.epoch && !unansweredStart",
    put: "row.firstEpoch === run.task.epoch",
    test: simulation,
    pattern: 2_000,
  },
  {
    rule: "rule 7b, D2",
    name: "simulation: the late completer does not wait",
    file: "server/engine/execution/run-script.ts",
    find: "completionQuarantineMs = 60 * 60_000;",
    put: "completionQuarantineMs = 0;",
    test: simulation,
    pattern: 4_000,
  },
  {
    rule: "rule 7, D4",
    name: "simulation: no proof of the lease before a command",
    file: "server/engine/execution/run-script.ts",
    find: "beforeSend: run.checkLease",
    put: "beforeSend: async () => {}",
    test: simulation,
    pattern: 1_000,
  },
  {
    rule: "rule 8, D8",
    name: "simulation: a taken-over task that is cancelled leaves its script running",
    file: "server/engine/execution/run-plan.ts",
    find: "if (passOver && before.length === 0)",
    put: "if (passOver)",
    test: simulation,
    pattern: 1_000,
  },
  {
    rule: "rule 8, D8",
    name: "simulation: an owner does not hear of a cancel by its renewals",
    file: "server/engine/tasks/task-engine.ts",
    find: "          if (row.cancelRequested) lease.requestCancel();",
    put: "",
    test: simulation,
    pattern: 1_000,
  },
  {
    rule: "rule 9, D2",
    name: "simulation: a start over the first script service goes out before its intent is stored",
    file: "server/engine/execution/script-conversation.ts",
    find: "if (!intended) await stored.intend();",
    put: "",
    test: simulation,
    pattern: 500,
  },
  {
    rule: "rule 9, D2",
    name: "simulation: a start over the first script service is repeated when its answer is lost",
    file: "server/engine/execution/script-conversation.ts",
    find: "return ticket !== undefined;",
    put: "return true;",
    test: simulation,
    pattern: 1_000,
  },
  {
    rule: "rule 9, D5",
    name: "simulation: a success of the first script service is believed after its agent was restarted",
    file: "server/engine/execution/script-conversation.ts",
    find: "      isFollowing\n        ? undefined",
    put: "      isFollowing || true\n        ? undefined",
    test: simulation,
    pattern: 2_000,
  },
  {
    rule: "rule 9, D5",
    name: "simulation: a success of the first script service is believed after a lost connection that the wire library bridged",
    file: "server/engine/execution/script-conversation.ts",
    find: "answer.lostMs !== undefined && answer.lostMs >= followedMs",
    put: "answer.lostMs !== undefined && answer.lostMs < 0",
    test: simulation,
    pattern: 3_000,
  },
  {
    rule: "rule 10, D5",
    name: "simulation: what a restarted agent cannot say is taken for a failure of the script",
    file: "server/engine/execution/run-script.ts",
    find: "    case agentExitCode.unknownResult:\n    case agentExitCode.unknownScript:",
    put: "    case agentExitCode.unknownScript:",
    test: simulation,
    pattern: 2_000,
  },
  {
    rule: "rule 12, D1",
    name: "simulation: a node looks at the queue only when it is notified",
    file: "server/engine/tasks/task-engine.ts",
    find: "await idle(failed ? claimRetryMs : idlePollMs);",
    put: "await idle(failed ? claimRetryMs : 60 * 60_000);",
    test: simulation,
    pattern: 500,
  },
  {
    rule: "D2, crash",
    name: "simulation: a task that is claimed again after a crash of the database runs twice in one node",
    file: "server/engine/tasks/task-engine.ts",
    find: "if (former?.epoch === task.epoch) {",
    put: "if (former?.epoch === -1) {",
    test: simulation,
    pattern: 2_000,
  },
  {
    rule: "D1, crash",
    name: "simulation: a crash of the database may forget a plan and keep the claim",
    file: "test/simulation/model-statements.ts",
    find: '      return answer(row === undefined ? [] : [row]);\n    },\n\n    async "task-finish"',
    put: '      tx.async = true;\n      return answer(row === undefined ? [] : [row]);\n    },\n\n    async "task-finish"',
    test: simulation,
    pattern: 2_000,
  },
  {
    rule: "D1, crash",
    name: "conformance: the commit of a plan does not wait for the disk",
    file: "server/engine/tasks/task-store.ts",
    find: "RETURNING plan, plan_version`",
    put: "RETURNING plan, plan_version, set_config('synchronous_commit', 'off', true)`",
    test: conformance,
    pattern: "the model of the database",
  },
  {
    rule: "D1",
    name: "a plan that this node cannot read holds up the tickets of others",
    file: "server/engine/execution/late-completer.ts",
    find: "if (error instanceof PlanNotReadable) return undefined;",
    put: "",
    test: "server/engine/execution/late-completer.test.ts",
    pattern: "does not hold up",
  },
  {
    rule: "D3",
    name: "conformance: a second result replaces the first",
    file: "server/engine/execution/step-run-store.ts",
    find: "complete_after = now() + $7::double precision * interval '1 millisecond'\n     WHERE id = $1 AND state <> 'done'`",
    put: "complete_after = now() + $7::double precision * interval '1 millisecond'\n     WHERE id = $1`",
    test: conformance,
    pattern: "the model of the database",
  },
  {
    rule: "D6",
    name: "conformance: the next of a tag becomes its head although one runs",
    file: "server/engine/tasks/task-store.ts",
    find: "AND NOT EXISTS (SELECT 1 FROM task_queue WHERE tag = $1 AND (state = 'running' OR is_head))",
    put: "",
    test: conformance,
    pattern: "the model of the database",
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
    console.log(
      `${passed ? "LIVES " : "caught"}  ${mutant.rule.padEnd(12)} ${mutant.name} (${mutant.pattern}${typeof mutant.pattern === "number" ? " seeds" : ""}, ${seconds} s)`,
    );
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
    const isSeeds = typeof mutant.pattern === "number";
    const asTest = ["--test", `--test-timeout=${testDeadlineMs}`, `--test-name-pattern=${mutant.pattern}`, mutant.test];
    const asSeeds = [mutant.test, "--first", "--seeds", `${mutant.pattern}`];
    const child = spawn(process.execPath, isSeeds ? asSeeds : asTest, {
      cwd: copy,
      stdio: ["ignore", isSeeds ? "pipe" : "ignore", "ignore"],
      detached: true,
    });
    let said = "";
    child.stdout?.on("data", (bytes: Buffer) => (said = (said + bytes.toString()).slice(-10_000)));
    // With the programs that the test has started: a group of its own.
    const end = (): void => void process.kill(-child.pid!, "SIGKILL");
    const timer = setTimeout(end, deadlineMs);
    const onSignal = (): never => {
      end();
      process.exit(130);
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
      // A simulation that cannot run at all has noticed nothing.
      if (isSeeds && code !== 0 && code !== null && !said.includes("broke a promise"))
        reject(new Error(`${mutant.name}: the simulation did not run.`));
      else resolve(code === 0);
    });
  });
}
