// When a deployment starts: at once, or at a time of its own, with a time after which it is not wanted any more.

import { Checkbox, TextField } from "../../design/field.tsx";
import { Panel } from "../../design/page.tsx";
import css from "./deploy-page.module.css";

/** As the browser's own field writes it, in the person's time zone; empty: none. Null: the deployment starts at once. */
export type StartTime = { at: string; until: string } | null;

const minuteMs = 60_000;
/** What is offered at first. */
const aheadMsFirst = 60 * minuteMs;

function fieldText(timeMs: number): string {
  return new Date(timeMs - new Date(timeMs).getTimezoneOffset() * minuteMs).toISOString().slice(0, "2026-01-31T09:00".length);
}

/** What the request says of it. Empty for a deployment that starts at once. */
export function startTimeBody(start: StartTime): { QueueTime?: string; QueueTimeExpiry?: string } {
  if (start === null) return {};
  return {
    QueueTime: new Date(start.at).toISOString(),
    ...(start.until === "" ? {} : { QueueTimeExpiry: new Date(start.until).toISOString() }),
  };
}

/** Why it cannot be sent. Undefined: it can. */
export function startTimeFault(start: StartTime): string | undefined {
  if (start === null) return undefined;
  if (start.at === "") return "Say when it starts, or let it start at once.";
  if (start.until !== "" && start.until <= start.at) return "It is given up before it starts.";
  return undefined;
}

export function StartTimePanel({ start, onChange }: { start: StartTime; onChange: (next: StartTime) => void }) {
  const zone = new Intl.DateTimeFormat("en").resolvedOptions().timeZone;
  return (
    <Panel title="When">
      <Checkbox
        isSelected={start !== null}
        onChange={(isLater) => onChange(isLater ? { at: fieldText(Date.now() + aheadMsFirst), until: "" } : null)}
      >
        Start later
      </Checkbox>
      {start !== null && (
        <div className={css["times"]}>
          <TextField
            label="Start at"
            type="datetime-local"
            value={start.at}
            onChange={(at) => onChange({ ...start, at })}
            error={start.at === "" ? startTimeFault(start) : undefined}
            help={`In your time zone, ${zone}; at most 30 days ahead.`}
          />
          <TextField
            label="Give up at"
            type="datetime-local"
            value={start.until}
            onChange={(until) => onChange({ ...start, until })}
            error={start.at === "" ? undefined : startTimeFault(start)}
            help="If nothing has started it by then, it ends as timed out. May stay empty."
          />
        </div>
      )}
    </Panel>
  );
}
