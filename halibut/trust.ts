/** Who a peer is: certificates, their thumbprints, and how both sides set up TLS so that nothing but the thumbprint decides about trust. */
import { X509Certificate, createHash, createPrivateKey, webcrypto } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { SecureContext, TLSSocket } from "node:tls";

export interface Identity {
  certificatePem: string;
  privateKeyPem: string;
  /** SHA-1 of the certificate's DER, 40 upper-case hex digits. */
  thumbprint: string;
}

const DAY_MS = 86_400_000;
/** Agents pin this certificate by its thumbprint: it must outlive every machine it is pinned on. */
const VALID_YEARS = 100;

/** Options that both ends give to TLS: trust is decided by the thumbprint alone, and never less than TLS 1.2. */
export function tlsOptions(identity: Identity) {
  return {
    key: identity.privateKeyPem,
    cert: identity.certificatePem,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
  } as const;
}

const connectorContexts = new WeakMap<Identity, SecureContext>();

/** The same for a connector, with key and certificate read once per identity instead of once per connection, which costs 2 ms. */
export function connectorTlsOptions(identity: Identity) {
  let secureContext = connectorContexts.get(identity);
  if (secureContext === undefined) connectorContexts.set(identity, (secureContext = createSecureContext(tlsOptions(identity))));
  return { secureContext, rejectUnauthorized: false } as const;
}

/** A new self-signed identity: RSA 2048 with SHA-256, which every age of .NET understands. */
export async function createIdentity(commonName: string): Promise<Identity> {
  // Loaded here because only the first start of a program needs it, and it costs about 100 ms.
  await import("reflect-metadata");
  const { PemConverter, X509CertificateGenerator } = await import("@peculiar/x509");
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const notAfter = new Date();
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + VALID_YEARS);
  const serial = Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)));
  serial[0] = (serial[0]! & 0x7f) | 0x01; // positive and of full length
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial.toString("hex"),
      name: [{ CN: [commonName] }],
      notBefore: new Date(Date.now() - DAY_MS), // for peers whose clock is behind
      notAfter,
      signingAlgorithm: algorithm,
      keys,
    },
    webcrypto as NonNullable<Parameters<typeof X509CertificateGenerator.createSelfSigned>[1]>,
  );
  const privateKeyPem = PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return readIdentity({ certificatePem: certificate.toString("pem"), privateKeyPem });
}

/** An identity from stored PEM texts. Throws when they are unreadable or do not belong together. */
export function readIdentity(pem: { certificatePem: string; privateKeyPem: string }): Identity {
  const certificate = new X509Certificate(pem.certificatePem);
  if (!certificate.checkPrivateKey(createPrivateKey(pem.privateKeyPem)))
    throw new Error("The private key does not belong to the certificate. Restore both from the same backup.");
  return { certificatePem: pem.certificatePem, privateKeyPem: pem.privateKeyPem, thumbprint: thumbprintOf(certificate.raw) };
}

/** SHA-1 over a certificate's DER, upper-case hex: .NET peers compare it case-sensitively. */
export function thumbprintOf(der: Uint8Array): string {
  return createHash("sha1").update(der).digest("hex").toUpperCase();
}

/** The thumbprint of the certificate that a peer presented, or null if it showed none. */
export function peerThumbprint(socket: TLSSocket): string | null {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? null : thumbprintOf(certificate.raw);
}
