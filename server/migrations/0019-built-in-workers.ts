// The built-in workers that nodes have started: how any node reaches them, over the connections that they keep to their own node. A new table
// only; versions before it neither read nor miss it. A row goes with its node's record.

export const builtInWorkers = `
CREATE TABLE built_in_workers (
  node_id text PRIMARY KEY REFERENCES server_nodes (id) ON DELETE CASCADE,
  subscription text NOT NULL,
  thumbprint text NOT NULL
);
CREATE UNIQUE INDEX built_in_workers_subscription ON built_in_workers (subscription);
`;
