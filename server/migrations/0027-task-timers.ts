// Tasks that start later or give up when nobody has started them. A version before this one neither starts nor ends them; the new ones beside
// it do.

export const taskTimers = `
ALTER TABLE tasks ADD COLUMN starts_at timestamptz, ADD COLUMN expires_at timestamptz;

-- A task that starts later is not in the queue until then. Whichever node looks first does what is due, by deleting the row.
CREATE TABLE task_timers (
  task_id text NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  action text NOT NULL CHECK (action IN ('start','expire')),
  due_at timestamptz NOT NULL,
  PRIMARY KEY (task_id, action)
);
CREATE INDEX task_timers_due ON task_timers (due_at);
`;
