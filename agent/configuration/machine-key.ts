// Protects what a settings file holds with a key of the machine, in the form that agents of this ecosystem share, so that either can read
// what the other wrote: AES-256-CBC under the machine's id, or under a generated key file where the system has no id.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Where the keys are; tests put them elsewhere. */
export interface MachineKeyFiles {
  machineId: string;
  generated: string;
}

const generatedName = "machinekey";

/** With what was generated in the folder that all agents of the machine share. */
export function machineKeyFilesIn(folder: string): MachineKeyFiles {
  return { ...machineKeyFiles, generated: join(folder, generatedName) };
}

export const machineKeyFiles: MachineKeyFiles = { machineId: "/etc/machine-id", generated: "/etc/octopus/machinekey" };

interface MachineKey {
  key: Buffer;
  iv: Buffer;
}

/** Part of the form; it is no secret. */
const machineIdVector = Buffer.from("743677397A244326", "latin1");
const algorithm = "aes-256-cbc";

/** The text in base64. A key file is made when the machine has no id. */
export async function protect(text: string, files: MachineKeyFiles = machineKeyFiles): Promise<string> {
  const { key, iv } = (await machineIdKey(files)) ?? (await generatedKey(files)) ?? (await generateKey(files));
  const cipher = createCipheriv(algorithm, key, iv);
  return Buffer.concat([cipher.update(text, "utf8"), cipher.final()]).toString("base64");
}

/** Throws with a sentence for the operator when no key of this machine fits. */
export async function unprotect(text: string, files: MachineKeyFiles = machineKeyFiles): Promise<string> {
  for (const find of [machineIdKey, generatedKey]) {
    const found = await find(files);
    if (found === undefined) continue;
    try {
      const decipher = createDecipheriv(algorithm, found.key, found.iv);
      return Buffer.concat([decipher.update(text, "base64"), decipher.final()]).toString("utf8");
    } catch {
      // Written with the other key, perhaps.
    }
  }
  throw new Error(
    `What the configuration holds was protected with another machine's key (${files.machineId} or ${files.generated}). Make a new certificate with new-certificate, or bring the key file over.`,
  );
}

async function machineIdKey({ machineId }: MachineKeyFiles): Promise<MachineKey | undefined> {
  const [id] = (await readFile(machineId, "utf8").catch(() => "")).split("\n");
  return id?.length === 32 ? { key: Buffer.from(id, "latin1"), iv: machineIdVector } : undefined;
}

async function generatedKey({ generated }: MachineKeyFiles): Promise<MachineKey | undefined> {
  const [key, iv] = (await readFile(generated, "utf8").catch(() => "")).trim().split(".");
  return key === undefined || iv === undefined ? undefined : { key: Buffer.from(key, "base64"), iv: Buffer.from(iv, "base64") };
}

async function generateKey({ generated }: MachineKeyFiles): Promise<MachineKey> {
  const made = { key: randomBytes(32), iv: randomBytes(16) };
  await mkdir(dirname(generated), { recursive: true });
  await writeFile(generated, `${made.key.toString("base64")}.${made.iv.toString("base64")}`, { mode: 0o600, flag: "wx", flush: true });
  return made;
}
