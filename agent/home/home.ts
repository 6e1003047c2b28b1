// The agent's home folder: made for its user only, locked for one agent at a time, with the certificate the agent shows to servers.
import { existsSync } from "node:fs";
import { link, mkdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createIdentity, type Identity, readIdentity } from "@cuttle/halibut";

export { HomeInUseError, takeHomeLock } from "./home-lock.ts";

/** Certificate and key in one file, so that there is never one without the other. */
const identityName = "identity.pem";

/** Certificate and key of an identity that is kept outside the home, as PEM files. */
export interface IdentityFiles {
  certificate: string;
  key: string;
}

/** Makes the home when it is missing, with mode 0700. An existing folder keeps its mode. */
export async function createHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
}

/** Whether the home has a certificate of its own already. */
export function hasIdentity(home: string): boolean {
  return existsSync(join(home, identityName));
}

/**
 * The agent's certificate: from the given files, else the one in the home, else a new one that is kept there with mode 0600.
 * Throws when files are missing or do not belong together.
 */
export async function loadIdentity(home: string, files: IdentityFiles | undefined, commonName: string): Promise<Identity> {
  if (files !== undefined) {
    const [certificatePem, privateKeyPem] = await Promise.all([readFile(files.certificate, "utf8"), readFile(files.key, "utf8")]);
    return readIdentity({ certificatePem, privateKeyPem });
  }
  const path = join(home, identityName);
  const kept = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (kept !== undefined) return splitIdentity(kept, path);
  const identity = await createIdentity(commonName);
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${identity.certificatePem.trim()}\n${identity.privateKeyPem.trim()}\n`, { mode: 0o600, flush: true });
  try {
    await link(temporary, path);
  } catch (error) {
    // Somebody was faster; an agent has one certificate for good.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await unlink(temporary);
  }
  return splitIdentity(await readFile(path, "utf8"), path);
}

function splitIdentity(text: string, path: string): Identity {
  const block = (label: string): string | undefined => new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`).exec(text)?.[0];
  const certificatePem = block("CERTIFICATE");
  const privateKeyPem = block("PRIVATE KEY");
  if (certificatePem === undefined || privateKeyPem === undefined) {
    throw new Error(
      `${path} does not hold a certificate and a key. Restore it from a backup; or delete it, and tell the servers the new thumbprint.`,
    );
  }
  return readIdentity({ certificatePem, privateKeyPem });
}
