// Commands that change or show an agent's settings without asking a server.
import { isIP } from "node:net";
import { resolve } from "node:path";
import {
  type Configuration,
  communicationStyle,
  newSubscriptionId,
  readStyle,
  sameThumbprint,
  settingKeys,
  type TrustedServer,
} from "../configuration/configuration.ts";
import { instanceOptions, openChosen, restartNeeded } from "./chosen-configuration.ts";
import { type Command, CommandFailure, exitCodes, option, toggle } from "./command-line.ts";

const portMax = 65_535;
const pollingConnectionsStoredMax = 1_000_000; // what is more than the agent opens is stored, and cut when it runs
export const serverPortDefault = 10_943;
const pollingCount = option("pollingConnectionCount", "Connections to each server that is polled; 1 to 512");

export const settingsCommands: readonly Command[] = [
  {
    name: "configure",
    says: "Changes port, folders and trusted servers",
    options: [
      ...instanceOptions,
      option("home|homedir", "Home folder"),
      option("app|appdir", "Folder for applications"),
      option("port", "Port to listen on"),
      option("noListen", "True to open no port"),
      option("listenIpAddress", "Address to listen on, or any"),
      pollingCount,
      option("trust", "Thumbprint of a server to trust; may be repeated"),
      option("remove-trust", "Thumbprint of a server to trust no longer; may be repeated"),
      toggle("reset-trust", "Trust no server any more"),
    ],
    async run(given, io) {
      const configuration = await openChosen(given, io);
      const said: string[] = [];
      let servers = configuration.trustedServers();
      if (given.has("reset-trust")) {
        said.push("Removing all trusted Octopus Servers...");
        servers = [];
      }
      const removed = given.all("remove-trust");
      if (removed.length > 0) {
        said.push(`Removing ${removed.length} trusted Octopus Servers`);
        servers = servers.filter((server) => !removed.some((thumbprint) => sameThumbprint(thumbprint, server.thumbprint)));
      }
      const added = given.all("trust").map(checkThumbprint);
      if (added.length > 0) {
        said.push(`Adding ${added.length} trusted Octopus Servers`);
        for (const thumbprint of added)
          if (!servers.some((server) => sameThumbprint(server.thumbprint, thumbprint))) servers.push(listeningServer(thumbprint));
      }
      if (said.length > 0) configuration.setTrustedServers(servers);

      const home = given.text("home");
      if (home !== undefined) {
        configuration.set(settingKeys.home, resolve(io.folder, home));
        said.push(`Home directory set to: ${resolve(io.folder, home)}`);
      }
      const applications = given.text("app");
      if (applications !== undefined) {
        configuration.set(settingKeys.applications, resolve(io.folder, applications));
        said.push(`Application directory set to: ${resolve(io.folder, applications)}`);
      }
      const port = given.text("port");
      if (port !== undefined) {
        configuration.set(settingKeys.port, String(readNumber(port, portMax)));
        said.push(`Services listen port: ${readNumber(port, portMax)}`);
      }
      const noListen = given.text("noListen");
      if (noListen !== undefined) {
        if (!/^(true|false)$/i.test(noListen))
          throw new CommandFailure(`--noListen takes true or false, not ${noListen}.`, exitCodes.unexpected);
        configuration.set(settingKeys.noListen, noListen.toLowerCase());
        said.push(noListen.toLowerCase() === "true" ? "Tentacle will not listen on a port" : "Tentacle will listen on a TCP port");
      }
      const address = given.text("listenIpAddress");
      if (address !== undefined) {
        const isAny = address.toLowerCase() === "any";
        if (!isAny && isIP(address) === 0) throw new CommandFailure(`--listenIpAddress takes an IP address or any, not ${address}.`);
        configuration.set(settingKeys.listenAddress, isAny ? "" : address);
        said.push(isAny ? "Listen on any IP address" : `Listen on IP address: ${address}`);
      }
      said.push(...setPollingCount(given.text("pollingConnectionCount"), configuration));
      if (said.length === 0) return;
      await configuration.save();
      for (const line of [...said, restartNeeded]) io.say(line);
    },
  },
  {
    name: "set-polling-connection-count",
    says: "Sets how many connections are opened to each polled server",
    options: [...instanceOptions, pollingCount],
    async run(given, io) {
      const configuration = await openChosen(given, io);
      const said = setPollingCount(given.text("pollingConnectionCount"), configuration);
      if (said.length === 0) throw new CommandFailure("Please specify the number of connections, e.g., --pollingConnectionCount=5");
      await configuration.save();
      for (const line of [...said, restartNeeded]) io.say(line);
    },
  },
  {
    name: "update-trust",
    says: "Replaces a server's thumbprint wherever it is trusted",
    options: [...instanceOptions, option("oldThumbprint", "The thumbprint to replace"), option("newThumbprint", "The thumbprint to trust")],
    async run(given, io) {
      const before = given.text("oldThumbprint");
      const after = given.text("newThumbprint");
      if (before === undefined) throw new CommandFailure("Please specify the old thumbprint to replace, e.g., --oldThumbprint=VALUE");
      if (after === undefined) throw new CommandFailure("Please specify a new thumbprint to trust, e.g., --newThumbprint=VALUE");
      const configuration = await openChosen(given, io);
      io.say(`Updating Octopus servers thumbprint from ${before} to ${after}`);
      io.say(
        `Finding existing Octopus Server registrations trusting the thumbprint ${before} and updating them to trust the thumbprint ${after}:`,
      );
      const wanted = checkThumbprint(after);
      const servers = configuration.trustedServers().map((server) => {
        const kind = server.style === communicationStyle.polling ? "polling" : "listening";
        const what = `${kind} tentacle ${shownAddress(server)} ${server.thumbprint}`;
        if (!sameThumbprint(server.thumbprint, before)) {
          io.say(`Ignoring ${what} - does not match old thumbprint`);
          return server;
        }
        io.say(`Updating ${what} - changing to trust ${after}`);
        return { ...server, thumbprint: wanted };
      });
      configuration.setTrustedServers(servers);
      await configuration.save();
      io.say(restartNeeded);
    },
  },
  {
    name: "clear-trusted-servers",
    says: "Forgets the servers this agent trusts",
    options: [...instanceOptions, option("keep", "Addresses of servers that stay trusted, separated by commas")],
    async run(given, io) {
      const configuration = await openChosen(given, io);
      const kept = (given.text("keep") ?? "")
        .split(",")
        .map(plainAddress)
        .filter((address) => address !== "");
      const before = configuration.trustedServers();
      const after = before.filter(({ address }) => address !== null && kept.includes(plainAddress(address)));
      configuration.setTrustedServers(after);
      await configuration.save();
      io.say(`Removed ${before.length - after.length} trusted Octopus Servers, kept ${after.length}.`);
      io.say(restartNeeded);
    },
  },
  {
    name: "server-comms",
    says: "Changes whether a trusted server is polled or calls this agent",
    options: [
      ...instanceOptions,
      option("thumbprint", "The trusted server it is about; may be left out when there is only one"),
      option("style", "TentaclePassive or TentacleActive"),
      option("host", "Host name of the server, for polling"),
      option("port", `Port of the server, for polling; ${serverPortDefault}`),
      option("web-socket", "Not supported"),
    ],
    async run(given, io) {
      const configuration = await openChosen(given, io);
      const servers = configuration.trustedServers();
      if (servers.length === 0)
        throw new CommandFailure("Before server communications can be modified, trust must be established with the configure command");
      const wanted = given.text("thumbprint");
      const known = [...new Set(servers.map((server) => server.thumbprint.toUpperCase()))];
      if (wanted === undefined && known.length > 1)
        throw new CommandFailure("More than one server is trusted; please say which, e.g., --thumbprint=VALUE");
      const thumbprint = servers.find((server) => sameThumbprint(server.thumbprint, wanted ?? known[0]!))?.thumbprint;
      if (thumbprint === undefined) throw new CommandFailure("No trusted server was found with the supplied thumbprint");
      const style = readStyle(given.text("style") ?? null);
      if (style !== communicationStyle.listening && style !== communicationStyle.polling)
        throw new CommandFailure("Please specify a valid communications style, e.g. --style=TentaclePassive");
      if (given.text("web-socket") !== undefined)
        throw new CommandFailure("Polling over web sockets is not supported; use --host and --port.");
      if (style === communicationStyle.listening) {
        configuration.setTrustedServers(keepListeningServer(servers, thumbprint));
      } else {
        const host = given.text("host");
        if (host === undefined) throw new CommandFailure("Please provide the host name of the server to poll, e.g. --host=OCTOPUSHOST");
        const port = given.text("port");
        const address = serverAddress(host, port === undefined ? undefined : readPort(port));
        configuration.setTrustedServers(withPolledServer(servers, thumbprint, address, configuration));
      }
      await configuration.save();
      io.say("Updated server communications configuration");
      io.say(restartNeeded);
    },
  },
];

function setPollingCount(text: string | undefined, configuration: Configuration): string[] {
  if (text === undefined) return [];
  const count = readNumber(text, pollingConnectionsStoredMax);
  configuration.set(settingKeys.pollingConnectionCount, String(count));
  return [`Polling connection count set to: ${count}`];
}

/** The port of somebody else, which cannot be 0. Throws CommandFailure. */
export function readPort(text: string): number {
  const port = readNumber(text, portMax);
  if (port === 0) throw new CommandFailure("0 is no port that anybody can connect to.");
  return port;
}

/** Throws CommandFailure. */
export function readNumber(text: string, max: number): number {
  if (!/^\d{1,9}$/.test(text)) throw new CommandFailure(`The input string '${text}' was not in a correct format.`, exitCodes.unexpected);
  if (Number(text) > max) throw new CommandFailure(`${text} is too large; the largest number here is ${max}.`);
  return Number(text);
}

/** Thumbprints are compared by their letters: kept in upper case, so that servers that compare them as they stand find them. */
function checkThumbprint(text: string): string {
  const thumbprint = text.replace(/[\s:]/g, "").toUpperCase();
  if (!/^[0-9A-F]{40}$/.test(thumbprint)) throw new CommandFailure(`${text} is no thumbprint; it has 40 hexadecimal digits.`);
  return thumbprint;
}

function listeningServer(thumbprint: string): TrustedServer {
  return { thumbprint, style: communicationStyle.listening, address: null, squid: null, subscriptionId: null, rest: {} };
}

/** `https://host:port` from a host name, or from a whole address. */
export function serverAddress(host: string, port: number | undefined): string {
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(host) ? host : `https://${host}`);
  } catch {
    throw new CommandFailure(`${host} is no host name.`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new CommandFailure(`Servers are polled over https, not ${url.protocol}//.`);
  const own = url.port === "" ? undefined : Number(url.port);
  return `https://${url.hostname}:${port ?? own ?? serverPortDefault}`;
}

/** The servers with one more that connects, at the end. */
export function keepListeningServer(servers: readonly TrustedServer[], thumbprint: string): TrustedServer[] {
  const isReplaced = (server: TrustedServer): boolean => server.address === null && sameThumbprint(server.thumbprint, thumbprint);
  return [...servers.filter((server) => !isReplaced(server)), listeningServer(thumbprint)];
}

/** The name under which an agent polls the server of that certificate: all nodes of a cluster know it by the same one. */
export function subscriptionFor(servers: readonly TrustedServer[], thumbprint: string, configuration: Configuration): string {
  const known = servers.find((server) => server.subscriptionId !== null && sameThumbprint(server.thumbprint, thumbprint))?.subscriptionId;
  if (known !== undefined && known !== null) return known;
  const squid = configuration.get(settingKeys.squid);
  return squid === undefined || squid === "" ? newSubscriptionId() : `poll://${squid.toLowerCase()}/`;
}

/** The servers with one more to poll; an entry of the same certificate and address is replaced. */
export function withPolledServer(
  servers: readonly TrustedServer[],
  thumbprint: string,
  address: string,
  configuration: Configuration,
  subscription = subscriptionFor(servers, thumbprint, configuration),
): TrustedServer[] {
  const isReplaced = (server: TrustedServer): boolean =>
    server.address !== null && sameThumbprint(server.thumbprint, thumbprint) && plainAddress(server.address) === plainAddress(address);
  const added = { thumbprint, style: communicationStyle.polling, address, squid: null, subscriptionId: subscription, rest: {} };
  return [...servers.filter((server) => !isReplaced(server)), added];
}

function shownAddress({ address }: TrustedServer): string {
  return address === null ? "" : (URL.parse(address)?.href ?? address);
}

export function plainAddress(address: string): string {
  return address.trim().replace(/\/+$/, "").toLowerCase();
}
