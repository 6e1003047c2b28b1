// What is due again and again: a row for each trigger with its next due time, and a row for each due time that was fired. The server version
// before this one neither reads nor writes them.

export const schedules = `
CREATE TABLE schedules (
  trigger text PRIMARY KEY,
  kind text NOT NULL,
  space_id text REFERENCES spaces (id) ON DELETE CASCADE,
  interval_ms bigint NOT NULL CHECK (interval_ms > 0),
  next_due timestamptz NOT NULL,
  last_due timestamptz,
  last_task_id text,
  created_at timestamptz NOT NULL
);
CREATE INDEX schedules_due ON schedules (next_due);
CREATE INDEX schedules_kind ON schedules (kind);

CREATE TABLE schedule_firings (
  trigger text NOT NULL REFERENCES schedules (trigger) ON DELETE CASCADE,
  due_at timestamptz NOT NULL,
  task_id text REFERENCES tasks (id) ON DELETE CASCADE,
  missed_from timestamptz,
  missed_to timestamptz,
  missed_count bigint NOT NULL DEFAULT 0,
  fired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT schedule_firings_once UNIQUE (trigger, due_at),
  CHECK ((missed_count > 0) = (missed_from IS NOT NULL AND missed_to IS NOT NULL))
);
CREATE INDEX schedule_firings_task ON schedule_firings (task_id);
`;
