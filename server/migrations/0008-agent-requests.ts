// Calls to polling agents that are connected to another node, and which node holds connections of which agent. Unlogged: nothing here is
// needed after a crash of the database, which empties these tables, so that no half-remembered request can be handed out twice; and a request
// waits for no disk. No server version before this one reads or writes them.

export const agentRequests = `
CREATE UNLOGGED TABLE polling_nodes (
  process uuid PRIMARY KEY,
  node_name text NOT NULL,
  alive_until timestamptz NOT NULL
);
CREATE UNLOGGED TABLE agent_connections (
  process uuid NOT NULL REFERENCES polling_nodes (process) ON DELETE CASCADE,
  subscription text NOT NULL,
  thumbprint text NOT NULL,
  connections integer NOT NULL CHECK (connections > 0),
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (process, subscription, thumbprint)
);
CREATE INDEX agent_connections_agent ON agent_connections (subscription, thumbprint);

CREATE SEQUENCE agent_request_positions;
CREATE UNLOGGED TABLE agent_requests (
  id uuid PRIMARY KEY,
  position bigint NOT NULL DEFAULT nextval('agent_request_positions'),
  format_version smallint NOT NULL,
  subscription text NOT NULL,
  thumbprint text NOT NULL,
  service text NOT NULL,
  method text NOT NULL,
  request bytea NOT NULL,
  caller uuid NOT NULL,
  task_id text,
  owner text,
  epoch bigint,
  expires_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','claimed','answered')),
  holder uuid,
  sent boolean NOT NULL DEFAULT false,
  response bytea,
  CHECK (state = 'waiting' OR holder IS NOT NULL),
  CHECK ((state = 'answered') = (response IS NOT NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX agent_requests_claimable ON agent_requests (subscription, thumbprint, position) WHERE state <> 'answered';
CREATE INDEX agent_requests_holder ON agent_requests (holder) WHERE holder IS NOT NULL;
CREATE INDEX agent_requests_expiry ON agent_requests (expires_at);
`;
