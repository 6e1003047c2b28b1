// An agent's settings as the file of its instance keeps them: typed access to the keys this agent knows, the others untouched. Variables of
// the environment win over the file when the agent runs, and are never written into it.
import { dirname, isAbsolute, join, resolve } from "node:path";
import { readIdentity, type Identity } from "@cuttle/halibut";
import { type MachineKeyFiles, machineKeyFiles, protect, unprotect } from "./machine-key.ts";
import { readPfx, writePfx } from "./pfx.ts";
import { readSettingsFile, writeSettingsFile } from "./settings-file.ts";
import { formatTrustedServers, parseTrustedServers, type TrustedServer } from "./trusted-servers.ts";

/** The keys this agent reads and writes. */
export const settingKeys = {
  home: "Octopus.Home",
  squid: "Octopus.Communications.Squid",
  applications: "Tentacle.Deployment.ApplicationDirectory",
  port: "Tentacle.Services.PortNumber",
  listenAddress: "Tentacle.Services.ListenIP",
  noListen: "Tentacle.Services.NoListen",
  trustedServers: "Tentacle.Communication.TrustedOctopusServers",
  pollingConnectionCount: "Tentacle.Communication.PollingConnectionCount",
  certificate: "Tentacle.Certificate",
  thumbprint: "Tentacle.CertificateThumbprint",
} as const;

/** Variables that stand in for keys of the file. */
const overrides: Readonly<Record<string, string>> = {
  OCTOPUS_HOME: settingKeys.home,
  TENTACLE_SERVICE_PORT: settingKeys.port,
  TENTACLE_LISTEN_IP: settingKeys.listenAddress,
  TENTACLE_NO_LISTEN: settingKeys.noListen,
  TENTACLE_TRUSTED_SERVERS: settingKeys.trustedServers,
  TENTACLE_APPLICATION_DIRECTORY: settingKeys.applications,
  TENTACLE_CERTIFICATE: settingKeys.certificate,
  TENTACLE_CERTIFICATE_THUMBPRINT: settingKeys.thumbprint,
  TENTACLE_POLLING_USE_DEFAULT_PROXY: "Octopus.Server.Proxy.UseDefaultProxy",
  TENTACLE_POLLING_CUSTOM_PROXY_HOST: "Octopus.Server.Proxy.ProxyHost",
  TENTACLE_POLLING_CUSTOM_PROXY_PORT: "Octopus.Server.Proxy.ProxyPort",
  TENTACLE_POLLING_CUSTOM_PROXY_USER: "Octopus.Server.Proxy.ProxyUsername",
  TENTACLE_POLLING_CUSTOM_PROXY_PASSWORD: "Octopus.Server.Proxy.ProxyPassword",
  OCTOPUS_USE_DEFAULT_PROXY: "Octopus.Proxy.UseDefaultProxy",
  OCTOPUS_PROXY_HOST: "Octopus.Proxy.ProxyHost",
  OCTOPUS_PROXY_PORT: "Octopus.Proxy.ProxyPort",
  OCTOPUS_PROXY_USER: "Octopus.Proxy.ProxyUsername",
  OCTOPUS_PROXY_PASSWORD: "Octopus.Proxy.ProxyPassword",
};

export interface Configuration {
  readonly file: string;
  /** What protects the secrets in it. */
  readonly keyFiles: MachineKeyFiles;
  /** The text of a key, from the environment or the file. */
  get(key: string): string | undefined;
  /** Undefined removes it. Kept in the file only by `save`. */
  set(key: string, text: string | undefined): void;
  /** Whether the environment gives the key. */
  isFromEnvironment(key: string): boolean;
  /** All keys of the file with their texts, those of the environment over them. */
  all(): Map<string, string>;
  /** Absolute. */
  home(): string;
  applications(): string;
  trustedServers(): TrustedServer[];
  setTrustedServers(servers: readonly TrustedServer[]): void;
  /** Of the certificate; undefined when there is none. */
  thumbprint(): string | undefined;
  /** The certificate with its key; undefined when there is none. Throws with a sentence when it cannot be read. */
  identity(): Promise<Identity | undefined>;
  setIdentity(identity: Identity): Promise<void>;
  save(): Promise<void>;
}

export const portDefault = 10933;
export const applicationsDefault = "/home/Octopus/Applications";

/** Opens a settings file; one that is not there yet is empty, unless it `mustExist`. Throws with a sentence for the operator. */
export async function openConfiguration(
  file: string,
  options: { environment?: NodeJS.ProcessEnv; keyFiles?: MachineKeyFiles; mustExist?: boolean } = {},
): Promise<Configuration> {
  const place = resolve(file);
  const kept = await readSettingsFile(place);
  if (kept === undefined && options.mustExist === true) throw new Error(`The configuration file ${place} does not exist.`);
  const settings = kept ?? new Map<string, string>();
  const keyFiles = options.keyFiles ?? machineKeyFiles;
  const overriding = new Map<string, string>();
  for (const [variable, key] of Object.entries(overrides)) {
    const text = options.environment?.[variable];
    if (text !== undefined && text !== "") overriding.set(key, text);
  }
  const get = (key: string): string | undefined => overriding.get(key) ?? settings.get(key);

  return {
    file: place,
    keyFiles,
    get,
    set(key, text) {
      if (text === undefined) settings.delete(key);
      else settings.set(key, text);
    },
    isFromEnvironment: (key) => overriding.has(key),
    all: () => new Map([...settings, ...overriding]),
    home() {
      const home = get(settingKeys.home) ?? ".";
      return isAbsolute(home) ? home : join(dirname(place), home);
    },
    applications: () => get(settingKeys.applications) ?? applicationsDefault,
    trustedServers: () => parseTrustedServers(get(settingKeys.trustedServers)),
    setTrustedServers: (servers) => void settings.set(settingKeys.trustedServers, formatTrustedServers(servers)),
    thumbprint: () => get(settingKeys.thumbprint)?.toUpperCase() || undefined,
    async identity() {
      const kept64 = get(settingKeys.certificate);
      if (kept64 === undefined || kept64 === "") return undefined;
      const container = await unprotect(kept64, keyFiles);
      return await readPfx(Buffer.from(container, "base64"), "");
    },
    async setIdentity(identity) {
      const { thumbprint } = readIdentity(identity);
      settings.set(settingKeys.certificate, await protect((await writePfx(identity, "")).toString("base64"), keyFiles));
      settings.set(settingKeys.thumbprint, thumbprint);
    },
    save: () => writeSettingsFile(place, settings),
  };
}
