// A row for each change of the last hour whose outcome may have to be read back after a lost connection. No server version before this one
// reads or writes it.

export const commitMarks = `
CREATE TABLE commit_marks (
  intent uuid PRIMARY KEY,
  attempt smallint NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX commit_marks_at ON commit_marks (at);
`;
