// Which operating-system account the embedded PostgreSQL runs under, and whether that account can reach a folder.
// PostgreSQL refuses to run as root, so a root launcher lends it another account; it never creates one.
import fs from "node:fs/promises";
import path from "node:path";

/** The account PostgreSQL runs as. `switched` is false when that is simply our own account. */
export interface DatabaseAccount {
  switched: boolean;
  name: string;
  uid: number;
  gid: number;
}

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
}

/**
 * Chooses the account: our own unless we are root; for root the named one, else `cuttle`, else `nobody`.
 * Returns undefined where root has none of them (the caller turns that into its error).
 */
export async function chooseDatabaseAccount(wantedName: string | undefined): Promise<DatabaseAccount | undefined> {
  const uid = process.getuid?.();
  if (uid === undefined) return { switched: false, name: "", uid: -1, gid: -1 }; // Windows: no uids
  if (uid !== 0) return { switched: false, name: "", uid, gid: process.getgid?.() ?? -1 };
  const entries = parsePasswd(await fs.readFile("/etc/passwd", "utf8").catch(() => ""));
  const names = wantedName === undefined ? ["cuttle", "nobody"] : [wantedName];
  for (const name of names) {
    const entry = entries.find((candidate) => candidate.name === name && candidate.uid !== 0);
    if (entry !== undefined) return { switched: true, ...entry };
  }
  return undefined;
}

function parsePasswd(text: string): PasswdEntry[] {
  const entries: PasswdEntry[] = [];
  for (const line of text.split("\n")) {
    const [name, , uidText, gidText] = line.split(":");
    if (name === undefined || name === "" || uidText === undefined || gidText === undefined) continue;
    const uid = Number(uidText);
    const gid = Number(gidText);
    // Some systems write nobody as -2; the kernel's number is the unsigned one.
    if (Number.isInteger(uid) && Number.isInteger(gid)) entries.push({ name, uid: uid >>> 0, gid: gid >>> 0 });
  }
  return entries;
}

/**
 * Whether the account may walk from the root of the file system into `folder` (which may not exist yet: then into its nearest
 * existing parent). Judged by mode bits; access lists are not read, which at worst sends the database to the fallback folder.
 */
export async function canReach(account: DatabaseAccount, folder: string): Promise<boolean> {
  if (!account.switched) return true;
  let existing = path.resolve(folder);
  for (;;) {
    const real = await fs.realpath(existing).catch(() => undefined);
    if (real !== undefined) {
      existing = real;
      break;
    }
    const parent = path.dirname(existing);
    if (parent === existing) return false;
    existing = parent;
  }
  for (let current = existing; ; current = path.dirname(current)) {
    const stat = await fs.stat(current);
    const shift = stat.uid === account.uid ? 6 : stat.gid === account.gid ? 3 : 0;
    if (((stat.mode >> shift) & 0o1) === 0) return false;
    if (path.dirname(current) === current) return true;
  }
}

/** The part of `spawn` options that makes a child run as the account, in an environment that holds none of our secrets. */
export function spawnAs(account: DatabaseAccount): { uid?: number; gid?: number; env: NodeJS.ProcessEnv } {
  // Our own environment may hold MASTER_KEY or ADMIN_PASSWORD, which must not show up in another account's process.
  const env: NodeJS.ProcessEnv = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", TZ: "UTC", LC_ALL: "C" };
  if (process.platform === "win32") {
    for (const name of ["SystemRoot", "TEMP", "TMP"]) env[name] = process.env[name];
  }
  return account.switched ? { uid: account.uid | 0, gid: account.gid | 0, env } : { env };
}

/** Makes a folder that belongs to the account and nobody else may enter. */
export async function makePrivateFolder(account: DatabaseAccount, folder: string): Promise<void> {
  await fs.mkdir(folder, { mode: 0o700 });
  await fs.chmod(folder, 0o700);
  if (account.switched) await fs.chown(folder, account.uid, account.gid);
}
