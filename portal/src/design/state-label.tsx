// The state of a deployment or task: shape, word and colour together, never colour alone.

import { joined } from "./class-names.ts";
import css from "./state-label.module.css";

/** States as people see them: two of them the API spells by further flags. */
export type ShownState =
  | "Queued"
  | "Executing"
  | "Cancelling"
  | "Success"
  | "SuccessWithWarnings"
  | "Failed"
  | "Canceled"
  | "TimedOut"
  | "Waiting"
  | "None";

const words: Readonly<Record<ShownState, { short: string; full: string }>> = {
  Queued: { short: "Queued", full: "Queued" },
  Executing: { short: "Running", full: "Running" },
  Cancelling: { short: "Canceling", full: "Being canceled" },
  Success: { short: "Success", full: "Success" },
  SuccessWithWarnings: { short: "Warnings", full: "Success with warnings" },
  Failed: { short: "Failed", full: "Failed" },
  Canceled: { short: "Canceled", full: "Canceled" },
  TimedOut: { short: "Timed out", full: "Timed out" },
  Waiting: { short: "Waiting", full: "Waits for a person" },
  None: { short: "Not deployed", full: "Not deployed" },
};

export function wordOf(state: ShownState, length: "short" | "full" = "full"): string {
  return words[state].short === words[state].full ? words[state].full : words[state][length];
}

interface Told {
  State: "Queued" | "Executing" | "Cancelling" | "Success" | "Failed" | "Canceled" | "TimedOut";
  HasPendingInterruptions?: boolean;
  HasWarningsOrErrors?: boolean;
}

export function shownState(told: Told): ShownState {
  if (told.HasPendingInterruptions === true && (told.State === "Executing" || told.State === "Queued")) return "Waiting";
  if (told.HasWarningsOrErrors === true && told.State === "Success") return "SuccessWithWarnings";
  return told.State;
}

/** `short` for narrow cells; the whole word stays in the accessible name. */
export function StateLabel({ state, isShort }: { state: ShownState; isShort?: boolean }) {
  const { short, full } = words[state];
  return (
    <span className={joined(css["state"], css[state])}>
      <span className={css["icon"]} aria-hidden />
      {isShort === true && short !== full ? <abbr title={full}>{short}</abbr> : full}
    </span>
  );
}

/** Only the shape, where the word stands beside it anyway. */
export function StateIcon({ state }: { state: ShownState }) {
  return (
    <span className={joined(css["state"], css[state])}>
      <span className={css["icon"]} role="img" aria-label={words[state].full} />
    </span>
  );
}
