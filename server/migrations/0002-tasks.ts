// The task engine's tables. task_queue is the narrow, hot row of an unfinished task (lease and epoch) and is deleted
// when the task ends; tasks is what people see; step_runs is intent before effect; task_log_parts says how many bytes
// of each log part are true.

export const tasks = `
CREATE SEQUENCE ids_server_tasks;
CREATE TABLE tasks (
  id text PRIMARY KEY,
  number bigint NOT NULL,
  space_id text REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  description text NOT NULL,
  arguments jsonb NOT NULL,
  arguments_version integer NOT NULL,
  state text NOT NULL CHECK (state IN ('Queued','Executing','Cancelling','Success','Failed','Canceled','TimedOut')),
  concurrency_tag text,
  project_id text,
  environment_id text,
  created_by text,
  related_document_ids text[] NOT NULL DEFAULT '{}',
  queued_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  has_warnings_or_errors boolean NOT NULL DEFAULT false,
  server_node text,
  plan jsonb,
  plan_version integer
);
CREATE UNIQUE INDEX tasks_number_key ON tasks (number);
CREATE INDEX tasks_space_number ON tasks (space_id, number DESC);
CREATE INDEX tasks_unfinished ON tasks (number DESC) WHERE completed_at IS NULL;
CREATE INDEX tasks_project ON tasks (project_id, number DESC) WHERE project_id IS NOT NULL;
CREATE INDEX tasks_environment ON tasks (environment_id, number DESC) WHERE environment_id IS NOT NULL;

CREATE SEQUENCE task_positions;
CREATE TABLE task_queue (
  task_id text PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
  position bigint NOT NULL,
  tag text,
  is_head boolean NOT NULL,
  state text NOT NULL CHECK (state IN ('queued','running')),
  owner text,
  epoch bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,
  cancel_requested boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX task_queue_ready ON task_queue (position) WHERE state = 'queued' AND is_head;
CREATE INDEX task_queue_running ON task_queue (task_id) WHERE state = 'running';
CREATE INDEX task_queue_behind ON task_queue (tag, position) WHERE state = 'queued' AND tag IS NOT NULL;
CREATE UNIQUE INDEX task_queue_one_running_per_tag ON task_queue (tag) WHERE state = 'running' AND tag IS NOT NULL;

CREATE TABLE step_runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task_id text NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  step text NOT NULL,
  machine_id text NOT NULL,
  attempt integer NOT NULL,
  format_version integer NOT NULL,
  ticket uuid NOT NULL UNIQUE,
  state text NOT NULL CHECK (state IN ('intended','started','done')),
  first_epoch bigint NOT NULL,
  log_next bigint NOT NULL DEFAULT 0,
  log_state jsonb,
  outcome text CHECK (outcome IN ('succeeded','failed','canceled','unknown')),
  exit_code integer,
  message text,
  intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  finished_at timestamptz,
  completion text NOT NULL DEFAULT 'none' CHECK (completion IN ('none','due','done')),
  complete_after timestamptz,
  UNIQUE (task_id, step, machine_id, attempt)
);
CREATE INDEX step_runs_completion_due ON step_runs (complete_after) WHERE completion = 'due';

CREATE TABLE task_log_parts (
  task_id text NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  epoch bigint NOT NULL,
  ordinal integer NOT NULL,
  format_version integer NOT NULL,
  file text NOT NULL,
  committed_bytes bigint NOT NULL DEFAULT 0,
  committed_lines bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (task_id, epoch, ordinal)
);
`;
