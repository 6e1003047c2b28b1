// Which generation of the agents' script service a script went out over, and the ticket that an agent of the first generation made for it.

export const scriptGeneration = `
ALTER TABLE step_runs ADD COLUMN generation smallint NOT NULL DEFAULT 2 CHECK (generation IN (1, 2));
ALTER TABLE step_runs ADD COLUMN agent_ticket text;
`;
