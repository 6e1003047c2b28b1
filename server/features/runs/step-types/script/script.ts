// The step type Octopus.Script: a script that stands in the step, with the variables of its target, on each target or on a worker in its place.

import type { ActionContext, ActionOutcome, ScriptForAgents, ScriptVariable, StepType } from "../../../../engine/execution/execution.ts";
import {
  ActionFault,
  composeBashScript,
  composePowerShellScript,
  composePythonScript,
  mainPart,
  refusalOfBash,
  runPowerShellFromBash,
  runPython,
  scriptBytesMax,
} from "../../../../engine/execution/execution.ts";

const property = {
  source: "Octopus.Action.Script.ScriptSource",
  syntax: "Octopus.Action.Script.Syntax",
  body: "Octopus.Action.Script.ScriptBody",
  parameters: "Octopus.Action.Script.ScriptParameters",
} as const;
const syntaxes = ["Bash", "PowerShell", "Python"];

export const scriptStepType: StepType = {
  name: "Octopus.Script",
  runs: "targets",
  firstPart: mainPart,

  check({ name, properties }) {
    const text = (one: string): string | undefined => {
      const value = properties[one];
      return typeof value === "string" && value !== "" ? value : undefined;
    };
    const source = text(property.source) ?? "Inline";
    if (source !== "Inline")
      return [`Step '${name}' takes its script from '${source}', which is not available yet. Put the script into the step.`];
    const syntax = text(property.syntax) ?? "Bash";
    if (!syntaxes.includes(syntax)) return [`Step '${name}' is written in ${syntax}; this server runs ${syntaxes.join(", ")}.`];
    return text(property.body) === undefined ? [`Step '${name}' has no script (${property.body}).`] : [];
  },

  async run(context) {
    const result = await context.runScript({ body: async () => bodyFor(context), ends: true });
    return outcomeOf(result);
  },
};

function outcomeOf({
  outcome,
  message,
}: {
  outcome: "succeeded" | "failed" | "canceled" | "unknown";
  message: string | null;
}): ActionOutcome {
  return outcome === "succeeded" ? { outcome } : { outcome, message: message ?? "The script did not succeed." };
}

function bodyFor(context: ActionContext): ScriptForAgents {
  const { step } = context;
  const variables = context.scriptVariables();
  const text = context.evaluate(property.body) ?? "";
  const parameters = context.evaluate(property.parameters) ?? "";
  const composed = compose(context.property(property.syntax) ?? "Bash", variables, { text, parameters });
  if (Math.max(Buffer.byteLength(composed.bash), Buffer.byteLength(composed.powerShell)) > scriptBytesMax) {
    throw new ActionFault(
      `The script of step ${step.number} (${step.name}) with its variables is larger than ${scriptBytesMax} bytes. Put the script or large values into files of a package.`,
    );
  }
  return composed;
}

function compose(
  syntax: string,
  variables: readonly ScriptVariable[],
  { text, parameters }: { text: string; parameters: string },
): ScriptForAgents {
  if (syntax === "Python") return runPython(composePythonScript(variables, text), parameters);
  if (syntax === "Bash") return { bash: composeBashScript(variables, text, parameters), powerShell: refusalOfBash };
  const powerShell = composePowerShellScript(variables, text, parameters);
  return { bash: runPowerShellFromBash(powerShell), powerShell };
}
