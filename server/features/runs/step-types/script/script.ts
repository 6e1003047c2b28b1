// The step type Octopus.Script: a script that stands in the step or is a file of a package, with the variables of its target, on each target
// or on a worker in its place. Packages that it works with are brought along before:
//
//   bring   what is missing of its packages is sent           (repeated after a takeover: harmless)
//   (main)  one script: unpack them, and run                  (at most once, joined by its ticket)

import type { ActionContext, ActionOutcome, PartResult, ScriptForAgents, StepType } from "../../../../engine/execution/execution.ts";
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
import type { DeployablePackages } from "../../../library/library.ts";
import { valuesWith } from "../action-values/action-values.ts";
import type { ActionValues } from "../action-values/action-values.ts";
import { bringPackages, removeBrought } from "../brought-packages/brought-packages.ts";
import type { BroughtPackages } from "../brought-packages/brought-packages.ts";
import { composePackagedScript, readScriptFile } from "./packaged-script.ts";

const property = {
  source: "Octopus.Action.Script.ScriptSource",
  syntax: "Octopus.Action.Script.Syntax",
  body: "Octopus.Action.Script.ScriptBody",
  file: "Octopus.Action.Script.ScriptFileName",
  parameters: "Octopus.Action.Script.ScriptParameters",
} as const;
const syntaxes = ["Bash", "PowerShell", "Python"];
const bringPart = "bring";
/** What an agent that runs PowerShell is given for a script with packages. */
const refusalOfPackages = [
  "[System.Console]::Error.WriteLine('This step works with packages, which are brought to machines with bash and tar only. Give it other target roles.')",
  "exit 1",
  "",
].join("\n");

export function createScriptStepType(packages: DeployablePackages): StepType {
  return {
    name: "Octopus.Script",
    runs: "targets",
    firstPart: mainPart,

    check({ name, properties, packageNames }) {
      const text = (one: string): string | undefined => {
        const value = properties[one];
        return typeof value === "string" && value !== "" ? value : undefined;
      };
      const source = text(property.source) ?? "Inline";
      if (source === "Package") {
        const faults: string[] = [];
        if (!packageNames.includes(""))
          faults.push(`Step '${name}' takes its script from a package and names none (Octopus.Action.Package.PackageId).`);
        const file = text(property.file);
        if (file === undefined) faults.push(`Step '${name}' does not say which file of its package is the script (${property.file}).`);
        else if (!file.includes("#{")) {
          const read = readScriptFile(file);
          if ("fault" in read) faults.push(`The script of step '${name}' cannot be run: ${read.fault}.`);
        }
        return faults;
      }
      if (source !== "Inline")
        return [`Step '${name}' takes its script from '${source}', which is not available yet. Put the script into the step or a package.`];
      const syntax = text(property.syntax) ?? "Bash";
      if (!syntaxes.includes(syntax)) return [`Step '${name}' is written in ${syntax}; this server runs ${syntaxes.join(", ")}.`];
      return text(property.body) === undefined ? [`Step '${name}' has no script (${property.body}).`] : [];
    },

    async run(context) {
      const isPackaged = context.property(property.source) === "Package";
      // One that stands in the step has no package of its own, whatever a client left in its fields.
      const wanted = context.action.packages.filter((one) => one.isNotAcquired !== true && (isPackaged || one.name !== ""));
      if (wanted.length === 0)
        return outcomeOf(await context.runScript({ body: async () => inlineScript(context, undefined), ends: true }));
      let brought: BroughtPackages | undefined;
      const bring = async (): Promise<BroughtPackages> => (brought ??= await bringPackages(context, wanted, packages));
      const done = await context.runEffect({
        part: bringPart,
        work: async () => {
          try {
            await bring();
            return { outcome: "succeeded", exitCode: null, message: null };
          } catch (error) {
            if (!(error instanceof ActionFault)) throw error;
            return { outcome: context.run.cancelRequested.aborted ? "canceled" : "failed", exitCode: null, message: error.message };
          }
        },
      });
      if (done.outcome === "failed" || done.outcome === "unknown")
        throw new ActionFault(done.message ?? "Its packages were not brought along.");
      const body = async () => {
        const there = await bring();
        return isPackaged ? packagedScript(context, there) : inlineScript(context, there);
      };
      // After a cancel this ends what was begun, and begins nothing.
      const result = await context.runScript({ body, ends: true });
      if (brought !== undefined && result.outcome !== "unknown") await removeBrought(context);
      return outcomeOf(result);
    },
  };
}

function outcomeOf({ outcome, message }: PartResult): ActionOutcome {
  return outcome === "succeeded" ? { outcome } : { outcome, message: message ?? "The script did not succeed." };
}

function packagedScript(context: ActionContext, { values, unpack, ownFolder }: BroughtPackages): ScriptForAgents {
  const known = valuesWith(context, values);
  const read = readScriptFile(known.evaluate(property.file) ?? "");
  if ("fault" in read) throw new ActionFault(`Its script cannot be run: ${read.fault}.`);
  const own = context.action.packages.find((one) => one.name === "");
  if (ownFolder === undefined || own === undefined) throw new ActionFault("The plan of this deployment names no package for it.");
  const bash = composePackagedScript(read, {
    folder: ownFolder,
    unpack,
    package: `${own.packageId} ${own.version}`,
    variables: known.scriptVariables(),
    parameters: known.evaluate(property.parameters) ?? "",
  });
  return withinLimit(context, { bash, powerShell: refusalOfPackages });
}

function inlineScript(context: ActionContext, brought: BroughtPackages | undefined): ScriptForAgents {
  const values: Pick<ActionValues, "evaluate" | "scriptVariables"> = brought === undefined ? context : valuesWith(context, brought.values);
  const composed = compose(context.property(property.syntax) ?? "Bash", values, brought?.unpack);
  return withinLimit(context, brought === undefined ? composed : { ...composed, powerShell: refusalOfPackages });
}

function withinLimit({ step }: ActionContext, composed: ScriptForAgents): ScriptForAgents {
  if (Math.max(Buffer.byteLength(composed.bash), Buffer.byteLength(composed.powerShell)) > scriptBytesMax) {
    throw new ActionFault(
      `The script of step ${step.number} (${step.name}) with its variables is larger than ${scriptBytesMax} bytes. Put the script or large values into files of a package.`,
    );
  }
  return composed;
}

/** `unpack`: bash that puts packages into place first. */
function compose(syntax: string, values: Pick<ActionValues, "evaluate" | "scriptVariables">, unpack: string | undefined): ScriptForAgents {
  const variables = values.scriptVariables();
  const text = values.evaluate(property.body) ?? "";
  const parameters = values.evaluate(property.parameters) ?? "";
  const before = unpack ?? "";
  if (syntax === "Bash") return { bash: composeBashScript(variables, `${before}${text}`, parameters), powerShell: refusalOfBash };
  if (syntax === "Python") {
    const { bash, powerShell } = runPython(composePythonScript(variables, text), parameters);
    return { bash: `${before}${bash}`, powerShell };
  }
  const powerShell = composePowerShellScript(variables, text, parameters);
  return { bash: `${before}${runPowerShellFromBash(powerShell)}`, powerShell };
}
