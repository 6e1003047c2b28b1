// Variables of projects and of the library, their frozen copies, and what a person answered to prompts. A server of the version before makes
// projects without a set and releases without frozen copies: both read as empty.

export const variables = `
CREATE SEQUENCE ids_library_variable_sets;
CREATE TABLE library_variable_sets (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  content_type text NOT NULL,
  templates jsonb NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX library_variable_sets_name_key ON library_variable_sets (space_id, lower(name));

-- Which library sets a project includes stands in the order of its settings; this says the same to the database, which keeps them from deletion.
CREATE TABLE project_library_sets (
  project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  library_variable_set_id text NOT NULL CONSTRAINT projects_use_library_variable_set
    REFERENCES library_variable_sets (id) DEFERRABLE INITIALLY IMMEDIATE,
  PRIMARY KEY (project_id, library_variable_set_id)
);
CREATE INDEX project_library_sets_set ON project_library_sets (library_variable_set_id);

CREATE TABLE variable_sets (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  project_id text UNIQUE REFERENCES projects (id) ON DELETE CASCADE,
  library_variable_set_id text UNIQUE REFERENCES library_variable_sets (id) ON DELETE CASCADE,
  version integer NOT NULL DEFAULT 0,
  format_version integer NOT NULL,
  variables jsonb NOT NULL,
  CHECK (num_nonnulls(project_id, library_variable_set_id) = 1)
);

-- Frozen copies. Those of a library set outlive it, because releases go on using them.
CREATE TABLE variable_snapshots (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  set_id text NOT NULL,
  project_id text REFERENCES projects (id) ON DELETE CASCADE,
  library_variable_set_id text,
  set_version integer NOT NULL,
  format_version integer NOT NULL,
  variables jsonb NOT NULL,
  secret_ids uuid[] NOT NULL DEFAULT '{}',
  frozen_at timestamptz NOT NULL DEFAULT now(),
  CHECK (num_nonnulls(project_id, library_variable_set_id) = 1)
);
CREATE INDEX variable_snapshots_set ON variable_snapshots (set_id, set_version);
CREATE INDEX variable_snapshots_project ON variable_snapshots (project_id) WHERE project_id IS NOT NULL;

ALTER TABLE releases ADD COLUMN variable_snapshot_id text REFERENCES variable_snapshots (id) DEFERRABLE INITIALLY IMMEDIATE;
ALTER TABLE releases ADD COLUMN library_variable_snapshot_ids text[] NOT NULL DEFAULT '{}';
CREATE INDEX releases_variable_snapshot ON releases (variable_snapshot_id) WHERE variable_snapshot_id IS NOT NULL;

CREATE INDEX secrets_owner ON secrets (owner);

-- Null: made by the version before; the release says what is frozen.
ALTER TABLE deployments ADD COLUMN variable_snapshot_ids text[];
ALTER TABLE deployments ADD COLUMN form_values jsonb NOT NULL DEFAULT '{}';
`;
