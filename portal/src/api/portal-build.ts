// Notices that the server has another portal than this page: after an upgrade, parts of it that are loaded late are not there any more.

import { server } from "./server.ts";
import { createStore } from "./store.ts";

/** True once the page should be loaded anew. */
export const isOutdated = createStore(false);

const lookEveryMs = 5 * 60_000;

export async function lookForNewBuild(): Promise<void> {
  try {
    const response = await fetch(`${server.base}/app/portal.json`, { cache: "no-store" });
    if (!response.ok) return;
    const { Build } = (await response.json()) as { Build: string };
    if (server.build !== "" && Build !== server.build) isOutdated.set(true);
  } catch {
    // The banner of a lost connection says enough.
  }
}

/** Looks now and then, and whenever a part of the portal cannot be loaded. Answers how to stop. */
export function watchBuild(): () => void {
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") void lookForNewBuild();
  }, lookEveryMs);
  const onPart = (): void => void lookForNewBuild();
  addEventListener("vite:preloadError", onPart);
  return () => {
    clearInterval(timer);
    removeEventListener("vite:preloadError", onPart);
  };
}
