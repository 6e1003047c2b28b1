// Plans that lie in databases already are followed to the letter by a newer program; those of a newer one are refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePlan, encodePlan, PlanNotReadable, planVersion } from "./plan.ts";
import type { Plan } from "./plan.ts";

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

test("a plan stored by the first version reads on as it stands", () => {
  assert.deepEqual(decodePlan({ version: 1, body: storedByVersion1 }), storedByVersion1);
});

test("a plan with a polling agent comes back as it was stored", () => {
  const plan = structuredClone(storedByVersion1) as unknown as Plan;
  (plan.steps[0]!.targets as unknown[])[0] = {
    machineId: "Machines-2",
    name: "web-2",
    agent: { subscription: "poll://0123456789abcdefghij/", thumbprint: "CD".repeat(20) },
  };
  const { version, body } = encodePlan(plan);
  assert.equal(version, 2, "a node that knows no PowerShell can take it over");
  assert.deepEqual(decodePlan({ version, body: JSON.parse(JSON.stringify(body)) }), plan);
});

test("a plan with a script in PowerShell is not for nodes that would run it as Bash", () => {
  const plan = structuredClone(storedByVersion1) as unknown as Plan;
  plan.steps[0]!.script.syntax = "PowerShell";
  const { version, body } = encodePlan(plan);
  assert.equal(version, 3);
  assert.deepEqual(decodePlan({ version, body: JSON.parse(JSON.stringify(body)) }), plan);
});

test("a plan with an agent behind a proxy is not for nodes that would go around it", () => {
  const plan = structuredClone(storedByVersion1) as unknown as Plan;
  Object.assign(plan.steps[0]!.targets[0]!.agent, { proxyId: "Proxies-1" });
  const { version, body } = encodePlan(plan);
  assert.equal(version, 4);
  assert.deepEqual(decodePlan({ version, body: JSON.parse(JSON.stringify(body)) }), plan);
});

test("a plan of a newer program is refused with what to do", () => {
  assert.throws(() => decodePlan({ version: planVersion + 1, body: {} }), PlanNotReadable);
  assert.throws(() => decodePlan({ version: 0, body: {} }), PlanNotReadable);
});
