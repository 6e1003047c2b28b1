// A field for scripts: numbered lines that are not broken, in the type of code. Enter keeps the indentation; Tab leaves the field, as
// everywhere, and Ctrl or Command with ] and [ move lines in and out.

import { useId, useRef } from "react";
import type { KeyboardEvent } from "react";
import css from "./code-field.module.css";
import { joined } from "./class-names.ts";
import fieldCss from "./field.module.css";

interface CodeFieldProps {
  label: string;
  value: string;
  onChange(value: string): void;
  /** Lines of room at least; it grows with the text up to `rowsMax`. */
  rows?: number;
}

const rowsMax = 28;
const indent = "  ";

export function CodeField({ label, value, onChange, rows = 10 }: CodeFieldProps) {
  const id = useId();
  const numbers = useRef<HTMLPreElement>(null);
  const count = value.split("\n").length;

  /** As if it were typed, so that it can be undone like what was typed. */
  function type(area: HTMLTextAreaElement, text: string): void {
    // oxlint-disable-next-line typescript/no-deprecated -- nothing else keeps the browser's own undo
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      onChange(area.value);
    }
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
    const area = event.currentTarget;
    const { selectionStart: start, selectionEnd: end } = area;
    const lineStart = value.lastIndexOf("\n", start - 1) + 1;
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.nativeEvent.isComposing) {
      const spaces = /^[ \t]*/.exec(value.slice(lineStart, start))![0];
      if (spaces === "") return;
      event.preventDefault();
      type(area, `\n${spaces}`);
    } else if ((event.key === "]" || event.key === "[") && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      const lines = value.slice(lineStart, end).split("\n");
      const moved = lines.map((line) => (event.key === "]" ? indent + line : line.replace(/^ {1,2}|^\t/, ""))).join("\n");
      area.setSelectionRange(lineStart, end);
      type(area, moved);
      area.setSelectionRange(lineStart, lineStart + moved.length);
    }
  }

  return (
    <div className={fieldCss["field"]}>
      <label htmlFor={id} className={fieldCss["label"]}>
        {label}
      </label>
      <div className={css["box"]}>
        <pre ref={numbers} aria-hidden className={css["numbers"]}>
          {Array.from({ length: count }, (_, index) => index + 1).join("\n")}
        </pre>
        <textarea
          id={id}
          className={joined(fieldCss["input"], css["text"])}
          value={value}
          rows={Math.min(rowsMax, Math.max(rows, count + 1))}
          wrap="off"
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          aria-describedby={`${id}-help`}
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={onKeyDown}
          onScroll={(event) => {
            if (numbers.current !== null) numbers.current.scrollTop = event.currentTarget.scrollTop;
          }}
        />
      </div>
      <span id={`${id}-help`} className={fieldCss["help"]}>
        Tab leaves the field; <kbd>Ctrl ]</kbd> and <kbd>Ctrl [</kbd> move lines in and out.
      </span>
    </div>
  );
}
