// The step type Octopus.Script: a script that stands in the step, with the variables of its target, on each target.

import type { ActionContext, ActionOutcome, ScriptForAgents, StepType } from "../../../../engine/execution/execution.ts";
import {
  ActionFault,
  composeBashScript,
  composePowerShellScript,
  mainPart,
  refusalOfBash,
  runPowerShellFromBash,
  scriptBytesMax,
} from "../../../../engine/execution/execution.ts";

const property = {
  source: "Octopus.Action.Script.ScriptSource",
  syntax: "Octopus.Action.Script.Syntax",
  body: "Octopus.Action.Script.ScriptBody",
} as const;
const syntaxes = ["Bash", "PowerShell"];

export const scriptStepType: StepType = {
  name: "Octopus.Script",
  runs: "targets",
  firstPart: mainPart,

  check({ name, properties, runsOnServer }) {
    const text = (one: string): string | undefined => {
      const value = properties[one];
      return typeof value === "string" && value !== "" ? value : undefined;
    };
    if (runsOnServer)
      return [
        `Step '${name}' asks to run on the server, which is not available yet. Give it target roles instead (Octopus.Action.TargetRoles).`,
      ];
    const source = text(property.source) ?? "Inline";
    if (source !== "Inline")
      return [`Step '${name}' takes its script from '${source}', which is not available yet. Put the script into the step.`];
    const syntax = text(property.syntax) ?? "Bash";
    if (!syntaxes.includes(syntax)) return [`Step '${name}' is written in ${syntax}; this server runs Bash and PowerShell.`];
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
  const isBash = (context.property(property.syntax) ?? "Bash") === "Bash";
  const body = isBash ? composeBashScript(variables, text) : composePowerShellScript(variables, text);
  if (Buffer.byteLength(body) > scriptBytesMax) {
    throw new ActionFault(
      `The script of step ${step.number} (${step.name}) with its variables is larger than ${scriptBytesMax} bytes. Put the script or large values into files of a package.`,
    );
  }
  return isBash ? { bash: body, powerShell: refusalOfBash } : { bash: runPowerShellFromBash(body), powerShell: body };
}
