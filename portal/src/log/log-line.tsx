// One line of a log: number that links to it, time when wanted, text with its colours. What was found is marked; what is very long is cut
// with a button that shows all of it.

import { memo } from "react";
import type { ReactNode } from "react";
import type { TaskLogLine } from "../api/documents.ts";
import { joined } from "../design/class-names.ts";
import { clockTime } from "../design/time-text.tsx";
import { parseAnsi } from "./ansi.ts";
import type { Segment } from "./ansi.ts";
import css from "./log-viewer.module.css";

/** Longer lines are cut; measuring what nobody reads would make scrolling stand still. */
export const lineCharactersShown = 10_000;

interface LogLineProps {
  number: number;
  line: TaskLogLine | undefined;
  /** What is looked for, in lower case; empty when nothing is. */
  wanted: string;
  /** The found line where one is. */
  isCurrent: boolean;
  isMarked: boolean;
  withTime: boolean;
  /** From the upper edge of the drawn lines; undefined where lines have heights of their own. */
  onNumber(number: number, isRange: boolean): void;
  onShowAll(line: TaskLogLine): void;
}

export const LogLine = memo(function LogLine({ number, line, wanted, isCurrent, isMarked, withTime, onNumber, onShowAll }: LogLineProps) {
  const text = line?.MessageText ?? "";
  const isLong = text.length > lineCharactersShown;
  return (
    <div className={joined(css["line"], line && css[line.Category], isMarked && css["marked"])} data-line={number}>
      <a
        className={css["number"]}
        href={`#L${number}`}
        data-number={number}
        tabIndex={-1}
        aria-label={`Line ${number}`}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          onNumber(number, event.shiftKey);
        }}
      />
      {line === undefined ? (
        <span className={css["pending"]}>…</span>
      ) : (
        <>
          {withTime && <span className={css["time"]}>{clockTime(Date.parse(line.OccurredAt))}</span>}
          <span className={joined(css["text"], isCurrent && css["current"])}>
            <LineText text={isLong ? text.slice(0, lineCharactersShown) : text} wanted={wanted} />
          </span>
          {isLong && (
            <button type="button" className={css["more"]} onClick={() => onShowAll(line)}>
              show all {sizeText(text.length)}
            </button>
          )}
        </>
      )}
    </div>
  );
});

function LineText({ text, wanted }: { text: string; wanted: string }) {
  return parseAnsi(text).map((segment, index) => <SegmentText key={index} segment={segment} wanted={wanted} />);
}

function SegmentText({ segment, wanted }: { segment: Segment; wanted: string }) {
  const content = marked(segment.text, wanted);
  if (segment.classes.length === 0 && segment.href === undefined && segment.color === undefined && segment.background === undefined) return content;
  const className = joined(...segment.classes.map((name) => css[name]));
  const style = { color: segment.color, background: segment.background };
  if (segment.href !== undefined) {
    return (
      <a href={segment.href} target="_blank" rel="noreferrer noopener" className={className} style={style}>
        {content}
      </a>
    );
  }
  return (
    <span className={className} style={style}>
      {content}
    </span>
  );
}

function marked(text: string, wanted: string): ReactNode {
  if (wanted === "") return text;
  const lower = text.toLowerCase();
  const parts: ReactNode[] = [];
  let at = 0;
  for (let found = lower.indexOf(wanted); found !== -1; found = lower.indexOf(wanted, at)) {
    parts.push(
      text.slice(at, found),
      <mark key={found} className={css["hit"]}>
        {text.slice(found, found + wanted.length)}
      </mark>,
    );
    at = found + wanted.length;
  }
  parts.push(text.slice(at));
  return parts;
}

export function sizeText(characters: number): string {
  return characters < 1024 * 1024 ? `${Math.round(characters / 1024)} KB` : `${(characters / 1024 / 1024).toFixed(1)} MB`;
}
