// Questions that a running task asks a person, with their one answer. No server version before this one reads or writes them, and a task that
// waits for one looks to it like a running task whose lease lasts.

export const interruptions = `
CREATE SEQUENCE ids_interruptions;
CREATE TABLE interruptions (
  id text PRIMARY KEY,
  number bigint NOT NULL,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  task_id text NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  block text NOT NULL,
  attempt integer NOT NULL,
  type text NOT NULL CHECK (type IN ('ManualIntervention','GuidedFailure')),
  title text NOT NULL,
  instructions text NOT NULL,
  choices text[] NOT NULL,
  responsible_team_ids text[] NOT NULL,
  related_document_ids text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  responsible_user_id text,
  result text,
  notes text,
  answered_by jsonb,
  answered_at timestamptz,
  CONSTRAINT interruptions_once UNIQUE (task_id, block, attempt),
  CHECK ((answered_at IS NULL) = (result IS NULL))
);
CREATE UNIQUE INDEX interruptions_number_key ON interruptions (number);
CREATE INDEX interruptions_space_number ON interruptions (space_id, number DESC);
CREATE INDEX interruptions_pending ON interruptions (task_id) WHERE answered_at IS NULL;
`;
