// The palette: one field that leads to every page, and to projects, releases, environments, targets and tasks by their names. What is known here is there at
// once; what the server finds comes below it, so that the chosen row stays.

import { useQueries } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import {
  Autocomplete,
  Dialog,
  Header,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  ListBoxSection,
  Modal,
  ModalOverlay,
  SearchField,
} from "react-aria-components";
import { foundQueries, textCharactersMax } from "../api/name-search.ts";
import { ApiError } from "../api/request.ts";
import { paletteGroups } from "./palette-entries.ts";
import type { PaletteEntry } from "./palette-entries.ts";
import css from "./palette.module.css";
import { chooseTheme } from "./theme.ts";

/** The server is asked when the hand rests. */
const quietMs = 150;
/** So long all kinds are waited for, so that the first row is the best one and stays it; a slow kind comes later. */
const togetherMs = 300;

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
  const byId = useMemo(() => new Map(groups.flatMap(({ entries }) => entries.map((entry) => [entry.id, entry] as const))), [groups]);
  const isBusy = isAsking || text !== asked;

  function choose(entry: PaletteEntry | undefined): void {
    if (entry === undefined) return;
    onLeave();
    if (entry.theme !== undefined) chooseTheme(entry.theme);
    if (entry.href !== undefined) void router.navigate(entry.href);
  }

  return (
    <ModalOverlay className={css["overlay"]!} isOpen isDismissable onOpenChange={(isOpen) => !isOpen && onLeave()}>
      <Modal className={css["modal"]!}>
        <Dialog className={css["dialog"]!} aria-label="Go to">
          <Autocomplete inputValue={typed} onInputChange={(next) => setTyped(next.slice(0, textCharactersMax))}>
            <SearchField className={css["field"]!} autoFocus>
              <Label className="visually-hidden">Go to a page, project, release, environment, target or task</Label>
              <Input className={css["input"]!} placeholder="Page, project, release, environment, target, task …" />
            </SearchField>
            <ListBox
              className={css["list"]!}
              aria-label="Where to"
              shouldFocusWrap
              onAction={(key) => choose(byId.get(String(key)))}
              renderEmptyState={() => <p className={css["empty"]}>{isBusy ? "Searching …" : "Nothing has such a name."}</p>}
            >
              {groups.map(({ id, name, entries }) => (
                <ListBoxSection key={id} id={id}>
                  <Header className={css["heading"]!}>{name}</Header>
                  {entries.map((entry) => (
                    <ListBoxItem key={entry.id} id={entry.id} textValue={entry.name} className={css["item"]!}>
                      <span className={css["name"]}>{entry.name}</span>
                      {entry.detail !== "" && <span className={css["detail"]}>{entry.detail}</span>}
                      {entry.keys !== undefined && <kbd className={css["keys"]}>{entry.keys}</kbd>}
                    </ListBoxItem>
                  ))}
                </ListBoxSection>
              ))}
            </ListBox>
          </Autocomplete>
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
