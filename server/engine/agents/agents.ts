// Talks to agents about scripts and says in plain values what came of it. It never repeats a call by itself: whoever asks decides,
// because between two tries the task may have gone to another node.

import { capabilitiesServiceV2, capability } from "@cuttle/contract/agent/capabilities";
import type { CapabilitiesResponseV2 } from "@cuttle/contract/agent/capabilities";
import { fileTransferService } from "@cuttle/contract/agent/file-transfer";
import type { FileContents, UploadResult } from "@cuttle/contract/agent/file-transfer";
import { scriptServiceV2 } from "@cuttle/contract/agent/script";
import type {
  CancelScriptCommandV2,
  CompleteScriptCommandV2,
  ScriptStatusRequestV2,
  ScriptStatusResponseV2,
  StartScriptCommandV2,
} from "@cuttle/contract/agent/script";
import { scriptServiceV1 } from "@cuttle/contract/agent/script-v1";
import type { ScriptStatusRequest, ScriptStatusResponse, StartScriptCommand } from "@cuttle/contract/agent/script-v1";
import type { ScriptTicket } from "@cuttle/contract/agent/script";
import { createHalibutClient, HalibutCallError } from "@cuttle/halibut";
import type { CallOptions, HttpProxy, Identity, ServiceContract } from "@cuttle/halibut";
import { monotonicMs } from "../../base/clock.ts";
import type { CallLease } from "./agent-request-store.ts";
import type { PollingCalls } from "./any-node-polling.ts";
import { TooLargeToRoute } from "./request-text.ts";
import { StreamTooLarge } from "./stream-files.ts";
import { assertSoundStart, assertSoundTicket } from "./sound-commands.ts";

export { createPollingQueue } from "@cuttle/halibut";
export { findConnections } from "./agent-connection-store.ts";
export type { AgentConnection } from "./agent-connection-store.ts";
export { createAnyNodePolling } from "./any-node-polling.ts";
export type { AnyNodePolling, PollingCalls } from "./any-node-polling.ts";
export type { CallLease } from "./agent-request-store.ts";
export { createAddressTeller } from "./address-teller.ts";
export type { AddressTeller } from "./address-teller.ts";
export { createDiscovery } from "./discovery.ts";
export type { DiscoverAgent } from "./discovery.ts";
export { openAgentPort } from "./agent-port.ts";
export type { AgentPort, FindPollingAgent } from "./agent-port.ts";
export type { StreamFolder } from "./stream-files.ts";
export { loadServerIdentity } from "./server-identity.ts";

/** An agent that waits for us. */
export interface ListeningAgent {
  host: string;
  port: number;
  /** SHA-1 of its certificate, 40 upper-case hex digits. */
  thumbprint: string;
  /** The way to it leads through this proxy. What the proxy is, is asked for at each call. */
  proxyId?: string;
}
/** An agent that connects to us and asks for work. */
export interface PollingAgent {
  /** Such as `poll://0123456789abcdefghij/`; upper and lower case are the same. */
  subscription: string;
  /** As for a listening agent. */
  thumbprint: string;
}
/** How an agent is reached and known. The thumbprint is its identity; the rest only a way to it. */
export type AgentAddress = ListeningAgent | PollingAgent;

/** The way to an agent, as people write it. */
export function describeAgentAddress(agent: AgentAddress): string {
  if ("subscription" in agent) return agent.subscription;
  return `${agent.host}:${agent.port}${agent.proxyId === undefined ? "" : ` through ${agent.proxyId}`}`;
}

/**
 * `offline`: nothing of the call reached the agent. `untrusted`: somebody else's certificate is at that address. `interrupted`: the
 * connection was lost or time ran out while it may have arrived. `refused`: the agent answered with an error, or the call cannot be made in this way. `unsupported`: it
 * lacks the service.
 */
export type AgentFailure = "offline" | "untrusted" | "interrupted" | "refused" | "unsupported";
/** `lostMs`: when a connection to this agent was last lost or refused, by monotonicMs; not known of polling agents. */
export type Answer<R> = { ok: true; reply: R; lostMs?: number } | { ok: false; failure: AgentFailure; message: string };

/** A file that came from an agent. */
export type ReceivedFile = FileContents & { dispose?(): Promise<void> };

export interface CallTerms {
  /** Proves, just before the first byte of the call, that it may still go out; what it throws is thrown on. */
  beforeSend: () => Promise<void>;
  /** On whose behalf the call is made, when it is a task's: a node that sends it for us proves the same of it. */
  lease?: CallLease;
  /** Gives up: the connection is closed, the agent may go on with what it received. */
  signal: AbortSignal;
}

export interface Agents {
  capabilities(agent: AgentAddress, terms: CallTerms): Promise<Answer<readonly string[]>>;
  startScript(agent: AgentAddress, command: StartScriptCommandV2, terms: CallTerms): Promise<Answer<ScriptStatusResponseV2>>;
  getStatus(agent: AgentAddress, request: ScriptStatusRequestV2, terms: CallTerms): Promise<Answer<ScriptStatusResponseV2>>;
  cancelScript(agent: AgentAddress, command: CancelScriptCommandV2, terms: CallTerms): Promise<Answer<ScriptStatusResponseV2>>;
  completeScript(agent: AgentAddress, command: CompleteScriptCommandV2, terms: CallTerms): Promise<Answer<null>>;
  /** Puts a file on the agent's machine; a relative path lies below its home. May be repeated: it replaces the file. */
  uploadFile(agent: AgentAddress, file: { path: string; contents: FileContents }, terms: CallTerms): Promise<Answer<UploadResult>>;
  /** A file of the agent's machine, null when there is none. Whoever gets it disposes of it. */
  downloadFile(agent: AgentAddress, path: string, terms: CallTerms): Promise<Answer<ReceivedFile | null>>;
  /** The service of agents that know no newer one. A start is never to be repeated: the agent makes the ticket. */
  readonly firstGeneration: {
    startScript(agent: AgentAddress, command: StartScriptCommand, terms: CallTerms): Promise<Answer<ScriptTicket>>;
    getStatus(agent: AgentAddress, request: ScriptStatusRequest, terms: CallTerms): Promise<Answer<ScriptStatusResponse>>;
    cancelScript(agent: AgentAddress, command: ScriptStatusRequest, terms: CallTerms): Promise<Answer<ScriptStatusResponse>>;
    completeScript(agent: AgentAddress, command: ScriptStatusRequest, terms: CallTerms): Promise<Answer<ScriptStatusResponse>>;
  };
  close(): Promise<void>;
}

/** Agents that do not know the question are older than all newer services. */
const firstCapabilities: readonly string[] = [capability.scriptServiceV1, capability.fileTransfer];
/**
 * An answer about a script holds at most some megabytes and no call of ours waits at the agent: half a minute is generous.
 * For a polling agent the time includes its wait for the call.
 */
const callTimeoutMs = 30_000;
/** A file gets the time that a slow line needs for it. */
const slowLineBytesPerMs = 100;
/** How large a file that is fetched may be is known only when it comes. */
const streamBytesExpected = 1024 ** 3;
/** What an agent can do changes only with its version. */
const capabilitiesCacheMs = 10 * 60_000;
/** Agents remembered at once; beyond it the oldest entry goes. */
const capabilitiesCacheMax = 10_000;

/** Extension point: the way to a proxy, with its password; undefined when there is none with this id. */
export type FindProxy = (id: string) => Promise<HttpProxy | undefined>;

/** `polling` makes the calls that polling agents are to collect; it is closed with the rest. */
export function createAgents(parts: { identity: Identity; polling: PollingCalls; findProxy: FindProxy }): Agents {
  const client = createHalibutClient({ identity: parts.identity });
  const { polling } = parts;
  const known = new Map<string, { at: number; capabilities: readonly string[] }>();

  async function call<R>(
    agent: AgentAddress,
    contract: ServiceContract,
    method: string,
    params: readonly unknown[],
    terms: CallTerms,
    timeoutMs = callTimeoutMs,
  ): Promise<Answer<R>> {
    let refusal: unknown;
    try {
      const options: CallOptions = {
        timeoutMs,
        signal: terms.signal,
        beforeSend: async () => {
          try {
            await terms.beforeSend();
          } catch (error) {
            refusal = error;
            throw error;
          }
        },
      };
      if ("subscription" in agent) {
        const asked = terms.lease === undefined ? options : { ...options, lease: terms.lease };
        return { ok: true, reply: (await polling.call(agent, contract, method, params, asked)) as R };
      }
      const { proxyId, ...peer } = agent;
      const proxy = proxyId === undefined ? undefined : await parts.findProxy(proxyId);
      if (proxyId !== undefined && proxy === undefined)
        return { ok: false, failure: "offline", message: `The way to this agent led through ${proxyId}, which is not there any more.` };
      const target = proxy === undefined ? peer : { ...peer, proxy };
      const reply = (await client.call(target, contract, method, params, options)) as R;
      const lostMs = client.connectionLostMs(target);
      return lostMs === undefined ? { ok: true, reply } : { ok: true, reply, lostMs };
    } catch (error) {
      if (refusal !== undefined) throw refusal;
      if (terms.signal.aborted) throw terms.signal.reason;
      if (error instanceof StreamTooLarge || error instanceof TooLargeToRoute)
        return { ok: false, failure: "refused", message: error.message };
      if (!(error instanceof HalibutCallError)) throw error;
      return { ok: false, failure: failureOf(error), message: error.message };
    }
  }

  return {
    async capabilities(agent, terms) {
      const key = `${agent.thumbprint}@${describeAgentAddress(agent)}`;
      const cached = known.get(key);
      if (cached !== undefined && monotonicMs() - cached.at < capabilitiesCacheMs) return { ok: true, reply: cached.capabilities };
      const answer = await call<CapabilitiesResponseV2>(agent, capabilitiesServiceV2, "GetCapabilities", [], terms);
      if (!answer.ok && answer.failure !== "unsupported") return answer;
      const capabilities = answer.ok ? answer.reply.SupportedCapabilities : firstCapabilities;
      known.delete(key);
      known.set(key, { at: monotonicMs(), capabilities });
      if (known.size > capabilitiesCacheMax) known.delete(known.keys().next().value!);
      return { ok: true, reply: capabilities };
    },
    startScript: (agent, command, terms) => {
      assertSoundStart(command);
      assertSoundTicket(command.ScriptTicket);
      return call(agent, scriptServiceV2, "StartScript", [command], terms);
    },
    getStatus: (agent, request, terms) => {
      assertSoundTicket(request.Ticket);
      return call(agent, scriptServiceV2, "GetStatus", [request], terms);
    },
    cancelScript: (agent, command, terms) => {
      assertSoundTicket(command.Ticket);
      return call(agent, scriptServiceV2, "CancelScript", [command], terms);
    },
    completeScript: (agent, command, terms) => {
      assertSoundTicket(command.Ticket);
      return call(agent, scriptServiceV2, "CompleteScript", [command], terms);
    },
    uploadFile: (agent, { path, contents }, terms) =>
      call(agent, fileTransferService, "UploadFile", [path, contents], terms, transferTimeoutMs(contents.length)),
    downloadFile: (agent, path, terms) =>
      call(agent, fileTransferService, "DownloadFile", [path], terms, transferTimeoutMs(streamBytesExpected)),
    firstGeneration: {
      startScript: (agent, command, terms) => {
        assertSoundStart(command);
        return call(agent, scriptServiceV1, "StartScript", [command], terms);
      },
      getStatus: (agent, request, terms) => call(agent, scriptServiceV1, "GetStatus", [request], terms),
      cancelScript: (agent, command, terms) => call(agent, scriptServiceV1, "CancelScript", [command], terms),
      completeScript: async (agent, command, terms) => {
        // The ticket is the agent's own; an empty one would cost it all its workspaces.
        if (command.Ticket.TaskId === "") return { ok: false, failure: "refused", message: "The agent's ticket is empty." };
        return call(agent, scriptServiceV1, "CompleteScript", [command], terms);
      },
    },
    async close() {
      polling.close();
      await client.close();
    },
  };
}

function transferTimeoutMs(bytes: number): number {
  return callTimeoutMs + Math.ceil(bytes / slowLineBytesPerMs);
}

function failureOf(error: HalibutCallError): AgentFailure {
  switch (error.kind) {
    case "untrusted":
      return "untrusted";
    case "service-not-found":
    case "method-not-found":
      return "unsupported";
    case "service-failed":
      return "refused";
    default:
      return error.requestMayHaveArrived ? "interrupted" : "offline";
  }
}
