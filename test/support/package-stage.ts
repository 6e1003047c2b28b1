// A stage for deployments of packages: a real database, a real shared folder with packages in a feed, nodes that can be made to die at any
// of their effects, and targets that have nothing but a shell and tar. What came of it is looked at from outside, on the targets' disks.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Agents } from "../../server/engine/agents/agents.ts";
import { decodePlan, encodePlan, runPlan } from "../../server/engine/execution/execution.ts";
import type { Plan, PlannedAction, PlannedPackage } from "../../server/engine/execution/execution.ts";
import { enqueueTask, readTaskLog } from "../../server/engine/tasks/tasks.ts";
import type { TaskHandler } from "../../server/engine/tasks/tasks.ts";
import { createDeployablePackages } from "../../server/features/library/library.ts";
import { storePackage } from "../../server/features/library/packages/packages.ts";
import { readPackageFileName } from "../../server/features/library/packages/package-name.ts";
import { createStepTypes } from "../../server/features/runs/runs.ts";
import { systemActor } from "../../server/platform/audit/audit.ts";
import type { Database } from "../../server/platform/database/database.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import { openSharedFolder } from "../../server/platform/files/files.ts";
import { ensureFirstSpace } from "../../server/features/features.ts";
import { closeAll } from "./close-all.ts";
import { eventually } from "./eventually.ts";
import { createMemoryLogFolder } from "./memory-log-folder.ts";
import { startMortalNode } from "./mortal-node.ts";
import type { MortalNode, StopPoint } from "./mortal-node.ts";
import { startPostgres } from "./postgres.ts";
import { createShellAgents } from "./shell-agent.ts";
import type { ShellAgents } from "./shell-agent.ts";

const quickLease = { leaseMs: 1_000, renewalMs: 200, selfStopMs: 800 };

export interface PackageDeployment {
  packageId: string;
  version: string;
  properties?: Record<string, string>;
  /** Instead of a step that deploys the package. */
  type?: string;
  /** Packages that the step refers to besides. */
  further?: readonly PlannedPackage[];
  values?: Record<string, string>;
  machines?: number;
}

export interface PackageStage {
  root: string;
  database: Database;
  agents: ShellAgents;
  push(fileName: string, content: Buffer): Promise<void>;
  node(name: string, stopAt?: StopPoint): Promise<MortalNode>;
  enqueue(deployment: PackageDeployment): Promise<string>;
  finalState(taskId: string): Promise<string>;
  /** On a node of its own; throws the log unless it ends as expected. Answers the log's lines. */
  deploy(deployment: PackageDeployment, expected?: "Success" | "Failed"): Promise<string[]>;
  log(taskId: string): Promise<string[]>;
  /** Below the folder for applications of a machine. */
  read(machine: string, file: string): Promise<string | undefined>;
  close(): Promise<void>;
}

export async function createPackageStage(): Promise<PackageStage> {
  const created = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection: created.connection, applicationName: "cuttle-test-packages", connectionsMax: 4 });
  await database.execute(`INSERT INTO cluster_settings (name, value) VALUES ('lease', $1)`, [JSON.stringify(quickLease)]);
  await database.transaction((tx) => ensureFirstSpace(tx));
  const root = await mkdtemp(path.join(tmpdir(), "cuttle-packages-"));
  const shared = await openSharedFolder({ root: path.join(root, "shared"), staleRetryMs: 100 });
  const logs = createMemoryLogFolder();
  const agents = createShellAgents(path.join(root, "machines"));
  const nodes: MortalNode[] = [];
  const deployments = new Map<string, PackageDeployment>();

  function planFor(taskId: string): Plan {
    const {
      packageId,
      version,
      properties = {},
      values = {},
      machines = 1,
      type = "Octopus.TentaclePackage",
      further = [],
    } = deployments.get(taskId)!;
    const action: PlannedAction = {
      id: "action-1",
      name: "Shop",
      type,
      condition: "Success",
      properties: { "Octopus.Action.Package.PackageId": packageId, "Octopus.Action.Package.FeedId": "feeds-builtin", ...properties },
      packages: [{ name: "", packageId, feedId: "feeds-builtin", version, properties: {} }, ...further],
      values: [{ name: "Octopus.Action.Name", value: "Shop" }],
    };
    const targets = Array.from({ length: machines }, (_, n) => ({
      machineId: `Machines-${n + 1}`,
      name: `machine ${n + 1}`,
      roles: ["web"],
      agent: { host: `machine-${n + 1}`, port: 10933, thumbprint: "A".repeat(40) },
    }));
    for (const { agent } of targets) mkdirSync(agents.home(agent.host), { recursive: true });
    return {
      taskId,
      title: "Deploy Shop",
      scope: { environment: "Environments-1", project: "Projects-1", channel: "Channels-1", processOwner: "Projects-1" },
      nowMs: 0,
      placeholders: "evaluated",
      variables: [],
      values: Object.entries({
        "Octopus.Space.Id": "Spaces-1",
        "Octopus.Environment.Id": "Environments-1",
        "Octopus.Environment.Name": "Production",
        "Octopus.Project.Id": "Projects-1",
        ...values,
      }).map(([name, value]) => ({ name, value })),
      steps: [
        {
          id: "action-1",
          number: 1,
          name: "Shop",
          condition: "Success",
          properties: {},
          roles: ["web"],
          runs: "targets",
          targets,
          parallelMax: 10,
          actions: [action],
        },
      ],
    };
  }

  const handler = (of: Agents): TaskHandler => ({
    name: "Deploy",
    async run(run) {
      const stored = run.task.plan ?? (await run.guarded((tx) => run.storePlan(tx, encodePlan(planFor(run.task.id)))));
      return runPlan(decodePlan(stored), run, {
        agents: of,
        stepTypes: createStepTypes({ packages: createDeployablePackages({ database, folder: shared }) }),
        outputCipher: { encrypt: (plain) => Buffer.from(plain), decrypt: (stored) => Buffer.from(stored).toString() },
        readSecrets: async () => new Map(),
        prepareMasking: () => ({ createMasker: () => ({ push: (line) => [line], flush: () => [] }) }),
        agentGoneMs: 10_000,
        cancelGraceMs: 10_000,
      });
    },
  });

  const stage: PackageStage = {
    root,
    database,
    agents,
    async push(fileName, content) {
      async function* bytes(): AsyncGenerator<Uint8Array> {
        yield content;
      }
      const stored = { spaceId: "Spaces-1", name: readPackageFileName(fileName), content: bytes(), mode: "FailIfExists" as const };
      await storePackage({ database, folder: shared }, { ...stored, actor: systemActor, requireReplace: () => {} });
    },
    async node(name, stopAt) {
      const node = await startMortalNode({
        name,
        connection: created.connection,
        folder: logs,
        agents,
        handler,
        ...(stopAt === undefined ? {} : { stopAt }),
      });
      nodes.push(node);
      return node;
    },
    async enqueue(deployment) {
      // The plan is asked for as soon as a node sees the task, which is after the commit.
      return await database.transaction(async (tx) => {
        const id = await enqueueTask(tx, {
          spaceId: null,
          name: "Deploy",
          description: "Deploy Shop",
          arguments: {},
          argumentsVersion: 1,
          concurrencyTag: "Projects-1/Environments-1",
          actor: systemActor,
        });
        deployments.set(id, deployment);
        return id;
      });
    },
    finalState: (taskId) =>
      eventually(
        `${taskId} reaches a final state`,
        async () => {
          const [row] = await database.query<{ state: string }>(`SELECT state FROM tasks WHERE id = $1 AND completed_at IS NOT NULL`, [
            taskId,
          ]);
          return row?.state;
        },
        120_000,
      ),
    async deploy(deployment, expected = "Success") {
      if (nodes.length === 0) await stage.node("only");
      const id = await stage.enqueue(deployment);
      const state = await stage.finalState(id);
      const lines = await stage.log(id);
      if (state !== expected) throw new Error(`The deployment ended as ${state}:\n${lines.join("\n")}`);
      return lines;
    },
    async log(taskId) {
      const lines: string[] = [];
      for await (const piece of readTaskLog({ database, folder: logs, taskId }))
        for (const entry of piece) if (entry.kind === "line") lines.push(entry.text);
      return lines;
    },
    read: (machine, file) => readFile(path.resolve(agents.applications(machine), file), "utf8").catch(() => undefined),
    async close() {
      await closeAll(
        ...nodes.map((node) => () => node.close()),
        () => agents.close(),
        () => database.close(),
        () => created.drop(),
        () => rm(root, { recursive: true, force: true }),
      );
    },
  };
  return stage;
}
