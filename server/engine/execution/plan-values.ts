// What variables are worth at one place of a run: the server's own values, the frozen variables by their scopes, the properties of the
// step and the action, and the machine. Secrets are read when a place first needs them.

import { createScopeResolver, createVariables, TemplateError } from "@cuttle/templates";
import type { RunScope, ScopeResolver, Variable, Variables } from "@cuttle/templates";
import type { Plan, PlannedAction, PlannedProperties, PlannedStep, PlannedTarget, PlannedValue } from "./plan.ts";
import { errorVariables } from "./run-state.ts";
import type { ScriptVariable } from "./script-body.ts";
import { ActionFault } from "./step-type.ts";
import { isTooShortToMask } from "../../platform/secrets/secrets.ts";

/** The text of the script is no variable of it. */
const scriptBodyProperty = "Octopus.Action.Script.ScriptBody";

/** Different texts that templates may make of secrets for one action at one place, and their characters together: all are looked for in each line. */
export const derivedSecretsMax = 2_000;
export const derivedSecretCharactersMax = 4 * 1024 * 1024;

export interface Place {
  step: PlannedStep;
  /** Undefined: of the step before its actions. */
  action?: PlannedAction | undefined;
  target?: PlannedTarget | undefined;
  /** What went wrong before in this step, at this place. */
  failure?: string | undefined;
}

export interface PlaceValues {
  variables: Variables;
  scriptVariables(): ScriptVariable[];
  property(name: string): string | undefined;
  /** @throws ActionFault */
  evaluate(name: string): string | undefined;
  /** @throws ActionFault */
  evaluateText(text: string): string;
  /** @throws ActionFault */
  isTruthy(text: string): boolean;
  /** All that must not be shown in logs of this place: secrets, and what values, fields and filters in them made of them. */
  secrets(): string[];
  /** Counts a text that was made of a secret among them. @throws ActionFault when there are too many to mask */
  hide(text: string): void;
}

export interface PlanValues {
  at(place: Place): Promise<PlaceValues>;
}

export function createPlanValues(
  plan: Plan,
  parts: {
    /** Texts by id; fails when one of them is not there or cannot be decrypted. */
    readSecrets: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
    /** What the run has made so far, as it is seen at a target. */
    made: (target: PlannedTarget | undefined) => readonly Variable[];
  },
): PlanValues {
  const texts = new Map<string, string>();
  let resolver: ScopeResolver | undefined;

  async function readMissing(ids: readonly string[]): Promise<void> {
    const missing = [...new Set(ids)].filter((id) => !texts.has(id));
    if (missing.length > 0) for (const [id, text] of await parts.readSecrets(missing)) texts.set(id, text);
  }

  function textOf(secretId: string): string {
    const text = texts.get(secretId);
    if (text === undefined) throw new Error(`The secret ${secretId} was not read.`);
    return text;
  }

  const variableOf = (one: PlannedValue): Variable =>
    "secretId" in one ? { name: one.name, value: textOf(one.secretId), sensitive: true } : { name: one.name, value: one.value };

  function resolve(): ScopeResolver {
    return (resolver ??= createScopeResolver(
      plan.variables.map(({ id, name, value, secretId, scope, origin }) =>
        secretId === null ? { id, name, value, scope, origin } : { id, name, value: textOf(secretId), sensitive: true, scope, origin },
      ),
    ));
  }

  return {
    async at({ step, action, target, failure }) {
      const properties = valuesOf({ ...step.properties, ...action?.properties });
      const system = [...plan.values, ...(action?.values ?? [])];
      const ofTarget = target?.values ?? [];
      await readMissing([
        ...plan.variables.flatMap((one) => one.secretId ?? []),
        ...[...system, ...properties, ...ofTarget].flatMap((one) => ("secretId" in one ? one.secretId : [])),
      ]);
      const fields = new Map(properties.map((one) => [one.name, variableOf(one)]));
      const own = [
        ...system.map(variableOf),
        ...[...fields.values()].filter((one) => one.name !== scriptBodyProperty),
        ...(target === undefined ? [] : machineValues(target)),
        ...ofTarget.map(variableOf),
        ...parts.made(target),
        ...(failure === undefined ? [] : errorVariables(failure)),
      ];
      const made = createMadeSecrets([...texts.values()]);
      const options = { nowMs: plan.nowMs, hearDerived: made.hide };
      const variables = resolve().variablesAt(scopeOf(plan, { step, action, target }), options, own);
      return placeValues(plan, variables, fields, made);
    },
  };
}

interface MadeSecrets {
  add(text: string): void;
  hide(text: string): void;
  all(): string[];
}

/** `given`: the texts of all secrets that may stand in a value here. */
function createMadeSecrets(given: readonly string[]): MadeSecrets {
  const all = new Set(given);
  let derived = 0;
  let characters = 0;
  return {
    add: (text) => void all.add(text),
    hide(text) {
      if (all.has(text) || isTooShortToMask(text)) return;
      derived += 1;
      characters += text.length;
      if (derived > derivedSecretsMax || characters > derivedSecretCharactersMax)
        throw new ActionFault(
          `Its templates make more than ${derivedSecretsMax} texts, or ${derivedSecretCharactersMax} characters, of sensitive values, ` +
            "more than can be kept out of the log. Use fewer filters and loops over sensitive values.",
        );
      all.add(text);
    },
    all: () => [...all].filter((text) => text !== ""),
  };
}

function placeValues(plan: Plan, variables: Variables, fields: ReadonlyMap<string, Variable>, made: MadeSecrets): PlaceValues {
  const isLiteral = plan.placeholders === "literal";
  const plain = createVariables(fields.values(), { nowMs: plan.nowMs });
  const scriptBody = plain.getUnevaluated(scriptBodyProperty);
  let evaluated: ScriptVariable[] | undefined;

  function evaluateText(text: string): string {
    if (isLiteral) return text;
    const result = faulty(() => variables.evaluate(text), "A field");
    // The script itself is no secret as a whole: its lines may be shown, the secrets in them not.
    if (result.sensitive && result.text !== null && text !== scriptBody) made.add(result.text);
    return result.text ?? "";
  }

  function property(name: string): string | undefined {
    const text = plain.getUnevaluated(name);
    return text === "" ? undefined : text;
  }

  /** A value that cannot be evaluated stays as it is: it must not stop an action that does not use it. */
  function valueOf(name: string): string {
    const text = variables.getUnevaluated(name) ?? "";
    if (isLiteral) return text;
    try {
      const found = variables.get(name);
      if (found?.sensitive === true && found.text !== null) made.add(found.text);
      return found?.text ?? "";
    } catch (error) {
      if (error instanceof TemplateError) return text;
      throw error;
    }
  }

  const scriptVariables = (): ScriptVariable[] => (evaluated ??= variables.names().map((name) => ({ name, value: valueOf(name) })));
  return {
    variables,
    scriptVariables,
    property,
    evaluate(name) {
      const text = property(name);
      return text === undefined ? undefined : evaluateText(text);
    },
    evaluateText,
    isTruthy: (text) => faulty(() => variables.isTruthy(text), "A condition"),
    secrets() {
      scriptVariables();
      return made.all();
    },
    hide: made.hide,
  };
}

function faulty<T>(work: () => T, what: string): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new ActionFault(`${what} cannot be evaluated: ${error.message}`);
    throw error;
  }
}

function valuesOf(properties: PlannedProperties): PlannedValue[] {
  return Object.entries(properties).map(([name, value]) =>
    typeof value === "string" ? { name, value } : { name, secretId: value.secretId },
  );
}

function machineValues(target: PlannedTarget): Variable[] {
  return [
    { name: "Octopus.Machine.Id", value: target.machineId },
    { name: "Octopus.Machine.Name", value: target.name },
    ...(target.roles === undefined ? [] : [{ name: "Octopus.Machine.Roles", value: target.roles.join(",") }]),
  ];
}

function scopeOf(plan: Plan, { step, action, target }: Place): RunScope {
  return {
    ...plan.scope,
    action: action?.id,
    machine: target?.machineId,
    machineRoles: target?.roles,
    stepRoles: step.roles,
  };
}
