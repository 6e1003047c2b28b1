// Public file of everything secret: the master key and what is encrypted under it, API keys, passwords, and masking of logs.

export type { LineMasker } from "./masking.ts";
export { createMasker, isTooShortToMask, maskedCharactersMin, prepareMasking } from "./masking.ts";
export type { MasterKey } from "./master-key.ts";
export { createMasterKey, MasterKeyProblem, masterKeyFile, parseMasterKey, readMasterKeyFile } from "./master-key.ts";
export { openSecrets } from "./open-secrets.ts";
export type { SecretContext, Secrets } from "./encryption.ts";
export { createSecrets, SecretUnreadable } from "./encryption.ts";
export { hashApiKey, newApiKey } from "./api-keys.ts";
export { hashInstallToken, hashSignInToken, newInstallToken, newSignInToken } from "./random-tokens.ts";
export { hashPassword, passwordCharactersMax, verifyPassword } from "./passwords.ts";
