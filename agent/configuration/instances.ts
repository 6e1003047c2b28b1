// The instances of agents on this machine: names for settings files, kept in a folder of small JSON files that agents of this ecosystem share.
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Instance {
  name: string;
  configurationFile: string;
}

/** The name that is used when none is given. */
export const instanceNameDefault = "Tentacle";

/** What all agents of this machine share. The variable is for tests and for people who may not write to /etc. */
export function machineFolder(environment: NodeJS.ProcessEnv): string {
  return environment["TentacleMachineConfigurationHomeDirectory"] ?? "/etc/octopus";
}

/** Where instances are registered. */
export function instancesFolder(environment: NodeJS.ProcessEnv): string {
  return join(machineFolder(environment), "Tentacle", "Instances");
}

/** By name. A file that cannot be read, as a power cut may leave it, is told and hides no other instance. */
export async function listInstances(folder: string, onDamaged: (file: string) => void = () => {}): Promise<Instance[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const instances: Instance[] = [];
  for (const name of names.filter((one) => one.endsWith(".config"))) {
    const instance = parseInstance(await readFile(join(folder, name), "utf8"));
    if (instance === undefined) onDamaged(join(folder, name));
    else instances.push(instance);
  }
  return instances.sort((one, other) => (one.name < other.name ? -1 : 1));
}

export async function saveInstance(folder: string, instance: Instance): Promise<void> {
  await mkdir(folder, { recursive: true });
  const text = JSON.stringify({ Name: instance.name, ConfigurationFilePath: instance.configurationFile }, null, 2);
  const file = join(folder, fileName(instance.name));
  await writeFile(`${file}.new`, text, { flush: true });
  await rename(`${file}.new`, file);
}

function parseInstance(text: string): Instance | undefined {
  try {
    const { Name, ConfigurationFilePath } = JSON.parse(text) as Record<string, unknown>;
    if (typeof Name !== "string" || typeof ConfigurationFilePath !== "string") return undefined;
    return { name: Name, configurationFile: ConfigurationFilePath };
  } catch {
    return undefined;
  }
}

export async function removeInstance(folder: string, name: string): Promise<void> {
  await rm(join(folder, fileName(name)), { force: true });
}

function fileName(name: string): string {
  return `${name.toLowerCase().replaceAll(" ", "-").replaceAll("/", "-")}.config`;
}
