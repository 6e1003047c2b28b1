// Whom this agent asks for work: the servers its settings name, always, and the further nodes of their clusters that these tell it of. All
// are held to the certificate that was given for the first, so a wrong address is only tried in vain.
import { createHalibutPoller, type HalibutPoller, type HttpProxy, type Identity, type ServiceImplementation } from "@cuttle/halibut";
import { capability } from "@cuttle/contract/agent/capabilities";
import { pollingAddressesCapability } from "@cuttle/contract/agent/polling-addresses";
import { createCapabilitiesService } from "../services/capabilities/capabilities.ts";
import {
  createPollingAddressesService,
  formatPollingAddress,
  type PollingAddress,
} from "../services/polling-addresses/polling-addresses.ts";
import { clusterKey, type LearnedAddresses, openLearnedAddresses } from "./learned-addresses.ts";

export { learnedAddressesName } from "./learned-addresses.ts";

/** A server that this agent asks for work. */
export interface PolledServer {
  host: string;
  port: number;
  /** Of the server's certificate, 40 upper-case hex digits. */
  thumbprint: string;
  /** As the server knows this agent, such as `poll://0123456789abcdefghij/`. */
  subscription: string;
  /** Connections at once: how many calls this server can have under way. */
  connections: number;
  /** The way to it leads through this proxy. */
  proxy?: HttpProxy;
}

export interface Polling {
  stop(): Promise<void>;
}

/** What is offered everywhere; the agent's services stand beside it. */
export const capabilities: readonly string[] = [capability.scriptServiceV1, capability.fileTransfer, capability.scriptServiceV2];

interface Parts {
  home: string;
  identity: Identity;
  /** As the settings name them. */
  servers: readonly PolledServer[];
  /** Whether servers may tell it of further nodes. */
  learns: boolean;
  /** Scripts and files; what an agent says of itself is added. */
  services: readonly ServiceImplementation[];
  report(message: string): void;
}

/** Begins to ask all servers for work, those that were learned before included. */
export function startPolling(parts: Parts): Polling {
  const learned = parts.learns ? openLearnedAddresses(parts.home, parts.report) : undefined;
  const clusters = Map.groupBy(parts.servers, clusterKey);
  const polled = [...clusters.values()].map((servers) => pollCluster(servers as [PolledServer, ...PolledServer[]], learned, parts));
  return { stop: async () => void (await Promise.all(polled.map((cluster) => cluster.stop()))) };
}

/** The nodes of one cluster. `given` are those of the settings, which are polled whatever servers say. */
function pollCluster(given: readonly [PolledServer, ...PolledServer[]], learned: LearnedAddresses | undefined, parts: Parts): Polling {
  const [first] = given;
  const givenTexts = new Set(given.map((server) => formatPollingAddress({ ...server, host: server.host.toLowerCase() })));
  /** Of learned addresses, by their texts. */
  const further = new Map<string, HalibutPoller[]>();
  /** All that have not ended, with those that are only waited for. */
  const open = new Set<HalibutPoller>();
  let isStopping = false;
  let learning: Promise<unknown> = Promise.resolve();

  function begin(server: PolledServer): HalibutPoller[] {
    const pollers = poll(server, parts, learned === undefined ? undefined : (addresses, own) => learn(addresses, own, server));
    for (const poller of pollers) open.add(poller);
    return pollers;
  }

  function follow(addresses: readonly PollingAddress[]): void {
    for (const address of addresses) {
      const text = formatPollingAddress(address);
      if (!givenTexts.has(text) && !further.has(text)) further.set(text, begin({ ...first, ...address }));
    }
  }

  /** One list at a time: two nodes may tell theirs at the same moment. */
  function learn(addresses: readonly PollingAddress[], own: PollingAddress | null, through: PolledServer): Promise<void> {
    const learnt = learning.then(() => learnNow(addresses, own, through));
    learning = learnt.catch(() => {});
    return learnt;
  }

  async function learnNow(addresses: readonly PollingAddress[], own: PollingAddress | null, through: PolledServer): Promise<void> {
    if (learned === undefined || isStopping || addresses.length === 0) return;
    const known = learned.of(first);
    const ownText = own === null ? undefined : formatPollingAddress(own);
    // A cluster of one node, to which this agent has a way already, whatever its name.
    if (known.length === 0 && addresses.every((one) => formatPollingAddress(one) === ownText)) return;
    const wanted = new Map(addresses.map((one) => [formatPollingAddress(one), one]));
    // The way by which the word came works. A node that has a new address is found there before its old one is given up.
    const throughText = formatPollingAddress(through);
    if (further.has(throughText)) wanted.set(throughText, { host: through.host, port: through.port });
    const isSame = wanted.size === known.length && known.every((one) => wanted.has(formatPollingAddress(one)));
    if (!isSame) await learned.keep(first, [...wanted.values()]);
    if (isStopping) return;
    follow([...wanted.values()]);
    for (const [text, pollers] of further) {
      if (wanted.has(text)) continue;
      further.delete(text);
      parts.report(`${text.slice("https://".length)} is polled no longer: its cluster does not name it any more.`);
      for (const poller of pollers) void poller.retire().then(() => open.delete(poller));
    }
  }

  for (const server of given) begin(server);
  follow(learned?.of(first) ?? []);
  return {
    async stop() {
      isStopping = true;
      await learning;
      await Promise.all([...open].map((poller) => poller.close()));
    },
  };
}

/** Begins to ask one server for work, over as many connections as are wanted. Without `learn` it does not offer to be told of others. */
function poll(
  server: PolledServer,
  { identity, services, report }: Parts,
  learn: ((addresses: readonly PollingAddress[], own: PollingAddress | null) => Promise<void>) | undefined,
): HalibutPoller[] {
  const through = server.proxy === undefined ? "" : ` through the proxy ${server.proxy.host}:${server.proxy.port}`;
  const at = `${server.host}:${server.port}${through}`;
  const offered =
    learn === undefined
      ? [createCapabilitiesService(capabilities), ...services]
      : [createCapabilitiesService([...capabilities, pollingAddressesCapability]), ...services, createPollingAddressesService(learn)];
  return Array.from({ length: server.connections }, (_, index) => {
    let said: string | undefined;
    const poller = createHalibutPoller({
      identity,
      server: {
        host: server.host,
        port: server.port,
        thumbprint: server.thumbprint,
        ...(server.proxy === undefined ? {} : { proxy: server.proxy }),
      },
      subscription: server.subscription,
      services: offered,
      onEvent: (event) => {
        if (event.kind === "served" && event.failure !== null) report(`${event.service}.${event.method} failed: ${event.failure}`);
        if (index > 0) return; // what one connection says holds for all
        if (event.kind === "connected") {
          said = undefined;
          report(`Polling ${at}.`);
        }
        // The same reason is told once, however long the server is away.
        if (event.kind === "disconnected" && event.reason !== said) {
          said = event.reason;
          report(`Not connected to ${at}: ${event.reason} Trying again, the first time after ${(event.retryMs / 1000).toFixed(1)} s.`);
        }
      },
    });
    poller.start();
    return poller;
  });
}
