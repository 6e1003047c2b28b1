// The root documents and what clients ask before anything else: versions, links, capabilities, feature toggles.

import { Type } from "typebox";
import { Capabilities, FeatureToggles, Root, SpaceRoot } from "@cuttle/contract/rest/home";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { findDefaultSpaceId } from "../spaces/spaces.ts";
import { spaceLinks, systemLinks } from "./links.ts";

export { withEmptyCollections } from "./empty-collections.ts";
export { spaceLinks, systemLinks } from "./links.ts";

/** The version of the API we are compatible with; clients switch features on by it, so it is a setting. */
export const compatibleVersionDefault = "2025.4.10700";
/** Clients refuse anything outside 3.0.0 to 3.0.99. */
const apiVersion = "3.0.0";

/** Names of commands and requests this server knows, as clients test for them. */
const capabilities = ["GetAllSpacesRequest", "CreateReleaseCommandV1", "CreateDeploymentUntenantedCommandV1"];

/** Toggles that clients ask for by name; all off, because what they switch to does not exist here. */
const toggles = ["CommonVariableScopingFeatureToggle", "indicate-missing-packages-for-release"];

function linksOfSpace(spaceId: string): Record<string, string> {
  const inside = Object.entries(spaceLinks).map(([name, template]) => [name, `/api/${spaceId}${template}`]);
  return { Self: `/api/${spaceId}`, ...Object.fromEntries(inside), Web: `/app#/${spaceId}` };
}

export function homeRoutes(parts: { compatibleVersion?: string; installationId: string }): Route[] {
  const version = parts.compatibleVersion ?? compatibleVersionDefault;
  return [
    read({
      path: "",
      scope: "system",
      permission: "anyone",
      answer: Root,
      handler: async ({ db }) => {
        const spaceId = await findDefaultSpaceId(db);
        const system = Object.entries(systemLinks).map(([name, template]) => [name, `/api${template}`]);
        return ok({
          Application: "Octopus Deploy",
          Version: version,
          ApiVersion: apiVersion,
          InstallationId: parts.installationId,
          IsEarlyAccessProgram: false,
          HasLongTermSupport: false,
          Links: {
            ...(spaceId === undefined ? {} : { ...linksOfSpace(spaceId), SpaceHome: "/api/{spaceId}" }),
            ...Object.fromEntries(system),
            Self: "/api",
            Web: "/app",
          },
        });
      },
    }),
    read({
      path: "",
      scope: "space",
      permission: "signed-in",
      answer: SpaceRoot,
      handler: async ({ space }) => ok({ Id: space.id, Links: linksOfSpace(space.id) }),
    }),
    read({
      path: "/capabilities",
      scope: "system",
      permission: "signed-in",
      answer: Capabilities,
      handler: async () => ok({ Capabilities: capabilities }),
    }),
    read({
      path: "/configuration/feature-toggles",
      scope: "system",
      permission: "signed-in",
      query: Type.Object({ Name: Type.Optional(Type.String()) }),
      answer: FeatureToggles,
      handler: async ({ query }) => {
        const wanted = query.Name?.toLowerCase();
        const shown = toggles.filter((name) => wanted === undefined || name.toLowerCase() === wanted);
        return ok({ FeatureToggles: shown.map((name) => ({ Name: name, IsEnabled: false })) });
      },
    }),
  ];
}
