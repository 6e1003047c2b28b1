// Tokens that let one machine install an agent and register itself, with how far it got; and links that sign a person in once. Only hashes
// of both are kept. Versions before this one neither read nor miss any of it.

export const installTokens = `
CREATE SEQUENCE ids_install_tokens;
CREATE TABLE install_tokens (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  hash bytea NOT NULL UNIQUE,
  communication_style text NOT NULL CHECK (communication_style IN ('TentaclePassive', 'TentacleActive')),
  environment_ids text[] NOT NULL,
  roles text[] NOT NULL,
  machine_name text,
  machine_policy_id text REFERENCES machine_policies (id) ON DELETE SET NULL,
  comms_address text,
  created_by text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  -- Set together, by the transaction that registers the machine.
  spent_at timestamptz,
  thumbprint text,
  machine_id text REFERENCES machines (id) ON DELETE SET NULL,
  -- What the machine said, in its order: Stage, OccurredAt, Message.
  stages jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX install_tokens_space ON install_tokens (space_id, created_at DESC);
CREATE INDEX install_tokens_expiry ON install_tokens (expires_at);

CREATE TABLE sign_in_links (
  hash bytea PRIMARY KEY,
  user_id text NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_links_expiry ON sign_in_links (expires_at);
`;
