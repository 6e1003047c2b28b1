// Which shared folder belongs to this cluster, so that a node with another one mounted is refused before it writes a log nobody else finds;
// and what each node lacks for working. Empty until a node of this version starts; versions before it neither read nor write them.

export const sharedFolder = `
ALTER TABLE installation ADD COLUMN shared_folder uuid;
ALTER TABLE server_nodes ADD COLUMN impairments text[] NOT NULL DEFAULT '{}';
`;
