// Artifacts: files that scripts and people leave with a task. A file has a row before its first byte; an artifact that a script announced has
// its row in the transaction that commits the announcing line. And for those who follow events: by which transaction each was written, since
// numbers are given before transactions commit. Versions before this one neither read nor miss any of it.

export const artifacts = `
CREATE SEQUENCE ids_artifacts;
CREATE TABLE artifact_files (
  id uuid PRIMARY KEY,
  is_stored boolean NOT NULL DEFAULT false,
  sha256 text,
  bytes bigint,
  seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX artifact_files_seen ON artifact_files (seen_at);
CREATE TABLE artifacts (
  id text PRIMARY KEY,
  number bigint NOT NULL,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  filename text NOT NULL,
  server_task_id text REFERENCES tasks (id) ON DELETE CASCADE,
  log_correlation_id text,
  source text,
  created_at timestamptz NOT NULL DEFAULT now(),
  file_id uuid REFERENCES artifact_files (id) DEFERRABLE INITIALLY IMMEDIATE,
  -- Of one that a script announced: by which line of which run, where its file lies on the machine, and what became of it.
  step_run_id bigint,
  log_sequence bigint,
  machine_path text,
  collection text CHECK (collection IN ('due', 'done', 'failed')),
  UNIQUE (server_task_id, step_run_id, log_sequence)
);
CREATE UNIQUE INDEX artifacts_number ON artifacts (space_id, number DESC);
CREATE INDEX artifacts_task ON artifacts (server_task_id);
CREATE INDEX artifacts_file ON artifacts (file_id);
CREATE INDEX artifacts_due ON artifacts (step_run_id) WHERE collection = 'due';

-- Without a default for the rows that are there, so that the table is not written anew.
ALTER TABLE events ADD COLUMN transaction xid8;
ALTER TABLE events ALTER COLUMN transaction SET DEFAULT pg_current_xact_id();
CREATE INDEX events_transaction ON events (transaction, auto_id) WHERE transaction IS NOT NULL;
`;
