// Which value of a variable holds where: each row of the precedence table against all below it, how scopes match, and what decides among equals.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkScope, createScopeResolver, createVariables, precedence } from "./templates.ts";
import type { Origin, RunScope, ScopedVariable, VariableScope } from "./templates.ts";

const here: RunScope = {
  action: "deploy-web",
  machine: "Machines-1",
  machineRoles: ["web", "db"],
  stepRoles: ["web"],
  tenant: "Tenants-1",
  tenantTags: ["Region/EU"],
  environment: "Environments-1",
  channel: "Channels-1",
  processOwner: "Projects-1",
  project: "Projects-1",
};

/** A scope for each row of the table, highest first. */
const scopes: readonly VariableScope[] = [
  { Action: ["deploy-web"] },
  { Machine: ["Machines-1"] },
  { Role: ["web"] },
  { Role: ["db"] },
  { Tenant: ["Tenants-1"] },
  { TenantTag: ["Region/EU"] },
  { Environment: ["Environments-1"] },
  { Channel: ["Channels-1"] },
  { ProcessOwner: ["Projects-1"] },
  { Project: ["Projects-1"] },
  {},
];

let ids = 0;
const value = (text: string, scope: VariableScope = {}, origin: Origin = "project"): ScopedVariable => ({
  id: `Variables-${++ids}`,
  name: "V",
  value: text,
  scope,
  origin,
});
const valueHere = (variables: readonly ScopedVariable[], scope: RunScope = here): string | null | undefined =>
  createScopeResolver(variables).resolve(scope)[0]?.value;

for (const [at, scope] of scopes.entries()) {
  test(`precedence row ${at + 1}, "${precedence[at]}", beats every row below, in whichever order they stand`, () => {
    const mine = value("mine", scope);
    const below = scopes.slice(at + 1).map((lower, row) => value(`row ${at + row + 2}`, lower));
    for (const other of below)
      assert.deepEqual([valueHere([mine, other]), valueHere([other, mine])], ["mine", "mine"], `over ${other.value}`);
    const resolver = createScopeResolver([...below.toReversed(), mine]);
    assert.equal(resolver.resolve(here)[0]?.winner, mine);
    const [won, ...beaten] = resolver.explain("v", here);
    assert.deepEqual([won?.variable, won?.outcome, won?.rank], [mine, "won", at + 1]);
    assert.deepEqual(
      beaten.map(({ rank, outcome }) => [rank, outcome]),
      below.map((_, row) => [at + row + 2, "beaten"]),
    );
  });

  if (at < scopes.length - 1)
    test(`a value scoped to "${precedence[at]}" holds nowhere else`, () => {
      assert.equal(valueHere([value("mine", scope)], {}), undefined);
      const [kind] = Object.keys(scope);
      assert.ok(kind !== undefined);
      const variable = value("mine", { [kind]: ["something-missing"] });
      assert.equal(valueHere([variable]), undefined);
      const [candidate] = createScopeResolver([variable]).explain("V", here);
      assert.deepEqual(
        [candidate?.outcome, candidate?.rank, candidate?.reason],
        ["elsewhere", null, `Its scope to ${kind} does not match.`],
      );
    });
}

test("values of one kind of scope are joined by OR, kinds by AND", () => {
  const scoped = value("scoped", { Environment: ["Environments-1", "Environments-2"], Action: ["deploy-web"] });
  const unscoped = value("unscoped");
  const at = (environment: string, action: string): string | null | undefined => valueHere([scoped, unscoped], { environment, action });
  assert.deepEqual(
    [
      at("Environments-1", "deploy-web"),
      at("Environments-2", "deploy-web"),
      at("Environments-3", "deploy-web"),
      at("Environments-1", "other"),
    ],
    ["scoped", "scoped", "unscoped", "unscoped"],
  );
});

test("more kinds of scope beat fewer of the same rank", () => {
  const two = value("two", { Environment: ["Environments-1"], Role: ["web"] });
  assert.equal(valueHere([value("one", { Role: ["web"] }), two]), "two");
  assert.equal(valueHere([value("higher", { Machine: ["Machines-1"] }), two]), "higher", "a higher rank beats more kinds of a lower one");
  const three = value("three", { Role: ["web"], Environment: ["Environments-1"], Channel: ["Channels-1"] });
  assert.equal(valueHere([two, three]), "three");
});

test("then the further kinds of scope decide, then a project's value beats a variable set's, and that the server's proposal", () => {
  const channel = value("channel", { Machine: ["Machines-1"], Channel: ["Channels-1"] });
  const environment = value("environment", { Machine: ["Machines-1"], Environment: ["Environments-1"] });
  assert.equal(valueHere([channel, environment]), "environment");
  const set = value("set", { Environment: ["Environments-1"] }, "librarySet");
  assert.equal(valueHere([set, value("project", { Environment: ["Environments-1"] })]), "project");
  assert.equal(valueHere([value("system", {}, "system"), value("set", {}, "librarySet")]), "set");
  assert.equal(valueHere([set, value("project")]), "set", "a scoped value of a set beats an unscoped one of the project");
});

test("the last tie goes to the older id and is told", () => {
  const older = { ...value("older"), id: "Variables-9" };
  const newer = { ...value("newer"), id: "Variables-10" };
  for (const variables of [
    [older, newer],
    [newer, older],
  ]) {
    const [resolved] = createScopeResolver(variables).resolve(here);
    assert.equal(resolved?.winner, older);
    assert.deepEqual(resolved?.tiedWith, [newer]);
  }
  const [, beaten] = createScopeResolver([older, newer]).explain("V", here);
  assert.match(beaten?.reason ?? "", /older id wins/);
  assert.deepEqual(createScopeResolver([older, value("scoped", { Machine: ["Machines-1"] })]).resolve(here)[0]?.tiedWith, []);
});

test("values given by a trigger, a parent deployment and the server stand above all ranks, in this order", () => {
  const step = value("step", { Action: ["deploy-web"] });
  const given = (["trigger", "parentDeployment", "private"] as const).map((origin) => value(origin, {}, origin));
  for (let from = 0; from < given.length; from++) {
    assert.equal(valueHere([step, ...given.slice(from).toReversed()]), given[from]?.value);
    assert.equal(createScopeResolver([step, ...given.slice(from)]).explain("V", here)[0]?.rank, 0);
  }
});

test("a runbook has no channel, and a deployment's step is none of its steps: such scopes never match there", () => {
  const runbook: RunScope = { processOwner: "Runbooks-1", environment: "Environments-1", action: "runbook-step" };
  assert.equal(valueHere([value("x", { Channel: ["Channels-1"], ProcessOwner: ["Runbooks-1"] })], runbook), undefined);
  assert.equal(valueHere([value("x", { Action: ["deploy-web"], ProcessOwner: ["Runbooks-1"] })], runbook), undefined);
  assert.equal(valueHere([value("x", { ProcessOwner: ["Runbooks-1"] })], runbook), "x");
});

test("a scope by tag needs the target to have it, and its rank the step to name it", () => {
  const variable = value("x", { Role: ["web"] });
  const rank = (scope: RunScope): number | null | undefined => createScopeResolver([variable]).explain("V", scope)[0]?.rank;
  assert.equal(rank({ machineRoles: ["WEB"], stepRoles: ["Web"] }), 3);
  assert.equal(rank({ machineRoles: ["web"], stepRoles: ["db"] }), 4);
  assert.equal(rank({ machineRoles: ["db"], stepRoles: ["web"] }), null);
  assert.equal(rank({ stepRoles: ["web"] }), null);
});

test("names and scopes are compared without case, unknown kinds of scope match nothing, and sensitive values stay it", () => {
  const secret = { ...value("secret", { Environment: ["ENVIRONMENTS-1"] }), name: "PASSWORD", sensitive: true };
  const odd = { ...value("odd", { ...({ __proto__: ["x"], constructor: ["x"] } as VariableScope) }), name: "password" };
  const resolved = createScopeResolver([{ ...value("plain"), name: "Password" }, secret, odd]).resolve(here);
  assert.deepEqual(
    resolved.map(({ name, value: text, sensitive }) => [name, text, sensitive]),
    [["PASSWORD", "secret", true]],
  );
});

test("one resolver gives variables for many places: each sees its own values, those of the run win, and what holds elsewhere is not there", () => {
  const named = (name: string, text: string, scope: VariableScope = {}): ScopedVariable => ({ ...value(text, scope), name });
  const resolver = createScopeResolver([
    named("Url", "http://#{Host}:#{Port}"),
    named("Host", "default"),
    named("Host", "production", { Environment: ["Environments-1"] }),
    named("Port", "80"),
    named("Port", "8080", { Action: ["deploy-web"], Environment: ["Environments-1", "Environments-2"] }),
    named("Node[a].Name", "A"),
    named("Node[b].Name", "B", { Environment: ["Environments-1"] }),
    { ...named("Secret", "s", { Machine: ["Machines-1"] }), sensitive: true },
  ]);
  const template = "#{Url} #{each n in Node}#{n.Name}#{/each} #{Step}";
  const at = (scope: RunScope, step: string): string | null =>
    resolver.variablesAt(scope, { nowMs: 0 }, [{ name: "Step", value: step }]).evaluate(template).text;
  const place = { environment: "Environments-1", action: "deploy-web" };
  for (let again = 0; again < 2; again++) {
    assert.equal(at(place, "1"), "http://production:8080 AB 1");
    assert.equal(at({ environment: "Environments-2", action: "deploy-web" }, "2"), "http://default:8080 A 2");
    assert.equal(at({}, "3"), "http://default:80 A 3");
  }
  const elsewhere = resolver.variablesAt({}, { nowMs: 0 });
  assert.deepEqual(
    [elsewhere.get("Secret"), elsewhere.evaluate("#{Node[b]} #{Step}").text, elsewhere.indexesOf("Node")],
    [undefined, "#{Node[b]} #{Step}", ["a"]],
  );
  assert.equal(resolver.variablesAt({ machine: "Machines-1" }, { nowMs: 0 }).evaluate("#{Secret}").sensitive, true);
  assert.equal(resolver.variablesAt(place, { nowMs: 0 }, [{ name: "HOST", value: "mine" }]).get("Url")?.text, "http://mine:8080");
  // The same answers as by the long way.
  for (const scope of [place, here, {}]) {
    const slow = createVariables(resolver.resolve(scope), { nowMs: 0 });
    const quick = resolver.variablesAt(scope, { nowMs: 0 });
    assert.deepEqual(quick.names(), slow.names());
    for (const name of slow.names()) assert.deepEqual(quick.get(name), slow.get(name));
  }
  // More names of single runs than are remembered change nothing.
  const many = Array.from({ length: 21_000 }, (_, number) => ({ name: `Output[${number}].Value`, value: "#{Host}" }));
  assert.equal(
    resolver.variablesAt(place, { nowMs: 0 }, many).evaluate("#{Output[20999].Value} #{Url}").text,
    "production http://production:8080",
  );
});

test("a scope that can hold nowhere is told with what to do", () => {
  assert.deepEqual(checkScope({ name: "V", scope: { Environment: ["E"], Action: [] }, origin: "librarySet" }), []);
  assert.match(checkScope({ name: "V", scope: { Action: ["A"] }, origin: "librarySet" }).join(), /scoped to Action\. Only a project's/);
  assert.match(checkScope({ name: "V", scope: { Channel: ["C"] }, origin: "librarySet" }).join(), /scoped to Channel/);
  assert.match(checkScope({ name: "V", scope: { Channel: ["C"], ProcessOwner: ["Runbooks-1"] }, origin: "project" }).join(), /never hold/);
});
