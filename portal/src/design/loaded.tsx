// Shows what a query gives, in each of its states: on its way, there, there but old because asking again failed, refused, not to be had.
// Every page shows its data through this, so that no page blanks because one request failed.

import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Notice } from "./notice.tsx";
import { clockTime } from "./time-text.tsx";
import { ErrorPanel, Loading, Skeleton } from "./view-states.tsx";
import css from "./view-states.module.css";

interface LoadedProps<T> {
  query: UseQueryResult<T>;
  /** As in "could not be read": "The dashboard". */
  what: string;
  /** Of the size of what will stand there. */
  skeleton?: ReactNode;
  children(data: T): ReactNode;
}

export function Loaded<T>({ query, what, skeleton, children }: LoadedProps<T>) {
  if (query.data === undefined) {
    if (query.isError) return <ErrorPanel title={`${what} could not be read`} error={query.error} onRetry={() => void query.refetch()} />;
    return <Loading what={what.toLowerCase()}>{skeleton ?? <Skeleton height="12rem" />}</Loading>;
  }
  return (
    <>
      {query.isError && (
        <div className={css["stale"]}>
          <Notice kind="warning" isSpoken>
            {what} could not be read again since {clockTime(query.dataUpdatedAt)}; trying again. What is shown is from then.
          </Notice>
        </div>
      )}
      {children(query.data)}
    </>
  );
}
