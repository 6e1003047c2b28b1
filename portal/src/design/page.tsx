// The frame of a page: a heading that takes the focus when one comes here, the title of the window, actions, and panels below.

import { useRouterState } from "@tanstack/react-router";
import { useEffect, useLayoutEffect, useRef } from "react";
import type { ReactNode } from "react";
import { joined } from "./class-names.ts";
import { isolated } from "./isolated.ts";
import css from "./page.module.css";

/** The page before this one; undefined at the first. */
let lastPathname: string | undefined;
/** A heading that had the focus was taken off: that of a page whose data has come stands in its place, and takes over. */
let isPassedOn = false;

interface PageHeaderProps {
  title: string;
  /** For the window's title, from near to far: ["web-shop", "Projects", "Default"]. */
  within?: readonly string[];
  /** Links above the title that lead back. */
  above?: ReactNode;
  /** Beside the title, such as a state. */
  beside?: ReactNode;
  actions?: ReactNode;
}

export function PageHeader({ title, within = [], above, beside, actions }: PageHeaderProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = [title, ...within, "Cuttle"].map(isolated).join(" – ");
  });
  // Where the router has arrived, not where it is going: while the next page is still being loaded, this one's heading must not take the focus
  // that belongs to the next one's.
  const pathname = useRouterState({ select: ({ resolvedLocation, location }) => (resolvedLocation ?? location).pathname });
  // Coming from another page, those who hear it are told where they are. At the first page nothing is taken from where it is.
  useEffect(() => {
    if (isPassedOn || (lastPathname !== undefined && lastPathname !== pathname)) heading.current?.focus({ preventScroll: true });
    isPassedOn = false;
    lastPathname = pathname;
  }, [pathname]);
  useLayoutEffect(() => {
    const own = heading.current;
    return () => {
      if (own !== null && own === document.activeElement) isPassedOn = true;
    };
  }, []);
  return (
    <header className={css["header"]}>
      <div className={css["titles"]}>
        {above !== undefined && (
          <nav aria-label="Up" className={css["above"]}>
            {above}
          </nav>
        )}
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {beside}
      </div>
      {actions !== undefined && <div className={css["actions"]}>{actions}</div>}
    </header>
  );
}

/** A page of readable width, its parts one below the other. */
export function PageColumn({ isWide, children }: { isWide?: boolean; children: ReactNode }) {
  return <div className={joined(css["column"], isWide === true && css["wide"])}>{children}</div>;
}

export function Panel({ title, actions, children }: { title?: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <section className={css["panel"]}>
      {title !== undefined && (
        <div className={css["panelHeader"]}>
          <h2>{title}</h2>
          {actions}
        </div>
      )}
      {children}
    </section>
  );
}
