// The matrix as a grid of which only the rows and columns in sight exist. One tab stop: arrow keys move among the cells, Enter opens what is there.

import { Link, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import type { CSSProperties, KeyboardEvent } from "react";
import { joined } from "../../design/class-names.ts";
import css from "./dashboard-page.module.css";
import { MatrixCell } from "./matrix-cell.tsx";
import type { Matrix, MatrixRow } from "./matrix.ts";

const rowPx = 52;
const groupPx = 32;
/** The header with its line, and the edges above and below. */
const framePx = 39;
/** Rows beyond the edges that exist too, so that scrolling shows no gaps. */
const overscanRows = 6;
const pageRows = 10;
/** Widths in the style sheet: of the names, and the least of an environment. */
const namePx = 224;
const columnPx = 136;
const overscanColumns = 2;

export function MatrixGrid({ space, matrix }: { space: string; matrix: Matrix }) {
  const { environments, rows } = matrix;
  const scroller = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (rows[index]?.kind === "group" ? groupPx : rowPx),
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: overscanRows,
  });
  const across = useVirtualizer({
    horizontal: true,
    count: environments.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => columnPx,
    overscan: overscanColumns,
    paddingStart: namePx,
    scrollPaddingStart: namePx,
    initialRect: { width: innerWidth, height: 0 },
  });
  const drawn = across.getVirtualItems();
  const isWhole = namePx + environments.length * columnPx <= (across.scrollRect?.width ?? innerWidth);
  const first = isWhole ? 0 : (drawn[0]?.index ?? 0);
  const end = isWhole ? environments.length : (drawn.at(-1)?.index ?? -1) + 1;
  /** Where the tab stop is: row and column, the name being column 0. */
  const [stop, setStop] = useState({ row: 0, column: 0 });
  const row = Math.min(stop.row, rows.length - 1);
  const column = rows[row]?.kind === "group" ? 0 : Math.min(stop.column, environments.length);

  function moveTo(nextRow: number, nextColumn: number): void {
    const at = {
      row: Math.max(0, Math.min(rows.length - 1, nextRow)),
      column: Math.max(0, Math.min(environments.length, nextColumn)),
    };
    setStop(at);
    virtual.scrollToIndex(at.row);
    if (at.column > 0 && !isWhole) across.scrollToIndex(at.column - 1);
    // The row and the column may only exist after the scroll.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        const onlyCell = rows[at.row]?.kind === "group" ? 0 : at.column;
        const cell = scroller.current?.querySelector<HTMLElement>(`[data-at="${at.row} ${onlyCell}"]`);
        cell?.focus({ preventScroll: true });
        cell?.scrollIntoView({ block: "nearest", inline: "nearest" });
      }),
    );
  }

  function onKey(event: KeyboardEvent): void {
    const moves: Readonly<Record<string, () => void>> = {
      ArrowDown: () => moveTo(row + 1, stop.column),
      ArrowUp: () => moveTo(row - 1, stop.column),
      ArrowRight: () => moveTo(row, column + 1),
      ArrowLeft: () => moveTo(row, column - 1),
      PageDown: () => moveTo(row + pageRows, stop.column),
      PageUp: () => moveTo(row - pageRows, stop.column),
      Home: () => moveTo(event.ctrlKey ? 0 : row, 0),
      End: () => moveTo(event.ctrlKey ? rows.length - 1 : row, environments.length),
      Enter: () => open(row, column),
    };
    const move = moves[event.key];
    if (move === undefined || event.altKey || event.metaKey) return;
    event.preventDefault();
    move();
  }

  function open(atRow: number, atColumn: number): void {
    const found = rows[atRow];
    if (found?.kind !== "project") return;
    const cell = atColumn === 0 ? undefined : found.cells[atColumn - 1];
    if (cell) void navigate({ to: "/app/$space/tasks/$task", params: { space, task: cell.item.TaskId } });
    else if (atColumn === 0) void navigate({ to: "/app/$space/projects/$project", params: { space, project: found.slug } });
  }

  // Columns that are not drawn keep their place; where there is room for all, they share it.
  const columns = isWhole
    ? `14rem 0 repeat(${environments.length}, minmax(8.5rem, 1fr))`
    : `14rem ${first * columnPx}px repeat(${end - first}, ${columnPx}px) ${(environments.length - end) * columnPx}px`;
  return (
    <div
      ref={scroller}
      className={css["grid"]}
      style={{ "--columns": columns, height: `${virtual.getTotalSize() + framePx}px` } as CSSProperties}
      role="grid"
      aria-label="What is deployed where"
      aria-rowcount={rows.length + 1}
      aria-colcount={environments.length + 1}
      onKeyDown={onKey}
    >
      <div className={joined(css["row"], css["head"])} role="row" aria-rowindex={1}>
        <div className={css["corner"]} role="columnheader" aria-colindex={1}>
          Project
        </div>
        {environments.slice(first, end).map(({ id, name }, index) => (
          <div
            key={id}
            className={joined(css["columnHeader"], index === 0 && css["firstColumn"])}
            role="columnheader"
            aria-colindex={first + index + 2}
            title={name}
          >
            {name}
          </div>
        ))}
      </div>
      <div className={css["rows"]} style={{ height: virtual.getTotalSize() }} role="rowgroup">
        {virtual.getVirtualItems().map((item) => {
          const shown = rows[item.index]!;
          return (
            <div
              key={item.key}
              className={joined(css["row"], css["placed"], shown.kind === "group" && css["groupRow"])}
              style={{ transform: `translateY(${item.start}px)` }}
              role="row"
              aria-rowindex={item.index + 2}
              onFocus={(event) => {
                const at = (event.target as HTMLElement).closest<HTMLElement>("[data-at]")?.dataset["at"]?.split(" ").map(Number);
                if (at !== undefined && (at[0] !== stop.row || at[1] !== stop.column)) setStop({ row: at[0]!, column: at[1]! });
              }}
            >
              <Row space={space} row={shown} index={item.index} stop={item.index === row ? column : -1} first={first} end={end} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  space: string;
  row: MatrixRow;
  index: number;
  stop: number;
  /** Columns from here up to, but without, there. */
  first: number;
  end: number;
}

function Row({ space, row, index, stop, first, end }: RowProps) {
  if (row.kind === "group") {
    return (
      <div className={css["group"]} role="gridcell" aria-colindex={1} tabIndex={stop === 0 ? 0 : -1} data-at={`${index} 0`}>
        {row.name} <span className="muted small">{row.projects}</span>
      </div>
    );
  }
  return (
    <>
      <ProjectName space={space} row={row} index={index} isStop={stop === 0} />
      {row.cells.slice(first, end).map((cell, offset) => {
        const column = first + offset + 1;
        return (
          <MatrixCell
            key={column}
            space={space}
            cell={cell}
            at={`${index} ${column}`}
            column={column + 1}
            isFirst={offset === 0}
            isStop={stop === column}
          />
        );
      })}
    </>
  );
}

function ProjectName({
  space,
  row,
  index,
  isStop,
}: {
  space: string;
  row: Extract<MatrixRow, { kind: "project" }>;
  index: number;
  isStop: boolean;
}) {
  return (
    <div className={css["name"]} role="rowheader" aria-colindex={1} tabIndex={isStop ? 0 : -1} data-at={`${index} 0`} title={row.name}>
      <Link to="/app/$space/projects/$project" params={{ space, project: row.slug }} className={css["nameText"]} tabIndex={-1}>
        {row.name}
      </Link>
      {row.isDisabled && <span className="muted small"> disabled</span>}
    </div>
  );
}
