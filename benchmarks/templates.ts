// What variables cost in a deployment: a set of 1,000 variables resolved for each of 200 steps, and the steps' fields evaluated over them; beside it
// the same with a tenth and with ten times as much, because the cost has to grow with the work and no faster. `npm run bench:templates`.
import { createScopeResolver } from "@cuttle/templates";
import type { ScopedVariable } from "@cuttle/templates";
import { percentile } from "./programs.ts";

const rounds = 7;
/** Fields of a step that hold placeholders; together they use each variable of the set once in a while. */
const fieldsPerStep = 10;
const usesPerField = 5;

/** A third plain, a third made of others, a sixth scoped over environments, a sixth over steps; some with JSON and filters. */
function variableSet(count: number, steps: number): ScopedVariable[] {
  return Array.from({ length: count }, (_, at): ScopedVariable[] => {
    const name = `Project.Part${at % 50}.Setting${at}`;
    const id = `Variables-${at * 2}`;
    const plain = { id, name, value: `value ${at}`, origin: "project" } as const;
    switch (at % 6) {
      case 0:
      case 1:
        return [plain];
      case 2:
        return [
          {
            ...plain,
            value: `#{Project.Part${(at - 2) % 50}.Setting${at - 2}}/#{Project.Part${(at - 1) % 50}.Setting${at - 1} | ToUpper}`,
          },
        ];
      case 3:
        return [{ ...plain, value: `{"host": "h${at}", "ports": [80, 443]}` }];
      case 4:
        return [plain, { ...plain, id: `${id}1`, value: `production ${at}`, scope: { Environment: ["Environments-2"] } }];
      default:
        return [plain, { ...plain, id: `${id}1`, value: `step ${at}`, scope: { Action: [`step-${at % steps}`] } }];
    }
  }).flat();
}

function fieldsOf(step: number, count: number): string[] {
  return Array.from({ length: fieldsPerStep }, (_, field) =>
    Array.from({ length: usesPerField }, (_unused, use) => {
      const at = (step * fieldsPerStep * usesPerField + field * usesPerField + use) % count;
      const name = `Project.Part${at % 50}.Setting${at}`;
      return at % 6 === 3 ? `#{${name}.ports[1]}` : use === 0 ? `#{if ${name}}#{${name}}#{/if}` : `text #{${name}}`;
    }).join(" "),
  );
}

interface Cost {
  wallMs: number;
  /** Of this process: on a machine that does other things beside, the honest one. */
  processorMs: number;
}

/** What one deployment's resolving and evaluating costs, from a variable set as it is stored. */
function deploymentCost(variables: readonly ScopedVariable[], fields: readonly string[][], everyVariable: boolean): Cost {
  const begin = performance.now();
  const processorBefore = process.cpuUsage();
  const resolver = createScopeResolver(variables);
  for (const [step, texts] of fields.entries()) {
    const scope = { action: `step-${step}`, environment: "Environments-2", machine: "Machines-1" };
    const set = resolver.variablesAt(scope, { nowMs: 0 }, [{ name: "Octopus.Step.Number", value: String(step) }]);
    for (const text of texts) if (set.evaluate(text).unresolved.length > 0) throw new Error(`Unresolved in ${text}`);
    if (everyVariable) for (const name of set.names()) set.get(name);
  }
  const { user, system } = process.cpuUsage(processorBefore);
  return { wallMs: performance.now() - begin, processorMs: (user + system) / 1_000 };
}

function measure(title: string, variableCount: number, steps: number, everyVariable = false): number {
  const variables = variableSet(variableCount, steps);
  const fields = Array.from({ length: steps }, (_, step) => fieldsOf(step, variableCount));
  const costs = Array.from({ length: rounds }, () => deploymentCost(variables, fields, everyVariable));
  const shown = (of: keyof Cost): string =>
    `median ${percentile(
      costs.map((cost) => cost[of]),
      0.5,
    )
      .toFixed(1)
      .padStart(7)}, first ${(costs[0]?.[of] ?? 0).toFixed(1).padStart(7)}`;
  console.log(`${title.padEnd(66)} ${shown("wallMs")} ms; processor ${shown("processorMs")} ms`);
  return percentile(
    costs.map(({ processorMs }) => processorMs),
    0.5,
  );
}

console.log(`${rounds} rounds each; ${fieldsPerStep} fields per step with ${usesPerField} placeholders each`);
const fewSteps = measure("1,000 variables, 20 steps", 1_000, 20);
const aim = measure("1,000 variables, 200 steps (aim: under 200 ms)", 1_000, 200);
const manySteps = measure("1,000 variables, 2,000 steps", 1_000, 2_000);
const fewVariables = measure("100 variables, 200 steps", 100, 200);
const manyVariables = measure("10,000 variables, 200 steps", 10_000, 200);
measure("1,000 variables, 200 steps, each step evaluates every variable too", 1_000, 200, true);
const ratio = (larger: number, smaller: number): string => (larger / smaller).toFixed(1);
console.log(`10 times the steps cost ${ratio(aim, fewSteps)} and ${ratio(manySteps, aim)} times as much processor time (linear: 10)`);
console.log(`10 times the variables cost ${ratio(aim, fewVariables)} and ${ratio(manyVariables, aim)} times as much (linear: 10)`);
