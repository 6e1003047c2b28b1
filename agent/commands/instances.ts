// Commands about the instances of agents on this machine.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import {
  instanceNameDefault,
  instancesFolder,
  listInstances,
  openConfiguration,
  removeInstance,
  saveInstance,
  settingKeys,
} from "../configuration/configuration.ts";
import { chooseInstance, describeDamaged, instanceOptions } from "./chosen-configuration.ts";
import { type Command, option } from "./command-line.ts";

export const instanceCommands: readonly Command[] = [
  {
    name: "create-instance",
    says: "Makes an instance with a settings file of its own",
    options: [...instanceOptions, option("home", "Folder for workspaces and logs")],
    async run(given, io) {
      const name = given.text("instance") ?? instanceNameDefault;
      const isInPlace = given.text("config") === undefined;
      const file = resolve(io.folder, given.text("config") ?? "Tentacle.config");
      if (existsSync(file)) io.say(`Configuration file at ${file} already exists.`);
      else io.say(`Creating empty configuration file: ${file}`);
      await mkdir(dirname(file), { recursive: true });
      io.say(`Saving instance: ${name}`);
      await saveInstance(instancesFolder(io.environment), { name, configurationFile: file });
      const home = given.text("home") ?? (isInPlace ? "." : dirname(file));
      io.say(`Setting home directory to: ${home}`);
      const configuration = await openConfiguration(file);
      configuration.set(settingKeys.home, home === "." || isAbsolute(home) ? home : resolve(io.folder, home));
      await mkdir(configuration.home(), { recursive: true, mode: 0o700 });
      await configuration.save();
    },
  },
  {
    name: "delete-instance",
    says: "Forgets an instance; its files stay",
    options: instanceOptions,
    async run(given, io) {
      const { name } = await chooseInstance(given, io);
      await removeInstance(instancesFolder(io.environment), name);
      io.say(`Deleted instance: ${name}`);
    },
  },
  {
    name: "list-instances",
    says: "Lists the instances on this machine",
    options: [option("format", "text or json")],
    async run(given, io) {
      const instances = await listInstances(instancesFolder(io.environment), (file) => io.complain(describeDamaged(file)));
      if (given.text("format")?.toLowerCase() === "json") {
        const described = instances.map(({ name, configurationFile }) => ({
          InstanceName: name,
          ConfigurationFilePath: configurationFile,
        }));
        return io.print(JSON.stringify(described, null, 2));
      }
      if (instances.length === 0) return io.print("No instances installed");
      for (const { name, configurationFile } of instances) io.say(`Instance '${name}' uses configuration '${configurationFile}'.`);
    },
  },
];
