// The command that runs the agent of an instance, with the settings of its file.
import { createIdentity, type HttpProxy } from "@cuttle/halibut";
import type { AgentSettings, PolledServer } from "../agent.ts";
import {
  communicationStyle,
  type Configuration,
  portDefault,
  type ProxySetting,
  readProxy,
  settingKeys,
  type TrustedServer,
} from "../configuration/configuration.ts";
import { certificateName } from "./certificates.ts";
import { chooseInstance, instanceOptions, openChosen } from "./chosen-configuration.ts";
import { type Command, CommandFailure, option, toggle } from "./command-line.ts";
import { serverPortDefault, subscriptionFor } from "./settings.ts";

/** More connections than this to one server are not opened, whatever the settings say. */
const pollingConnectionsMax = 512;
const waitMsMax = 3_600_000;
const countVariable = "TentaclePollingConnectionCount";

export const agentCommand: Command = {
  name: "agent",
  aliases: ["run"],
  says: "Runs the agent until it is stopped",
  options: [
    ...instanceOptions,
    option("wait", "Milliseconds to wait before it starts"),
    toggle("console", "Changes nothing any more"),
    option("monitorMutex", "Not supported"),
  ],
  async run(given, io) {
    const wait = given.text("wait");
    if (wait !== undefined) {
      if (!/^\d{1,7}$/.test(wait) || Number(wait) > waitMsMax)
        throw new CommandFailure(`--wait takes milliseconds up to ${waitMsMax}, not ${wait}.`);
      await new Promise((resolve) => setTimeout(resolve, Number(wait)));
    }
    const { name } = await chooseInstance(given, io);
    const configuration = await openChosen(given, io, { forRunning: true });
    const identity = (await configuration.identity()) ?? (await makeIdentity(await openChosen(given, io)));
    const servers = configuration.trustedServers();
    const isListening = !/^true$/i.test(configuration.get(settingKeys.noListen) ?? "false");
    const poll = polledServers(servers, configuration, io.environment[countVariable], io.complain);
    // The machine's own proxy settings are not looked at: on Linux the way without a proxy of the agent's own is the direct one.
    const through = proxyOf(await readProxy(configuration, "polling"));
    if (!isListening && poll.length === 0)
      throw new CommandFailure(
        "This Tentacle does not listen and polls no server. Register it with register-with, or let it listen with configure --noListen=false.",
      );
    if (servers.length === 0)
      io.complain("No server is trusted, so every connection will be refused. Trust one with configure --trust=THUMBPRINT.");
    const web = await readProxy(configuration, "web");
    const isNamed = given.text("config") === undefined || given.text("instance") !== undefined;
    await io.serve({
      home: configuration.home(),
      name,
      listen: isListening ? { host: configuration.get(settingKeys.listenAddress) || "0.0.0.0", port: listeningPort(configuration) } : null,
      trust: servers.map((server) => server.thumbprint.trim().toUpperCase()),
      poll: through === undefined ? poll : poll.map((server) => ({ ...server, proxy: through })),
      learnsAddresses: true,
      identity,
      version: io.version,
      applications: configuration.applications(),
      instance: isNamed ? name : undefined,
      proxy: typeof web === "string" ? null : web,
      limits: {},
      environment: io.environment,
      report: io.complain,
    } satisfies AgentSettings);
  },
};

function proxyOf(setting: ProxySetting | "default" | "none"): HttpProxy | undefined {
  if (typeof setting === "string") return undefined;
  const { host, port, username, password } = setting;
  return { host, port, ...(username === null ? {} : { username }), ...(password === null ? {} : { password }) };
}

async function makeIdentity(configuration: Configuration) {
  const identity = await createIdentity(certificateName);
  await configuration.setIdentity(identity);
  await configuration.save();
  return identity;
}

function listeningPort(configuration: Configuration): number {
  const text = configuration.get(settingKeys.port) ?? String(portDefault);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new CommandFailure(`The configured port ${text} is no port. Change it with configure --port=NUMBER.`);
  return port;
}

function polledServers(
  servers: readonly TrustedServer[],
  configuration: Configuration,
  countOfEnvironment: string | undefined,
  complain: (line: string) => void,
): PolledServer[] {
  const count = Number(countOfEnvironment ?? configuration.get(settingKeys.pollingConnectionCount) ?? 1);
  const connections = Math.min(pollingConnectionsMax, Math.max(1, Number.isInteger(count) ? count : 1));
  return servers
    .filter((server) => server.style === communicationStyle.polling && server.address !== null)
    .flatMap((server) => {
      const url = URL.parse(server.address!);
      if (url === null || url.protocol !== "https:") {
        complain(`${server.address} is not polled: only addresses with https:// are.`);
        return [];
      }
      return [
        {
          host: url.hostname.replace(/^\[|\]$/g, ""),
          port: url.port === "" ? (/:443\/?$/.test(server.address!) ? 443 : serverPortDefault) : Number(url.port),
          thumbprint: server.thumbprint.trim().toUpperCase(),
          subscription: server.subscriptionId ?? subscriptionFor(servers, server.thumbprint, configuration),
          connections,
        },
      ];
    });
}
