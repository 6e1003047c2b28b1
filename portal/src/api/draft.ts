// Edits of a document of rows that is saved as a whole under a version. Others' saves are taken over while there are no edits; otherwise
// they stand beside them until they are put together. Nobody's edits are dropped.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { QueryKey } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { ApiError } from "./request.ts";
import { changesOf, isSame, mergeRows } from "./row-merge.ts";
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

interface Saving<D extends Versioned, T extends Row> {
  draft: Draft<D, T>;
  rowsOf(document: D): readonly T[];
  queryKey: QueryKey;
  /** Refused with 409 when the document has another version by now. */
  send(version: number, rows: readonly T[]): Promise<D>;
}

/** Saves a draft, over what somebody else saved meanwhile once that is put together. */
export function useDraftSave<D extends Versioned, T extends Row>({ draft, rowsOf, queryKey, send }: Saving<D, T>) {
  const queries = useQueryClient();
  const [choices, setChoices] = useState<ReadonlyMap<string, Side>>(new Map());
  const changes = draft.theirs === undefined ? [] : changesOf(rowsOf(draft.base), draft.rows, rowsOf(draft.theirs));
  const isChoiceMissing = changes.some(({ id, by }) => by === "both" && !choices.has(id));
  const { mutate, isPending, error } = useMutation({
    mutationFn: () => send((draft.theirs ?? draft.base).Version, draft.merged(choices)),
    onSuccess: (saved) => {
      queries.setQueryData(queryKey, saved);
      draft.adopt(saved);
      setChoices(new Map());
    },
    // Somebody else was quicker, or an answer was lost on its way: what stands now decides.
    onError: (failed) => {
      if (failed instanceof ApiError && (failed.status === 409 || failed.isTransient)) void queries.invalidateQueries({ queryKey });
    },
  });
  const maySave = draft.isChanged && !isChoiceMissing && !isPending;
  const isOutdated = error instanceof ApiError && error.status === 409;
  return {
    /** Rows that are not the same on both sides; none while nobody else saved. */
    changes,
    choices,
    choose: (id: string, side: Side) => setChoices((before) => new Map(before).set(id, side)),
    isPending,
    isOff: !draft.isChanged || isChoiceMissing,
    /** Why the last save was refused, but for what is put together anyway. */
    error: isOutdated ? null : error,
    /** The refusal was for somebody else's save, which is on its way here. */
    isReadingTheirs: isOutdated && draft.isChanged && draft.theirs === undefined,
    saveNow: useCallback(() => {
      if (maySave) mutate();
    }, [maySave, mutate]),
  };
}
