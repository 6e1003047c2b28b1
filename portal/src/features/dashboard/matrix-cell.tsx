// One cell of the matrix: release, state and when. It is drawn again only when its own content changed, and then flashes once.

import { Link } from "@tanstack/react-router";
import { memo, useEffect, useRef } from "react";
import { joined } from "../../design/class-names.ts";
import { StateLabel, wordOf } from "../../design/state-label.tsx";
import { TimeText } from "../../design/time-text.tsx";
import css from "./dashboard-page.module.css";
import type { Cell } from "./matrix.ts";

interface MatrixCellProps {
  space: string;
  cell: Cell | null | undefined;
  at: string;
  /** From 1, that of the names. */
  column: number;
  /** The first that is drawn. */
  isFirst: boolean;
  isStop: boolean;
}

export const MatrixCell = memo(function MatrixCell({ space, cell, at, column, isFirst, isStop }: MatrixCellProps) {
  const element = useRef<HTMLDivElement>(null);
  const content = cell ? `${cell.item.DeploymentId} ${cell.state}` : "";
  const shown = useRef(content);
  useEffect(() => {
    if (shown.current === content) return;
    shown.current = content;
    const { current } = element;
    if (current === null) return;
    current.classList.remove(css["changed"]!);
    void current.offsetWidth; // lets the animation begin again
    current.classList.add(css["changed"]!);
  }, [content]);
  const place = { role: "gridcell", "aria-colindex": column, tabIndex: isStop ? 0 : -1, "data-at": at };
  const className = joined(css["cell"], isFirst && css["firstColumn"]);
  if (cell === undefined)
    return (
      <div {...place} className={joined(className, css["unreached"])}>
        <span className="visually-hidden">Not in the lifecycle</span>
      </div>
    );
  if (cell === null)
    return (
      <div {...place} className={className}>
        <span className="muted" aria-hidden>
          –
        </span>
        <span className="visually-hidden">Not deployed</span>
      </div>
    );
  const { item, state } = cell;
  return (
    <div {...place} ref={element} className={className} data-state={state}>
      <span className={css["top"]}>
        <Link
          to="/app/$space/tasks/$task"
          params={{ space, task: item.TaskId }}
          className={css["version"]}
          tabIndex={-1}
          title={`Release ${item.ReleaseVersion}: ${wordOf(state)}${cell.remaining === undefined ? "" : `; ${cell.remaining} is still there`}`}
        >
          {item.ReleaseVersion}
        </Link>
        {cell.isBehind && (
          <span className={css["badge"]} title="The environment before this one has a newer release">
            ▲ behind
          </span>
        )}
        {cell.tenants !== undefined && (
          <span className="muted small tabular" title="Tenants that are well, of all that have a deployment here">
            {cell.tenants.succeeded}/{cell.tenants.count}
          </span>
        )}
      </span>
      <span className={css["bottom"]}>
        <StateLabel state={state} isShort />
        <span className="muted">
          <TimeText at={item.CompletedTime ?? item.StartTime ?? item.Created} />
        </span>
      </span>
    </div>
  );
});
