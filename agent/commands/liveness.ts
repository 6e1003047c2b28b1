// The command that tells whether an agent lives, for probes; and the commands that exist on Windows only.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { heartbeatName } from "../agent.ts";
import { instanceOptions, openChosen } from "./chosen-configuration.ts";
import { type Command, CommandFailure, option, toggle } from "./command-line.ts";
import { readNumber } from "./settings.ts";

const ageSecondsDefault = 60;
const ageSecondsMax = 86_400;
const windowsOnly = "This command is only supported on Windows.";

export const livenessCommands: readonly Command[] = [
  {
    name: "livez",
    says: "Tells whether the agent lives, for probes",
    options: [...instanceOptions, option("max-age", `Seconds after which the last sign of life is too old; ${ageSecondsDefault}`)],
    async run(given, io) {
      const seconds = readNumber(given.text("max-age") ?? String(ageSecondsDefault), ageSecondsMax);
      const file = join((await openChosen(given, io, { forRunning: true })).home(), heartbeatName);
      const found = await stat(file).catch(() => undefined);
      if (found === undefined)
        throw new CommandFailure(`Liveness heartbeat file not found at ${file}; the Tentacle agent may not be running.`);
      const age = Math.max(0, Math.round((Date.now() - found.mtimeMs) / 1000));
      if (age > seconds)
        throw new CommandFailure(`The last sign of life at ${file} is ${age} s old, more than ${seconds} s; the Tentacle agent may hang.`);
      io.say(`The Tentacle agent is alive; the last sign of life is ${age} s old.`);
    },
  },
  {
    name: "watchdog",
    says: "Watches services by a scheduled task (Windows only)",
    options: [
      toggle("create", "Windows only"),
      toggle("delete", "Windows only"),
      option("interval", "Windows only"),
      option("instances", "Windows only"),
    ],
    async run(given, io) {
      if (given.has("create")) io.say("Creating watchdog task");
      throw new CommandFailure(`${windowsOnly}`);
    },
  },
  {
    name: "checkservices",
    says: "Starts the services that should run (Windows only)",
    options: [option("instances", "Windows only")],
    async run() {
      throw new CommandFailure(windowsOnly);
    },
  },
];
