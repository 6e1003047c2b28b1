// Long lists of things to look at or choose from: what fits a few typed letters, and never more at once than a page draws without delay.

import { useState } from "react";
import type { ReactNode } from "react";
import { Input, Label, SearchField } from "react-aria-components";
import fieldCss from "./field.module.css";
import css from "./narrowing.module.css";

interface Narrowing<T> {
  /** Drawn at once; with no more than these, nothing is narrowed and no field is shown. */
  max: number;
  textOf(one: T): string;
  /** Always drawn, such as what is chosen. */
  isKept?(one: T): boolean;
  /** Drawn before others while nothing is typed. */
  isPreferred?(one: T): boolean;
}

/** Those of `all` to draw, in their order. */
export function narrowed<T>(all: readonly T[], typed: string, { max, textOf, isKept, isPreferred }: Narrowing<T>): readonly T[] {
  if (all.length <= max) return all;
  const wanted = typed.trim().toLowerCase();
  const drawn = new Set(isKept === undefined ? [] : all.filter(isKept).slice(0, max));
  const room = max + drawn.size;
  const add = (one: T): unknown => drawn.size < room && drawn.add(one);
  if (wanted !== "") all.filter((one) => textOf(one).toLowerCase().includes(wanted)).forEach(add);
  else {
    if (isPreferred !== undefined) all.filter(isPreferred).forEach(add);
    all.slice(0, room).forEach(add);
  }
  return all.filter((one) => drawn.has(one));
}

/** `label`: what the field says it finds, "Find environments". */
export function useNarrowed<T>(
  all: readonly T[],
  { label, ...narrowing }: Narrowing<T> & { label: string },
): { shown: readonly T[]; field: ReactNode } {
  const [typed, setTyped] = useState("");
  const shown = narrowed(all, typed, narrowing);
  const field = all.length > narrowing.max && (
    <div className={css["narrowing"]}>
      <SearchField value={typed} onChange={setTyped}>
        <Label className="visually-hidden">{label}</Label>
        <Input className={fieldCss["input"]!} placeholder={label} />
      </SearchField>
      <span className="muted small" role="status">
        {shown.length} of {all.length.toLocaleString("en")} are shown.
      </span>
    </div>
  );
  return { shown, field };
}
