// The instances of agents on this machine: names for settings files, kept in a folder of small JSON files that agents of this ecosystem share.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
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

/** By name. */
export async function listInstances(folder: string): Promise<Instance[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const instances: Instance[] = [];
  for (const name of names.filter((one) => one.endsWith(".config"))) {
    const { Name, ConfigurationFilePath } = JSON.parse(await readFile(join(folder, name), "utf8")) as Record<string, unknown>;
    if (typeof Name === "string" && typeof ConfigurationFilePath === "string")
      instances.push({ name: Name, configurationFile: ConfigurationFilePath });
  }
  return instances.sort((one, other) => (one.name < other.name ? -1 : 1));
}

export async function saveInstance(folder: string, instance: Instance): Promise<void> {
  await mkdir(folder, { recursive: true });
  const text = JSON.stringify({ Name: instance.name, ConfigurationFilePath: instance.configurationFile }, null, 2);
  await writeFile(join(folder, fileName(instance.name)), text, { flush: true });
}

export async function removeInstance(folder: string, name: string): Promise<void> {
  await rm(join(folder, fileName(name)), { force: true });
}

function fileName(name: string): string {
  return `${name.toLowerCase().replaceAll(" ", "-").replaceAll("/", "-")}.config`;
}
