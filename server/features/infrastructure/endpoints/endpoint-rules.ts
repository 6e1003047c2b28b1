// What makes the endpoint of a target or worker valid, and how the agent behind it is reached: pure checks of what a client sent.

import { communicationStyles } from "@cuttle/contract/rest/machines";
import type { AgentAddress } from "../../../engine/agents/agents.ts";

export interface StoredEndpoint {
  CommunicationStyle: (typeof communicationStyles)[number];
  Uri?: string | null;
  Thumbprint?: string | null;
  ProxyId?: string | null;
  DefaultWorkerPoolId?: string | null;
}

export interface EndpointSent {
  CommunicationStyle?: string | null;
  Uri?: string | null;
  Thumbprint?: string | null;
  ProxyId?: string | null;
  DefaultWorkerPoolId?: string | null;
}

export type Checked<T> = { ok: true; value: T } | { ok: false; faults: string[] };

/** SHA-1 as agents print it: 40 upper-case hex digits without separators. Undefined when it is none. */
export function readThumbprint(text: string): string | undefined {
  const clean = text.replace(/[\s:-]/g, "").toUpperCase();
  return /^[0-9A-F]{40}$/.test(clean) ? clean : undefined;
}

/** The host and port of a listening agent; a missing port is the agents' own 10933. Undefined when the text is no such address. */
export function readListeningUri(text: string): { host: string; port: number } | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  const plain =
    url.protocol === "https:" &&
    url.username === "" &&
    url.password === "" &&
    url.search === "" &&
    url.hash === "" &&
    /^\/?$/.test(url.pathname);
  if (!plain || url.hostname === "") return undefined;
  // The URL parser drops :443, because that is the port https has anyway.
  const port = url.port !== "" ? Number(url.port) : /:443\/?$/.test(text.trim()) ? 443 : 10933;
  return port === 0 ? undefined : { host: url.hostname.replace(/^\[|\]$/g, ""), port };
}

/** The subscription of a polling agent as agents send it: lower case, with a slash at the end. Undefined when the text is none. */
export function readSubscription(text: string): string | undefined {
  const found = /^poll:\/\/([a-z0-9][a-z0-9._-]{0,99})\/?$/i.exec(text.trim());
  return found === null ? undefined : `poll://${found[1]!.toLowerCase()}/`;
}

/** The way to a machine's agent, as the engine takes it; undefined when it has none, or one that is not of the form it must have. */
export function readAgentAddress(machine: {
  style: string;
  uri: string | null;
  thumbprint: string | null;
  proxyId: string | null;
}): AgentAddress | undefined {
  const { style, uri, thumbprint, proxyId } = machine;
  if (uri === null || thumbprint === null) return undefined;
  if (style === "TentacleActive") {
    const subscription = readSubscription(uri);
    return subscription === undefined ? undefined : { subscription, thumbprint };
  }
  const address = style === "TentaclePassive" ? readListeningUri(uri) : undefined;
  return address && { ...address, thumbprint, ...(proxyId === null ? {} : { proxyId }) };
}

export function checkEndpoint(sent: EndpointSent | null | undefined): Checked<StoredEndpoint> {
  if (!sent) return { ok: false, faults: ["Endpoint is required."] };
  const style = communicationStyles.find((one) => one.toLowerCase() === sent.CommunicationStyle?.toLowerCase());
  if (style === undefined) {
    return {
      ok: false,
      faults: [
        `Endpoint.CommunicationStyle must be one of: ${communicationStyles.join(", ")}. Other kinds of targets are not supported yet.`,
      ],
    };
  }
  if (style === "None") return { ok: true, value: { CommunicationStyle: style, DefaultWorkerPoolId: sent.DefaultWorkerPoolId || null } };
  const faults: string[] = [];
  const thumbprint = readThumbprint(sent.Thumbprint ?? "");
  if (thumbprint === undefined) faults.push("Endpoint.Thumbprint must be the 40 hex digits of the agent's certificate.");
  let uri = (sent.Uri ?? "").trim();
  if (style === "TentaclePassive") {
    const address = readListeningUri(uri);
    if (address === undefined) faults.push("Endpoint.Uri of a listening agent must look like https://host:10933/.");
    else uri = `https://${address.host.includes(":") ? `[${address.host}]` : address.host.toLowerCase()}:${address.port}/`;
  } else {
    const subscription = readSubscription(uri);
    if (subscription === undefined) faults.push("Endpoint.Uri of a polling agent must look like poll://0123456789abcdefghij/.");
    else uri = subscription;
    if (sent.ProxyId)
      faults.push(
        "Endpoint.ProxyId is for listening agents. A polling agent's own proxy is set at the agent, by its polling-proxy command.",
      );
  }
  if (faults.length > 0) return { ok: false, faults };
  return {
    ok: true,
    value: {
      CommunicationStyle: style,
      Uri: uri,
      Thumbprint: thumbprint!,
      ...(style === "TentaclePassive" ? { ProxyId: sent.ProxyId || null } : {}),
    },
  };
}

/** The old status word that goes with a health word. */
export function legacyStatus(machine: { isDisabled: boolean; healthStatus: string }): string {
  if (machine.isDisabled) return "Disabled";
  if (machine.healthStatus === "Unknown") return "Unknown";
  return machine.healthStatus === "Unavailable" ? "Offline" : "Online";
}
