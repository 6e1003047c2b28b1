// A space is deleted with everything in it, whatever the order in which its rows refer to each other: that one delete checks the
// references at its end. Every other delete still checks at once.

export const deferrableReferences = `
DO $$
DECLARE
  reference record;
BEGIN
  FOR reference IN
    SELECT conrelid::regclass AS users, conname FROM pg_constraint
     WHERE contype = 'f' AND confdeltype = 'a' AND NOT condeferrable AND connamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE INITIALLY IMMEDIATE', reference.users, reference.conname);
  END LOOP;
END
$$;
`;
