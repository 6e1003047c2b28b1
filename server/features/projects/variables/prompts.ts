// What a person is asked for when deploying: which variables of a release ask, what the form shows, and what the answers become. Pure but for
// random ids.

import { randomUUID } from "node:crypto";
import type { FrozenVariable } from "./variable.ts";
import { sensitiveValueBytesMax, valueBytesMax } from "./variable-rules.ts";

/** Where a deployment goes. Machines, roles and steps are not known yet; a scope to them may match. */
export interface PromptPlace {
  environmentId: string;
  channelId: string | null;
  projectId: string;
  /** As `Set/Tag`; absent for a deployment without a tenant. */
  tenantTags?: readonly string[];
}

/** One question of the form. */
export interface Prompt {
  variableId: string;
  name: string;
  label: string;
  description: string;
  required: boolean;
  displaySettings: Readonly<Record<string, string>>;
  sensitive: boolean;
  /** Whether there is a value to fall back on; of a sensitive one nothing more is told. */
  hasDefault: boolean;
  defaultValue: string | null;
}

/** An answer as it is stored with the deployment. */
export type FormValue = string | { secretId: string };
export type FormValues = { readonly [variableId: string]: FormValue };

/** Faults told of one form; more would only repeat themselves. */
const faultsMax = 20;

const lower = (text: string): string => text.trim().toLowerCase();

function mayHold({ scope }: FrozenVariable, place: PromptPlace): boolean {
  const holds = (words: readonly string[] | undefined, here: readonly (string | null)[]): boolean =>
    words === undefined || words.length === 0 || words.some((word) => here.some((one) => one?.toLowerCase() === word.toLowerCase()));
  return (
    holds(scope.Environment, [place.environmentId]) &&
    holds(scope.Channel, [place.channelId]) &&
    holds(scope.ProcessOwner, [place.projectId]) &&
    holds(scope.TenantTag, place.tenantTags ?? [])
  );
}

/** A plain variable may ask with a field that hides what is typed: its answer is kept like a sensitive value, whatever its default was. */
function asksForSecret({ sensitive, prompt }: FrozenVariable): boolean {
  return sensitive || prompt?.DisplaySettings["Octopus.ControlType"]?.toLowerCase() === "sensitive";
}

/** The questions of a deployment, in the order in which the form shows them: by label. */
export function listPrompts(variables: readonly FrozenVariable[], place: PromptPlace): Prompt[] {
  return variables
    .filter((one) => one.prompt !== undefined && mayHold(one, place))
    .map((one): Prompt => {
      const prompt = one.prompt!;
      return {
        variableId: one.id,
        name: one.name,
        label: prompt.Label || one.name,
        description: prompt.Description,
        required: prompt.Required,
        displaySettings: prompt.DisplaySettings,
        sensitive: asksForSecret(one),
        hasDefault: one.secretId !== null || (one.value ?? "").trim() !== "",
        defaultValue: asksForSecret(one) ? null : one.value,
      };
    })
    .sort((a, b) => a.label.localeCompare(b.label, "en") || (a.variableId < b.variableId ? -1 : 1));
}

/** Whether nobody can deploy there without answering: what the server starts by itself stays undone then. */
export function needsAnswers(variables: readonly FrozenVariable[], place: PromptPlace): boolean {
  return listPrompts(variables, place).some((one) => one.required && !one.hasDefault);
}

/** The form of a deployment preview as the API shows it. */
export function presentForm(prompts: readonly Prompt[]): { Values: Record<string, string | null>; Elements: object[] } {
  return {
    Values: Object.fromEntries(prompts.map((one) => [one.variableId, one.defaultValue])),
    Elements: prompts.map((one) => ({
      Name: one.variableId,
      Control: {
        Type: "VariableValue",
        Name: one.name,
        Label: one.label,
        Description: one.description,
        Required: one.required,
        DisplaySettings: one.displaySettings,
      },
      IsValueRequired: one.required,
    })),
  };
}

/**
 * The answers of a person, by the id, name or label of a variable, as they are stored. An answer to a question of another environment is left
 * out; one to no question at all is a fault, like a missing answer to a required one.
 */
export function readFormValues(
  sent: Readonly<Record<string, string | null>>,
  variables: readonly FrozenVariable[],
  place: PromptPlace,
): { values: FormValues; newSecrets: { id: string; text: string }[]; faults: string[] } {
  const faults: string[] = [];
  const fault = (sentence: string): void => {
    if (faults.length < faultsMax) faults.push(sentence);
  };
  const newSecrets: { id: string; text: string }[] = [];
  const values = new Map<string, FormValue>();
  const prompts = listPrompts(variables, place);
  const asking = new Set(
    variables.flatMap((one) => (one.prompt === undefined ? [] : [one.id, one.name, one.prompt.Label || one.name].map(lower))),
  );
  const answers = new Map<string, string | null>();
  for (const [key, text] of Object.entries(sent)) {
    if (!asking.has(lower(key))) fault(`The release has no prompted variable '${key}'.`);
    answers.set(lower(key), text);
  }
  // An id is meant more exactly than a name, and that more than a label.
  const answerOf = ({ variableId, name, label }: Prompt): string | undefined =>
    answers.get(lower(variableId)) ?? answers.get(lower(name)) ?? answers.get(lower(label)) ?? undefined;
  for (const prompt of prompts) {
    const text = answerOf(prompt);
    if (prompt.required && (text === undefined ? !prompt.hasDefault : text.trim() === ""))
      fault(`The variable '${prompt.label}' needs a value for this deployment.`);
    if (text === undefined) continue;
    const limit = prompt.sensitive ? sensitiveValueBytesMax : valueBytesMax;
    if (Buffer.byteLength(text) > limit) fault(`The value of '${prompt.label}' is larger than the limit of ${limit} bytes.`);
    if (!prompt.sensitive || text === "") values.set(prompt.variableId, text);
    else {
      const id = randomUUID();
      newSecrets.push({ id, text });
      values.set(prompt.variableId, { secretId: id });
    }
  }
  return { values: Object.fromEntries(values), newSecrets, faults };
}

/** The variables of a deployment: frozen ones, with what a person answered in place of the value that asked. */
export function withFormValues(variables: readonly FrozenVariable[], answered: FormValues): FrozenVariable[] {
  return variables.map((one) => {
    const value = Object.hasOwn(answered, one.id) ? answered[one.id] : undefined;
    if (value === undefined) return one;
    return typeof value === "string"
      ? { ...one, value, secretId: null }
      : { ...one, value: null, secretId: value.secretId, sensitive: true };
  });
}

/** The answers as clients read them: a sensitive one only says that it is there. */
export function presentFormValues(answered: FormValues): Record<string, string | null> {
  return Object.fromEntries(Object.entries(answered).map(([id, value]) => [id, typeof value === "string" ? value : null]));
}
