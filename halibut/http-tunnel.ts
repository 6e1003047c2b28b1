/** The way through an HTTP proxy: asks it for a tunnel to the peer, in which TLS then begins as if nobody stood between. */
import { connect, isIP } from "node:net";
import type { Socket } from "node:net";
import type { HalibutLimits } from "./limits.ts";

export interface HttpProxy {
  host: string;
  port: number;
  /** Without one, nothing is sent to prove who we are. Must not contain a colon. */
  username?: string;
  password?: string;
}

/** The proxy answered, and not with a tunnel. `final`: it will not do so the next time either. */
export class TunnelRefused extends Error {
  override readonly name = "TunnelRefused";
  readonly final: boolean;

  constructor(message: string, final: boolean) {
    super(message);
    this.final = final;
  }
}

/** What of a proxy's words is shown. */
const reasonCharactersMax = 100;

/**
 * A connection through the proxy. Rejects with TunnelRefused, or with the system's error when there is no way to the proxy itself; an abort
 * of the signal, which carries the caller's deadline, ends it.
 */
export function openTunnel(parts: {
  proxy: HttpProxy;
  peer: { host: string; port: number };
  limits: HalibutLimits;
  signal: AbortSignal;
}): Promise<Socket> {
  const { proxy, limits, signal } = parts;
  const target = `${isIP(parts.peer.host) === 6 ? `[${parts.peer.host}]` : parts.peer.host}:${parts.peer.port}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true });
    let answer = Buffer.alloc(0);
    const onAbort = (): void => settle(new Error("it was given up"));
    const onClose = (): void => settle(new Error(`the proxy ${proxy.host}:${proxy.port} closed the connection without an answer`));
    const onConnect = (): void => void socket.write(requestFor(proxy, target));
    function settle(error: Error | null): void {
      signal.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect).off("data", onData).off("close", onClose).off("error", settle);
      socket.on("error", () => {}); // whoever takes the connection over hears it there
      if (error === null) return resolve(socket);
      socket.destroy();
      reject(error);
    }
    function onData(bytes: Buffer): void {
      answer = Buffer.concat([answer, bytes]);
      const end = answer.indexOf("\r\n\r\n");
      if (end < 0) {
        if (answer.length > limits.proxyAnswerBytesMax)
          settle(new TunnelRefused(`${describe(proxy)} answered with more than a proxy says`, true));
        return;
      }
      const refusal = refusalIn(answer.subarray(0, end).toString("latin1"), proxy, target);
      if (refusal !== undefined) return settle(refusal);
      socket.pause();
      const rest = answer.subarray(end + 4);
      settle(null);
      // The peer speaks only after us, but what came is not ours to lose.
      if (rest.length > 0) socket.unshift(rest);
    }
    socket.on("connect", onConnect).on("data", onData).on("close", onClose).on("error", settle);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  });
}

function requestFor({ username, password }: HttpProxy, target: string): string {
  const credentials = username === undefined ? "" : Buffer.from(`${username}:${password ?? ""}`, "utf8").toString("base64");
  return `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${credentials === "" ? "" : `Proxy-Authorization: Basic ${credentials}\r\n`}\r\n`;
}

function refusalIn(head: string, proxy: HttpProxy, target: string): TunnelRefused | undefined {
  const [, status, reason] = /^HTTP\/1\.[01] (\d{3})(?: ([^\r\n]*))?/.exec(head) ?? [];
  if (status === undefined) return new TunnelRefused(`${describe(proxy)} does not answer as an HTTP proxy does`, true);
  if (status === "200") return undefined;
  const said = `${status} ${(reason ?? "").replace(/[^\x20-\x7e]/g, "?").slice(0, reasonCharactersMax)}`.trim();
  const hint = status === "407" ? " Check the user name and password of the proxy." : "";
  // It knows no such user, or does not let us there; everything else may be different in a second.
  return new TunnelRefused(`${describe(proxy)} gives no way to ${target}: ${said}.${hint}`, status === "407" || status === "403");
}

function describe({ host, port }: HttpProxy): string {
  return `the proxy ${host}:${port}`;
}
