// Asks before edits that are not saved are left behind: by a link of the portal, or with the window. And the keys that save them.

import { useBlocker } from "@tanstack/react-router";
import { useEffect } from "react";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";

/** `what`: "the process". */
export function UnsavedGuard({ isUnsaved, what }: { isUnsaved: boolean; what: string }) {
  const blocker = useBlocker({
    // Another place of the same page takes nothing away.
    shouldBlockFn: ({ current, next }) => isUnsaved && current.pathname !== next.pathname,
    enableBeforeUnload: () => isUnsaved,
    withResolver: true,
  });
  return (
    <Dialog
      title="Leave without saving?"
      isOpen={blocker.status === "blocked"}
      isAlert
      onLeave={() => blocker.reset?.()}
      actions={
        <>
          <Button weight="danger" onPress={() => blocker.proceed?.()}>
            Leave and lose the changes
          </Button>
          <Button autoFocus onPress={() => blocker.reset?.()}>
            Stay here
          </Button>
        </>
      }
    >
      <p>Your changes to {what} are not saved yet.</p>
    </Dialog>
  );
}

/** Ctrl or Command with S, also while typing. */
export function useSaveKey(save: () => void): void {
  useEffect(() => {
    function onKey(event: KeyboardEvent): void {
      if (event.key.toLowerCase() !== "s" || event.altKey || event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      save();
    }
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [save]);
}
