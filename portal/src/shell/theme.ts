// Light, dark, or as the system has it: remembered in this browser, known to the styles by one attribute of the document.

import { createStore } from "../api/store.ts";

export type Theme = "system" | "light" | "dark";

const key = "cuttle.theme";

export const theme = createStore<Theme>("system");

export function chooseTheme(wanted: Theme): void {
  theme.set(wanted);
  if (wanted === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = wanted;
  try {
    localStorage.setItem(key, wanted);
  } catch {
    // A browser that keeps nothing still shows what was chosen.
  }
}

/** As it was chosen last time. Before the first drawing. */
export function restoreTheme(): void {
  try {
    const kept = localStorage.getItem(key);
    if (kept === "light" || kept === "dark") chooseTheme(kept);
  } catch {
    // As above.
  }
}
