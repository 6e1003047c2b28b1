// A feed without packages, for tests whose deployments have none.

import type { DeployablePackages } from "../../server/features/library/library.ts";

const none = { ok: false, message: "There are no packages here." } as const;
export const noPackages: DeployablePackages = { find: async () => none, findFile: async () => none, prepare: () => {} };
