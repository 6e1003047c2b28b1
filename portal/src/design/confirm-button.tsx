// A button for what cannot be taken back, such as deleting: it asks once more in a dialog, and says there when it was refused.

import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { ErrorPanel } from "./view-states.tsx";

interface ConfirmButtonProps {
  /** On the button: "Delete …". */
  text: string;
  /** Where several buttons say the same. */
  label?: string;
  isQuiet?: boolean;
  /** Asked in the dialog: "Delete web1?". */
  question: string;
  /** On the button that does it: "Delete the target". */
  confirm: string;
  /** Above the reason of a refusal: "The target was not deleted". */
  failure: string;
  /** What does it; a mutation without input. */
  work: { isPending: boolean; isError: boolean; error: unknown; mutate(input: undefined, options: { onSuccess(): void }): void };
  /** What becomes of it. */
  children: ReactNode;
}

export function ConfirmButton({ text, label, isQuiet, question, confirm, failure, work, children }: ConfirmButtonProps) {
  const [isAsking, setAsking] = useState(false);
  const leave = (): void => setAsking(false);
  return (
    <>
      <Button
        {...(isQuiet === true ? { weight: "quiet" as const } : {})}
        {...(label === undefined ? {} : { "aria-label": label })}
        onPress={() => setAsking(true)}
      >
        {text}
      </Button>
      <Dialog
        title={question}
        isOpen={isAsking}
        isAlert
        onLeave={leave}
        actions={
          <>
            <Button onPress={leave}>Keep it</Button>
            <Button weight="danger" isPending={work.isPending} onPress={() => work.mutate(undefined, { onSuccess: leave })}>
              {confirm}
            </Button>
          </>
        }
      >
        <p>{children}</p>
        {work.isError && <ErrorPanel title={failure} error={work.error} />}
      </Dialog>
    </>
  );
}
