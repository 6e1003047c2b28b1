// Watches from inside the database which transaction changed which tables, so that a test can hold that every change has its event in the same
// transaction, whatever the server says it did.

import type { Database } from "../../server/platform/database/database.ts";

/** One transaction that changed something. */
export interface WatchedChange {
  tables: string[];
}

export interface ChangeWatch {
  /** What has been changed since the last look, oldest first. */
  look(): Promise<WatchedChange[]>;
}

const noteFunction = `
CREATE FUNCTION test_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO test_changes (tx, relation) VALUES (txid_current(), TG_TABLE_NAME) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$`;

export async function watchChanges(database: Database): Promise<ChangeWatch> {
  await database.execute(`CREATE TABLE test_changes (tx bigint, relation text, PRIMARY KEY (tx, relation))`);
  await database.execute(noteFunction);
  const tables = await database.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> 'test_changes'`,
  );
  for (const { name } of tables) {
    await database.execute(
      `CREATE TRIGGER test_note_change AFTER INSERT OR UPDATE OR DELETE ON ${name} FOR EACH ROW EXECUTE FUNCTION test_note_change()`,
    );
  }
  return {
    async look() {
      const rows = await database.query<{ tables: string[] }>(
        `WITH seen AS (DELETE FROM test_changes RETURNING tx, relation) SELECT array_agg(relation ORDER BY relation) AS tables FROM seen GROUP BY tx ORDER BY tx`,
      );
      return rows;
    },
  };
}
