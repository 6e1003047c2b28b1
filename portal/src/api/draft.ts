// Edits of a document of rows that is saved as a whole under a version. Others' saves are taken over while there are no edits; otherwise
// they stand beside them until they are put together. Nobody's edits are dropped.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { QueryKey } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, isUnknown } from "./request.ts";
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
  /** Of each save it is known what became of it. */
  isSettled: boolean;
  change(next: (rows: readonly T[]) => readonly T[]): void;
  /** All edits put together with `theirs`, to be saved over them. */
  merged(choices: ReadonlyMap<string, Side>): readonly T[];
  /** Gives up one's edits: from here on this is what stands. */
  adopt(document: D): void;
  /** A save leaves; until it is settled, what comes back as its version and rows is it, and not somebody else's. */
  sending(sent: Sent<T>): void;
  /** It has arrived. What was edited since it left is still an edit. */
  arrived(document: D, sent: Sent<T>): void;
  /** The last one was refused, so it is nowhere. */
  refused(): void;
}

/** One save on its way. */
export interface Sent<T extends Row> {
  /** Over which version. */
  version: number;
  rows: readonly T[];
  /** The edits as they were then. */
  mine: readonly T[];
}

interface DraftState<D extends Versioned, T extends Row> {
  base: D;
  rows: readonly T[];
  /** Saves of which nobody knows yet whether they have arrived. */
  sent: readonly Sent<T>[];
}

/** Nobody presses more often while a connection is lost; what is older than these is compared as somebody else's. */
const sentMax = 10;

export function useDraft<D extends Versioned, T extends Row>(document: D, rowsOf: (document: D) => readonly T[]): Draft<D, T> {
  const [{ base, rows, sent }, setState] = useState<DraftState<D, T>>({
    base: document,
    rows: rowsOf(document),
    sent: [],
  });
  const isChanged = !isSame(rowsOf(base), rows);
  const isBehind = document.Version > base.Version;
  const after = (one: Sent<T>, saved: D, now: readonly T[]): DraftState<D, T> => ({
    base: saved,
    rows: one.mine === now ? rowsOf(saved) : mergeRows(one.mine, now, rowsOf(saved), noChoices),
    sent: [],
  });
  if (isBehind) {
    // A save whose answer was lost comes back as somebody else's.
    const own = sent.find(({ version, rows: left }) => document.Version === version + 1 && isSame(rowsOf(document), left, isSecretValue));
    if (own !== undefined) setState(after(own, document, rows));
    else if (!isChanged || isSame(rowsOf(document), rows)) setState({ base: document, rows: rowsOf(document), sent: [] });
  }
  return {
    base,
    rows,
    isChanged,
    theirs: isBehind && isChanged ? document : undefined,
    isSettled: sent.length === 0,
    change: (next) => setState((state) => ({ ...state, rows: next(state.rows) })),
    merged: (choices) => (isBehind ? mergeRows(rowsOf(base), rows, rowsOf(document), choices) : rows),
    adopt: (next) => setState({ base: next, rows: rowsOf(next), sent: [] }),
    sending: (next) => setState((state) => ({ ...state, sent: [...state.sent, next].slice(-sentMax) })),
    arrived: (saved, one) => setState((state) => (state.base.Version >= saved.Version ? state : after(one, saved, state.rows))),
    refused: () => setState((state) => ({ ...state, sent: state.sent.slice(0, -1) })),
  };
}

const noChoices: ReadonlyMap<string, Side> = new Map();

/** Secrets go in and never come out, so nobody can compare them. */
function isSecretValue(name: string, owner: object): boolean {
  return name === "Value" && "IsSensitive" in owner && owner.IsSensitive === true;
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
  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: ({ version, rows }: Sent<T>) => send(version, rows),
    onMutate: (sent) => draft.sending(sent),
    onSuccess: (saved, sent) => {
      queries.setQueryData<D>(queryKey, (known) => (known !== undefined && known.Version > saved.Version ? known : saved));
      draft.arrived(saved, sent);
      setChoices(new Map());
    },
    // Somebody else was quicker, or an answer was lost on its way: what stands now decides.
    onError: (failed) => {
      if (!isUnknown(failed)) draft.refused();
      if (failed instanceof ApiError && (failed.status === 409 || failed.isTransient)) void queries.invalidateQueries({ queryKey });
    },
  });
  const maySave = draft.isChanged && !isChoiceMissing && !isPending;
  const isOutdated = error instanceof ApiError && error.status === 409;
  // What was not saved is by now, by the very save whose answer was lost; or it was thrown away.
  const isSettled = error !== null && (!draft.isChanged || (isUnknown(error) && draft.isSettled));
  useEffect(() => {
    if (isSettled) reset();
  }, [isSettled, reset]);
  const latest = useRef((): Sent<T> => ({ version: 0, rows: [], mine: [] }));
  latest.current = () => ({ version: (draft.theirs ?? draft.base).Version, rows: draft.merged(choices), mine: draft.rows });
  return {
    /** Rows that are not the same on both sides; none while nobody else saved. */
    changes,
    choices,
    choose: (id: string, side: Side) => setChoices((before) => new Map(before).set(id, side)),
    isPending,
    isOff: !draft.isChanged || isChoiceMissing,
    /** Why the last save was refused, but for what is put together anyway. */
    error: isOutdated ? null : error,
    /** Nobody knows whether the last save has arrived; as soon as it is known, the page shows it. */
    isUnknown: isUnknown(error),
    /** The refusal was for somebody else's save, which is on its way here. */
    isReadingTheirs: isOutdated && draft.isChanged && draft.theirs === undefined,
    saveNow: useCallback(() => {
      if (maySave) mutate(latest.current());
    }, [maySave, mutate]),
  };
}

/** A draft's way to the server, as a page shows it. */
export type DraftSave = Pick<
  ReturnType<typeof useDraftSave>,
  "isOff" | "isPending" | "error" | "isUnknown" | "isReadingTheirs" | "saveNow"
>;
