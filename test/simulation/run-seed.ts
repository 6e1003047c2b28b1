// One simulated run: a few nodes with the production engine on a simulated database, folder and agents, tasks and cancels of a client,
// and whatever faults the seed draws. Everything that is random comes from the seed, so a seed replays its run.

import type { Agents } from "../../server/engine/agents/agents.ts";
import { createLateCompleter, decodePlan, encodePlan, runPlan } from "../../server/engine/execution/execution.ts";
import type { LineMasker, Plan, PlannedStep } from "../../server/engine/execution/execution.ts";
import { createScheduler } from "../../server/engine/schedules/schedules.ts";
import type { ScheduleSource } from "../../server/engine/schedules/schedules.ts";
import { createTaskEngine, enqueueTask, readTaskLog, requestCancel, resumeTask } from "../../server/engine/tasks/tasks.ts";
import type { LogEntry, TaskEngine, TaskHandler } from "../../server/engine/tasks/tasks.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import { findAnswer, setAnswer } from "../../server/features/runs/interruptions/interruption-store.ts";
import { createStepTypes } from "../../server/features/runs/runs.ts";
import { noPackages } from "../support/no-packages.ts";
import { scriptPlan } from "../support/script-plan.ts";
import type { Database, Transaction } from "../../server/platform/database/database.ts";
import { createRandom } from "../trials/random.ts";
import { createChecker } from "./checker.ts";
import { createSimulatedAgents } from "./simulated-agents.ts";
import type { AgentFaults, AgentKind } from "./simulated-agents.ts";
import { createSimulatedDatabase } from "./simulated-database.ts";
import type { DatabaseFaults } from "./simulated-database.ts";
import { createSimulatedFolder } from "./simulated-folder.ts";
import { createSimulatedProcess } from "./simulated-process.ts";
import type { Misfortune, SimulatedProcess } from "./simulated-process.ts";
import { createVirtualTime } from "./virtual-time.ts";

export interface SeedResult {
  seed: number;
  /** Each names its rule. None: all promises were kept. */
  failures: readonly string[];
  events: number;
  /** How much happened, so that a simulation that tries nothing is noticed. */
  counts: {
    tasks: number;
    starts: number;
    takeovers: number;
    kills: number;
    freezes: number;
    lateCalls: number;
    forgotten: number;
    firings: number;
    answers: number;
  };
}

/** `blocks`: no other task of its tag passes while it waits. */
function approvalStep(blocks: boolean): PlannedStep {
  return {
    id: "approve",
    number: 99,
    name: "Approve",
    condition: "Success",
    properties: {},
    roles: [],
    runs: "once",
    targets: [],
    parallelMax: 1,
    actions: [
      {
        id: "approve",
        name: "Approve",
        type: "Octopus.Manual",
        condition: "Success",
        properties: {
          "Octopus.Action.Manual.Instructions": "Look at it",
          "Octopus.Action.Manual.BlockConcurrentDeployments": blocks ? "True" : "False",
        },
        packages: [],
        values: [],
      },
    ],
  };
}

/** After this no new fault happens; all must then come to its end. */
const faultsUntilMs = 15_000;
/** Longest sleep, agent given up, lease, retries: by then everything has ended, or never will. */
const endByMs = 180_000;
const freezeMsMax = 12_000;
const agentGoneMs = 8_000;
const cancelGraceMs = 4_000;
/** As in run-script.ts; after it the late completer lets agents forget. */
const quarantineMs = 60 * 60_000;
const lateCompletionEveryMs = 5_000;
/** Schedules are wanted until then, so long after the last fault that what is due must have been fired. */
const scheduledUntilMs = 60_000;
const scheduleLookMs = 1_000;
const kinds: readonly AgentKind[] = ["own", "original", "first-generation"];

/** `approvals` false: as before there were any, for seeds that are kept for what they once found. */
export async function runSeed(seed: number, options: { trace?: (text: string) => void; approvals?: boolean } = {}): Promise<SeedResult> {
  const random = createRandom(seed);
  const people = createRandom(seed + 1_000_003);
  const time = createVirtualTime();
  const counts = { tasks: 0, starts: 0, takeovers: 0, kills: 0, freezes: 0, lateCalls: 0, forgotten: 0, firings: 0, answers: 0 };
  const names = new Map<string, string>();
  const trace = (text: string): void => {
    if (/ is killed /.test(text)) counts.kills += 1;
    else if (/ freezes /.test(text)) counts.freezes += 1;
    else if (/ gets a late /.test(text)) counts.lateCalls += 1;
    else if (/ forgets /.test(text)) counts.forgotten += 1;
    else if (/ is answered with /.test(text)) counts.answers += 1;
    else if (/claims .* epoch ([2-9]|\d\d)/.test(text)) counts.takeovers += 1;
    // Tickets and owners are random for real; a trace that is to be compared with another one numbers them.
    const plain = (): string => text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, (id) => named(id));
    options.trace?.(`${time.nowMs().toFixed(1).padStart(9)}  ${plain()}`);
  };
  function named(id: string): string {
    if (!names.has(id)) names.set(id, `id-${names.size + 1}`);
    return names.get(id)!;
  }
  const between = (min: number, max: number): number => min + (max - min) * random();
  const integer = (min: number, max: number): number => Math.floor(between(min, max + 1));
  const oneOf = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const chance = (share: number): boolean => random() < share;

  // What the seed draws for the whole run.
  const isCalm = chance(0.05);
  const drawn = (share: number, max: number): number => (!isCalm && chance(share) ? max * random() : 0);
  const databaseFaults: DatabaseFaults = {
    loss: drawn(0.4, 0.02),
    commitLoss: drawn(0.4, 0.1),
    notificationLoss: chance(0.3) ? 1 : drawn(0.5, 0.5),
  };
  const agentFaults: AgentFaults = {
    offline: drawn(0.4, 0.1),
    answerLoss: drawn(0.4, 0.15),
    late: drawn(0.5, 0.1),
    lateMsMax: oneOf([50, 2_000, 20_000]),
  };
  const folderFailure = drawn(0.2, 0.05);
  const stops = isCalm ? 0 : oneOf([0.5, 0.9, 1]);
  const machines = new Map<string, AgentKind>();
  const kindOfAll = chance(0.7) ? oneOf(kinds) : undefined;
  for (let n = 1; n <= integer(1, 2); n++) machines.set(`machine-${n}`, kindOfAll ?? oneOf(kinds));
  const stepsOf = new Map<string, number>();
  const longest = oneOf([100, 1_500, 6_000]);
  /** Mostly fewer tasks than places; with few, tasks are offered on, and those of dead nodes go on beyond the caps. */
  const cap = oneOf([1, 3, 3]);
  /** How often each of these triggers is due; in most runs none. */
  const intervals = new Map<string, number>();
  if (chance(0.25)) for (let n = 1; n <= integer(1, 2); n++) intervals.set(`Check/${n}`, integer(1_500, 6_000));
  let crashesLeft = drawn(0.2, 1) > 0 ? integer(1, 2) : 0;
  const noDatabaseFaults: DatabaseFaults = { loss: 0, commitLoss: 0, notificationLoss: databaseFaults.notificationLoss };
  const noAgentFaults: AgentFaults = { offline: 0, answerLoss: 0, late: 0, lateMsMax: 0 };
  const isFaulty = (): boolean => time.nowMs() < faultsUntilMs;

  const checker = createChecker({ nowMs: () => time.nowMs(), database: () => database, trace });
  const database = createSimulatedDatabase({
    time,
    random,
    faults: () => (isFaulty() ? databaseFaults : noDatabaseFaults),
    onCommit(tx, changes) {
      checker.onCommit(tx, changes);
      // The commit of a claim does not wait for the disk: just after one is when a crash forgets something.
      if (tx.async && crashesLeft > 0 && isFaulty() && chance(0.2)) {
        crashesLeft -= 1;
        time.after(oneOf([5, 100]) * random(), () => database.crash(between(20, 2_000)));
      }
    },
    onSeen: (process, statement, _values, rows) => checker.onSeen(process, statement, rows),
    trace,
  });
  const agents = createSimulatedAgents({
    time,
    random,
    machines,
    faults: () => (isFaulty() ? agentFaults : noAgentFaults),
    behave: () => ({ durationMs: chance(0.2) ? 0 : longest * random() ** 2, lines: integer(0, 9), exitCode: chance(0.1) ? 5 : 0 }),
    onCall: (process, call, ticket, terms) => checker.onCall(process, call, ticket, terms),
    onStart: (execution) => {
      counts.starts += 1;
      checker.onStart(execution);
    },
    trace,
  });
  const folder = createSimulatedFolder({ time, random, failure: () => (isFaulty() ? folderFailure : 0) });

  // Whoever is outside: never dies, never sleeps.
  const outside = createSimulatedProcess({ name: "client", time, random, clockRate: 1, misfortunes: [], trace });
  const clientDatabase = database.connect(outside);

  function misfortunesOf(incarnation: number): Misfortune[] {
    if (!isFaulty() || !chance(stops)) return [];
    const effect = Math.ceil(Math.exp(between(0, Math.log(incarnation === 1 ? 600 : 200))));
    const misfortune: Misfortune = {
      effect,
      frozenMs: chance(0.5) ? undefined : Math.round(chance(0.3) ? between(50, 2_500) : between(3_500, freezeMsMax)),
    };
    return misfortune.frozenMs === undefined || chance(0.5)
      ? [misfortune]
      : [misfortune, { effect: effect + integer(1, 100), frozenMs: undefined }];
  }

  let isEnqueued = false;
  let isEnding = false;
  const processes = new Map<string, SimulatedProcess>();
  const databases = new Map<string, Database>();
  const engines = new Map<string, TaskEngine>();
  function startNode(name: string, incarnation: number): void {
    const process = createSimulatedProcess({
      name: `${name}#${incarnation}`,
      time,
      random,
      clockRate: isCalm ? 1 : oneOf([1, 1, 0.8, 1.5]),
      misfortunes: misfortunesOf(incarnation),
      trace,
    });
    processes.set(name, process);
    process.onDeath(() => {
      time.after(between(100, 6_000), () => {
        if (!isEnding) startNode(name, incarnation + 1);
      });
    });
    const own = database.connect(process);
    databases.set(name, own);
    const connected = agents.connect(process);
    const engine = createTaskEngine({
      database: own,
      renewals: own,
      folder: folder.connect(process),
      handlers: [deployHandler(connected), checkHandler],
      nodeName: name,
      taskCap: () => cap,
      // Dead and frozen ones among them, as the registry of nodes may say for a while.
      otherNodes: () => [...processes.keys()].filter((other) => other !== name),
      log: {
        info: (_fields, message) => trace(`${process.name}: ${message}`),
        warn: () => {},
        error: (fields, message) => checker.fail("D3", `${process.name} reports: ${message} ${String((fields as { err?: unknown }).err)}`),
      },
      clock: process.clock,
    });
    checker.knows(engine.owner, process);
    engines.set(name, engine);
    void startEngine(engine, process);
    if (intervals.size > 0) void lookAtSchedules(own, process);
    process.clock.every(lateCompletionEveryMs, () => {
      createLateCompleter({ database: own, agents: connected, clock: process.clock })
        .runOnce()
        .catch(() => {});
    });
  }

  /** A node that cannot read its settings at the start tries again, as its service would. */
  async function startEngine(engine: TaskEngine, process: SimulatedProcess): Promise<void> {
    for (;;) {
      try {
        await engine.start();
        return;
      } catch {
        await process.clock.pause(500);
      }
    }
  }

  const scheduleSource: ScheduleSource = {
    kind: "Check",
    list: async () =>
      time.nowMs() > scheduledUntilMs ? [] : [...intervals].map(([trigger, intervalMs]) => ({ trigger, intervalMs, spaceId: null })),
    plan: async (_tx, trigger) => ({
      spaceId: null,
      name: "Check",
      description: `Check ${trigger}`,
      arguments: { trigger },
      argumentsVersion: 1,
      relatedDocumentIds: [],
    }),
  };

  async function lookAtSchedules(own: Database, process: SimulatedProcess): Promise<void> {
    const scheduler = createScheduler({ database: own, sources: [scheduleSource], log: { warn: () => {} }, clock: process.clock });
    for (;;) {
      await scheduler.look().catch(() => {});
      await process.clock.pause(scheduleLookMs);
    }
  }

  /** Mostly over at once; some take longer than their trigger's interval. */
  const checkHandler: TaskHandler = {
    name: "Check",
    async run(run) {
      await run.clock.pause(chance(0.2) ? between(0, 9_000) : between(0, 500), run.lost);
      return { state: "Success" };
    },
  };

  function planFor(taskId: string, steps: number, needsApproval: boolean): Plan {
    const targets = [...machines.keys()].map((machine) => ({
      machineId: machine,
      name: machine,
      agent: { host: machine, port: 10933, thumbprint: "A".repeat(40) },
    }));
    const plan = scriptPlan({
      taskId,
      steps: Array.from({ length: steps }, (_, n) => ({ id: `${n + 1}`, body: `run ${taskId}/${n + 1}`, targets, parallelMax: 2 })),
    });
    if (!needsApproval) return plan;
    const [first, ...others] = plan.steps;
    return { ...plan, steps: [first!, approvalStep(Number(/\d+$/.exec(taskId)?.[0]) % 2 === 0), ...others] };
  }

  function deployHandler(connected: Agents): TaskHandler {
    return {
      name: "Deploy",
      async run(run) {
        const { steps, needsApproval } = run.task.arguments as { steps: number; needsApproval: boolean };
        const stored =
          run.task.plan ?? (await run.guarded((tx) => run.storePlan(tx, encodePlan(planFor(run.task.id, steps, needsApproval)))));
        const plan = decodePlan(stored);
        return runPlan(plan, run, {
          agents: connected,
          stepTypes: createStepTypes({ packages: noPackages }),
          outputCipher: { encrypt: (plain) => Buffer.from(plain), decrypt: (stored) => Buffer.from(stored).toString() },
          readSecrets: async () => new Map(),
          prepareMasking: () => ({ createMasker: holdingMasker }),
          agentGoneMs,
          cancelGraceMs,
        });
      },
    };
  }

  /** Keeps the newest line back, as masking does with what may be the start of a longer secret. */
  function holdingMasker(): LineMasker {
    let held: string | undefined;
    return {
      push(line) {
        const out = held === undefined ? [] : [held];
        held = line;
        return out;
      },
      flush() {
        const out = held === undefined ? [] : [held];
        held = undefined;
        return out;
      },
    };
  }

  async function client(): Promise<void> {
    const tags = [null, "tag-1", "tag-1", "tag-2"];
    const wanted = integer(1, 4);
    for (let n = 0; n < wanted; n++) {
      const steps = integer(1, 2);
      const tag = oneOf(tags);
      const needsApproval = options.approvals !== false && people() < 0.4;
      let id: string | undefined;
      try {
        await throughNode(async (tx) => {
          id = await enqueueTask(tx, {
            spaceId: "Spaces-1",
            name: "Deploy",
            description: "Deploy",
            arguments: { steps, needsApproval },
            argumentsVersion: 1,
            concurrencyTag: tag,
            actor: systemActor,
          });
          stepsOf.set(id, steps);
          if (needsApproval) checker.approvalNeeded(id);
        });
        checker.acknowledged(id!);
        trace(`the client was promised ${id!} (${steps} steps, ${String(tag)})`);
      } catch {
        // Not acknowledged: it may be there or not.
      }
      if (id !== undefined && needsApproval) void answerOnce(id, people() < 0.75 ? "Proceed" : "Abort");
      if (id !== undefined && chance(0.35)) {
        const taskId = id;
        time.after(oneOf([200, 3_000, 8_000]) * random(), () => void cancel(taskId));
      }
      await outside.clock.pause(oneOf([0, 300, 4_000]) * random());
    }
    isEnqueued = true;
  }

  /** By the API of a node, whose death the client notices; or as a command beside the nodes does it. */
  async function throughNode(work: (tx: Transaction) => Promise<void>): Promise<void> {
    const [name, process] = oneOf([...processes]);
    if (chance(0.2) || process.state() !== "running") return clientDatabase.transaction(work);
    const died = new Promise<never>((_, reject) => process.onDeath(() => reject(new Error(`${name} died`))));
    await Promise.race([databases.get(name)!.transaction(work), died]);
  }

  /** A person who looks now and then, answers what is asked, and tries again when that went wrong. */
  async function answerOnce(taskId: string, result: string): Promise<void> {
    const question = { taskId, block: "step-approve", attempt: 1 };
    const calmMs = [20, 500, 6_000][Math.floor(people() * 3)]!;
    for (let isDone = false; !isDone && !isEnding;) {
      await outside.clock.pause(calmMs * (0.5 + people()));
      try {
        isDone = await clientDatabase.transaction(async (tx) => {
          let isAnswered = false;
          const isUnfinished = await resumeTask(tx, taskId, async () => {
            const asked = await findAnswer(tx, question);
            if (asked === undefined) return;
            isAnswered = true;
            const answeredBy = { id: "Users-1", username: "ann", displayName: "Ann", emailAddress: "" };
            await setAnswer(tx, asked.id, { result, notes: null, answeredBy });
          });
          return isAnswered || !isUnfinished;
        });
      } catch {
        // Not answered as far as the person knows.
      }
    }
  }

  async function cancel(taskId: string): Promise<void> {
    trace(`the client asks to cancel ${taskId}`);
    checker.cancelAsked(taskId);
    await clientDatabase.transaction((tx) => requestCancel(tx, taskId, systemActor)).catch(() => {});
  }

  async function readLog(taskId: string): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    for await (const piece of readTaskLog({ database: clientDatabase, folder: folder.connect(outside), taskId })) entries.push(...piece);
    return entries;
  }

  function faults(): void {
    if (isCalm) return;
    for (const machine of machines.keys())
      if (chance(0.25)) time.after(between(0, faultsUntilMs), () => agents.restart(machine, between(800, 4_000)));
    if (chance(0.2)) time.after(between(0, faultsUntilMs - 5_000), () => database.crash(between(50, 5_000)));
    for (const name of processes.keys()) {
      if (chance(0.25)) time.after(between(0, faultsUntilMs - 5_000), () => database.cutOff(processes.get(name)!, between(500, 7_000)));
      if (chance(0.1)) time.after(between(0, faultsUntilMs), () => void stopInOrder(name));
    }
  }

  /** As an operator who updates a node. */
  async function stopInOrder(name: string): Promise<void> {
    const process = processes.get(name)!;
    if (process.state() !== "running") return;
    trace(`${process.name} is stopped in order`);
    await engines.get(name)!.stop();
    process.kill();
  }

  const nodes = integer(2, 4);
  for (let n = 1; n <= nodes; n++) startNode(`node-${n}`, 1);
  faults();
  void client();
  if (chance(0.5)) {
    time.after(between(100, 10_000), () => {
      for (const task of database.rows("tasks")) {
        const id = String(task["id"]);
        readLog(id).then(
          (entries) => checker.shown(id, entries),
          () => {},
        );
      }
    });
  }

  const isStillScheduled = (): boolean => intervals.size > 0 && (time.nowMs() < scheduledUntilMs || database.rows("schedules").length > 0);
  const isOver = (): boolean => isEnqueued && !isStillScheduled() && database.rows("task_queue").length === 0;
  await time.run({ isOver, momentMs: endByMs });
  // Former owners let go, what is late arrives, and whoever sleeps wakes up. Nodes that have nothing to do any more would only poll.
  const settledMs = 2_000;
  await time.run({ isOver: () => false, momentMs: time.nowMs() + settledMs });
  isEnding = true;
  for (const process of processes.values()) if (process.state() === "running") process.kill();
  const isAnySleeping = [...processes.values()].some((process) => process.state() === "frozen");
  await time.run({
    isOver: () => false,
    momentMs: time.nowMs() + Math.max(isAnySleeping ? freezeMsMax : 0, agentFaults.lateMsMax) + settledMs,
  });
  // An hour later some node lets the agents forget what could not be forgotten before.
  for (const process of processes.values()) process.kill();
  await time.run({ isOver: () => false, momentMs: time.nowMs() + quarantineMs + 1_000 });
  let isForgotten = false;
  void createLateCompleter({ database: clientDatabase, agents: agents.connect(outside), clock: outside.clock })
    .runOnce()
    .catch((error: unknown) => checker.fail("D1", `the late completer fails: ${String(error)}`))
    .finally(() => (isForgotten = true));
  await time.run({ isOver: () => isForgotten, momentMs: Infinity });
  const logs = new Map<string, LogEntry[]>();
  let read = false;
  void (async () => {
    for (const task of database.rows("tasks")) logs.set(String(task["id"]), await readLog(String(task["id"])));
    read = true;
  })();
  await time.run({ isOver: () => read, momentMs: Infinity });
  const due = database
    .rows("step_runs")
    .filter((row) => row["completion"] === "due" && machines.get(String(row["machine_id"])) !== "first-generation");
  if (due.length > 0) checker.fail("D1", `${due.length} tickets are never forgotten`);
  counts.firings = checker.finishSchedules({ intervals, untilMs: scheduledUntilMs });
  counts.tasks = database.rows("tasks").length;
  checker.finish({ executions: agents.executions, logs, machines: machines.size, steps: (id) => stepsOf.get(id) ?? 0 });
  return { seed, failures: checker.failures, events: time.events(), counts };
}
