// Certificates with their keys in the container that .NET calls PFX (PKCS #12). RSA keys only, as agents of this ecosystem have them.
import type * as forge from "node-forge";
import { type Identity, readIdentity } from "@cuttle/halibut";

/** Throws with a sentence when the password does not fit, or there is no certificate with an RSA key in it. */
export async function readPfx(bytes: Uint8Array, password: string): Promise<Identity> {
  const { asn1, pki, pkcs12, util } = await loadForge();
  let contents;
  try {
    contents = pkcs12.pkcs12FromAsn1(asn1.fromDer(util.createBuffer(Buffer.from(bytes).toString("binary"))), false, password);
  } catch (error) {
    if (/password|MAC/i.test((error as Error).message))
      throw new Error("The certificate data cannot be read with the provided password, the password may be incorrect.", { cause: error });
    throw new Error("The certificate data is not a PFX that this agent can read.", { cause: error });
  }
  const bags = contents.safeContents.flatMap((one) => one.safeBags);
  const key = bags.find((bag) => bag.key !== undefined && bag.key !== null)?.key;
  const certificates = bags.flatMap((bag) => (bag.cert === undefined ? [] : [bag.cert]));
  // The one the key belongs to, where a chain came with it.
  const own = certificates.find(
    (one) => key !== undefined && key !== null && "n" in one.publicKey && one.publicKey.n.equals((key as { n: typeof one.publicKey.n }).n),
  );
  if (key === undefined || key === null || own === undefined) throw new Error("The file holds no certificate together with its RSA key.");
  const privateKeyPem = pki.privateKeyInfoToPem(
    pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(key as Parameters<typeof pki.privateKeyToAsn1>[0])),
  );
  return readIdentity({ certificatePem: pki.certificateToPem(own), privateKeyPem });
}

/** For the empty password in the old form, which every age of .NET reads; else in AES. */
export async function writePfx(identity: Identity, password: string): Promise<Buffer> {
  const { asn1, pki, pkcs12 } = await loadForge();
  const made = pkcs12.toPkcs12Asn1(
    pki.privateKeyFromPem(identity.privateKeyPem),
    [pki.certificateFromPem(identity.certificatePem)],
    password,
    {
      algorithm: password === "" ? "3des" : "aes256",
      friendlyName: "Octopus Tentacle",
    },
  );
  return Buffer.from(asn1.toDer(made).getBytes(), "binary");
}

/** Loaded late: only few commands need it. */
async function loadForge(): Promise<typeof forge> {
  const module = await import("node-forge");
  return (module as unknown as { default?: typeof forge }).default ?? module;
}
