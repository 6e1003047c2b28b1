// The proxies in an agent's settings: one for the server's web address, one for its port for agents. Passwords are kept protected.
import type { Configuration } from "./settings.ts";
import { protect, unprotect } from "./machine-key.ts";

/** For the REST API of servers, and for polling. */
export type ProxyPurpose = "web" | "polling";

export interface ProxySetting {
  host: string;
  port: number;
  username: string | null;
  password: string | null;
}

const portDefault = 80;

/** "default" leaves it to the machine's own settings. */
export async function readProxy(configuration: Configuration, purpose: ProxyPurpose): Promise<ProxySetting | "default" | "none"> {
  const keys = proxyKeys(purpose);
  const host = configuration.get(keys.host);
  if (host === undefined || host === "") return /^false$/i.test(configuration.get(keys.useDefault) ?? "true") ? "none" : "default";
  const port = Number(configuration.get(keys.port) ?? portDefault);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`The proxy's port ${configuration.get(keys.port)} is no port.`);
  const password = configuration.get(keys.password);
  // Of the environment it comes in the clear.
  const isClear = configuration.isFromEnvironment(keys.password);
  return {
    host,
    port,
    username: configuration.get(keys.username) || null,
    password: password === undefined || password === "" ? null : isClear ? password : await unprotect(password, configuration.keyFiles),
  };
}

/** What is left out stays as it is; a null host removes it. Not saved. */
export async function changeProxy(
  configuration: Configuration,
  purpose: ProxyPurpose,
  change: { useDefault?: boolean; host?: string | null; port?: number; username?: string; password?: string },
): Promise<void> {
  const keys = proxyKeys(purpose);
  if (change.useDefault !== undefined) configuration.set(keys.useDefault, String(change.useDefault));
  if (change.host !== undefined) configuration.set(keys.host, change.host ?? undefined);
  if (change.port !== undefined) configuration.set(keys.port, String(change.port));
  if (change.username !== undefined) configuration.set(keys.username, change.username);
  if (change.password !== undefined) configuration.set(keys.password, await protect(change.password, configuration.keyFiles));
}

function proxyKeys(purpose: ProxyPurpose): Record<"useDefault" | "host" | "port" | "username" | "password", string> {
  const prefix = purpose === "web" ? "Octopus.Proxy" : "Octopus.Server.Proxy";
  return {
    useDefault: `${prefix}.UseDefaultProxy`,
    host: `${prefix}.ProxyHost`,
    port: `${prefix}.ProxyPort`,
    username: `${prefix}.ProxyUsername`,
    password: `${prefix}.ProxyPassword`,
  };
}
