// The addresses that servers have told this agent to poll besides those it was given, as a small file in its home: so that it knows them
// after a restart, when the nodes it was given may be gone.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "../durable-file/durable-file.ts";
import { formatPollingAddress, type PollingAddress, readPollingAddress } from "../services/polling-addresses/polling-addresses.ts";

/** In the home. */
export const learnedAddressesName = "polling-addresses.json";
const version = 1;
/** A cluster's entry is some hundred bytes, and an agent polls few clusters. */
const fileCharactersMax = 1024 * 1024;

/** The cluster that is polled under one name: its certificate and the agent's subscription there. */
export interface PolledCluster {
  thumbprint: string;
  subscription: string;
}

export interface LearnedAddresses {
  of(cluster: PolledCluster): readonly PollingAddress[];
  /** Returns when it is on the disk. Throws the system's error; what was known before then still counts. */
  keep(cluster: PolledCluster, addresses: readonly PollingAddress[]): Promise<void>;
}

interface Stored {
  Version: number;
  Clusters: { Thumbprint: string; Subscription: string; Addresses: string[] }[];
}

/** Names a cluster; subscriptions are compared as servers do. */
export function clusterKey({ thumbprint, subscription }: PolledCluster): string {
  return `${thumbprint.toUpperCase()} ${subscription.toLowerCase().replace(/\/+$/, "")}`;
}

/** A file that cannot be read is told and forgotten: what it held is learned again. */
export function openLearnedAddresses(home: string, report: (message: string) => void): LearnedAddresses {
  const file = join(home, learnedAddressesName);
  const known = new Map<string, { cluster: PolledCluster; addresses: readonly PollingAddress[] }>();
  try {
    for (const one of read(file)) known.set(clusterKey(one.cluster), one);
  } catch (error) {
    known.clear();
    report(
      `What servers have told of further addresses to poll is forgotten, because ${file} cannot be read: ${(error as Error).message} They tell it again.`,
    );
  }
  /** One write at a time. */
  let writing: Promise<unknown> = Promise.resolve();

  return {
    of: (cluster) => known.get(clusterKey(cluster))?.addresses ?? [],
    keep(cluster, addresses) {
      const kept = writing.then(async () => {
        const next = new Map(known).set(clusterKey(cluster), { cluster, addresses });
        const stored: Stored = {
          Version: version,
          Clusters: [...next.values()].map((one) => ({
            Thumbprint: one.cluster.thumbprint,
            Subscription: one.cluster.subscription,
            Addresses: one.addresses.map(formatPollingAddress),
          })),
        };
        await writeDurably(file, `${JSON.stringify(stored, null, 2)}\n`);
        known.set(clusterKey(cluster), { cluster, addresses });
      });
      writing = kept.catch(() => {});
      return kept;
    },
  };
}

function read(file: string): { cluster: PolledCluster; addresses: PollingAddress[] }[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  if (text.length > fileCharactersMax) throw new Error(`It is larger than ${fileCharactersMax} characters.`);
  const stored = JSON.parse(text) as Stored;
  if (stored.Version !== version) throw new Error(`It has version ${stored.Version}, of a newer agent.`);
  return stored.Clusters.map(({ Thumbprint, Subscription, Addresses }) => ({
    cluster: { thumbprint: String(Thumbprint), subscription: String(Subscription) },
    addresses: Addresses.map(readPollingAddress),
  }));
}
