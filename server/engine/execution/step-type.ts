// The extension point of the execution: what a kind of step does. A type is named as in the REST API (ActionType), is declared here and
// handed in from above. Its `run` is a plain async function of durable parts: after a takeover it is called again from the start, and what
// was done already answers from its row.

import type { ScriptFile } from "@cuttle/contract/agent/script";
import type { Variables } from "@cuttle/templates";
import type { Plan, PlannedAction, PlannedProperties, PlannedStep, PlannedTarget } from "./plan.ts";
import type { ScriptVariable } from "./script-body.ts";
import type { ScriptForAgents } from "./powershell-body.ts";
import type { Agents } from "../agents/agents.ts";
import type { LogCategory, TaskRun } from "../tasks/tasks.ts";
import type { Transaction } from "../../platform/database/database.ts";

export interface StepType {
  /** The ActionType of the REST API. */
  readonly name: string;
  /** `once` for what has no target even when its step names target tags, unless it stands among other actions of such a step. */
  readonly runs: "targets" | "once";
  /** A part with which every run begins, whatever its values: its intent is stored for all targets together with the opening of the step. */
  readonly firstPart?: string;
  /** False: it is never tried again, whatever the process says of retries. */
  readonly isRepeatable?: boolean;
  /** Why this action can never run here, each a sentence for people; asked when the plan is made. Pure. */
  check(action: CheckedAction): readonly string[];
  /** Brings the action to its end. What it throws as ActionFault is a failure of the action; anything else stops the task on this node. */
  run(context: ActionContext): Promise<ActionOutcome>;
}

export interface CheckedAction {
  name: string;
  /** Of the action over those of its step, as they stand. */
  properties: PlannedProperties;
  /** Whether it runs on the server or a worker instead of on targets. */
  runsOnServer: boolean;
  /** Whether a package is there under each name that the action refers to; the action's own is the empty name. */
  packageNames: readonly string[];
}

export type ActionOutcome = FinalOutcome | WaitingOutcome;

export type FinalOutcome = { outcome: "succeeded" | "skipped" } | { outcome: "failed" | "canceled" | "unknown"; message: string };

/**
 * It can only go on when a person has answered. What runs beside it comes to its end, then the task waits without a node; after the answer
 * `run` is called again. `isStill` is asked with the task locked. Without `letsOthersPass`, other deployments of the same project and environment
 * wait as well.
 */
export interface WaitingOutcome {
  outcome: "waiting";
  isStill: (tx: Transaction) => Promise<boolean>;
  letsOthersPass?: boolean;
}

/** What one effect came to. */
export interface PartResult {
  outcome: "succeeded" | "failed" | "canceled" | "unknown";
  exitCode: number | null;
  message: string | null;
}

/** What an action sets for those after it. */
export interface OutputValue {
  name: string;
  value: string;
  sensitive: boolean;
}

/** Of an effect that is no script: with what it sets, stored with its result. */
export type EffectResult = PartResult & { outputs?: readonly OutputValue[] };

/** The main part; the row of a step of former versions. */
export const mainPart = "";

/** One script on one agent: an effect that is begun at most once. */
export interface ScriptPart {
  /** Names the effect within the action: letters, digits, `-` and `.`. The same effect has the same name after a takeover. */
  part?: string;
  /** Asked for only when it goes out, which may be again after a takeover. */
  body: () => Promise<ScriptForAgents>;
  /** Files of the script's working folder. They travel inside the call, so they are small. */
  files?: readonly ScriptFile[];
  arguments?: readonly string[];
  /** Full: no other full one runs on the machine at the same time. Default: what the action says by OctopusBypassDeploymentMutex. */
  isolation?: "full" | "none";
  /** So long its first lines may be kept back, when most of what it does says nothing; default a fraction of a second. */
  quietMs?: number;
  /** Nothing follows in this action whatever it comes to: its result is also that of the action's block in the log, in one commit. */
  ends?: boolean;
}

/** An effect that is no script of an agent. */
export interface EffectPart {
  part: string;
  /** Called again after a takeover unless its result was stored: it must be harmless twice. */
  work: () => Promise<EffectResult>;
  /** Inside the guarded transaction that stores the result. */
  also?: (tx: Transaction, result: EffectResult) => Promise<void>;
}

export interface ActionContext {
  readonly plan: Plan;
  readonly step: PlannedStep;
  readonly action: PlannedAction;
  /** Undefined when the action runs once, without a target. */
  readonly target: PlannedTarget | undefined;
  /** What holds for exactly this action and target: system values, frozen variables by their scopes, outputs of what ran before. */
  readonly variables: Variables;
  /** The same, evaluated, as scripts ask for them by name. */
  scriptVariables(): ScriptVariable[];
  /** A property of the action, or of its step, as it stands; a secret as its text. Undefined when it is not there or empty. */
  property(name: string): string | undefined;
  /** The same with its placeholders replaced. @throws ActionFault when it cannot be read as a template */
  evaluate(name: string): string | undefined;
  /** A text with its placeholders replaced. @throws ActionFault */
  evaluateText(text: string): string;
  /** Runs a script on the action's worker or its target, to its one result. */
  runScript(part: ScriptPart): Promise<PartResult>;
  /** Brings another effect to its one result. */
  runEffect(part: EffectPart): Promise<PartResult>;
  /** What scripts and effects of this action have set so far at this place, by name as it was written. */
  outputs(): ReadonlyMap<string, string>;
  /** Keeps a text that was made of a secret out of the action's log from here on. @throws ActionFault when there are too many */
  hide(text: string): void;
  /** Says something in the action's log. Secrets of this action are masked. */
  log(category: LogCategory, text: string): Promise<void>;
  /** The id of the action's block in the log. */
  readonly block: string;
  /** 1 for the first; each further one has rows and tickets of its own. */
  readonly attempt: number;
  readonly agents: Agents;
  /** The task: its signals, its clock, and guarded transactions. */
  readonly run: TaskRun;
}

/** What is wrong with an action, in a sentence for people: the action has failed, nothing else has. */
export class ActionFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ActionFault";
  }
}
