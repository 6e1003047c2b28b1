// The command that makes systemd run an agent: one unit for each instance.
import { spawn } from "node:child_process";
import { access, constants, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { instancesFolder, listInstances } from "../configuration/configuration.ts";
import { chooseInstance, instanceOptions } from "./chosen-configuration.ts";
import { type Command, CommandFailure, type CommandIo, type GivenOptions, option, toggle } from "./command-line.ts";

/** systemd's own variable for the folders of units; the first of them is used. */
const unitPathVariable = "SYSTEMD_UNIT_PATH";
const unitFolderDefault = "/etc/systemd/system";
const systemctlMsMax = 90_000;
const allInstances = "*";

export const serviceCommand: Command = {
  name: "service",
  says: "Installs, removes, starts and stops the systemd service",
  options: [
    toggle("start", "Start the service"),
    toggle("stop", "Stop the service; running scripts go on"),
    toggle("restart", "Restart the service; running scripts go on"),
    toggle("reconfigure", "Write the unit anew"),
    toggle("install", "Write the unit and enable it"),
    option("username|user", "User that runs it; root"),
    toggle("uninstall", "Disable the unit and remove it"),
    option("password", "Not needed on Linux"),
    option("dependOn", "Unit that has to be there before"),
    ...instanceOptions,
  ],
  async run(given, io) {
    const actions = ["restart", "stop", "uninstall", "install", "reconfigure", "start"] as const;
    const wanted = actions.filter((action) => given.has(action));
    if (wanted.length === 0) return;
    const instances = await chooseInstances(given, io);
    const folder = io.environment[unitPathVariable]?.split(":")[0] || unitFolderDefault;
    await access(folder, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
      throw new CommandFailure(
        error.code === "ENOENT"
          ? `${folder} does not exist: this machine has no systemd. Run the agent with '${io.programName} run --instance=NAME' under what starts programs here.`
          : "Requires elevated privileges. Please run command as sudo.",
      );
    });
    for (const instance of instances) {
      const name = serviceName(instance);
      const unit = join(folder, `${name}.service`);
      const steps: Record<(typeof actions)[number], () => Promise<void>> = {
        async restart() {
          io.say(`Restarting service: ${name}`);
          await systemctl(io, "restart", name);
          io.say("Service has been restarted");
        },
        async stop() {
          io.say(`Stopping service: ${name}`);
          await systemctl(io, "stop", name);
          io.say("Service stopped");
        },
        async uninstall() {
          io.say(`Removing systemd service: ${name}`);
          await remove(io, name, unit);
          io.say("Service uninstalled");
        },
        async install() {
          await install(io, name, unit, describeUnit(instance, given, io));
          io.say(`Service installed: ${name}`);
        },
        async reconfigure() {
          io.say(`Attempting to remove old service: ${name}`);
          await remove(io, name, unit);
          await install(io, name, unit, describeUnit(instance, given, io));
          io.say(`Service installed: ${name}`);
        },
        async start() {
          await systemctl(io, "start", name);
          io.say(`Service started: ${name}`);
        },
      };
      for (const action of wanted) await steps[action]();
    }
  },
};

async function chooseInstances(given: GivenOptions, io: CommandIo): Promise<string[]> {
  if (given.text("instance") !== allInstances) return [(await chooseInstance(given, io)).name];
  return (await listInstances(instancesFolder(io.environment))).map(({ name }) => name);
}

/** As operators know it: the instance's name without what unit names do not take. */
function serviceName(instance: string): string {
  const name = instance.replaceAll("/", "").replaceAll(" ", "-");
  if (!/^[A-Za-z0-9:_.-]{1,200}$/.test(name))
    throw new CommandFailure(`The instance "${instance}" cannot be a service: its name has characters that units do not take.`);
  return name;
}

function describeUnit(instance: string, given: GivenOptions, io: CommandIo): string {
  const user = given.text("username") ?? io.environment["OCTOPUS_SERVICE_USERNAME"] ?? "root";
  const dependsOn = given.text("dependOn");
  for (const [what, text] of [
    ["user", user],
    ["unit", dependsOn ?? ""],
  ] as const)
    if (/[\s"'%\\]/.test(text)) throw new CommandFailure(`"${text}" is no ${what} that systemd takes.`);
  return [
    "[Unit]",
    `Description=Cuttle agent, instance ${instance.replaceAll("%", "%%")}`,
    `After=network.target${dependsOn === undefined ? "" : ` ${dependsOn}`}`,
    ...(dependsOn === undefined ? [] : [`Wants=${dependsOn}`]),
    "",
    "[Service]",
    "Type=simple",
    `User=${user}`,
    `ExecStart=${io.program.map(quote).join(" ")} run ${quote(`--instance=${instance}`)} --noninteractive`,
    "# Only the agent is stopped: its scripts go on, and the next start follows them.",
    "KillMode=process",
    "Restart=always",
    "RestartSec=2",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

/** A word of a command line in a unit: blanks within quotes, and no specifier or variable is expanded. */
function quote(word: string): string {
  const plain = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[A-Za-z0-9_./:=@+%$-]+$/.test(plain) ? plain : `"${plain.replace(/(["\\])/g, "\\$1")}"`;
}

async function install(io: CommandIo, name: string, unit: string, text: string): Promise<void> {
  await writeFile(unit, text, { mode: 0o644, flush: true });
  await systemctl(io, "daemon-reload");
  await systemctl(io, "enable", name);
}

async function remove(io: CommandIo, name: string, unit: string): Promise<void> {
  // Whether it runs or is enabled does not matter any more.
  for (const action of ["stop", "disable"]) await systemctl(io, action, name).catch(() => {});
  await rm(unit, { force: true });
  await systemctl(io, "daemon-reload");
}

async function systemctl(io: CommandIo, ...words: string[]): Promise<void> {
  const { code, text } = await new Promise<{ code: number | null; text: string }>((resolve, reject) => {
    const child = spawn("systemctl", words, { stdio: ["ignore", "ignore", "pipe"], env: io.environment, timeout: systemctlMsMax });
    const pieces: Buffer[] = [];
    child.stderr.on("data", (piece: Buffer) => pieces.push(piece));
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(new CommandFailure(error.code === "ENOENT" ? "This machine has no systemd: there is no systemctl." : error.message)),
    );
    child.once("close", (code) => resolve({ code, text: Buffer.concat(pieces).toString("utf8").trim() }));
  });
  if (code !== 0) throw new CommandFailure(`systemctl ${words.join(" ")} failed: ${text === "" ? `it ended with ${code}` : text}`);
}
