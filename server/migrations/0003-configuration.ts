// What people configure and release: environments, machines, policies, pools, lifecycles, projects with their process and channels,
// releases, deployments; and the stored answers of repeatable requests. A foreign key named "<users>_use_<used>" says who is in the way
// of a delete.

export const configuration = `
CREATE TABLE idempotency_keys (
  user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  status integer,
  body jsonb,
  location text,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE SEQUENCE ids_environments;
CREATE TABLE environments (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT '',
  sort_order integer NOT NULL DEFAULT 0,
  use_guided_failure boolean NOT NULL DEFAULT false,
  allow_dynamic_infrastructure boolean NOT NULL DEFAULT false,
  environment_tags text[] NOT NULL DEFAULT '{}',
  extension_settings jsonb NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX environments_name_key ON environments (space_id, lower(name));
CREATE UNIQUE INDEX environments_slug_key ON environments (space_id, lower(slug));

CREATE SEQUENCE ids_machine_policies;
CREATE TABLE machine_policies (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  is_default boolean NOT NULL DEFAULT false,
  settings jsonb NOT NULL
);
CREATE UNIQUE INDEX machine_policies_name_key ON machine_policies (space_id, lower(name));
CREATE UNIQUE INDEX machine_policies_one_default ON machine_policies (space_id) WHERE is_default;

CREATE SEQUENCE ids_machines;
CREATE TABLE machines (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  is_disabled boolean NOT NULL DEFAULT false,
  machine_policy_id text NOT NULL CONSTRAINT machines_use_machine_policy REFERENCES machine_policies (id),
  roles text[] NOT NULL DEFAULT '{}',
  tenant_ids text[] NOT NULL DEFAULT '{}',
  tenant_tags text[] NOT NULL DEFAULT '{}',
  tenanted_deployment_participation text NOT NULL DEFAULT 'Untenanted',
  communication_style text NOT NULL,
  uri text,
  thumbprint text,
  endpoint jsonb NOT NULL,
  health_status text NOT NULL DEFAULT 'Unknown',
  status_summary text NOT NULL DEFAULT '',
  operating_system text NOT NULL DEFAULT 'Unknown',
  shell_name text NOT NULL DEFAULT 'Unknown',
  shell_version text NOT NULL DEFAULT 'Unknown',
  agent_version text,
  health_checked_at timestamptz
);
CREATE UNIQUE INDEX machines_name_key ON machines (space_id, lower(name));
CREATE UNIQUE INDEX machines_slug_key ON machines (space_id, lower(slug));
CREATE INDEX machines_thumbprint ON machines (thumbprint);
CREATE TABLE machine_environments (
  machine_id text NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
  environment_id text NOT NULL CONSTRAINT deployment_targets_use_environment REFERENCES environments (id),
  PRIMARY KEY (machine_id, environment_id)
);
CREATE INDEX machine_environments_environment ON machine_environments (environment_id);

CREATE SEQUENCE ids_worker_pools;
CREATE TABLE worker_pools (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT '',
  is_default boolean NOT NULL DEFAULT false,
  sort_order integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX worker_pools_name_key ON worker_pools (space_id, lower(name));
CREATE UNIQUE INDEX worker_pools_slug_key ON worker_pools (space_id, lower(slug));
CREATE UNIQUE INDEX worker_pools_one_default ON worker_pools (space_id) WHERE is_default;

CREATE SEQUENCE ids_lifecycles;
CREATE TABLE lifecycles (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT '',
  phases jsonb NOT NULL DEFAULT '[]',
  release_retention_policy jsonb NOT NULL,
  tentacle_retention_policy jsonb NOT NULL
);
CREATE UNIQUE INDEX lifecycles_name_key ON lifecycles (space_id, lower(name));
CREATE UNIQUE INDEX lifecycles_slug_key ON lifecycles (space_id, lower(slug));
CREATE TABLE lifecycle_environments (
  lifecycle_id text NOT NULL REFERENCES lifecycles (id) ON DELETE CASCADE,
  environment_id text NOT NULL CONSTRAINT lifecycles_use_environment REFERENCES environments (id),
  PRIMARY KEY (lifecycle_id, environment_id)
);
CREATE INDEX lifecycle_environments_environment ON lifecycle_environments (environment_id);

CREATE SEQUENCE ids_project_groups;
CREATE TABLE project_groups (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX project_groups_name_key ON project_groups (space_id, lower(name));
CREATE UNIQUE INDEX project_groups_slug_key ON project_groups (space_id, lower(slug));

CREATE SEQUENCE ids_projects;
CREATE TABLE projects (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT '',
  is_disabled boolean NOT NULL DEFAULT false,
  project_group_id text NOT NULL CONSTRAINT projects_use_project_group REFERENCES project_groups (id),
  lifecycle_id text NOT NULL CONSTRAINT projects_use_lifecycle REFERENCES lifecycles (id),
  tenanted_deployment_mode text NOT NULL DEFAULT 'Untenanted',
  settings jsonb NOT NULL,
  deployment_settings jsonb NOT NULL
);
CREATE UNIQUE INDEX projects_name_key ON projects (space_id, lower(name));
CREATE UNIQUE INDEX projects_slug_key ON projects (space_id, lower(slug));

CREATE SEQUENCE ids_channels;
CREATE TABLE channels (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT '',
  is_default boolean NOT NULL DEFAULT false,
  lifecycle_id text CONSTRAINT channels_use_lifecycle REFERENCES lifecycles (id),
  rules jsonb NOT NULL DEFAULT '[]',
  tenant_tags text[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX channels_name_key ON channels (project_id, lower(name));
CREATE UNIQUE INDEX channels_slug_key ON channels (project_id, lower(slug));
CREATE UNIQUE INDEX channels_one_default ON channels (project_id) WHERE is_default;

CREATE TABLE deployment_processes (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  project_id text NOT NULL UNIQUE REFERENCES projects (id) ON DELETE CASCADE,
  version integer NOT NULL DEFAULT 0,
  format_version integer NOT NULL,
  steps jsonb NOT NULL
);
CREATE TABLE process_snapshots (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  process_version integer NOT NULL,
  format_version integer NOT NULL,
  steps jsonb NOT NULL
);
CREATE INDEX process_snapshots_project ON process_snapshots (project_id, process_version);

CREATE SEQUENCE ids_releases;
CREATE TABLE releases (
  id text PRIMARY KEY,
  number bigint NOT NULL,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  project_id text NOT NULL CONSTRAINT releases_use_project REFERENCES projects (id) ON DELETE CASCADE,
  channel_id text NOT NULL CONSTRAINT releases_use_channel REFERENCES channels (id),
  version text NOT NULL,
  release_notes text,
  ignore_channel_rules boolean NOT NULL DEFAULT false,
  selected_packages jsonb NOT NULL DEFAULT '[]',
  custom_fields jsonb NOT NULL DEFAULT '{}',
  process_snapshot_id text NOT NULL REFERENCES process_snapshots (id),
  assembled_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX releases_version_key ON releases (project_id, lower(version));
CREATE INDEX releases_project_number ON releases (project_id, number DESC);
CREATE INDEX releases_space_number ON releases (space_id, number DESC);
CREATE INDEX releases_channel ON releases (channel_id);

CREATE SEQUENCE ids_deployments;
CREATE TABLE deployments (
  id text PRIMARY KEY,
  number bigint NOT NULL,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  release_id text NOT NULL CONSTRAINT deployments_use_release REFERENCES releases (id),
  channel_id text NOT NULL CONSTRAINT deployments_use_channel REFERENCES channels (id),
  environment_id text NOT NULL CONSTRAINT deployments_use_environment REFERENCES environments (id),
  task_id text NOT NULL CONSTRAINT deployments_use_task REFERENCES tasks (id) DEFERRABLE INITIALLY DEFERRED,
  comments text,
  options jsonb NOT NULL,
  options_version integer NOT NULL,
  deployed_by text NOT NULL,
  deployed_by_id text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX deployments_task_key ON deployments (task_id);
CREATE INDEX deployments_release ON deployments (release_id, number DESC);
CREATE INDEX deployments_project ON deployments (project_id, environment_id, number DESC);
CREATE INDEX deployments_environment ON deployments (environment_id);
CREATE INDEX deployments_space_number ON deployments (space_id, number DESC);
`;
