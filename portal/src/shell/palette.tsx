// The palette: one field that leads to every page, and to projects, releases, environments, targets and tasks by their names. What is known here is there at
// once; what the server finds comes below it, so that the chosen row stays.

import { useQueries } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import type { KeyboardEvent } from "react";
import { Dialog, Modal, ModalOverlay } from "react-aria-components";
import { foundQueries, textCharactersMax } from "../api/name-search.ts";
import { ApiError } from "../api/request.ts";
import { joined } from "../design/class-names.ts";
import { paletteGroups } from "./palette-entries.ts";
import type { PaletteEntry } from "./palette-entries.ts";
import css from "./palette.module.css";
import { chooseTheme } from "./theme.ts";

/** The server is asked when the hand rests. */
const quietMs = 150;
/** So long all kinds are waited for, so that the first row is the best one and stays it; a slow kind comes later. */
const togetherMs = 300;

const listId = "palette-list";
const elementId = (id: string): string => `palette-${id}`;

export function Palette({ space, onLeave }: { space: string; onLeave(): void }) {
  const router = useRouter();
  const [typed, setTyped] = useState("");
  const [asked, setAsked] = useState("");
  const text = typed.trim();
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text), quietMs);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    setLate(false);
    const timer = setTimeout(() => setLate(true), togetherMs);
    return () => clearTimeout(timer);
  }, [asked]);
  const { found, isAsking, hasFailed } = useQueries({
    queries: foundQueries(space, asked),
    combine: (results) => ({
      found: results.flatMap(({ data }) => data ?? []),
      isAsking: results.some(({ isFetching }) => isFetching),
      // What one may not see is not there; anything else is worth a word.
      hasFailed: results.some(({ error }) => error !== null && !(error instanceof ApiError && error.status === 403)),
    }),
  });
  const [shown, setShown] = useState(found);
  if (shown !== found && (!isAsking || isLate)) setShown(found);
  const groups = useMemo(() => paletteGroups(space, text, text === "" ? [] : shown), [space, text, shown]);
  const entries = groups.flatMap((group) => group.entries);
  const isBusy = isAsking || text !== asked;
  // What is chosen stays chosen wherever it moves; otherwise the first is.
  const [chosenId, setChosenId] = useState<string>();
  const chosen = entries.find(({ id }) => id === chosenId) ?? entries[0];
  if (chosen !== undefined && chosen.id !== chosenId) setChosenId(chosen.id);
  useEffect(() => {
    if (chosenId !== undefined) document.getElementById(elementId(chosenId))?.scrollIntoView({ block: "nearest" });
  }, [chosenId]);

  function type(next: string): void {
    setTyped(next.slice(0, textCharactersMax));
    setChosenId(undefined);
  }

  function choose(entry: PaletteEntry | undefined): void {
    if (entry === undefined) return;
    onLeave();
    if (entry.theme !== undefined) chooseTheme(entry.theme);
    if (entry.href !== undefined) void router.navigate(entry.href);
  }

  function onKey(event: KeyboardEvent): void {
    if (event.nativeEvent.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = chosen === undefined ? 0 : entries.indexOf(chosen);
    const keys: Readonly<Record<string, () => void>> = {
      ArrowDown: () => setChosenId(entries[(at + 1) % entries.length]?.id),
      ArrowUp: () => setChosenId(entries.at(at - 1)?.id),
      Enter: () => choose(chosen),
    };
    const does = keys[event.key];
    if (does === undefined) return;
    event.preventDefault();
    does();
  }

  return (
    <ModalOverlay className={css["overlay"]!} isOpen isDismissable onOpenChange={(isOpen) => !isOpen && onLeave()}>
      <Modal className={css["modal"]!}>
        <Dialog className={css["dialog"]!} aria-label="Go to">
          <input
            className={css["input"]}
            role="combobox"
            aria-label="Go to a page, project, release, environment, target or task"
            aria-autocomplete="list"
            aria-expanded={entries.length > 0}
            aria-controls={entries.length > 0 ? listId : undefined}
            aria-activedescendant={chosen === undefined ? undefined : elementId(chosen.id)}
            placeholder="Page, project, release, environment, target, task …"
            autoComplete="off"
            spellCheck={false}
            autoFocus
            value={typed}
            onChange={(event) => type(event.target.value)}
            onKeyDown={onKey}
          />
          {entries.length === 0 ? (
            <p className={joined(css["list"], css["empty"])}>{isBusy ? "Searching …" : "Nothing has such a name."}</p>
          ) : (
            <div className={css["list"]} role="listbox" id={listId} aria-label="Where to">
              {groups.map((group) => (
                <div key={group.id} role="group" aria-labelledby={`${listId}-${group.id}`}>
                  <div className={css["heading"]} id={`${listId}-${group.id}`} role="presentation">
                    {group.name}
                  </div>
                  {group.entries.map((entry) => (
                    <div
                      key={entry.id}
                      id={elementId(entry.id)}
                      role="option"
                      aria-selected={entry === chosen}
                      className={css["item"]}
                      // The focus stays in the field.
                      onPointerDown={(event) => event.preventDefault()}
                      onClick={() => choose(entry)}
                    >
                      <span className={css["name"]}>{entry.name}</span>
                      {entry.detail !== "" && <span className={css["detail"]}>{entry.detail}</span>}
                      {entry.keys !== undefined && <kbd className={css["keys"]}>{entry.keys}</kbd>}
                    </div>
                  ))}
                </div>
              ))}
            </div>
          )}
          <p className={css["foot"]}>
            <span role="status">
              {hasFailed ? "Not everything could be searched. Type on to try again." : isBusy && text !== "" ? "Searching …" : ""}
            </span>
            <span aria-hidden>
              <kbd>↑</kbd> <kbd>↓</kbd> choose · <kbd>Enter</kbd> go · <kbd>Esc</kbd> leave
            </span>
          </p>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
