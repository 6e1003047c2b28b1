// What agents need to register in every way: who polls under which subscription, workers in their pools, tenants and tag sets that
// targets name, proxies on the way to agents; and sign-in by password with its sessions and its count of failures.

export const registration = `
CREATE INDEX machines_polling ON machines (uri) WHERE communication_style = 'TentacleActive';

CREATE SEQUENCE ids_workers;
CREATE TABLE workers (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  is_disabled boolean NOT NULL DEFAULT false,
  machine_policy_id text NOT NULL CONSTRAINT workers_use_machine_policy REFERENCES machine_policies (id),
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
CREATE UNIQUE INDEX workers_name_key ON workers (space_id, lower(name));
CREATE UNIQUE INDEX workers_slug_key ON workers (space_id, lower(slug));
CREATE INDEX workers_thumbprint ON workers (thumbprint);
CREATE INDEX workers_polling ON workers (uri) WHERE communication_style = 'TentacleActive';
CREATE TABLE worker_pool_members (
  worker_id text NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
  worker_pool_id text NOT NULL CONSTRAINT workers_use_worker_pool REFERENCES worker_pools (id),
  PRIMARY KEY (worker_id, worker_pool_id)
);
CREATE INDEX worker_pool_members_pool ON worker_pool_members (worker_pool_id);

CREATE SEQUENCE ids_proxies;
CREATE TABLE proxies (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  host text NOT NULL,
  port integer NOT NULL,
  username text NOT NULL DEFAULT '',
  password_secret_id uuid REFERENCES secrets (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX proxies_name_key ON proxies (space_id, lower(name));

CREATE SEQUENCE ids_tag_sets;
CREATE TABLE tag_sets (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  sort_order integer NOT NULL DEFAULT 0,
  tags jsonb NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX tag_sets_name_key ON tag_sets (space_id, lower(name));

CREATE SEQUENCE ids_tenants;
CREATE TABLE tenants (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT '',
  is_disabled boolean NOT NULL DEFAULT false,
  tenant_tags text[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX tenants_name_key ON tenants (space_id, lower(name));
CREATE UNIQUE INDEX tenants_slug_key ON tenants (space_id, lower(slug));

CREATE TABLE sessions (
  token_hash bytea PRIMARY KEY,
  csrf_hash bytea NOT NULL,
  user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, created_at);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE sign_in_failures (
  username text PRIMARY KEY,
  failures integer NOT NULL,
  counted_since timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sign_in_failures_age ON sign_in_failures (counted_since);
`;
