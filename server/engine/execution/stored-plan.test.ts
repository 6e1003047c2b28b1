// Plans that lie in databases already are followed to the letter by a newer program; those of a newer one are refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../tasks/tasks.ts";
import { decodePlan, encodePlan, PlanNotReadable, planVersion } from "./stored-plan.ts";

/** As the first version stored it: all agents listen. */
const storedByVersion1 = {
  taskId: "ServerTasks-1",
  title: "Deploy shop release 1.0.0 to Production",
  variables: [{ name: "Octopus.Project.Name", value: "shop" }],
  steps: [
    {
      id: "b8b35394-3d03-432e-a37d-4e54fbf3ed09",
      number: 1,
      name: "Greet",
      condition: "Success",
      script: { syntax: "Bash", body: "echo hello" },
      variables: [{ name: "Password", secretId: "Secrets-1" }],
      targets: [{ machineId: "Machines-1", name: "web-1", agent: { host: "10.0.0.5", port: 10933, thumbprint: "AB".repeat(20) } }],
      parallelMax: 10,
      isolation: "full",
    },
  ],
};

/** Each former version as it was stored: 2 with a polling agent, 3 with a script in PowerShell, 4 with an agent behind a proxy. */
function storedByVersion(version: number): Json {
  const plan = structuredClone(storedByVersion1);
  const [step] = plan.steps;
  if (step === undefined) throw new Error("The stored plan has no step.");
  if (version === 2)
    Object.assign(step.targets[0]!, { agent: { subscription: "poll://0123456789abcdefghij/", thumbprint: "CD".repeat(20) } });
  if (version >= 3) step.script.syntax = "PowerShell";
  if (version >= 4) Object.assign(step.targets[0]!.agent, { proxyId: "Proxies-1" });
  return plan as unknown as Json;
}

test("D11: plans of all former versions are the same runs: steps with the ids that rows and logs know, and nothing put in for placeholders", () => {
  for (const version of [1, 2, 3, 4]) {
    const body = storedByVersion(version);
    const [was] = (body as unknown as typeof storedByVersion1).steps;
    const plan = decodePlan({ version, body });
    assert.equal(plan.placeholders, "literal");
    assert.deepEqual(plan.values, storedByVersion1.variables);
    const [step] = plan.steps;
    assert.deepEqual([step?.id, step?.condition, step?.parallelMax], [was?.id, "Success", 10]);
    assert.deepEqual(step?.targets, was?.targets);
    const [action] = step?.actions ?? [];
    assert.deepEqual([action?.id, action?.type, action?.values], [was?.id, "Octopus.Script", was?.variables]);
    assert.equal(action?.properties["Octopus.Action.Script.Syntax"], version >= 3 ? "PowerShell" : "Bash");
    assert.equal(action?.properties["Octopus.Action.Script.ScriptBody"], "echo hello");
  }
});

test("a plan comes back as it was stored", () => {
  const plan = decodePlan({ version: 4, body: storedByVersion(4) });
  const { version, body } = encodePlan(plan);
  assert.deepEqual(decodePlan({ version, body: JSON.parse(JSON.stringify(body)) }), JSON.parse(JSON.stringify(plan)));
  // Only what a node of the version before would do wrong is kept from it.
  assert.equal(version, planVersion - 1);
  const [step] = plan.steps;
  const [action] = step!.actions;
  const tools = { name: "tools", packageId: "Acme.Tools", feedId: "feeds-builtin", version: "1.0.0", properties: {} };
  assert.equal(encodePlan({ ...plan, steps: [{ ...step!, actions: [{ ...action!, packages: [tools] }] }] }).version, planVersion);
});

test("a plan of a newer program is refused with what to do", () => {
  assert.throws(() => decodePlan({ version: planVersion + 1, body: {} }), PlanNotReadable);
  assert.throws(() => decodePlan({ version: 0, body: {} }), PlanNotReadable);
});
