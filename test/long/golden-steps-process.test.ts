// Golden deployments of steps: order, windows, conditions, retries, approvals, guided failure, artifacts, lifecycles. Each is one process whose marks,
// log lines and end are known beforehand, to the letter. The richest are done again with their node killed at each of their stages.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "../support/eventually.ts";
import type { Document } from "../support/cluster-api.ts";
import { createWorld } from "../support/golden-world.ts";
import type { Deployed, Golden, World } from "../support/golden-world.ts";

const linux = { skip: process.platform === "linux" ? false : "runs Bash scripts on agents of this machine" } as const;
const space = "/api/Spaces-1";
const questionMsMax = 60_000;
const machine = "$(get_octopusvariable Octopus.Machine.Name)";
/** Long enough that a node can be killed in it. */
const stays = "sleep 0.8";
const one = { "Octopus.Action.MaxParallelism": "1" };

/** A golden that is rich enough to be done again under kills. */
interface Rich {
  golden: (name: string) => Golden;
  more?: object;
  /** What a person does meanwhile. */
  during?: (world: World, deployment: Deployed) => Promise<void>;
  marks: string[];
  /** Marks at which its node is killed. */
  stages: string[];
  /** Lines of the log in this order, level and text. */
  log: string[];
  artifacts?: { [name: string]: string };
}

const rolling: Rich = {
  golden: (name) => ({
    name,
    variables: [
      { name: "Port", value: "80" },
      { name: "Port", value: "8080", machine: "web-2" },
    ],
    steps: [
      {
        name: "Web servers",
        role: "web",
        stepProperties: one,
        actions: [
          { name: "Drain", script: `mark "drain ${machine}"; set_octopusvariable Was "port $(get_octopusvariable Port)"` },
          {
            name: "Install",
            script: `mark "install ${machine}"; ${stays}; echo "installed behind $(get_octopusvariable 'Octopus.Action[Drain].Output.Was')"`,
          },
          { name: "Not today", script: "mark no", disabled: true },
          { name: "Enable", script: `mark "enable ${machine}"; ${stays}` },
        ],
      },
      { name: "Tell", role: "db", script: `mark "tell $(get_octopusvariable 'Octopus.Action[Drain].Output[web-2].Was')"` },
    ],
  }),
  marks: ["drain web-1", "install web-1", "enable web-1", "drain web-2", "install web-2", "enable web-2", "tell port 8080"],
  stages: ["install web-1", "enable web-1", "install web-2", "enable web-2"],
  log: ["Info installed behind port 80", "Info installed behind port 8080"],
};

const approval: Rich = {
  golden: (name) => ({
    name,
    steps: [
      { name: "Prepare", role: "db", script: `mark prepare; ${stays}` },
      {
        name: "Approve",
        type: "Octopus.Manual",
        properties: { "Octopus.Action.Manual.Instructions": "Is #{Octopus.Release.Number} good for #{Octopus.Environment.Name}?" },
      },
      {
        name: "Open",
        role: "web",
        stepProperties: one,
        script: `mark "open ${machine} $(get_octopusvariable 'Octopus.Action[Approve].Output.Manual.Notes')"; ${stays}`,
      },
    ],
  }),
  during: async (world, deployment) => {
    const question = await asked(world, deployment);
    assert.deepEqual(deployment.marks(), ["prepare"], "nothing after the question has begun");
    assert.equal(question.Form.Elements[0].Control.Text, "Is 1.0.0 good for Test?");
    await answer(world, question, { Result: "Proceed", Notes: "looks good" });
  },
  marks: ["prepare", "open web-1 looks good", "open web-2 looks good"],
  stages: ["prepare", "open web-1 looks good", "open web-2 looks good"],
  log: ["Info admin answered with Proceed. looks good"],
};

const retried: Rich = {
  golden: (name) => ({
    name,
    steps: [
      {
        name: "Shaky",
        role: "first",
        properties: { "Octopus.Action.AutoRetry.MaximumCount": "2", "Octopus.Action.AutoRetry.MinimumBackoff": "0" },
        script: `count="$(cat "$HOME_OF_COUNT" 2>/dev/null || echo 0)"; count=$((count + 1)); mark "attempt $count"
echo "$count" > "$HOME_OF_COUNT"; until [ -e "$HOME_OF_COUNT.beside" ]; do sleep 0.05; done; ${stays}; [ "$count" = 3 ] || { echo "not yet" >&2; exit 4; }`,
      },
      {
        name: "Beside",
        role: "db",
        trigger: "StartWithPrevious",
        script: `until [ -e "$HOME_OF_COUNT" ]; do sleep 0.05; done; mark beside; touch "$HOME_OF_COUNT.beside"`,
      },
      { name: "After both", role: "web", stepProperties: one, script: `mark "after ${machine}"` },
    ],
  }),
  marks: ["attempt 1", "beside", "attempt 2", "attempt 3", "after web-1", "after web-2"],
  stages: ["attempt 1", "attempt 2", "attempt 3"],
  log: ["Error not yet", "Error not yet"],
};

const guided: Rich = {
  golden: (name) => ({
    name,
    steps: [
      { name: "Breaks", role: "web", stepProperties: one, script: `mark "breaks ${machine}"; ${stays}; [ ${machine} = web-2 ] || exit 9` },
      { name: "Goes on", role: "web,db", stepProperties: one, script: `mark "goes on ${machine}"; ${stays}` },
    ],
  }),
  more: { useGuidedFailure: true },
  during: async (world, deployment) => {
    await answer(world, await asked(world, deployment), { Guidance: "Retry" });
    await eventually("it was tried again", () => deployment.marks().filter((mark) => mark === "breaks web-1").length === 2, questionMsMax);
    await answer(world, await asked(world, deployment), { Guidance: "Exclude" });
  },
  marks: ["breaks web-1", "breaks web-1", "breaks web-2", "goes on db-1", "goes on web-2"],
  stages: ["breaks web-1", "breaks web-2", "goes on web-2"],
  log: [],
};

const python = [
  "import sys",
  "printhighlight('for ' + sys.argv[1])",
  "set_octopusvariable('Built', get_octopusvariable('Answer') + '/' + sys.argv[1])",
  "open('report.txt', 'w').write('report of ' + get_octopusvariable('Octopus.Machine.Name'))",
  "createartifact('report.txt', 'report.txt')",
].join("\n");
const collected: Rich = {
  golden: (name) => ({
    name,
    variables: [
      { name: "Answer", value: "nobody asked", prompt: { label: "Your answer", required: true } },
      { name: "Key", value: "k3y-of-the-shop", sensitive: true },
    ],
    steps: [
      {
        name: "Build",
        role: "first",
        properties: {
          "Octopus.Action.Script.ScriptSource": "Inline",
          "Octopus.Action.Script.Syntax": "Python",
          "Octopus.Action.Script.ScriptBody": python,
          "Octopus.Action.Script.ScriptParameters": "'two words'",
        },
      },
      {
        name: "Collect",
        role: "db",
        script: `mark "collect $(get_octopusvariable 'Octopus.Action[Build].Output.Built')"; ${stays}
echo "key is $(get_octopusvariable Key)"; printf 'from db' > db.txt; new_octopusartifact "$PWD/db.txt" "db of #{Octopus.Environment.Name}.txt"`,
      },
      { name: "End", role: "db", script: `mark end; ${stays}` },
    ],
  }),
  marks: ["collect forty-two/two words", "end"],
  stages: ["collect forty-two/two words", "end"],
  log: ["Highlight for two words", "Info key is ********"],
  artifacts: { "report.txt": "report of web-1", "db of Test.txt": "from db" },
};

const richest: { [name: string]: Rich } = {
  "a rolling step: each machine goes through all children before the next begins": rolling,
  "an approval: nothing after it begins before the answer, and its notes are read": approval,
  "attempts after a known failure, beside another step, and a step after both": retried,
  "guided failure: a person has it tried again, then goes on without that machine": guided,
  "a prompt, a Python script with parameters, outputs, secrets and artifacts": collected,
};

describe("golden deployments: steps", { ...linux, timeout: 900_000 }, () => {
  let world: World;
  let made = 0;
  before(async () => {
    world = await createWorld({ nodes: 2 });
  });
  after(() => world?.close());

  async function begin(rich: Rich): Promise<Deployed> {
    const name = `Golden ${++made}`;
    const golden = rich.golden(name);
    const countFile = `${world.cluster.root}/count-${made}`;
    for (const step of golden.steps) if (step.script !== undefined) step.script = step.script.replaceAll("$HOME_OF_COUNT", countFile);
    const project = await world.project(golden);
    await project.release("1.0.0");
    const prompted = golden.variables?.some((variable) => variable.prompt !== undefined) === true;
    return project.deploy("1.0.0", "Test", { ...rich.more, ...(prompted ? { variables: { Answer: "forty-two" } } : {}) });
  }

  async function judge(rich: Rich, deployment: Deployed): Promise<void> {
    const task = await deployment.ended();
    const log = await deployment.log();
    assert.equal(task.State, "Success", `${task.ErrorMessage}\n${log}`);
    assert.deepEqual(deployment.marks(), rich.marks);
    const lines = logLines(log);
    assert.deepEqual(
      lines.filter((line) => rich.log.includes(line)),
      rich.log,
      log,
    );
    assert.equal(log.includes("k3y-of-the-shop"), false);
    const { Items } = await world.api.get(`${space}/artifacts?regarding=${deployment.id}`);
    const contents = await Promise.all(
      Items.map(async (item: Document) => [item.Filename, await world.api.getText(`${space}/artifacts/${item.Id}/content`)]),
    );
    assert.deepEqual(Object.fromEntries(contents), rich.artifacts ?? {});
  }

  for (const [name, rich] of Object.entries(richest)) {
    test(name, async () => {
      const deployment = await begin(rich);
      await rich.during?.(world, deployment);
      await judge(rich, deployment);
    });

    for (const stage of rich.stages) {
      test(`D1 D2 D3 D6 A2: the same, and its node is killed at "${stage}"`, async () => {
        const deployment = await begin(rich);
        const person = rich.during?.(world, deployment);
        person?.catch(() => {}); // told below, after the node has come back
        await deployment.marked(stage);
        const owner = await deployment.owner();
        await owner.kill();
        try {
          await person;
          await judge(rich, deployment);
        } finally {
          await owner.start();
        }
      });
    }
  }

  test("D6: the node that asked is killed while nobody has answered yet; the question is asked once", async () => {
    const deployment = await begin(approval);
    const question = await asked(world, deployment);
    const [first, second] = world.nodes;
    await first!.kill();
    try {
      await answer(world, question, { Result: "Proceed", Notes: "looks good" });
      await judge(approval, deployment);
      assert.equal((await world.api.get(`/api/interruptions?regarding=${deployment.taskId}`)).TotalResults, 1);
    } finally {
      await first!.start();
    }
    assert.equal(second!.isRunning(), true);
  });

  test("an approval that is refused: what follows it never runs, what is for failures does", async () => {
    const golden = approval.golden(`Golden ${++made}`);
    const project = await world.project({
      ...golden,
      steps: [...golden.steps, { name: "Clean up", role: "db", script: "mark clean", condition: "Failure" }],
    });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    await answer(world, await asked(world, deployment), { Result: "Abort", Notes: "not today" });
    assert.equal((await deployment.ended()).State, "Failed");
    assert.deepEqual(deployment.marks(), ["prepare", "clean"]);
    assert.ok(logLines(await deployment.log()).some((line) => line.includes("admin answered with Abort. not today")));
  });

  test("D6 A2: another release passes one that waits; the answered one waits for it, also when the node of that one is killed", async () => {
    const golden = approval.golden(`Golden ${++made}`);
    const project = await world.project(golden);
    await project.release("1.0.0");
    const waiting = await project.deploy("1.0.0", "Test");
    const question = await asked(world, waiting);
    await project.change({ steps: [{ name: "Mended", role: "db", script: `mark begins; sleep 2; mark ends` }] });
    await project.release("2.0.0");
    const passing = await project.deploy("2.0.0", "Test");
    await passing.marked("begins");
    await answer(world, question, { Result: "Proceed", Notes: "looks good" });
    const owner = await passing.owner();
    await owner.kill();
    try {
      const [reason] = (await world.api.get(`/api/tasks/${waiting.taskId}/waiting`)).Reasons;
      assert.deepEqual([reason.Kind, reason.RelatedDocumentIds], ["TasksAhead", [passing.taskId]]);
      assert.deepEqual(waiting.marks(), ["prepare"]);
      const [passed, waited] = [await passing.ended(), await waiting.ended()];
      assert.deepEqual([passed.State, passing.marks()], ["Success", ["begins", "ends"]]);
      assert.deepEqual([waited.State, waiting.marks()], ["Success", approval.marks]);
      assert.ok(passed.CompletedTime < waited.CompletedTime);
    } finally {
      await owner.start();
    }
  });

  test("D6: a step that blocks others while it waits lets no release pass, and the API says for whose answer", async () => {
    const golden = approval.golden(`Golden ${++made}`);
    golden.steps[1]!.properties!["Octopus.Action.Manual.BlockConcurrentDeployments"] = "True";
    const project = await world.project(golden);
    await project.release("1.0.0");
    const waiting = await project.deploy("1.0.0", "Test");
    const question = await asked(world, waiting);
    await project.change({ steps: [{ name: "Mended", role: "db", script: `mark mended` }] });
    await project.release("2.0.0");
    const behind = await project.deploy("2.0.0", "Test");
    const [reason] = (await world.api.get(`/api/tasks/${behind.taskId}/waiting`)).Reasons;
    assert.deepEqual([reason.Kind, reason.RelatedDocumentIds], ["TasksAhead", [waiting.taskId, question.Id]]);
    assert.match(reason.Message, /It waits for a person to answer Step 2: Approve, and lets no other deployment pass until then/);
    await answer(world, question, { Result: "Proceed", Notes: "looks good" });
    assert.deepEqual([(await waiting.ended()).State, (await behind.ended()).State], ["Success", "Success"]);
    assert.deepEqual([waiting.marks(), behind.marks()], [approval.marks, ["mended"]]);
  });

  test("a cancel ends the script on its machine, and nothing after it begins", async () => {
    const project = await world.project({
      name: `Golden ${++made}`,
      steps: [
        { name: "Long", role: "db", script: "mark long; sleep 60; mark never" },
        { name: "After", role: "db", script: "mark never" },
        { name: "Always", role: "db", script: "mark never", condition: "Always" },
      ],
    });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    await deployment.marked("long");
    await world.api.create(`/api/tasks/${deployment.taskId}/cancel`, {});
    assert.equal((await deployment.ended()).State, "Canceled");
    assert.deepEqual(deployment.marks(), ["long"]);
  });

  test("a phase is deployed to by itself when the one before went well, and a step only runs in its channel", async () => {
    const [group] = (await world.api.get(`${space}/projectgroups`)).Items;
    const lifecycle = await world.api.create(`${space}/lifecycles`, {
      Name: "Onwards",
      Phases: [
        { Name: "First", OptionalDeploymentTargets: [world.environmentIds["Test"]] },
        { Name: "Then", AutomaticDeploymentTargets: [world.environmentIds["Production"]] },
      ],
    });
    const name = `Golden ${++made}`;
    const project = await world.project({
      name,
      steps: [
        {
          name: "Usual",
          role: "db",
          script: `mark "usual $(get_octopusvariable Octopus.Environment.Name) $(get_octopusvariable Octopus.Release.Channel.Name)"`,
        },
        { name: "Hot", role: "db", script: "mark hot" },
      ],
    });
    const document = await world.api.get(`${space}/projects/${project.id}`);
    await world.api.put(`${space}/projects/${project.id}`, { ...document, LifecycleId: lifecycle.Id, ProjectGroupId: group.Id });
    const hotfix = await world.api.create(`${space}/channels`, {
      Name: "Hotfix",
      ProjectId: project.id,
      LifecycleId: lifecycle.Id,
      Rules: [],
    });
    const process = await world.api.get(`${space}/projects/${project.id}/deploymentprocesses`);
    process.Steps[1].Actions[0].Channels = [hotfix.Id];
    await world.api.put(`${space}/projects/${project.id}/deploymentprocesses`, process);
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    assert.equal((await deployment.ended()).State, "Success");
    assert.deepEqual(deployment.marks(), ["usual Test Default"]);
    const next = await eventually(
      "Production is deployed to by itself",
      async () => {
        const { Items } = await world.api.get(
          `${space}/deployments?projects=${project.id}&environments=${world.environmentIds["Production"]}`,
        );
        return (Items as Document[])[0];
      },
      questionMsMax,
    );
    const automatic = world.deployment(next.Id, next.TaskId);
    assert.equal((await automatic.ended()).State, "Success");
    assert.deepEqual(automatic.marks(), ["usual Production Default"]);
    await world.api.create(`${space}/releases`, { ProjectId: project.id, ChannelId: hotfix.Id, Version: "1.0.1" });
    const hot = await project.deploy("1.0.1", "Test");
    assert.equal((await hot.ended()).State, "Success");
    assert.deepEqual(hot.marks(), ["usual Test Hotfix", "hot"]);
  });

  test("machines that were left out, machines that were named, and steps that were skipped", async () => {
    const project = await world.project({
      name: `Golden ${++made}`,
      steps: [
        { name: "Web", role: "web", stepProperties: one, script: `mark "web ${machine}"` },
        { name: "Skipped", role: "db", script: "mark no" },
        { name: "Data", role: "db", script: `mark "data ${machine}"` },
      ],
    });
    await project.release("1.0.0");
    const without = await project.deploy("1.0.0", "Test", { excludedMachineNames: ["web-1"], skipStepNames: ["Skipped"] });
    assert.equal((await without.ended()).State, "Success");
    assert.deepEqual(without.marks(), ["web web-2", "data db-1"]);
    const only = await project.deploy("1.0.0", "Test", { specificMachineNames: ["web-1"], skipStepNames: ["Skipped"] });
    assert.equal((await only.ended()).State, "Success");
    assert.deepEqual(only.marks(), ["web web-1"]);
  });

  test("the log of a deployment, line by line", async () => {
    const project = await world.project({
      name: `Golden ${++made}`,
      steps: [
        { name: "Speak", role: "db", script: "mark speak; echo hello; write_verbose 'in detail'; write_warning 'careful'; echo 'oh' >&2" },
        { name: "Nobody", role: "nobody", script: "mark no" },
      ],
    });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    const task = await deployment.ended();
    assert.equal(task.State, "Success");
    const lines = logLines(await deployment.log()).map((line) =>
      line
        .replaceAll(world.cluster.root, "<root>")
        .replace(/ServerTasks-\d+/, "<task>")
        .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, "<id>"),
    );
    // Headings say once more where a stretch of lines belongs; what goes to the other stream may come a line sooner or later.
    assert.ok(lines.includes("Error oh"));
    assert.deepEqual(
      lines.filter((line) => !line.startsWith("== Running:") && line !== "Error oh"),
      [
        "Verbose Acquiring isolation mutex RunningScript with FullIsolation in <task>",
        "Verbose Starting /bin/bash in working directory '<root>/db-1/Work/<id>' using 'Unicode (UTF-8)' encoding",
        "Info hello",
        "Verbose in detail",
        "Warning careful",
        "Verbose Process /bin/bash in <root>/db-1/Work/<id> exited with code 0",
        "== Success: db-1 ==",
        "== Success: Step 1: Speak ==",
        "Warning No deployment target of this environment has a role of this step; it was skipped.",
        "== Skipped: Step 2: Nobody ==",
        `== Success: Deploy Golden ${made} release 1.0.0 to Test ==`,
      ],
    );
  });
});

/** Level and text of each line below the head of a raw log, without times. */
function logLines(raw: string): string[] {
  return raw.split(/\r?\n/).flatMap((line) => {
    const [, level = "", text] = /^\d\d:\d\d:\d\d\s+(\w*)\s*\|\s?(.*)$/.exec(line) ?? [];
    return text === undefined ? [] : [`${level} ${text.trim()}`.trim()];
  });
}

async function asked(world: World, deployment: Deployed): Promise<Document> {
  return eventually(
    `${deployment.taskId} asks a person`,
    async () => {
      const { Items } = await world.api.get(`/api/interruptions?regarding=${deployment.taskId}&pendingOnly=true`);
      return (Items as Document[])[0];
    },
    questionMsMax,
  );
}

async function answer(world: World, question: Document, values: object): Promise<void> {
  await world.api.put(`/api/interruptions/${question.Id}/responsible`, {});
  await world.api.create(`/api/interruptions/${question.Id}/submit`, { Instructions: null, ...values });
}
