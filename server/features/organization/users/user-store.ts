// SQL of users; the only writer of the table.

import type { Queryable, Transaction } from "../../../platform/database/database.ts";

export interface UserRow {
  id: string;
  username: string;
  display_name: string;
  email_address: string;
  is_active: boolean;
  is_service: boolean;
  is_administrator: boolean;
  created_at: Date;
}

const columns = "id, username, display_name, email_address, is_active, is_service, is_administrator, created_at";

export async function findUser(db: Queryable, id: string): Promise<UserRow | undefined> {
  const [row] = await db.query<UserRow>(`SELECT ${columns} FROM users WHERE lower(id) = lower($1)`, [id]);
  return row;
}

export async function findUserByName(db: Queryable, username: string): Promise<UserRow | undefined> {
  const [row] = await db.query<UserRow>(`SELECT ${columns} FROM users WHERE lower(username) = lower($1)`, [username]);
  return row;
}

/** For sign-in only: the one place where a password's hash leaves the table. */
export async function findPasswordOf(db: Queryable, username: string): Promise<{ user: UserRow; passwordHash: string | null } | undefined> {
  const [row] = await db.query<UserRow & { password_hash: string | null }>(
    `SELECT ${columns}, password_hash FROM users WHERE lower(username) = lower($1) AND is_active AND NOT is_service`,
    [username],
  );
  if (row === undefined) return undefined;
  const { password_hash: passwordHash, ...user } = row;
  return { user, passwordHash };
}

export async function listUsers(
  db: Queryable,
  filter: string,
  window: { skip: number; take: number },
): Promise<{ rows: UserRow[]; total: number }> {
  const where = `strpos(lower(username || ' ' || display_name || ' ' || email_address), lower($1)) > 0`;
  const rows = await db.query<UserRow>(`SELECT ${columns} FROM users WHERE ${where} ORDER BY lower(username) OFFSET $2 LIMIT $3`, [
    filter,
    window.skip,
    window.take,
  ]);
  const [count] = await db.query<{ total: number }>(`SELECT count(*) AS total FROM users WHERE ${where}`, [filter]);
  return { rows, total: count?.total ?? 0 };
}

export async function insertUser(
  tx: Transaction,
  user: {
    id: string;
    username: string;
    displayName: string;
    email: string;
    isAdministrator: boolean;
    isService: boolean;
    passwordHash: string | null;
  },
): Promise<void> {
  await tx.execute(
    `INSERT INTO users (id, username, display_name, email_address, is_administrator, is_service, password_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [user.id, user.username, user.displayName, user.email, user.isAdministrator, user.isService, user.passwordHash],
  );
}

export async function updateUser(
  tx: Transaction,
  id: string,
  user: { username: string; displayName: string; email: string; isActive: boolean; passwordHash: string | null },
): Promise<void> {
  await tx.execute(
    `UPDATE users SET username = $2, display_name = $3, email_address = $4, is_active = $5, password_hash = COALESCE($6, password_hash) WHERE id = $1`,
    [id, user.username, user.displayName, user.email, user.isActive, user.passwordHash],
  );
}

export async function deleteUser(tx: Transaction, id: string): Promise<void> {
  await tx.execute(`DELETE FROM users WHERE id = $1`, [id]);
}

/** Administrators who may act, other than this user. */
export async function countOtherAdministrators(tx: Transaction, id: string): Promise<number> {
  const [row] = await tx.query<{ others: number }>(
    `SELECT count(*) AS others FROM users WHERE is_administrator AND is_active AND NOT is_service AND id <> $1`,
    [id],
  );
  return row?.others ?? 0;
}

export async function findUserByEmail(db: Queryable, email: string): Promise<UserRow | undefined> {
  const [row] = await db.query<UserRow>(`SELECT ${columns} FROM users WHERE lower(email_address) = lower($1) LIMIT 1`, [email]);
  return row;
}

/** The operator's settings win at every start: a lost password or a locked-out administrator is mended by restarting with them. */
export async function updateAdministrator(
  tx: Transaction,
  id: string,
  change: { email: string | null; passwordHash: string | null },
): Promise<void> {
  await tx.execute(
    `UPDATE users SET is_administrator = true, is_active = true, email_address = COALESCE($2, email_address), password_hash = COALESCE($3, password_hash) WHERE id = $1`,
    [id, change.email, change.passwordHash],
  );
}

export async function lockUsers(tx: Transaction): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('users', 0))`);
}
