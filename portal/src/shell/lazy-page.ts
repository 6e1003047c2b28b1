// Pages, and parts of them, that load when they are first opened. One that cannot be had, because the server is away or has another portal by now, says so in its
// place; nothing loads the window anew by itself, because whoever is offline would be left with the browser's own error page.

import type { AsyncRouteComponent } from "@tanstack/react-router";
import { createElement, use } from "react";
import type { ComponentType } from "react";

/** A part of the portal that could not be loaded. */
export class PartMissing extends Error {
  /** Makes ready for another try, which begins when the page is drawn again. */
  readonly retry: () => void;

  constructor(cause: unknown, retry: () => void) {
    super("A part of the portal could not be loaded.", { cause });
    this.retry = retry;
  }
}

/**
 * A part that is drawn at once when it was loaded before it is opened. React's own `lazy` waits even then, and shows what it has waited for no
 * sooner than 300 ms later.
 */
export function lazyPart<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> & { preload(): Promise<void> } {
  let part: ComponentType<P> | undefined;
  let loading: Promise<void> | undefined;
  const preload = (): Promise<void> => load().then((found) => void (part = found));

  function Part(props: P) {
    if (part === undefined) use((loading ??= preload()));
    return createElement(part!, props);
  }
  return Object.assign(Part, { preload });
}

/** The types of pages depend on those of routes, so that nothing more than the names may be looked at here. */
export function lazyPage<M extends object, K extends keyof M>(load: () => Promise<M>, name: K): AsyncRouteComponent<object> {
  let page: ComponentType | undefined;
  let missing: PartMissing | undefined;
  let loading: Promise<void> | undefined;

  function retry(): void {
    missing = undefined;
    loading = undefined;
    // A style sheet that did not come is asked for again only when it is put in again.
    for (const link of document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]"))
      if (link.sheet === null) link.replaceWith(link.cloneNode());
  }
  const preload = (): Promise<void> =>
    (loading ??= load().then(
      (part) => void (page = part[name] as ComponentType),
      (error) => void (missing = new PartMissing(error, retry)),
    ));

  function Page() {
    if (page === undefined && missing === undefined) use(preload());
    if (missing !== undefined) throw missing;
    return createElement(page!);
  }
  return Object.assign(Page, { preload });
}
