// The area of what projects share: lifecycles, tag sets.

import type { Route } from "../../platform/http/http.ts";
import type { SpaceFiller } from "../organization/organization.ts";
import { fillLifecycles, lifecycleRoutes } from "./lifecycles/lifecycles.ts";
import { tagSetRoutes } from "./tag-sets/tag-sets.ts";

export { lifecycleProgress, lifecycles, mayDeploy, phasesInForce } from "./lifecycles/lifecycles.ts";
export type { LifecyclePhase, LifecycleProgress, Verdict } from "./lifecycles/lifecycles.ts";

export const libraryRoutes: readonly Route[] = [...lifecycleRoutes, ...tagSetRoutes];
export const libraryFillers: readonly SpaceFiller[] = [fillLifecycles];
