// Golden deployments of scripts and variables: each is one process whose marks, log lines and end are known beforehand, to the letter. The marks
// are written by the deployed scripts themselves, in one file, in the order in which they ran.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createWorld } from "../support/golden-world.ts";
import type { Deployed, World } from "../support/golden-world.ts";

const linux = { skip: process.platform === "linux" ? false : "runs Bash scripts on agents of this machine" } as const;

describe("golden deployments: scripts and variables", { ...linux, timeout: 300_000 }, () => {
  let world: World;
  before(async () => {
    world = await createWorld({ nodes: 1 });
  });
  after(() => world?.close());

  async function succeeded(deployment: Deployed): Promise<void> {
    const task = await deployment.ended();
    assert.equal(task.State, "Success", `${task.ErrorMessage}\n${await deployment.log()}`);
  }

  test("steps run in order on the targets of their roles, and know where they are", async () => {
    const where = `mark "$(get_octopusvariable Octopus.Step.Number) $(get_octopusvariable Octopus.Machine.Name) $(get_octopusvariable Octopus.Environment.Name) $(get_octopusvariable Octopus.Release.Number)"`;
    const project = await world.project({
      name: "In order",
      steps: [
        { name: "Database", role: "db", script: where },
        { name: "First web server", role: "first", script: where },
        { name: "All web servers", role: "web", script: where, stepProperties: { "Octopus.Action.MaxParallelism": "1" } },
        { name: "Nowhere", role: "db", script: "mark no", disabled: true },
        { name: "Only in production", role: "db", script: "mark no", environments: ["Production"] },
      ],
    });
    await project.release("2.5.1");
    const deployment = await project.deploy("2.5.1", "Test");
    await succeeded(deployment);
    assert.deepEqual(deployment.marks(), ["1 db-1 Test 2.5.1", "2 web-1 Test 2.5.1", "3 web-1 Test 2.5.1", "3 web-2 Test 2.5.1"]);
  });

  test("of several values the one whose scope says most is taken, per machine and step, and values are made of others", async () => {
    const project = await world.project({
      name: "Scopes",
      variables: [
        { name: "Colour", value: "grey" },
        { name: "Colour", value: "blue", environment: "Test" },
        { name: "Colour", value: "green", environment: "Production" },
        { name: "Colour", value: "red", role: "first" },
        { name: "Colour", value: "gold", machine: "db-1" },
        { name: "Colour", value: "white", step: "Special" },
        { name: "Sentence", value: "#{Colour | ToUpper} in #{Octopus.Environment.Name}#{if Late}, late#{/if}" },
        { name: "Late", value: "False" },
        { name: "Late", value: "True", environment: "Production" },
      ],
      steps: [
        {
          name: "Everywhere",
          role: "web,db",
          script: 'mark "$(get_octopusvariable Octopus.Machine.Name) $(get_octopusvariable Sentence)"',
          stepProperties: { "Octopus.Action.MaxParallelism": "1" },
        },
        { name: "Special", role: "db", script: 'mark "special $(get_octopusvariable sentence)"' },
      ],
    });
    await project.release("1.0.0");
    const inTest = await project.deploy("1.0.0", "Test");
    await succeeded(inTest);
    assert.deepEqual([...inTest.marks()].sort(), ["db-1 GOLD in Test", "special WHITE in Test", "web-1 RED in Test", "web-2 BLUE in Test"]);
    const inProduction = await project.deploy("1.0.0", "Production");
    await succeeded(inProduction);
    assert.deepEqual([...inProduction.marks()].sort(), [
      "db-1 GOLD in Production, late",
      "special WHITE in Production, late",
      "web-1 RED in Production, late",
      "web-2 GREEN in Production, late",
    ]);
  });

  test("sensitive values reach the script and never the log, also not in pieces made of them", async () => {
    const project = await world.project({
      name: "Secrets",
      variables: [
        { name: "Password", value: "s3cr3t of the day", sensitive: true },
        { name: "Connection", value: "Server=db;Password=#{Password}" },
      ],
      steps: [
        {
          name: "Tell",
          role: "db",
          script: `mark "$(get_octopusvariable Password)"
echo "It is $(get_octopusvariable Password)!"
echo "With $(get_octopusvariable Connection)"
get_octopusvariable Password | base64`,
        },
      ],
    });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    await succeeded(deployment);
    assert.deepEqual(deployment.marks(), ["s3cr3t of the day"]);
    const log = await deployment.log();
    assert.match(log, /It is \*{8}!/);
    for (const shape of ["s3cr3t", Buffer.from("s3cr3t of the day").toString("base64")]) assert.ok(!log.includes(shape), log);
  });

  test("what a step puts out is read by later ones, for one machine and for each", async () => {
    const read = (name: string): string => `$(get_octopusvariable "Octopus.Action[Put out].Output${name}")`;
    const project = await world.project({
      name: "Outputs",
      steps: [
        {
          name: "Put out",
          role: "web",
          script: `set_octopusvariable Address "http://$(get_octopusvariable Octopus.Machine.Name)/"; set_octopusvariable Token "t0ken of all" -sensitive`,
          stepProperties: { "Octopus.Action.MaxParallelism": "1" },
        },
        {
          name: "Read",
          role: "db",
          script: `mark "${read("[web-1].Address")} ${read("[web-2].Address")} ${read(".Token")}"; echo "token ${read(".Token")}"`,
        },
      ],
    });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    await succeeded(deployment);
    assert.deepEqual(deployment.marks(), ["http://web-1/ http://web-2/ t0ken of all"]);
    assert.match(await deployment.log(), /token \*{8}/);
  });

  test("a release keeps the process and the variables it was made with, until its variables are frozen anew", async () => {
    const process = (text: string) => [{ name: "Say", role: "db", script: `mark "${text} $(get_octopusvariable Word)"` }];
    const project = await world.project({ name: "Frozen", steps: process("old"), variables: [{ name: "Word", value: "one" }] });
    await project.release("1.0.0");
    await project.change({ steps: process("new"), variables: [{ name: "Word", value: "two" }] });
    const first = await project.deploy("1.0.0", "Test");
    await succeeded(first);
    assert.deepEqual(first.marks(), ["old one"]);
    const [release] = (await world.api.get(`/api/Spaces-1/projects/${project.id}/releases`)).Items;
    await world.api.create(`/api/Spaces-1/releases/${release.Id}/snapshot-variables`, {});
    const second = await project.deploy("1.0.0", "Test");
    await succeeded(second);
    assert.deepEqual(second.marks(), ["old two"]);
  });

  test("after a failure only the steps run that are for it, and the deployment has failed", async () => {
    const project = await world.project({
      name: "Conditions",
      variables: [{ name: "Wanted", value: '#{if Octopus.Environment.Name == "Test"}True#{/if}' }],
      steps: [
        {
          name: "Wanted",
          role: "db",
          script: "mark wanted",
          condition: "Variable",
          stepProperties: { "Octopus.Step.ConditionVariableExpression": "#{Wanted}" },
        },
        {
          name: "Unwanted",
          role: "db",
          script: "mark unwanted",
          condition: "Variable",
          stepProperties: { "Octopus.Step.ConditionVariableExpression": "#{unless Wanted}True#{/unless}" },
        },
        { name: "Fails", role: "db", script: "mark fails; exit 3" },
        { name: "After success", role: "db", script: "mark no" },
        { name: "After failure", role: "db", script: "mark failure", condition: "Failure" },
        { name: "Always", role: "db", script: "mark always", condition: "Always" },
      ],
    });
    await project.release("1.0.0");
    const deployment = await project.deploy("1.0.0", "Test");
    const task = await deployment.ended();
    assert.equal(task.State, "Failed");
    assert.match(task.ErrorMessage, /Step 3 \(Fails\) failed/);
    assert.deepEqual(deployment.marks(), ["wanted", "fails", "failure", "always"]);
  });
});
