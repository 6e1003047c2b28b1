// What everything stands on: spaces, users and their keys, settings of the cluster, nodes, and the audit trail.

export const foundation = `
CREATE TABLE cluster_settings (
  name text PRIMARY KEY,
  value jsonb NOT NULL
);

CREATE TABLE installation (
  is_the_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO installation DEFAULT VALUES;

CREATE SEQUENCE ids_spaces;
CREATE TABLE spaces (
  id text PRIMARY KEY,
  name text NOT NULL,
  slug text NOT NULL,
  description text NOT NULL DEFAULT '',
  is_default boolean NOT NULL DEFAULT false,
  task_queue_stopped boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX spaces_name_key ON spaces (lower(name));
CREATE UNIQUE INDEX spaces_slug_key ON spaces (lower(slug));
CREATE UNIQUE INDEX spaces_one_default ON spaces (is_default) WHERE is_default;

CREATE SEQUENCE ids_users;
CREATE TABLE users (
  id text PRIMARY KEY,
  username text NOT NULL,
  display_name text NOT NULL,
  email_address text NOT NULL DEFAULT '',
  is_active boolean NOT NULL DEFAULT true,
  is_service boolean NOT NULL DEFAULT false,
  is_administrator boolean NOT NULL DEFAULT false,
  password_hash text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_username_key ON users (lower(username));

CREATE SEQUENCE ids_api_keys;
CREATE TABLE api_keys (
  id text PRIMARY KEY,
  user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  purpose text NOT NULL,
  prefix text NOT NULL,
  hash bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz
);
CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE server_nodes (
  id text PRIMARY KEY,
  name text NOT NULL,
  task_cap integer NOT NULL,
  is_in_maintenance_mode boolean NOT NULL DEFAULT false,
  instance text NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  stopped_at timestamptz
);
CREATE UNIQUE INDEX server_nodes_name_key ON server_nodes (lower(name));

CREATE TABLE events (
  auto_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  space_id text,
  category text NOT NULL,
  user_id text,
  username text NOT NULL,
  occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  message text NOT NULL,
  related_document_ids text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX events_related ON events USING gin (related_document_ids);

CREATE TABLE cluster_certificates (
  name text PRIMARY KEY,
  thumbprint text NOT NULL,
  certificate_pem text NOT NULL,
  private_key_ciphertext bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE secrets (
  id uuid PRIMARY KEY,
  space_id text REFERENCES spaces (id) ON DELETE CASCADE,
  owner text NOT NULL,
  ciphertext bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
`;
