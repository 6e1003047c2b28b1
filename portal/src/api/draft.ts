// Edits of a document of rows that is saved as a whole under a version. Others' saves are taken over while there are no edits; otherwise
// they stand beside them until they are put together. Nobody's edits are dropped.

import { useState } from "react";
import { isSame, mergeRows } from "./row-merge.ts";
import type { Row, Side } from "./row-merge.ts";

interface Versioned {
  Version: number;
}

export interface Draft<D extends Versioned, T extends Row> {
  /** What the edits began from. */
  base: D;
  rows: readonly T[];
  isChanged: boolean;
  /** What somebody else saved meanwhile; undefined when nobody did. */
  theirs: D | undefined;
  change(next: (rows: readonly T[]) => readonly T[]): void;
  /** All edits put together with `theirs`, to be saved over them. */
  merged(choices: ReadonlyMap<string, Side>): readonly T[];
  /** After a save, and to give up one's edits: from here on this is what stands. */
  adopt(document: D): void;
}

export function useDraft<D extends Versioned, T extends Row>(document: D, rowsOf: (document: D) => readonly T[]): Draft<D, T> {
  const [{ base, rows }, setState] = useState<{ base: D; rows: readonly T[] }>({ base: document, rows: rowsOf(document) });
  const isChanged = !isSame(rowsOf(base), rows);
  const isBehind = document.Version > base.Version;
  // A save whose answer was lost comes back as somebody else's with the very same rows.
  if (isBehind && (!isChanged || isSame(rowsOf(document), rows))) setState({ base: document, rows: rowsOf(document) });
  return {
    base,
    rows,
    isChanged,
    theirs: isBehind && isChanged ? document : undefined,
    change: (next) => setState((state) => ({ ...state, rows: next(state.rows) })),
    merged: (choices) => (isBehind ? mergeRows(rowsOf(base), rows, rowsOf(document), choices) : rows),
    adopt: (next) => setState({ base: next, rows: rowsOf(next) }),
  };
}
