// The agent put together: scripts, services and the listener in front of them, for one home. Reads no settings and prints
// nothing; main.ts and the tests do.
import { rm, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHalibutListener, type Identity, type ServiceImplementation } from "@cuttle/halibut";
import { createHome, type IdentityFiles, loadIdentity, takeHomeLock } from "./home/home.ts";
import { capabilities, type PolledServer, startPolling } from "./polling/polling.ts";
import { createScripts, type ScriptLimits } from "./scripts/scripts.ts";
import { createCapabilitiesService } from "./services/capabilities/capabilities.ts";
import { createFileTransferService } from "./services/file-transfer/file-transfer.ts";
import { createScriptServices } from "./services/script/script.ts";

export type { PolledServer } from "./polling/polling.ts";

/** Settings of one agent, all checked. */
export interface AgentSettings {
  home: string;
  /** Shown to scripts; default the host's name. */
  name: string;
  /** Where to listen for servers, port 0 lets the system choose; null for an agent that only polls. */
  listen: { host: string; port: number } | null;
  /** Thumbprints of servers that may connect, 40 upper-case hex digits. */
  trust: readonly string[];
  /** Servers to ask for work. */
  poll: readonly PolledServer[];
  /** Whether these may tell it of further nodes of their cluster, to poll them too. */
  learnsAddresses: boolean;
  /** The certificate with its key; or where they lie; or undefined for one of the home's own, made when it is missing. */
  identity: Identity | IdentityFiles | undefined;
  version: string;
  /** Where deployments put applications by default; scripts are told. */
  applications: string;
  /** The instance as scripts are told it; undefined when they are not. */
  instance: string | undefined;
  /** The proxy that scripts are told to use for what they fetch; null for the machine's own. */
  proxy: ScriptProxy | null;
  limits: Partial<ScriptLimits>;
  /** The environment the agent was started with: its scripts inherit it, without the agent's own settings. */
  environment: NodeJS.ProcessEnv;
  /** Tells the operator, in one line. */
  report(message: string): void;
}

/** As scripts find it in their environment. */
export interface ScriptProxy {
  host: string;
  port: number;
  username: string | null;
  password: string | null;
}

export interface Agent {
  readonly identity: Identity;
  /** Null when it does not listen. */
  readonly port: number | null;
  /** Closes the port, ends polling, and lets go of running scripts, which go on; the next start in this home follows them. */
  stop(): Promise<void>;
}

/** What has outlived its time is removed this often. */
const sweepMs = 3_600_000;
/** In the home; its age tells whether an agent lives there. */
export const heartbeatName = "livez.heartbeat";
const heartbeatMs = 10_000;

/** Prefix of the agent's own settings in the environment; scripts do not see them. */
export const settingPrefix = "CUTTLE_AGENT_";

/** Takes the home, takes up the scripts of the agent before, and listens. Throws with a sentence for the operator; then nothing is left open. */
export async function startAgent(settings: AgentSettings): Promise<Agent> {
  await createHome(settings.home);
  const releaseHome = await takeHomeLock(settings.home);
  try {
    const identity =
      settings.identity !== undefined && "thumbprint" in settings.identity
        ? settings.identity
        : await loadIdentity(settings.home, settings.identity, settings.name);
    const { report } = settings;
    const scripts = createScripts({ home: settings.home, environment: scriptEnvironment(settings), limits: settings.limits, report });
    await scripts.takeUp();
    const services = [...createScriptServices(scripts), createFileTransferService({ home: settings.home })];
    let listener: Awaited<ReturnType<typeof listen>>;
    try {
      listener = await listen(settings, identity, [createCapabilitiesService(capabilities), ...services]);
    } catch (error) {
      await scripts.stop();
      throw error;
    }
    const polling = startPolling({
      home: settings.home,
      identity,
      servers: settings.poll,
      learns: settings.learnsAddresses,
      services,
      report,
    });
    const sweep = (): void => void scripts.sweep().catch((error: unknown) => report(`Sweeping old tickets failed: ${String(error)}`));
    const timer = setInterval(sweep, sweepMs);
    timer.unref();
    sweep();
    const heartbeat = join(settings.home, heartbeatName);
    // A full disk does not keep the file from getting a new time; what else goes wrong, its age tells.
    const beat = (): void =>
      void utimes(heartbeat, new Date(), new Date())
        .catch(() => writeFile(heartbeat, ""))
        .catch(() => {});
    const pulse = setInterval(beat, heartbeatMs);
    pulse.unref();
    beat();
    return {
      identity,
      port: listener?.port ?? null,
      async stop() {
        clearInterval(timer);
        clearInterval(pulse);
        await rm(heartbeat, { force: true });
        // Scripts first: calls that wait for a script's end then come back at once.
        await scripts.stop();
        await Promise.all([listener?.close(), polling.stop()]);
        await releaseHome();
      },
    };
  } catch (error) {
    await releaseHome();
    throw error;
  }
}

/** Opens the port for servers that connect; undefined for an agent that only polls. */
async function listen(
  { listen: where, trust, report }: AgentSettings,
  identity: Identity,
  services: ServiceImplementation[],
): Promise<{ port: number; close(): Promise<void> } | undefined> {
  if (where === null) return undefined;
  const trusted = new Set(trust);
  const listener = createHalibutListener({
    identity,
    isTrusted: (thumbprint) => trusted.has(thumbprint),
    services,
    onEvent: (event) => {
      if (event.kind === "refused")
        report(`Refused ${event.remote}${event.thumbprint === null ? "" : ` (thumbprint ${event.thumbprint})`}: ${event.reason}`);
      if (event.kind === "served" && event.failure !== null) report(`${event.service}.${event.method} failed: ${event.failure}`);
    },
  });
  const { port } = await listener.listen(where);
  return { port, close: () => listener.close() };
}

/** The machine's name, for agents that were given none. */
export function defaultAgentName(): string {
  return hostname();
}

/** What scripts find in their environment: the agent's own, and the variables that deployment scripts of this ecosystem read. */
function scriptEnvironment({ home, version, applications, instance, proxy, environment }: AgentSettings): NodeJS.ProcessEnv {
  const inherited = Object.fromEntries(Object.entries(environment).filter(([variable]) => !variable.startsWith(settingPrefix)));
  const program = fileURLToPath(new URL(".", import.meta.url)).replace(/\/$/, "");
  return {
    ...inherited,
    TentacleHome: home,
    TentacleApplications: applications,
    TentacleJournal: join(home, "DeploymentJournal.xml"),
    CalamariPackageRetentionJournalPath: join(home, "PackageRetentionJournal.json"),
    ...(instance === undefined ? {} : { TentacleInstanceName: instance }),
    TentacleVersion: version,
    TentacleExecutablePath: join(program, "cuttle-agent.mjs"),
    TentacleProgramDirectoryPath: program,
    AgentProgramDirectoryPath: program,
    TentacleCertificateSignatureAlgorithm: "sha256RSA",
    TentacleUseDefaultProxy: proxy === null ? "True" : "False",
    ...(proxy === null
      ? { TentacleProxyPort: "80" }
      : {
          TentacleProxyHost: proxy.host,
          TentacleProxyPort: String(proxy.port),
          TentacleProxyUsername: proxy.username ?? "",
          TentacleProxyPassword: proxy.password ?? "",
        }),
  };
}
