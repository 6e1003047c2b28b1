// The one certificate by which agents know the whole cluster: made at the first start, kept in the database under the master key, the
// same on every node.

import { createIdentity, readIdentity } from "@cuttle/halibut";
import type { Identity } from "@cuttle/halibut";
import type { Database } from "../../platform/database/database.ts";
import type { SecretContext, Secrets } from "../../platform/secrets/secrets.ts";
import { findCertificate, insertCertificate } from "./server-identity-store.ts";

const certificateName = "agents";
const privateKeyContext: SecretContext = {
  table: "cluster_certificates",
  column: "private_key_ciphertext",
  row: certificateName,
  space: null,
};

/** The identity of the cluster. When several nodes start on a new database at once, one certificate wins and all use it. */
export async function loadServerIdentity(parts: { database: Database; secrets: Secrets }): Promise<Identity> {
  const found = (await findCertificate(parts.database, certificateName)) ?? (await make(parts));
  return readIdentity({
    certificatePem: found.certificatePem,
    privateKeyPem: parts.secrets.decrypt(found.privateKeyCiphertext, privateKeyContext),
  });
}

async function make(parts: { database: Database; secrets: Secrets }) {
  const identity = await createIdentity("Cuttle Server");
  return parts.database.transaction((tx) =>
    insertCertificate(tx, {
      name: certificateName,
      thumbprint: identity.thumbprint,
      certificatePem: identity.certificatePem,
      privateKeyCiphertext: parts.secrets.encrypt(identity.privateKeyPem, privateKeyContext),
    }),
  );
}
