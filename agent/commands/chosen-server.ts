// Which server a command asks, in whose name and in which space, from the options that such commands share.
import { type ProxySetting, readProxy } from "../configuration/configuration.ts";
import { openChosen } from "./chosen-configuration.ts";
import { CommandFailure, type CommandIo, type CommandOption, type GivenOptions, option, toggle } from "./command-line.ts";
import {
  type Credential,
  connectToServer,
  type Document,
  expand,
  linkOf,
  readAddress,
  type ServerConnection,
  textOf,
} from "./server-connection.ts";

export const serverOptions: readonly CommandOption[] = [
  option("server", "The server's address, such as https://cuttle.example.com"),
  option("apiKey", "API key of a user who may do this"),
  option("bearerToken", "Token of a user who may do this, instead of an API key"),
  option("u|username|user", "User name, instead of an API key"),
  option("p|password", "The user's password"),
  toggle("ignoreSslErrors", "Accept any certificate of the server's web address"),
];

/** Whether any of the server's options was given. */
export function namesServer(given: GivenOptions): boolean {
  return given.text("server") !== undefined;
}

/** The address as it is shown. Throws CommandFailure when server or credential is missing. */
export function checkServerOptions(given: GivenOptions): { address: string; credential: Credential } {
  const server = given.text("server");
  if (server === undefined || server === "")
    throw new CommandFailure("Please specify an Octopus Server, e.g., --server=http://your-octopus-server");
  const [apiKey, bearerToken, username] = [given.text("apiKey"), given.text("bearerToken"), given.text("username")];
  const kinds = [apiKey, bearerToken, username].filter((one) => one !== undefined && one !== "");
  if (kinds.length === 0) {
    throw new CommandFailure(
      "Please specify an Octopus API key, a Bearer Token or a username and password. You can get an API key from the Octopus web portal. E.g., --apiKey=ABC1234",
    );
  }
  if (kinds.length > 1) throw new CommandFailure("Please specify only one of --apiKey, --bearerToken and --username.");
  const address = readAddress(server).href;
  if (apiKey !== undefined && apiKey !== "") return { address, credential: { apiKey } };
  if (bearerToken !== undefined && bearerToken !== "") return { address, credential: { bearerToken } };
  const password = given.text("password");
  if (password === undefined) throw new CommandFailure("Please specify the password for the given user, e.g., --password=PASSWORD");
  return { address, credential: { username: username!, password } };
}

/** Throws CommandFailure. To be closed. */
export async function connectToChosen(given: GivenOptions, io: CommandIo): Promise<ServerConnection> {
  const { address, credential } = checkServerOptions(given);
  const proxies = await webProxies(given, io);
  return await connectToServer({ url: address, credential, ignoreTlsErrors: given.has("ignoreSslErrors"), proxies }, io.version);
}

/** The root document of the named space, or of the default one. Throws CommandFailure. */
export async function openSpace(server: ServerConnection, name: string | undefined): Promise<{ id: string | null; root: Document }> {
  const user = await server.get(expand(linkOf(server.root, "CurrentUser")));
  const spaces = await server.list(expand(linkOf(user, "Spaces")));
  const wanted = name?.trim().toLowerCase();
  const found = spaces.find((space) =>
    wanted === undefined ? space["IsDefault"] === true : textOf(space, "Name").trim().toLowerCase() === wanted,
  );
  if (found === undefined) {
    throw new CommandFailure(
      wanted === undefined
        ? "There is no default space, or the user has no access to it. Please specify a space, e.g., --space=NAME"
        : `A space with name "${name}" could not be found. Ensure you have spelled the space name correctly and that the user has access to this space.`,
    );
  }
  const id = textOf(found, "Id");
  return { id: id === "" ? null : id, root: await server.get(expand(linkOf(found, "SpaceHome"), { id, spaceId: id })) };
}

/** The thumbprint that agents have to trust, as the server says it. */
export async function serverThumbprint(server: ServerConnection): Promise<string> {
  const template = linkOf(server.root, "CertificateConfiguration");
  const certificate = await server.get(expand(template, { id: "certificate-global" }));
  const thumbprint = textOf(certificate, "Thumbprint").toUpperCase();
  if (!/^[0-9A-F]{40}$/.test(thumbprint)) throw new CommandFailure("The server does not say the thumbprint of its certificate.");
  return thumbprint;
}

/** For the server's port for agents, as variables. */
export async function pollingProxies(given: GivenOptions, io: CommandIo): Promise<NodeJS.ProcessEnv> {
  const proxy = await readProxy(await openChosen(given, io, { forRunning: true }), "polling");
  return typeof proxy === "string" ? {} : asVariables(proxy);
}

/** For the server's web address: the proxies of the settings, else those of the environment, as variables. */
export async function webProxies(given: GivenOptions, io: CommandIo): Promise<NodeJS.ProcessEnv> {
  const { environment } = io;
  const proxy = await readProxy(await openChosen(given, io, { forRunning: true }), "web");
  if (proxy === "none") return {};
  if (proxy !== "default") return asVariables(proxy);
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
  return Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
}

function asVariables({ host, port, username, password }: ProxySetting): NodeJS.ProcessEnv {
  const login = username === null ? "" : `${encodeURIComponent(username)}:${encodeURIComponent(password ?? "")}@`;
  const url = `http://${login}${host}:${port}`;
  return { HTTP_PROXY: url, HTTPS_PROXY: url };
}
