// The servers an agent trusts, as its settings file keeps them: a JSON array with an entry for each certificate and each address to poll.
import { randomInt } from "node:crypto";

/** Of those that this agent speaks; entries may hold others. */
export const communicationStyle = { listening: 1, polling: 2 } as const;

export interface TrustedServer {
  /** As it was typed; compared ignoring case. */
  thumbprint: string;
  /** A number of `communicationStyle`, or another one, which is kept. */
  style: number;
  /** Such as `https://cuttle.example.com:10943`; null for a server that connects. */
  address: string | null;
  /** Of old agents; forms a subscription where there is none. */
  squid: string | null;
  /** Such as `poll://0123456789abcdefghij/`. */
  subscriptionId: string | null;
  /** Members of an entry that this program does not know. */
  rest: Readonly<Record<string, unknown>>;
}

const styleNames: Readonly<Record<string, number>> = { none: 0, tentaclepassive: 1, tentacleactive: 2 };
/** Without the letters and digits that are mistaken for each other. */
const subscriptionLetters = "abcdefghjklmnpqrstuvwxyz23456789";
const subscriptionCharacters = 20;

/** Throws with a sentence when the text is no such array. */
export function parseTrustedServers(text: string | undefined): TrustedServer[] {
  if (text === undefined || text.trim() === "") return [];
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch (error) {
    throw new Error(`The list of trusted servers is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!Array.isArray(entries)) throw new Error("The list of trusted servers is not an array.");
  return entries.map((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) throw new Error("An entry in the list of trusted servers is not an object.");
    const { Thumbprint, CommunicationStyle, Address, Squid, SubscriptionId, ...rest } = entry as Record<string, unknown>;
    if (typeof Thumbprint !== "string") throw new Error("An entry in the list of trusted servers has no thumbprint.");
    const style = readStyle(CommunicationStyle);
    if (style === undefined) throw new Error(`The trusted server ${Thumbprint} has a communication style that is not known.`);
    return {
      thumbprint: Thumbprint,
      style,
      address: textOrNull(Address),
      squid: textOrNull(Squid),
      subscriptionId: textOrNull(SubscriptionId),
      rest,
    };
  });
}

export function formatTrustedServers(servers: readonly TrustedServer[]): string {
  return JSON.stringify(
    servers.map(({ thumbprint, style, address, squid, subscriptionId, rest }) => ({
      Thumbprint: thumbprint,
      CommunicationStyle: style,
      Address: address,
      Squid: squid,
      SubscriptionId: subscriptionId,
      ...rest,
    })),
  );
}

/** The style by its number or its name in any case; undefined when it is neither. */
export function readStyle(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0;
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  return /^\d{1,3}$/.test(value) ? Number(value) : styleNames[value.toLowerCase()];
}

/** As agents of this ecosystem name themselves. */
export function newSubscriptionId(): string {
  const letters = Array.from({ length: subscriptionCharacters }, () => subscriptionLetters[randomInt(subscriptionLetters.length)]);
  return `poll://${letters.join("")}/`;
}

export function sameThumbprint(one: string, other: string): boolean {
  return one.trim().toUpperCase() === other.trim().toUpperCase();
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
