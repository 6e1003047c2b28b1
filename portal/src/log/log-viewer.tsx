// The log of a task: any length, live, searched, with a link to each line. Lines in sight exist, no others. New ones are followed while one
// is at the end; whoever scrolls up reads in peace and is told how many came.

import { ArrowDown, ArrowUp, Download } from "lucide-react";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { Input, Label, SearchField, ToggleButton } from "react-aria-components";
import type { TaskLogLine } from "../api/documents.ts";
import { rawLogAddress } from "../api/task-log.ts";
import { Button } from "../design/button.tsx";
import buttonCss from "../design/button.module.css";
import { joined } from "../design/class-names.ts";
import { Dialog } from "../design/dialog.tsx";
import fieldCss from "../design/field.module.css";
import { clockTime } from "../design/time-text.tsx";
import { plainText } from "./ansi.ts";
import { errorLevels, useFoundLines } from "./found-lines.ts";
import type { Found } from "./found-lines.ts";
import { LogLine, lineCharactersShown, sizeText } from "./log-line.tsx";
import { openLog } from "./log-source.ts";
import type { LogSource } from "./log-source.ts";
import css from "./log-viewer.module.css";
import { geometryOf, linePx, offsetOf, visibleLines } from "./visible-range.ts";

/** Where the server cuts a line. */
const lineCharactersKept = 1_000_000;

export interface LogViewerProps {
  space: string;
  task: string;
  /** Where to begin: a line, the first error, the end and on, or the beginning. */
  begin: { line: number; to?: number } | "first-error" | "end" | "start";
  /** A line to go to when it changes; with a count, so that the same line can be asked for twice. */
  goTo?: { line: number; count: number } | undefined;
  /** Steps began or ended, or the task changed its state. */
  onProgress(): void;
  /** The marked lines, for the address. */
  onMark(from: number, to: number): void;
  /** What stands in the address as searched for. */
  search: string;
  onSearch(text: string): void;
}

export function LogViewer(props: LogViewerProps) {
  const { space, task, begin, goTo, search } = props;
  const latest = useRef(props);
  latest.current = props;
  const texts = useFoundLines(space, task, { text: search });
  const errors = useFoundLines(space, task, { level: errorLevels });
  const addTexts = texts.add;
  const addErrors = errors.add;

  const source = useSource(space, task, latest, addTexts, addErrors);
  const state = useSyncExternalStore(
    useCallback((listener) => source?.follow(listener) ?? (() => {}), [source]),
    () => source?.state() ?? loadingState,
  );
  const { lineCount } = state;

  const scroller = useRef<HTMLDivElement>(null);
  const viewer = useRef<HTMLDivElement>(null);
  const [viewportPx, setViewportPx] = useState(600);
  const [offsetPx, setOffsetPx] = useState(0);
  const [isFollowing, setFollowing] = useState(begin === "end");
  const [isWrapped, setWrapped] = useState(false);
  const [withTime, setWithTime] = useState(false);
  const [mark, setMark] = useState(typeof begin === "object" ? { from: begin.line, to: begin.to ?? begin.line } : undefined);
  const [at, setAt] = useState(0);
  const [whole, setWhole] = useState<TaskLogLine>();
  const seenCount = useRef(0);
  const geometry = geometryOf(lineCount, viewportPx);
  const mostPx = Math.max(0, lineCount * linePx - viewportPx);
  const isAtEnd = offsetPx >= mostPx - 1;
  // Only what came while one looked is new.
  if (isAtEnd || isFollowing || seenCount.current === 0) seenCount.current = lineCount;

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setViewportPx(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  /** Where we put the scroll bar ourselves; its event brings no news. */
  const own = useRef(-1);
  const scrollTo = useCallback(
    (px: number) => {
      const element = scroller.current;
      if (element === null) return;
      const to = Math.max(0, px);
      setOffsetPx(to);
      own.current = Math.round(to / geometry.scale);
      element.scrollTop = own.current;
    },
    [geometry.scale],
  );
  // Following: the end comes into sight whenever there is more.
  useLayoutEffect(() => {
    if (isFollowing) scrollTo(mostPx);
  }, [isFollowing, mostPx, scrollTo]);

  const goToLine = useCallback(
    (line: number) => {
      setFollowing(false);
      setAt(line);
      scrollTo(offsetOf(line, viewportPx, lineCount));
    },
    [scrollTo, viewportPx, lineCount],
  );

  // Where to begin, once it is known how long the log is.
  const hasBegun = useRef(false);
  const firstError = errors.found.numbers[0];
  useEffect(() => {
    if (hasBegun.current || lineCount === 0) return;
    if (typeof begin === "object") goToLine(begin.line);
    else if (begin === "first-error") {
      if (firstError === undefined) {
        hasBegun.current = !errors.found.isLooking && state.kind !== "loading" && errors.found.problem !== undefined;
        return;
      }
      setMark({ from: firstError, to: firstError });
      goToLine(firstError);
    }
    hasBegun.current = true;
  }, [begin, lineCount, firstError, errors.found, state.kind, goToLine]);

  const asked = goTo?.count;
  const askedLine = goTo?.line;
  useEffect(() => {
    if (asked === undefined || askedLine === undefined) return;
    hasBegun.current = true;
    goToLine(askedLine);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- going there again at each new line would hold the reader there
  }, [asked]);

  function onScroll(): void {
    const element = scroller.current;
    if (element === null || Math.abs(element.scrollTop - own.current) < 1) return;
    own.current = -1;
    const to = element.scrollTop * geometry.scale;
    setOffsetPx(to);
    setFollowing(to >= mostPx - 1 && state.kind !== "over");
  }

  // In very long logs a wheel's step would jump over lines; there the wheel moves the log, and the log its scroll bar.
  const moveBy = useRef((_px: number): void => {});
  moveBy.current = (px) => {
    const to = Math.max(0, Math.min(mostPx, offsetPx + px));
    scrollTo(to);
    setFollowing(to >= mostPx - 1 && state.kind !== "over");
  };
  const isScaled = geometry.scale > 1;
  useEffect(() => {
    const element = scroller.current;
    if (element === null || !isScaled) return;
    const onWheel = (event: WheelEvent): void => {
      if (event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      moveBy.current(event.deltaMode === 1 ? event.deltaY * linePx : event.deltaY);
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [isScaled]);

  const step = useCallback(
    (found: Found, direction: 1 | -1) => {
      const { numbers } = found;
      if (numbers.length === 0) return;
      const next =
        direction === 1 ? (numbers.find((one) => one > at) ?? numbers[0]!) : (numbers.findLast((one) => one < at) ?? numbers.at(-1)!);
      // Errors are not marked by themselves, as what is searched for is.
      if (found === errors.found) setMark({ from: next, to: next });
      goToLine(next);
    },
    [at, goToLine, errors.found],
  );

  function onKey(event: KeyboardEvent): void {
    if (event.target instanceof HTMLInputElement || event.altKey || event.metaKey || event.ctrlKey) return;
    const keys: Readonly<Record<string, () => void>> = {
      n: () => step(errors.found, 1),
      N: () => step(errors.found, -1),
      f: () => setFollowing(true),
      w: () => setWrapped((before) => !before),
      "/": () => viewer.current?.querySelector<HTMLInputElement>("input")?.focus(),
      ...(event.target === scroller.current
        ? {
            Home: () => moveBy.current(-Infinity),
            End: () => (state.kind === "over" ? moveBy.current(mostPx) : setFollowing(true)),
            ...(isScaled
              ? {
                  ArrowDown: () => moveBy.current(linePx),
                  ArrowUp: () => moveBy.current(-linePx),
                  PageDown: () => moveBy.current(viewportPx - linePx),
                  PageUp: () => moveBy.current(linePx - viewportPx),
                }
              : {}),
          }
        : {}),
    };
    const does = keys[event.key];
    if (does === undefined) return;
    event.preventDefault();
    does();
  }

  const { first, last } = visibleLines(offsetPx, viewportPx, lineCount);
  useEffect(() => source?.want(first, last), [source, first, last, state.version]);

  const onNumber = useCallback((number: number, isRange: boolean) => {
    setMark((before) => {
      const from = isRange && before !== undefined ? Math.min(before.from, number) : number;
      const to = isRange && before !== undefined ? Math.max(before.to, number) : number;
      queueMicrotask(() => latest.current.onMark(from, to));
      return { from, to };
    });
  }, []);

  const wanted = search.toLowerCase();
  const rows: ReactNode[] = [];
  for (let number = first; number <= last; number++) {
    rows.push(
      <LogLine
        key={number}
        number={number}
        line={source?.line(number)}
        wanted={wanted}
        isCurrent={number === at && wanted !== ""}
        isMarked={mark !== undefined && number >= mark.from && number <= mark.to}
        withTime={withTime}
        onNumber={onNumber}
        onShowAll={setWhole}
      />,
    );
  }
  // Wrapped lines have heights of their own: at the end the last one stands at the lower edge, elsewhere the first one where it would be.
  const place = isWrapped
    ? isAtEnd
      ? { insetBlockEnd: 0 }
      : { transform: `translateY(${offsetPx / geometry.scale - (offsetPx - Math.floor(offsetPx / linePx) * linePx)}px)` }
    : { transform: `translateY(${offsetPx / geometry.scale - (offsetPx - (first - 1) * linePx)}px)` };
  const shownRows = isWrapped && !isAtEnd ? rows.slice(Math.max(0, Math.floor(offsetPx / linePx) + 1 - first)) : rows;
  const fresh = lineCount - seenCount.current;

  return (
    <div ref={viewer} className={css["viewer"]} onKeyDown={onKey}>
      <div className={css["tools"]}>
        <SearchField
          className={css["search"]!}
          value={search}
          onChange={props.onSearch}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            step(texts.found, event.shiftKey ? -1 : 1);
          }}
        >
          <Label className="visually-hidden">Search the log</Label>
          <Input className={fieldCss["input"]!} placeholder="Search the log" />
        </SearchField>
        {search !== "" && (
          <>
            <span className={css["count"]} role="status">
              {countText(texts.found, at)}
            </span>
            <Button
              isIcon
              weight="quiet"
              aria-label="Previous find"
              isDisabled={texts.found.numbers.length === 0}
              onPress={() => step(texts.found, -1)}
            >
              <ArrowUp size={16} aria-hidden />
            </Button>
            <Button
              isIcon
              weight="quiet"
              aria-label="Next find"
              isDisabled={texts.found.numbers.length === 0}
              onPress={() => step(texts.found, 1)}
            >
              <ArrowDown size={16} aria-hidden />
            </Button>
          </>
        )}
        <Button isDisabled={errors.found.numbers.length === 0} onPress={() => step(errors.found, 1)}>
          {errors.found.numbers.length === 0 ? "No errors" : `Next error (${errors.found.numbers.length}${errors.found.isMore ? "+" : ""})`}
        </Button>
        <Toggle isOn={isWrapped} onChange={setWrapped}>
          Wrap
        </Toggle>
        <Toggle isOn={withTime} onChange={setWithTime}>
          Times
        </Toggle>
        {state.kind !== "over" && (
          <Toggle isOn={isFollowing} onChange={setFollowing}>
            Follow
          </Toggle>
        )}
        <a className={buttonCss["button"]} href={rawLogAddress(space, task)} download={`${task}.log.txt`}>
          <Download size={16} aria-hidden />
          Raw
        </a>
      </div>
      {state.kind === "waiting" && (
        <p className={css["note"]} role="status">
          Reconnecting … shown are the lines up to {clockTime(state.heardAt)}.
        </p>
      )}
      {state.kind === "failed" && (
        <p className={css["note"]} role="alert">
          The log cannot be followed. {state.problem}
        </p>
      )}
      <div className={css["area"]}>
        <div
          ref={scroller}
          className={css["scroller"]}
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to be reached by keyboard
          tabIndex={0}
          role="region"
          aria-label="Log of the task"
          onScroll={onScroll}
          data-testid="log"
          data-lines={lineCount}
          data-kind={state.kind}
        >
          <div
            className={css["spacer"]}
            style={{ height: geometry.spacerPx, ["--number-width" as string]: `${String(lineCount).length + 2}ch` }}
          >
            <div className={joined(css["lines"], isWrapped && css["wrapped"])} style={place}>
              {shownRows}
            </div>
          </div>
          {lineCount === 0 && (
            <p className={css["empty"]}>{state.kind === "over" ? "This task has printed nothing." : "Nothing is printed yet."}</p>
          )}
        </div>
        {!isFollowing && fresh > 0 && state.kind !== "loading" && (
          <span className={css["new"]}>
            <Button weight="primary" onPress={() => setFollowing(true)}>
              <ArrowDown size={16} aria-hidden />
              {fresh.toLocaleString("en")} new {fresh === 1 ? "line" : "lines"}
            </Button>
          </span>
        )}
      </div>
      <Dialog
        title={`Line ${whole?.Number ?? ""}, ${sizeText(whole?.MessageText.length ?? 0)}`}
        isOpen={whole !== undefined}
        onLeave={() => setWhole(undefined)}
      >
        {whole !== undefined && whole.MessageText.length >= lineCharactersKept && <p>The log keeps no more of a line than this.</p>}
        {whole !== undefined && <WholeLine line={whole} />}
      </Dialog>
    </div>
  );
}

const loadingState = { lineCount: 0, kind: "loading", problem: undefined, heardAt: 0, version: 0 } as const;

function useSource(
  space: string,
  task: string,
  latest: { readonly current: LogViewerProps },
  addTexts: (lines: readonly TaskLogLine[]) => void,
  addErrors: (lines: readonly TaskLogLine[]) => void,
): LogSource | undefined {
  const [source, setSource] = useState<LogSource>();
  useEffect(() => {
    const opened = openLog(space, task, {
      onProgress: () => latest.current.onProgress(),
      onLines(lines) {
        addTexts(lines);
        addErrors(lines);
      },
    });
    setSource(opened);
    return () => opened.close();
  }, [space, task, latest, addTexts, addErrors]);
  return source;
}

function Toggle({ isOn, onChange, children }: { isOn: boolean; onChange(isOn: boolean): void; children: string }) {
  return (
    <ToggleButton className={joined(buttonCss["button"], isOn && buttonCss["chosen"])} isSelected={isOn} onChange={onChange}>
      {children}
    </ToggleButton>
  );
}

/** "3 of 12" */
function countText(found: Found, at: number): string {
  if (found.problem !== undefined) return "not searched";
  const { numbers } = found;
  if (numbers.length === 0) return found.isLooking ? "searching …" : "nothing found";
  const place = numbers.indexOf(at);
  const all = `${numbers.length.toLocaleString("en")}${found.isMore ? "+" : ""}`;
  return place === -1 ? `${all} found` : `${(place + 1).toLocaleString("en")} of ${all}`;
}

/** In pieces that are only laid out when they come into sight. */
function WholeLine({ line }: { line: TaskLogLine }) {
  const pieces = useMemo(() => {
    const text = plainText(line.MessageText);
    const all: string[] = [];
    for (let at = 0; at < text.length; at += lineCharactersShown) all.push(text.slice(at, at + lineCharactersShown));
    return all;
  }, [line]);
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to be reached by keyboard
    <div className={css["whole"]} tabIndex={0} role="region" aria-label="The whole line">
      {pieces.map((piece, index) => (
        <div key={index} className={css["piece"]}>
          {piece}
        </div>
      ))}
    </div>
  );
}
