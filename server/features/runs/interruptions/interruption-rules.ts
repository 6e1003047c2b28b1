// What an interruption asks and who may answer it. Pure: no database, no clock.

import { guidances } from "../../../engine/execution/execution.ts";

export type InterruptionType = "ManualIntervention" | "GuidedFailure";

/** What a person may answer; the first is what lets a manual step go on. */
export const manualChoices = ["Proceed", "Abort"] as const;
/** A required step offers neither to go on without it nor to leave the machine out. */
const guidedChoicesOfRequired: readonly string[] = ["Fail", "Retry"];

/** Notes are a paragraph or a log extract, not a document. */
export const notesCharactersMax = 100_000;

export interface Responsibility {
  isPending: boolean;
  responsibleTeamIds: readonly string[];
  responsibleUserId: string | null;
}

export interface Asker {
  userId: string | null;
  /** InterruptionSubmit: any interruption of that project and environment. */
  maySubmitAny: boolean;
  /** InterruptionViewSubmitResponsible: those that name a team of theirs, and those that name none. */
  maySubmitResponsible: boolean;
  teamIds: readonly string[];
}

/** Whether somebody may make an interruption theirs. One person has it at a time; another one who may can take it over. */
export function mayTakeResponsibility(interruption: Responsibility, asker: Asker): boolean {
  if (!interruption.isPending || asker.userId === null) return false;
  if (asker.maySubmitAny) return true;
  if (!asker.maySubmitResponsible) return false;
  const teams = interruption.responsibleTeamIds;
  return teams.length === 0 || teams.some((team) => asker.teamIds.includes(team));
}

/** Whether somebody may answer now: they have taken it and still may. */
export function hasResponsibility(interruption: Responsibility, asker: Asker): boolean {
  return asker.userId !== null && interruption.responsibleUserId === asker.userId && mayTakeResponsibility(interruption, asker);
}

/** The field of the form that holds the choice, as clients of either kind send it. */
export function choiceField(type: InterruptionType): "Result" | "Guidance" {
  return type === "ManualIntervention" ? "Result" : "Guidance";
}

export function guidedChoicesFor(step: { isRequired: boolean; hasTarget: boolean }): string[] {
  return guidances.filter(
    (choice) => (!step.isRequired || guidedChoicesOfRequired.includes(choice)) && (choice !== "Exclude" || step.hasTarget),
  );
}

export type ReadAnswer = { ok: true; result: string; notes: string | null } | { ok: false; faults: string[] };

/** Reads the values of a form that was sent in. Names count in any case, as everywhere in bodies. */
export function readAnswer(
  interruption: { type: InterruptionType; choices: readonly string[] },
  sent: { readonly [name: string]: unknown },
): ReadAnswer {
  const byName = new Map(Object.entries(sent).map(([name, value]) => [name.toLowerCase(), value]));
  const faults: string[] = [];
  const field = choiceField(interruption.type);
  const given = byName.get(field.toLowerCase());
  const result = interruption.choices.find((choice) => typeof given === "string" && choice.toLowerCase() === given.trim().toLowerCase());
  if (result === undefined) faults.push(`${field} must be one of: ${interruption.choices.join(", ")}.`);
  const notes = byName.get("notes") ?? null;
  if (notes !== null && typeof notes !== "string") faults.push("Notes must be text.");
  else if (notes !== null && notes.length > notesCharactersMax)
    faults.push(`Notes are longer than the limit of ${notesCharactersMax} characters.`);
  if (result === undefined || faults.length > 0) return { ok: false, faults };
  return { ok: true, result, notes: typeof notes === "string" && notes !== "" ? notes : null };
}

/** The form as clients draw it, with what was answered. */
export function formOf(interruption: {
  type: InterruptionType;
  instructions: string;
  choices: readonly string[];
  result: string | null;
  notes: string | null;
}) {
  const field = choiceField(interruption.type);
  const buttons = interruption.choices.map((choice) => ({
    Text: choice === "Exclude" ? "Exclude machine from deployment" : choice,
    Value: choice,
    RequiresConfirmation: choice === "Abort" || choice === "Fail",
  }));
  return {
    Values: { Instructions: null, Notes: interruption.notes, [field]: interruption.result },
    Elements: [
      {
        Name: "Instructions",
        Control: { Type: "Paragraph", Text: interruption.instructions, ResolveLinks: false },
        IsValueRequired: false,
      },
      { Name: "Notes", Control: { Type: "TextArea", Label: "Notes" }, IsValueRequired: false },
      { Name: field, Control: { Type: "SubmitButtonGroup", Buttons: buttons }, IsValueRequired: true },
    ],
  };
}
