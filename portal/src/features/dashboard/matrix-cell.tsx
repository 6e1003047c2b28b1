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
  isStop: boolean;
}

export const MatrixCell = memo(function MatrixCell({ space, cell, at, isStop }: MatrixCellProps) {
  const place = useRef<HTMLDivElement>(null);
  const content = cell ? `${cell.item.DeploymentId} ${cell.state}` : "";
  const shown = useRef(content);
  useEffect(() => {
    if (shown.current === content) return;
    shown.current = content;
    const element = place.current;
    if (element === null) return;
    element.classList.remove(css["changed"]!);
    void element.offsetWidth; // lets the animation begin again
    element.classList.add(css["changed"]!);
  }, [content]);
  if (cell === undefined)
    return (
      <div className={joined(css["cell"], css["unreached"])} role="gridcell" tabIndex={isStop ? 0 : -1} data-at={at}>
        <span className="visually-hidden">Not in the lifecycle</span>
      </div>
    );
  if (cell === null)
    return (
      <div className={css["cell"]} role="gridcell" tabIndex={isStop ? 0 : -1} data-at={at}>
        <span className="muted" aria-hidden>
          –
        </span>
        <span className="visually-hidden">Not deployed</span>
      </div>
    );
  const { item, state } = cell;
  return (
    <div ref={place} className={css["cell"]} role="gridcell" tabIndex={isStop ? 0 : -1} data-at={at} data-state={state}>
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
