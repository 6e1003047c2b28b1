// SQL of the cluster's certificates; the only writer of the table.

import type { Queryable, Transaction } from "../../platform/database/database.ts";

export interface StoredCertificate {
  name: string;
  thumbprint: string;
  certificatePem: string;
  privateKeyCiphertext: Buffer;
}

export async function findCertificate(database: Queryable, name: string): Promise<StoredCertificate | undefined> {
  const [row] = await database.query<{ name: string; thumbprint: string; certificate_pem: string; private_key_ciphertext: Buffer }>(
    `SELECT name, thumbprint, certificate_pem, private_key_ciphertext FROM cluster_certificates WHERE name = $1`,
    [name],
  );
  return (
    row && {
      name: row.name,
      thumbprint: row.thumbprint,
      certificatePem: row.certificate_pem,
      privateKeyCiphertext: row.private_key_ciphertext,
    }
  );
}

/** Stores the certificate unless another node was first; answers the one that counts. */
export async function insertCertificate(tx: Transaction, certificate: StoredCertificate): Promise<StoredCertificate> {
  await tx.execute(
    `INSERT INTO cluster_certificates (name, thumbprint, certificate_pem, private_key_ciphertext) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING`,
    [certificate.name, certificate.thumbprint, certificate.certificatePem, certificate.privateKeyCiphertext],
  );
  const found = await findCertificate(tx, certificate.name);
  if (found === undefined) throw new Error(`The certificate '${certificate.name}' vanished while it was stored.`);
  return found;
}
