// What a question's form says and offers, read from the elements that the API describes it by. Unknown elements are passed over.

import type { Interruption } from "../../api/documents.ts";

export interface Choice {
  value: string;
  name: string;
  /** What comes of it, in a sentence. */
  consequence: string;
  /** It ends something, so it is asked once more. */
  isFinal: boolean;
}

export interface QuestionForm {
  instructions: string;
  /** The field that holds the choice: "Result" or "Guidance". */
  field: string;
  choices: Choice[];
  /** What was answered, and the notes with it; null while it waits or when its task ended without an answer. */
  answer: string | null;
  notes: string | null;
}

const known: Readonly<Record<string, { name: string; consequence: string }>> = {
  Proceed: { name: "Proceed", consequence: "The deployment goes on with the next step." },
  Abort: { name: "Abort", consequence: "The step fails, and with it the deployment. What was done before stays done." },
  Fail: { name: "Fail", consequence: "The step stays failed, and the deployment ends as it would have without this question." },
  Retry: { name: "Retry", consequence: "The same step runs once more." },
  Ignore: { name: "Ignore", consequence: "The deployment goes on as if the step had succeeded." },
  Exclude: { name: "Exclude machine", consequence: "This machine is left out of the rest of the deployment; the others go on." },
};

export function readForm(question: Interruption): QuestionForm {
  const { Elements: elements, Values: values } = question.Form;
  const group = elements.find(({ Control }) => Control["Type"] === "SubmitButtonGroup");
  const paragraph = elements.find(({ Control }) => Control["Type"] === "Paragraph");
  const field = group?.Name ?? "Result";
  const buttons = Array.isArray(group?.Control["Buttons"]) ? (group.Control["Buttons"] as Record<string, unknown>[]) : [];
  return {
    instructions: textIn(paragraph?.Control["Text"]),
    field,
    choices: buttons.map((button) => {
      const value = textIn(button["Value"]);
      return {
        value,
        name: known[value]?.name ?? (textIn(button["Text"]) || value),
        consequence: known[value]?.consequence ?? "",
        isFinal: button["RequiresConfirmation"] === true,
      };
    }),
    answer: values[field] ?? null,
    notes: values["Notes"] ?? null,
  };
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}
