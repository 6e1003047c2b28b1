// Brings the unmodified npm package `@octopusdeploy/api-client` to the tests. It is installed as clients/package-lock.json says, when it is
// first asked for, so that installing the repository stays as small as it is.

import { createRequire } from "node:module";
import path from "node:path";

// oxlint-disable-next-line typescript/no-explicit-any -- the package's types are there only once it is installed, and the check runs before
export type Any = any;

const clients = path.join(import.meta.dirname, "clients");
const launcher = new URL("../../launch.mjs", import.meta.url).href;

/** What the package exports. It keeps the ids of spaces by their names in this process: names of spaces must differ between servers. */
export async function loadApiClient(): Promise<Any> {
  const { installDependencies } = (await import(launcher)) as { installDependencies(root: string): Promise<void> };
  await installDependencies(clients);
  const require = createRequire(path.join(clients, "package.json"));
  return {
    ...require("@octopusdeploy/api-client"),
    // The one repository that its own tests use and its index leaves out.
    ...require("@octopusdeploy/api-client/dist/features/feeds"),
  };
}
