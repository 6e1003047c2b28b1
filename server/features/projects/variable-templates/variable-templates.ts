// Variable templates of projects and library sets: questions that each tenant answers for itself. They stand in the document of their owner.

import { randomUUID } from "node:crypto";
import { problem } from "../../../base/problems.ts";

export interface VariableTemplate {
  Id: string;
  /** Of the variable. Clients may store a template before it has a name; until then it is no variable. */
  Name: string;
  Label: string;
  HelpText: string;
  DefaultValue: string | null;
  /** Octopus.ControlType, Octopus.SelectOptions … */
  DisplaySettings: Record<string, string>;
}

/** Templates of one project or library set; each costs a value of every tenant. */
export const templatesMax = 1_000;
const nameCharactersMax = 1_000;
const textCharactersMax = 100_000;
const faultsMax = 20;
/** Values of these are documents that this server does not keep yet. */
const unknownControls = /account$|^certificate$/i;

export function isSensitive(template: VariableTemplate): boolean {
  return template.DisplaySettings["Octopus.ControlType"]?.toLowerCase() === "sensitive";
}

/** Those of a document, as it is stored or as clients read it; what a version before kept unread is passed over. */
export function templatesOf(document: { readonly [member: string]: unknown }): VariableTemplate[] {
  const stored = Array.isArray(document["Templates"]) ? (document["Templates"] as Partial<VariableTemplate>[]) : [];
  return stored.flatMap((one) =>
    typeof one.Id === "string" && typeof one.Name === "string"
      ? [{ Label: "", HelpText: "", DisplaySettings: {}, ...one, Id: one.Id, Name: one.Name, DefaultValue: textOrNone(one.DefaultValue) }]
      : [],
  );
}

const textOrNone = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

/** As clients read it. The Go client takes the default for a value and fails where there is none, so none is the empty text. */
export function presentTemplate(template: VariableTemplate): object {
  const none = isSensitive(template) ? { HasValue: false, NewValue: null, Hint: null } : "";
  return { ...template, DefaultValue: template.DefaultValue ?? none };
}

/** What is stored of what a client sends; a template without an Id is new. @throws Problem 400 */
export function readTemplates(sent: unknown): VariableTemplate[] {
  const all = Array.isArray(sent) ? (sent as unknown[]) : [];
  const faults: string[] = [];
  const fault = (sentence: string): void => {
    if (faults.length < faultsMax) faults.push(sentence);
  };
  if (all.length > templatesMax) throw problem.invalid(`There may be at most ${templatesMax} variable templates.`);
  const [ids, names] = [new Set<string>(), new Set<string>()];
  const templates = all.map((one, n): VariableTemplate => {
    const given = (typeof one === "object" && one !== null ? one : {}) as { readonly [member: string]: unknown };
    const textOf = (member: string): string => {
      const value = given[member];
      if (value === undefined || value === null) return "";
      if (typeof value !== "string" || value.length > textCharactersMax)
        fault(`Templates[${n}].${member} has to be a text of at most ${textCharactersMax} characters.`);
      return typeof value === "string" ? value : "";
    };
    const name = textOf("Name").trim();
    const id = textOf("Id") || randomUUID();
    if (name.length > nameCharactersMax) fault(`Templates[${n}].Name is longer than ${nameCharactersMax} characters.`);
    if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,99}$/.test(id)) fault(`Templates[${n}].Id may have letters, digits and hyphens only.`);
    if (ids.has(id.toLowerCase())) fault(`Templates[${n}] has the Id of another template.`);
    if (name !== "" && names.has(name.toLowerCase())) fault(`There are two templates named '${name}'.`);
    ids.add(id.toLowerCase());
    names.add(name.toLowerCase());
    const settings = typeof given["DisplaySettings"] === "object" ? Object.entries(given["DisplaySettings"] ?? {}) : [];
    const template: VariableTemplate = {
      Id: id,
      Name: name,
      Label: textOf("Label"),
      HelpText: textOf("HelpText"),
      DefaultValue: null,
      DisplaySettings: Object.fromEntries(settings.flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : []))),
    };
    const control = template.DisplaySettings["Octopus.ControlType"] ?? "";
    if (unknownControls.test(control))
      fault(`The template '${name}' asks for a value of the kind ${control}, which this server does not keep yet.`);
    return { ...template, DefaultValue: readDefault(given["DefaultValue"], template, fault) };
  });
  if (faults.length > 0) throw problem.invalid(faults);
  return templates;
}

function readDefault(value: unknown, template: VariableTemplate, fault: (sentence: string) => void): string | null {
  const given = typeof value === "object" && value !== null && !Array.isArray(value) ? (value as { NewValue?: unknown }).NewValue : value;
  if (given === undefined || given === null || given === "") return null;
  const text = typeof given === "boolean" ? (given ? "True" : "False") : typeof given === "number" ? String(given) : given;
  if (typeof text !== "string" || text.length > textCharactersMax) {
    fault(`The default of the template '${template.Name}' has to be a text of at most ${textCharactersMax} characters.`);
    return null;
  }
  if (isSensitive(template)) {
    fault(
      `The template '${template.Name}' is sensitive and cannot have a default, which everybody could read. Give each tenant its value.`,
    );
    return null;
  }
  return text;
}
