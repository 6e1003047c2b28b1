// SQL over both tables that hold endpoints: which certificate may poll under which subscription.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

/** Makes registrations of one subscription wait for each other, whatever their space. Ends with the transaction. */
export async function lockSubscription(tx: Transaction, subscription: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`subscription/${subscription}`]);
}

/** Thumbprints registered for a subscription (`poll://…/` as stored), leaving out the target or worker `exceptId`. */
export async function findPollers(db: Queryable, subscription: string, exceptId: string): Promise<string[]> {
  const rows = await db.query<{ thumbprint: string }>(
    `SELECT thumbprint FROM machines WHERE communication_style = 'TentacleActive' AND uri = $1 AND id <> $2
     UNION
     SELECT thumbprint FROM workers WHERE communication_style = 'TentacleActive' AND uri = $1 AND id <> $2`,
    [subscription, exceptId],
  );
  return rows.map((row) => row.thumbprint);
}

/** Whether a target or worker is registered with this certificate as a polling one, under this subscription where one is given. */
export async function findPoller(db: Queryable, agent: { thumbprint: string; subscription: string | null }): Promise<boolean> {
  const rows = await db.query(
    `SELECT 1 FROM machines WHERE thumbprint = $1 AND communication_style = 'TentacleActive' AND ($2::text IS NULL OR uri = $2)
     UNION ALL
     SELECT 1 FROM workers WHERE thumbprint = $1 AND communication_style = 'TentacleActive' AND ($2::text IS NULL OR uri = $2)
     LIMIT 1`,
    [agent.thumbprint, agent.subscription],
    { name: "find-poller" },
  );
  return rows.length > 0;
}
