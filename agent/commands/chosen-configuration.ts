// Which settings file a command works on: the one of the named instance, a named file, or the default.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  type Configuration,
  instanceNameDefault,
  instancesFolder,
  listInstances,
  machineFolder,
  machineKeyFilesIn,
  openConfiguration,
} from "../configuration/configuration.ts";
import { CommandFailure, type CommandIo, type CommandOption, type GivenOptions, option } from "./command-line.ts";

export const instanceOptions: readonly CommandOption[] = [
  option("instance", "Name of the instance to use"),
  option("config", "Configuration file to use"),
];

export const restartNeeded = "These changes require a restart of the Tentacle.";

export interface ChosenInstance {
  name: string;
  configurationFile: string;
}

/** The named instance, else the named file, else Tentacle.config in the current folder, else the default instance. Throws CommandFailure. */
export async function chooseInstance(given: GivenOptions, io: CommandIo): Promise<ChosenInstance> {
  const name = given.text("instance");
  const file = given.text("config");
  if (name === undefined && file !== undefined) return { name: instanceNameDefault, configurationFile: resolve(io.folder, file) };
  const here = join(io.folder, "Tentacle.config");
  if (name === undefined && existsSync(here)) return { name: instanceNameDefault, configurationFile: here };
  const damaged: string[] = [];
  const instances = await listInstances(instancesFolder(io.environment), (one) => damaged.push(one));
  const available = [`Available instances: ${instances.map((one) => one.name).join(", ")}.`, ...damaged.map(describeDamaged)].join(" ");
  if (name !== undefined) {
    const found = instances.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (found !== undefined) return found;
    throw new CommandFailure(`Instance ${name} of Tentacle has not been configured on this machine. ${available}`);
  }
  const found =
    instances.find((one) => one.name.toLowerCase() === instanceNameDefault.toLowerCase()) ??
    (instances.length === 1 ? instances[0] : undefined);
  if (found === undefined) throw new CommandFailure(`Unable to find default instance of Tentacle. ${available}`);
  return found;
}

/** Said of a file that should name an instance. */
export function describeDamaged(file: string): string {
  return `${file} is damaged and names no instance; create-instance with the name, --config and --home of that instance writes it anew.`;
}

/** The settings of the chosen instance. `forRunning` lets the environment win over the file. */
export async function openChosen(given: GivenOptions, io: CommandIo, options: { forRunning?: boolean } = {}): Promise<Configuration> {
  const { configurationFile } = await chooseInstance(given, io);
  return await openConfiguration(configurationFile, {
    keyFiles: machineKeyFilesIn(machineFolder(io.environment)),
    ...(options.forRunning === true ? { environment: io.environment } : {}),
  });
}

/** Whether there is an instance to work on when none is named. */
export async function instanceThere(io: Pick<CommandIo, "folder" | "environment">): Promise<boolean> {
  if (existsSync(join(io.folder, "Tentacle.config"))) return true;
  // One whose file is damaged is there too: an agent without it would run in another home.
  let damaged = false;
  return (await listInstances(instancesFolder(io.environment), () => (damaged = true))).length > 0 || damaged;
}
