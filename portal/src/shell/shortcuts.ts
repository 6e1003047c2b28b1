// Single keys and pairs of keys that work wherever nobody is typing.

import { useEffect } from "react";

/** The second key of a pair must come within this. */
const pairMsMax = 1_500;

/** `keys`: "g d" or "/" → what it does. Give the same object at each drawing, or it is bound anew. */
export function useShortcuts(keys: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    let first = "";
    let firstAtMs = 0;
    function onKey(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const nowMs = performance.now();
      const pair = first !== "" && nowMs - firstAtMs < pairMsMax ? `${first} ${event.key}` : event.key;
      const does = keys[pair] ?? keys[event.key];
      first = does === undefined ? event.key : "";
      firstAtMs = nowMs;
      if (does === undefined) return;
      event.preventDefault();
      does();
    }
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [keys]);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.closest("input, textarea, select, [role=menu], [role=listbox], [role=dialog]") !== null;
}
