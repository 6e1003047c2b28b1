// Commands that tell a server of this agent, as a deployment target or as a worker: everything is looked up first, then one document is
// sent, then the trust is kept. Run again after it was interrupted, with --force, it ends at the same place.
import { availableParallelism, hostname } from "node:os";
import {
  communicationStyle,
  type Configuration,
  portDefault,
  readStyle,
  sameThumbprint,
  settingKeys,
} from "../configuration/configuration.ts";
import { instanceOptions, openChosen, restartNeeded } from "./chosen-configuration.ts";
import { checkServerOptions, connectToChosen, openSpace, pollingProxies, serverOptions, serverThumbprint } from "./chosen-server.ts";
import { type Command, CommandFailure, type CommandIo, exitCodes, type GivenOptions, option, toggle } from "./command-line.ts";
import { checkCommunicationsPort } from "./communications-port.ts";
import { type Document, expand, linkOf, type ServerConnection, textOf } from "./server-connection.ts";
import { keepListeningServer, readPort, serverAddress, subscriptionFor, withPolledServer } from "./settings.ts";

/** Workers run several scripts at once, so they poll over several connections. */
const workerConnectionsMin = 5;
const environmentsTake = 2_147_483_647;
const participations = ["Untenanted", "TenantedOrUntenanted", "Tenanted"] as const;

const registrationOptions = [
  ...instanceOptions,
  ...serverOptions,
  option("name", "Name of the machine; the host's name"),
  option("policy", "Name of the machine policy"),
  option("h|publicHostName", "Host name under which the server calls this agent"),
  toggle("f|force", "Change a machine of that name that is there already"),
  option("comms-style", "TentaclePassive: the server calls this agent; TentacleActive: this agent polls the server"),
  option("proxy", "Name of the proxy through which the server calls this agent"),
  option("space", "Name of the space; the default space"),
  option("server-comms-port", "Port of the server for agents that poll; 10943"),
  option("server-comms-address", "Address of the server for agents that poll; its host"),
  option("server-web-socket", "Not supported"),
  option("server-subscription-id", "The name under which this agent polls; one of its own"),
  option("tentacle-comms-port", "Port at which the server calls this agent; the one it listens on"),
];

/** What is registered: a target or a worker. */
interface Kind {
  /** Name of the link to the collection. */
  link: "Machines" | "Workers";
  alreadyThere(name: string): string;
  connectionsDefault(): number;
  checkOptions(given: GivenOptions): void;
  /** The members that only this kind has, looked up in the space. */
  describe(given: GivenOptions, server: ServerConnection, space: { id: string | null; root: Document }): Promise<Document>;
}

const target: Kind = {
  link: "Machines",
  alreadyThere: (name) =>
    `A machine named '${name}' already exists in the environment. Use the 'force' parameter if you intended to update the existing machine.`,
  connectionsDefault: () => 1,
  checkOptions(given) {
    if (given.all("environment").length === 0)
      throw new CommandFailure("Please specify an environment name, slug or Id, e.g., --environment=Development");
    if (given.all("role").length === 0) throw new CommandFailure("Please specify a role name, e.g., --role=web-server");
    readParticipation(given);
  },
  async describe(given, server, space) {
    const tags = given.all("tenanttag");
    if (tags.length > 0) await checkTags(tags, server, space.root);
    const environments = await readEnvironments(server, space);
    const environmentIds = pick(environments, given.all("environment"), "environment");
    const tenants = given.all("tenant");
    const tenantIds = tenants.length === 0 ? [] : pick(await server.pages(expand(linkOf(space.root, "Tenants"))), tenants, "tenant");
    return {
      EnvironmentIds: environmentIds,
      Roles: [...new Set(given.all("role"))],
      TenantedDeploymentParticipation: readParticipation(given),
      TenantIds: tenantIds,
      TenantTags: tags,
    };
  },
};

const worker: Kind = {
  link: "Workers",
  alreadyThere: (name) =>
    `A worker named '${name}' already exists. Use the 'force' parameter if you intended to update the existing worker.`,
  connectionsDefault: () => Math.max(workerConnectionsMin, availableParallelism()),
  checkOptions(given) {
    if (given.all("workerpool").length === 0)
      throw new CommandFailure("Please specify a worker pool name, slug or Id, e.g., --workerpool=Default");
  },
  async describe(given, server, { root }) {
    return { WorkerPoolIds: pick(await server.pages(expand(linkOf(root, "WorkerPools"))), given.all("workerpool"), "worker pool") };
  },
};

export const registrationCommands: readonly Command[] = [
  {
    name: "register-with",
    says: "Registers this machine with a server, as a deployment target",
    options: [
      ...registrationOptions,
      option("env|environment", "Environment to add the machine to, by name, slug or id; may be repeated"),
      option("r|role", "Role of the machine; may be repeated"),
      option("tenant", "Tenant of the machine, by name, slug or id; may be repeated"),
      option("tenanttag", "Tag of tenants of the machine, as Set/Tag; may be repeated"),
      option("tenanted-deployment-participation", participations.join(", ")),
    ],
    run: (given, io) => register(target, given, io),
  },
  {
    name: "register-worker",
    says: "Registers this machine with a server, as a worker",
    options: [...registrationOptions, option("workerpool", "Worker pool to add the worker to, by name, slug or id; may be repeated")],
    run: (given, io) => register(worker, given, io),
  },
];

async function register(kind: Kind, given: GivenOptions, io: CommandIo): Promise<void> {
  const { address } = checkServerOptions(given);
  kind.checkOptions(given);
  const style = readStyle(given.text("comms-style") ?? "TentaclePassive");
  if (style !== communicationStyle.listening && style !== communicationStyle.polling)
    throw new CommandFailure("Please specify a valid communications style, e.g. --comms-style=TentaclePassive");
  const isPolling = style === communicationStyle.polling;
  if (given.text("server-web-socket") !== undefined)
    throw new CommandFailure("Polling over web sockets is not supported; use --server-comms-address.");
  if (isPolling && given.text("proxy") !== undefined) {
    throw new CommandFailure(
      "Option --proxy can only be used with --comms-style=TentaclePassive.  To set a proxy for a polling Tentacle use the polling-proxy command first and then register the Tentacle with register-with.",
    );
  }
  const configuration = await openChosen(given, io);
  const thumbprint = configuration.thumbprint();
  if (thumbprint === undefined)
    throw new CommandFailure("This Tentacle has no certificate yet. Make one with the new-certificate command.");

  const communications = isPolling ? pollingAddress(given, address) : undefined;
  if (communications !== undefined) await checkCommunicationsPort(communications, io, await pollingProxies(given, io));
  io.say(`Registering the tentacle with the server at ${address}`);
  const wantedSubscription = given.text("server-subscription-id");
  if (isPolling && wantedSubscription !== undefined && !wantedSubscription.startsWith("poll://"))
    throw new CommandFailure("The ServerSubscriptionId must start with poll://");

  const server = await connectToChosen(given, io);
  try {
    const space = await openSpace(server, given.text("space"));
    const ofServer = await serverThumbprint(server);
    const servers = configuration.trustedServers();
    const subscription = wantedSubscription ?? subscriptionFor(servers, ofServer, configuration);
    const name = given.text("name") ?? hostname();
    const collection = linkOf(space.root, kind.link);
    const existing = (await server.pages(expand(collection, { name }))).find(
      (one) => textOf(one, "Name").toLowerCase() === name.toLowerCase(),
    );
    if (existing !== undefined && !given.has("force")) throw new CommandFailure(kind.alreadyThere(name));
    const proxyName = given.text("proxy");
    const proxyId = proxyName === undefined ? null : await findNamed(server, space.root, "Proxies", proxyName, "proxy name");
    const policyName = given.text("policy");
    const policyId =
      policyName === undefined ? undefined : await findNamed(server, space.root, "MachinePolicies", policyName, "machine policy");
    const described: Document = {
      ...(existing ?? { Links: {} }),
      ...(await kind.describe(given, server, space)),
      Name: existing === undefined ? name : existing["Name"],
      SpaceId: space.id,
      MachinePolicyId: policyId ?? existing?.["MachinePolicyId"] ?? null,
      IsDisabled: existing?.["IsDisabled"] ?? false,
      Endpoint: isPolling
        ? { CommunicationStyle: "TentacleActive", Thumbprint: thumbprint, Uri: subscription }
        : { CommunicationStyle: "TentaclePassive", ProxyId: proxyId, Thumbprint: thumbprint, Uri: listeningAddress(given, configuration) },
    };
    if (existing === undefined) await server.post(expand(collection), described);
    else await server.put(expand(linkOf(existing, "Self")), described);

    if (communications === undefined) {
      configuration.setTrustedServers(keepListeningServer(servers, ofServer));
    } else {
      configuration.setTrustedServers(withPolledServer(servers, ofServer, communications, configuration, subscription));
      if (configuration.get(settingKeys.pollingConnectionCount) === undefined) {
        const count = kind.connectionsDefault();
        io.say(`Setting the polling connection count to ${count}`);
        configuration.set(settingKeys.pollingConnectionCount, String(count));
      }
    }
    await configuration.save();
  } finally {
    server.close();
  }
  io.say("Machine registered successfully");
  io.say(restartNeeded);
}

/** Where this agent polls: the given address, else the server's host; the given port wins over the one in the address. */
export function pollingAddress(given: GivenOptions, server: string): string {
  const port = given.text("server-comms-port");
  return serverAddress(given.text("server-comms-address") ?? new URL(server).hostname, port === undefined ? undefined : readPort(port));
}

function listeningAddress(given: GivenOptions, configuration: Configuration): string {
  const host = given.text("publicHostName") ?? hostname();
  const port = given.text("tentacle-comms-port") ?? configuration.get(settingKeys.port) ?? String(portDefault);
  const url = URL.parse(`https://${host}:${readPort(port)}/`);
  if (url === null || url.pathname !== "/") throw new CommandFailure(`${host} is no host name; give one with --publicHostName.`);
  return url.port === "" ? `https://${url.hostname}:443/` : url.href;
}

function readParticipation(given: GivenOptions): string {
  const text = given.text("tenanted-deployment-participation");
  if (text === undefined) return given.all("tenant").length > 0 || given.all("tenanttag").length > 0 ? "Tenanted" : "Untenanted";
  const found = participations.find((one) => one.toLowerCase() === text.toLowerCase());
  if (found === undefined)
    throw new CommandFailure(`The value '${text}' is not valid. Valid values are Untenanted, TenantedOrUntenanted and Tenanted.`);
  return found;
}

/** The newer list knows more kinds of environments; servers that do not have it have the older one. */
async function readEnvironments(server: ServerConnection, space: { id: string | null; root: Document }): Promise<Document[]> {
  if (space.id !== null) {
    const found = await server.find(`~/api/${encodeURIComponent(space.id)}/environments/v2?skip=0&take=${environmentsTake}`);
    if (found !== undefined) return Array.isArray(found["Items"]) ? (found["Items"] as Document[]) : [];
  }
  return await server.pages(expand(linkOf(space.root, "Environments")));
}

/** The ids of what is named by name, slug or id. Names go before slugs, and slugs before ids. Throws CommandFailure for what is not there. */
function pick(items: readonly Document[], wanted: readonly string[], what: string): string[] {
  const ids = wanted.map((text) => {
    const is = (member: string) => (item: Document) => textOf(item, member).toLowerCase() === text.trim().toLowerCase();
    const found = items.find(is("Name")) ?? items.find(is("Slug")) ?? items.find(is("Id"));
    if (found !== undefined) return textOf(found, "Id");
    throw new CommandFailure(
      `Could not find the ${what} with name, slug or Id ${text} on the Octopus Server. Ensure the ${what} exists and you have permission to access it.`,
    );
  });
  return [...new Set(ids)];
}

async function findNamed(server: ServerConnection, root: Document, link: string, name: string, what: string): Promise<string> {
  const items = await server.pages(expand(linkOf(root, link), { name }));
  const found = items.find((item) => textOf(item, "Name").toLowerCase() === name.toLowerCase());
  if (found !== undefined) return textOf(found, "Id");
  throw new CommandFailure(
    `Could not find the ${what} named ${name} on the Octopus Server. Ensure the ${what} exists and you have permission to access it.`,
    exitCodes.unexpected,
  );
}

async function checkTags(wanted: readonly string[], server: ServerConnection, root: Document): Promise<void> {
  const sets = await server.pages(expand(linkOf(root, "TagSets")));
  const known = new Set(
    sets.flatMap((set) =>
      Array.isArray(set["Tags"]) ? (set["Tags"] as Document[]).map((tag) => textOf(tag, "CanonicalTagName").toLowerCase()) : [],
    ),
  );
  const missing = wanted.find((tag) => !known.has(tag.toLowerCase()));
  if (missing !== undefined) {
    throw new CommandFailure(
      `Could not find the tag named ${missing} on the Octopus Server. Ensure the tag exists and you have permission to access it.`,
    );
  }
}

export const deregistrationCommands: readonly Command[] = [
  {
    name: "deregister-from",
    says: "Removes this deployment target from a server",
    options: deregistrationOptions(),
    run: (given, io) => deregister({ link: "Machines", noun: "machine" }, given, io),
  },
  {
    name: "deregister-worker",
    says: "Removes this worker from a server",
    options: deregistrationOptions(),
    run: (given, io) => deregister({ link: "Workers", noun: "worker" }, given, io),
  },
];

function deregistrationOptions(): Command["options"] {
  return [
    ...instanceOptions,
    ...serverOptions,
    toggle("m|multiple", "Also when the server knows several"),
    option("space", "Name of the space; the default space"),
  ];
}

async function deregister({ link, noun }: { link: string; noun: "machine" | "worker" }, given: GivenOptions, io: CommandIo): Promise<void> {
  checkServerOptions(given);
  const configuration = await openChosen(given, io);
  const thumbprint = configuration.thumbprint();
  if (thumbprint === undefined) throw new CommandFailure("This Tentacle has no certificate, so no server knows it.");
  const server = await connectToChosen(given, io);
  try {
    const { root } = await openSpace(server, given.text("space"));
    const listed = await server.list(expand(linkOf(root, link), { id: "all", thumbprint }));
    // A server that does not know the filter answers with every machine.
    const own = listed.filter((one) => {
      const endpoint = one["Endpoint"] as Document | null | undefined;
      return endpoint !== undefined && endpoint !== null && sameThumbprint(textOf(endpoint, "Thumbprint"), thumbprint);
    });
    if (own.length === 0) throw new CommandFailure(`No ${noun} was found matching this Tentacle's thumbprint.`);
    if (own.length > 1 && !given.has("multiple")) {
      throw new CommandFailure(
        `The Tentacle matches more than one ${noun} on the server. To deregister all of these ${noun}s specify the --multiple flag.`,
      );
    }
    for (const one of own) {
      io.say(`Deleting ${noun} '${textOf(one, "Name")}' from the Octopus Server...`);
      await server.remove(expand(linkOf(one, "Self")));
    }
    const ofServer = await serverThumbprint(server);
    if (configuration.trustedServers().some((one) => sameThumbprint(one.thumbprint, ofServer)))
      io.say(
        `The Octopus Server is still trusted. If you wish to remove trust for this Octopus Server, use '${io.programName} configure --remove-trust=${ofServer} ${chosenBy(given)}'`,
      );
    io.say(`${noun === "machine" ? "Machine" : "Worker"} deregistered successfully`);
  } finally {
    server.close();
  }
}

/** How a hint names the instance. */
export function chosenBy(given: GivenOptions): string {
  const file = given.text("config");
  const name = given.text("instance");
  return name === undefined && file !== undefined ? `--config "${file}"` : `--instance ${name ?? "Tentacle"}`;
}
