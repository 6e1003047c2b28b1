// Where polling agents reach each node, as the node says it of itself. Null: it says none, or is of a version before this.

export const commsAddresses = `
ALTER TABLE server_nodes ADD COLUMN comms_address text;
`;
