// The command by which the pasted line of a server's "Add target" page registers this machine, step by step, with a token instead of an API
// key. The token comes in the environment, where nobody else on the machine can read it, and goes into bodies of requests.
import http from "node:http";
import https from "node:https";
import { connect } from "node:net";
import { hostname } from "node:os";
import { type Configuration, portDefault, settingKeys } from "../configuration/configuration.ts";
import { instanceOptions, openChosen } from "./chosen-configuration.ts";
import { webProxies } from "./chosen-server.ts";
import { type Command, CommandFailure, type CommandIo, type GivenOptions, option } from "./command-line.ts";
import { readAddress } from "./server-connection.ts";
import { keepListeningServer, serverAddress, subscriptionFor, withPolledServer } from "./settings.ts";

const tokenVariable = "CUTTLE_INSTALL_TOKEN";
const requestMsMax = 30_000;
/** A server that starts again in the middle is waited for. */
const awayMsMax = 90_000;
const awayPauseMs = 1_000;
/** The first check may have to wait for its turn. */
const healthyMsMax = 120_000;
const healthyPauseMs = 300;
const answerBytesMax = 1024 * 1024;

interface Settings {
  CommunicationStyle: string;
  MachineName: string | null;
  ServerThumbprint: string;
  CommsAddress: string;
  IsRegistered: boolean;
}
interface State {
  State: string;
  Message: string;
  WhatToCheck: string | null;
  MachineName: string | null;
}

export const joinCommand: Command = {
  name: "join",
  says: `Registers this machine with a token that the server's page "Add target" gave; the token is in ${tokenVariable}`,
  options: [
    ...instanceOptions,
    option(
      "step",
      "prepare: take over the server's settings; register: be known to the server; wait: until the first health check is done",
    ),
    option("server", "The server's address, such as https://cuttle.example.com"),
    option("name", "Name of the machine where the token names none; the host's name"),
    option("h|publicHostName", "Host name or address under which the server calls a listening agent"),
  ],
  async run(given, io) {
    const steps: Record<string, (to: Server) => Promise<void>> = {
      prepare: (to) => prepare(to, given, io),
      register: (to) => register(to, given, io),
      wait: (to) => waitUntilHealthy(to, io),
    };
    const step = steps[given.text("step") ?? ""];
    if (step === undefined) throw new CommandFailure(`--step is one of ${Object.keys(steps).join(", ")}.`);
    const token = io.environment[tokenVariable];
    if (token === undefined || token === "") throw new CommandFailure(`The token is expected in the variable ${tokenVariable}.`);
    const address = given.text("server");
    if (address === undefined) throw new CommandFailure("Please specify the server, e.g., --server=http://your-server");
    await step({ base: readAddress(address), token, proxies: await webProxies(given, io), complain: io.complain });
  },
};

interface Server {
  base: URL;
  token: string;
  proxies: NodeJS.ProcessEnv;
  complain: (line: string) => void;
}

/** Trusts the server and takes over how both will talk. Prints the style and the certificate's thumbprint, for the script that calls it. */
async function prepare(to: Server, given: GivenOptions, io: CommandIo): Promise<void> {
  const configuration = await openChosen(given, io);
  const thumbprint = thumbprintOf(configuration);
  const settings = await ask<Settings>(to, "stages", { Stage: "Installed", Thumbprint: thumbprint });
  const servers = configuration.trustedServers();
  const polls = settings.CommunicationStyle === "TentacleActive";
  if (polls) {
    const address = serverAddress(settings.CommsAddress, undefined);
    configuration.setTrustedServers(withPolledServer(servers, settings.ServerThumbprint, address, configuration));
  } else configuration.setTrustedServers(keepListeningServer(servers, settings.ServerThumbprint));
  configuration.set(settingKeys.noListen, String(polls));
  await configuration.save();
  io.print(`${polls ? "polling" : "listening"} ${thumbprint}\n`);
}

async function register(to: Server, given: GivenOptions, io: CommandIo): Promise<void> {
  const configuration = await openChosen(given, io);
  const polls = configuration.get(settingKeys.noListen) === "true";
  const servers = configuration.trustedServers();
  const polled = servers.findLast((server) => server.subscriptionId !== null);
  const uri = polls
    ? subscriptionFor(servers, polled?.thumbprint ?? "", configuration)
    : `https://${bracketed(given.text("publicHostName") ?? (await ownAddress(to.base)))}:${configuration.get(settingKeys.port) ?? portDefault}/`;
  const state = await ask<State>(to, "register", {
    Thumbprint: thumbprintOf(configuration),
    Uri: uri,
    MachineName: given.text("name") ?? hostname(),
  });
  io.complain(`Registered as ${state.MachineName ?? hostname()} (${uri})`);
}

async function waitUntilHealthy(to: Server, io: CommandIo): Promise<void> {
  const deadline = performance.now() + healthyMsMax;
  for (;;) {
    const { State, Message, WhatToCheck } = await ask<State>(to, "state", {});
    if (State === "Healthy") return io.complain(Message);
    const advice = WhatToCheck === null ? "" : `\nWhat to check: ${WhatToCheck}`;
    if (State !== "Registered") throw new CommandFailure(`${Message}${advice}`);
    if (performance.now() > deadline) throw new CommandFailure(`${Message} It is not done after ${healthyMsMax / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, healthyPauseMs));
  }
}

function thumbprintOf(configuration: Configuration): string {
  const thumbprint = configuration.thumbprint();
  if (thumbprint === undefined) throw new CommandFailure("This agent has no certificate yet. Make one with the new-certificate command.");
  return thumbprint;
}

/** The address that this machine has on the way to the server, which is the one that the server most likely reaches. */
async function ownAddress(base: URL): Promise<string> {
  return await new Promise((resolve, reject) => {
    const port = base.port === "" ? (base.protocol === "https:" ? 443 : 80) : Number(base.port);
    const socket = connect({ host: base.hostname.replace(/^\[|\]$/g, ""), port, timeout: requestMsMax });
    const end = (error: Error): void => {
      socket.destroy();
      // Behind a proxy there is no such way.
      reject(
        new CommandFailure(
          `This machine's address could not be found out (${error.message}). Give it as CUTTLE_AGENT_ADDRESS in front of sh.`,
        ),
      );
    };
    socket.once("connect", () => {
      const address = socket.localAddress;
      socket.destroy();
      resolve(address === undefined ? hostname() : address.replace(/^::ffff:/, ""));
    });
    socket.once("timeout", () => end(new Error("no answer")));
    socket.once("error", end);
  });
}

const bracketed = (host: string): string => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);

/** Asks until the server answers. Throws CommandFailure with the server's own words when it refuses. */
async function ask<T>(to: Server, what: "stages" | "register" | "state", body: object): Promise<T> {
  const url = new URL(`api/agent/install/${what}`, to.base);
  const content = Buffer.from(JSON.stringify({ Token: to.token, ...body }));
  const deadline = performance.now() + awayMsMax;
  for (let tries = 0; ; tries++) {
    let why: string;
    try {
      const { status, text } = await send(url, content, to.proxies);
      if (status >= 200 && status < 300) return JSON.parse(text) as T;
      if (status < 500) throw new CommandFailure(refusalIn(text) ?? `The server answered with status ${status}.`);
      why = `it answers with status ${status}`;
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      why = (error as Error).message;
    }
    if (performance.now() > deadline)
      throw new CommandFailure(`The server at ${to.base.href} does not answer: ${why}. Run the same line again.`);
    if (tries === 0) to.complain(`The server does not answer (${why}); trying again`);
    await new Promise((resolve) => setTimeout(resolve, awayPauseMs));
  }
}

function refusalIn(text: string): string | undefined {
  try {
    const { ErrorMessage, Errors } = JSON.parse(text) as { ErrorMessage?: string; Errors?: string[] };
    const errors = (Errors ?? []).filter((one) => one !== ErrorMessage);
    return ErrorMessage && [ErrorMessage, ...errors].join(" ");
  } catch {
    return undefined;
  }
}

async function send(url: URL, content: Buffer, proxies: NodeJS.ProcessEnv): Promise<{ status: number; text: string }> {
  const isSecure = url.protocol === "https:";
  const agent = isSecure ? new https.Agent({ proxyEnv: proxies }) : new http.Agent({ proxyEnv: proxies });
  try {
    return await new Promise((resolve, reject) => {
      const request = (isSecure ? https : http).request(url, {
        method: "POST",
        agent,
        headers: { Accept: "application/json", "Content-Type": "application/json", "Content-Length": String(content.length) },
        signal: AbortSignal.timeout(requestMsMax),
      });
      request.once("error", reject);
      request.once("response", (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
          if (text.length > answerBytesMax) request.destroy(new Error("The server's answer is too large."));
        });
        response.once("error", reject);
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
      });
      request.end(content);
    });
  } finally {
    agent.destroy();
  }
}
