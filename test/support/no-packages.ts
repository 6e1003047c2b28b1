// A feed without packages, for tests whose deployments have none.

import type { DeployablePackages } from "../../server/features/library/library.ts";

export const noPackages: DeployablePackages = { find: async () => ({ ok: false, message: "There are no packages here." }) };
