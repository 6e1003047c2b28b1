// A plain table for short lists: heads in columns, a name for those who hear it, and its own sideways scrolling.

import type { ReactNode } from "react";
import css from "./table.module.css";

export function Table({ label, columns, children }: { label: string; columns: readonly ReactNode[]; children: ReactNode }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what may scroll has to be reached by keyboard
    <div className={css["box"]} tabIndex={0} role="region" aria-label={label}>
      <table className={css["table"]}>
        <thead>
          <tr>
            {columns.map((column, index) => (
              <th key={index} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
