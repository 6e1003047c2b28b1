// An agent's configuration: the settings file of an instance, who the instances of this machine are, and certificates as files.

export { instanceNameDefault, instancesFolder, listInstances, machineFolder, removeInstance, saveInstance } from "./instances.ts";
export type { Instance } from "./instances.ts";
export { machineKeyFilesIn } from "./machine-key.ts";
export type { MachineKeyFiles } from "./machine-key.ts";
export { readPfx, writePfx } from "./pfx.ts";
export { changeProxy, readProxy } from "./proxies.ts";
export type { ProxyPurpose, ProxySetting } from "./proxies.ts";
export { SettingsFileError } from "./settings-file.ts";
export { communicationStyle, newSubscriptionId, readStyle, sameThumbprint } from "./trusted-servers.ts";
export type { TrustedServer } from "./trusted-servers.ts";
export { applicationsDefault, openConfiguration, portDefault, settingKeys } from "./settings.ts";
export type { Configuration } from "./settings.ts";
