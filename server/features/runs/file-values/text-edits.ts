// Changes of a text at places, so that all that nobody changes stays as it was written: blanks, comments, order.

export interface Edit {
  from: number;
  to: number;
  text: string;
}

/** The edits do not overlap; their order does not matter. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const pieces: string[] = [];
  let at = 0;
  for (const edit of edits.toSorted((a, b) => a.from - b.from)) {
    pieces.push(text.slice(at, edit.from), edit.text);
    at = edit.to;
  }
  pieces.push(text.slice(at));
  return pieces.join("");
}

/** A value for a place, undefined when nothing is to change there. Throws nothing. */
export type ValueOf = (name: string) => string | undefined;

/** The file is not of the form it was taken for. */
export class NotOfThisForm extends Error {
  constructor(why: string) {
    super(why);
    this.name = "NotOfThisForm";
  }
}
