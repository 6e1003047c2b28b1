// What the pictures show: the web shop as `npm start` brings it up, on two nodes, with a release that failed; and three smaller projects beside it, of
// which one is being deployed and one waits for an answer. Everything is made through the REST API, under names that do not change.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openHomeFolder } from "../start/home-folder.ts";
import { createMainJob } from "../start/main-job.ts";
import { readOptions } from "../start/options.ts";
import { createRestClient } from "../start/rest-client.ts";
import type { Terminal } from "../start/terminal.ts";

/** Beside a start that somebody has open, and below the range from which the system hands out its own. */
const ports = { web: 8265, comms: 11143, agent: 11133, page: 8266, "second-web": 8275, "second-comms": 11153 };
const space = "/api/Spaces-1";
const conditionMsMax = 120_000;
const conditionPauseMs = 200;
/** What the running deployment prints has as many lines. */
const shelves = 24;

export interface Stage {
  url: string;
  adminPassword: string;
  /** Parts of addresses below /app/Spaces-1. */
  runningTask: string;
  failedTask: string;
  waitingTask: string;
  question: string;
  release: string;
  /** It may go to production now. */
  nextRelease: string;
  production: string;
  close(): Promise<void>;
}

interface Named {
  Id: string;
  Name: string;
}
interface Page<T> {
  Items: T[];
}

interface Step {
  name: string;
  /** Absent: a person is asked, before Production only. */
  role?: string;
  text: string;
}

const countShelves = `
printf '\\033[1mCounting %s shelves in #{Octopus.Environment.Name}\\033[0m\\n' ${shelves}
for shelf in $(seq ${shelves}); do
  if [ $((shelf % 17)) -eq 0 ]; then printf '\\033[33mshelf %02d: the label is hard to read, counted twice\\033[0m\\n' "$shelf"
  else printf 'shelf %02d: %d mugs, %d posters \\033[32mas booked\\033[0m\\n' "$shelf" $((shelf * 7 % 60 + 12)) $((shelf * 3 % 25)); fi
  sleep 0.02
done
echo "Waiting for the scales in the cold store"
[ "#{Octopus.Release.Number}" = 3.2.0 ] || exit 0
# The picture of a running deployment is taken meanwhile.
for _ in $(seq 3000); do [ -e "$PAGE_FOLDER/picture-taken" ] && break; sleep 0.1; done
`;

const projects: readonly { name: string; group: string; description: string; steps: readonly Step[] }[] = [
  {
    name: "Newsletter",
    group: "Back office",
    description: "What customers read on Fridays",
    steps: [
      {
        name: "Write the letters",
        role: "customer",
        text: `echo "412 letters written, 3 without an address"\nwrite_warning "3 customers have no address"\n`,
      },
      {
        name: "May it go out?",
        text: "Read one letter of each kind before they go out:\n\n- the greeting has a name\n- the prices are those of today",
      },
      { name: "Hand over to the post", role: "customer", text: `echo "409 letters handed over"\n` },
    ],
  },
  {
    name: "Stock service",
    group: "Back office",
    description: "Knows what lies where",
    steps: [
      { name: "Stop the scanners", role: "shop", text: `echo "12 scanners stopped"\n` },
      { name: "Count the shelves", role: "shop", text: countShelves },
      { name: "Start the scanners", role: "shop", text: `echo "12 scanners started"\n` },
    ],
  },
  {
    name: "Payments",
    group: "Default Project Group",
    description: "Takes the money",
    steps: [
      { name: "Close the tills", role: "shop", text: `echo "2 tills closed"\n` },
      { name: "Install the new prices", role: "shop", text: `echo "1,204 prices installed"\n` },
      { name: "Open the tills", role: "shop", text: `echo "2 tills open"\n` },
      { name: "Pay for a mug", role: "customer", text: `echo "Paid 12.90 for a mug"\n` },
    ],
  },
  {
    name: "Search",
    group: "Default Project Group",
    description: "Finds a mug by its colour",
    steps: [{ name: "Build the index", role: "shop", text: `echo "1,204 words in the index"\n` }],
  },
];

/** `home` is a folder of its own, emptied first. */
export async function startStage(root: string, home: string, terminal: Terminal): Promise<Stage> {
  const flags = Object.entries(ports).map(([name, port]) => `--${name}-port=${port}`);
  const options = readOptions([`--home=${home}`, ...flags], root);
  const stopping = new AbortController();
  const folder = await openHomeFolder(options.home, { fresh: true, say: terminal.say });
  const job = createMainJob({ options, root, home: folder, terminal, signal: stopping.signal });
  const url = `http://127.0.0.1:${ports.web}`;
  const rest = createRestClient(() => url, folder.keys.apiKey);

  async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + conditionMsMax;
    for (;;) {
      const found = await ask();
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`After ${conditionMsMax / 1000} s still not: ${what}`);
      await pause(conditionPauseMs);
    }
  }

  async function byName(collection: string, name: string): Promise<Named> {
    const found = (await rest.get<Page<Named>>(`${space}/${collection}?take=100`)).Items.find((one) => one.Name === name);
    if (found === undefined) throw new Error(`There is no "${name}" among ${collection}.`);
    return found;
  }

  async function makeProject({ name, group, description, steps }: (typeof projects)[number], production: string): Promise<void> {
    const groups = (await rest.get<Page<Named>>(`${space}/projectgroups?take=100`)).Items;
    const ProjectGroupId = (
      groups.find((one) => one.Name === group) ?? (await rest.send<Named>("POST", `${space}/projectgroups`, { Name: group }))
    ).Id;
    const [lifecycle] = (await rest.get<Page<Named>>(`${space}/lifecycles?take=1`)).Items;
    const project = await rest.send<Named>("POST", `${space}/projects`, {
      Name: name,
      Description: description,
      ProjectGroupId,
      LifecycleId: lifecycle!.Id,
    });
    const address = `${space}/projects/${project.Id}/deploymentprocesses`;
    await rest.send("PUT", address, {
      ...(await rest.get<object>(address)),
      Steps: steps.map(({ name: step, role, text }) => ({
        Name: step,
        Properties: role === undefined ? {} : { "Octopus.Action.TargetRoles": role },
        Actions: [
          role === undefined
            ? {
                Name: step,
                ActionType: "Octopus.Manual",
                Environments: [production],
                Properties: { "Octopus.Action.Manual.Instructions": text },
              }
            : {
                Name: step,
                ActionType: "Octopus.Script",
                Properties: { "Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": text },
              },
        ],
      })),
    });
  }

  const makeRelease = (projectName: string, releaseVersion: string, releaseNotes = ""): Promise<{ ReleaseId: string }> =>
    rest.send("POST", `${space}/releases/create/v1`, { projectName, releaseVersion, releaseNotes });

  async function deploy(projectName: string, releaseVersion: string, environment: string): Promise<string> {
    const made = await rest.send<{ DeploymentServerTasks: { ServerTaskId: string }[] }>(
      "POST",
      `${space}/deployments/create/untenanted/v1`,
      {
        projectName,
        releaseVersion,
        environmentNames: [environment],
      },
    );
    return made.DeploymentServerTasks[0]!.ServerTaskId;
  }

  const ended = (task: string): Promise<true> =>
    eventually(`${task} ends`, async () =>
      (await rest.get<{ IsCompleted: boolean }>(`/api/tasks/${task}`)).IsCompleted ? true : undefined,
    );

  /** Between the two that the web shop goes through; the machines are there too. */
  async function addStaging(): Promise<void> {
    const staging = await rest.send<Named>("POST", `${space}/environments`, { Name: "Staging" });
    const test = await byName("environments", "Test");
    const production = await byName("environments", "Production");
    await rest.send("PUT", `${space}/environments/sortorder`, [test.Id, staging.Id, production.Id]);
    for (const { Id } of (await rest.get<Page<Named>>(`${space}/machines?take=10`)).Items) {
      const machine = await rest.get<{ EnvironmentIds: string[] }>(`${space}/machines/${Id}`);
      await rest.send("PUT", `${space}/machines/${Id}`, { ...machine, EnvironmentIds: [...machine.EnvironmentIds, staging.Id] });
    }
  }

  async function makeFurtherProjects(): Promise<Pick<Stage, "runningTask" | "waitingTask" | "question">> {
    const production = (await byName("environments", "Production")).Id;
    for (const one of projects) await makeProject(one, production);
    for (const [project, version] of [
      ["Newsletter", "2.3.0"],
      ["Newsletter", "2.4.0"],
      ["Stock service", "3.1.0"],
      ["Stock service", "3.2.0"],
      ["Search", "0.9.4"],
      ["Payments", "5.0.1"],
      ["Payments", "5.1.0"],
    ] as const)
      await makeRelease(project, version);
    const everywhere = ["Test", "Staging", "Production"];
    const through = async (project: string, version: string, environments: readonly string[]): Promise<void> => {
      for (const environment of environments) await ended(await deploy(project, version, environment));
    };
    await Promise.all([
      through("Search", "0.9.4", everywhere),
      through("Stock service", "3.1.0", everywhere),
      through("Newsletter", "2.3.0", ["Test"]).then(() => through("Newsletter", "2.4.0", ["Test", "Staging"])),
      through("Payments", "5.0.1", everywhere).then(() => through("Payments", "5.1.0", ["Test", "Staging"])),
    ]);
    const waitingTask = await deploy("Newsletter", "2.4.0", "Production");
    const question = await eventually("a question waits", async () => {
      const { Items } = await rest.get<Page<Named>>(`${space}/interruptions?regarding=${waitingTask}&pendingOnly=true`);
      return Items[0]?.Id;
    });
    const runningTask = await deploy("Stock service", "3.2.0", "Test");
    await eventually("the running deployment prints its last line", async () => {
      const found = await rest.get<{ Lines: unknown[] }>(
        `/api/tasks/${runningTask}/log/search?text=${encodeURIComponent("Waiting for the scales")}&take=1`,
      );
      return found.Lines.length > 0 ? true : undefined;
    });
    return { runningTask, waitingTask, question };
  }

  async function close(): Promise<void> {
    writeFileSync(path.join(folder.page, "picture-taken"), "");
    stopping.abort();
    await job.stop();
  }

  try {
    await job.bringUp();
    await job.deployFirst();
    await job.press("2");
    await job.press("f");
    await job.addSecondNode();
    await addStaging();
    const further = await makeFurtherProjects();
    const shop = await byName("projects", "Web shop");
    const releases = (await rest.get<Page<{ Id: string; Version: string }>>(`${space}/projects/${shop.Id}/releases?take=10`)).Items;
    const failed = releases.find(({ Version }) => Version === "1.2.0")!.Id;
    const deployments = await rest.get<Page<{ ReleaseId: string; TaskId: string }>>(`${space}/deployments?projects=${shop.Id}&take=10`);
    return {
      url,
      adminPassword: folder.keys.adminPassword,
      ...further,
      failedTask: deployments.Items.find(({ ReleaseId }) => ReleaseId === failed)!.TaskId,
      release: releases.find(({ Version }) => Version === "1.1.0")!.Id,
      nextRelease: (await rest.get<{ Id: string }>(`${space}/projects/payments/releases/5.1.0`)).Id,
      production: (await byName("environments", "Production")).Id,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
