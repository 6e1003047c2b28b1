// What stands where content is not: nothing there yet, still on its way, or could not be had. Every view uses these three.

import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";
import css from "./view-states.module.css";

/** What this is, why one would want it, and one thing to do. */
export function EmptyState({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={css["empty"]}>
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {action}
    </div>
  );
}

/** A place of the size of what will stand there; it shows itself only when that takes its time. */
export function Skeleton({ width, height }: { width?: string; height: string }) {
  return <div className={css["skeleton"]} style={{ width: width ?? "100%", height }} aria-hidden />;
}

/** Says to those who hear the page that something is on its way. */
export function Loading({ what, children }: { what: string; children: ReactNode }) {
  return (
    <div aria-busy="true">
      <span className="visually-hidden" role="status">
        Loading {what}
      </span>
      {children}
    </div>
  );
}

interface ErrorPanelProps {
  /** What could not be done: "The dashboard could not be read". */
  title: string;
  error: unknown;
  onRetry?(): void;
}

export function ErrorPanel({ title, error, onRetry }: ErrorPanelProps) {
  const sentences = sentencesOf(error);
  return (
    <Notice kind="error" isSpoken actions={onRetry && <Button onPress={onRetry}>Try again</Button>}>
      <strong>{title}.</strong> {sentences.length === 1 ? sentences[0] : null}
      {sentences.length > 1 && (
        <ul className={css["details"]}>
          {sentences.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      )}
    </Notice>
  );
}

function sentencesOf(error: unknown): string[] {
  if (typeof error === "object" && error !== null && "errors" in error && Array.isArray(error.errors)) return error.errors as string[];
  return [error instanceof Error ? error.message : String(error)];
}
