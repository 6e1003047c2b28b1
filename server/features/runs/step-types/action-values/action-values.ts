// The values of an action together with what is only known while it runs, such as where its packages lie at its target.

import { createVariables, TemplateError } from "@cuttle/templates";
import type { Variable, Variables } from "@cuttle/templates";
import { ActionFault } from "../../../../engine/execution/execution.ts";
import type { ActionContext, ScriptVariable } from "../../../../engine/execution/execution.ts";

/** Their text is no value of a script: scripts of the step are files of their own. */
const scriptProperty = /^Octopus\.Action\.(?:CustomScripts\.|Script\.ScriptBody$)/i;

export interface ActionValues {
  variables: Variables;
  scriptVariables(): ScriptVariable[];
  /** A property of the action with its placeholders replaced; undefined when it is not there or comes to nothing. @throws ActionFault */
  evaluate(name: string): string | undefined;
}

/** Those of the action; `further` ones win over them. */
export function valuesWith(context: ActionContext, further: readonly Variable[]): ActionValues {
  const variables =
    further.length === 0
      ? context.variables
      : createVariables([...ownValues(context), ...further], { nowMs: context.plan.nowMs, hearDerived: (text) => context.hide(text) });
  return {
    variables,
    evaluate(name) {
      const raw = context.property(name);
      if (raw === undefined) return undefined;
      try {
        return variables.evaluate(raw).text || undefined;
      } catch (error) {
        if (error instanceof TemplateError) throw new ActionFault(`The field ${name} cannot be evaluated: ${error.message}`);
        throw error;
      }
    },
    scriptVariables: () =>
      variables.names().flatMap((name) => (scriptProperty.test(name) ? [] : [{ name, value: valueOf(variables, name).text }])),
  };
}

function ownValues({ variables }: ActionContext): Variable[] {
  return variables.names().map((name) => {
    const value = variables.getUnevaluated(name) ?? "";
    // What is made of a secret is one too; a value without placeholders is not looked at twice.
    return { name, value, sensitive: valueOf(variables, name).sensitive };
  });
}

/** A value that cannot be evaluated stays as it is: it must not stop an action that does not use it. */
function valueOf(variables: Variables, name: string): { text: string; sensitive: boolean } {
  try {
    const found = variables.get(name);
    return { text: found?.text ?? "", sensitive: found?.sensitive ?? false };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return { text: variables.getUnevaluated(name) ?? "", sensitive: true };
  }
}
