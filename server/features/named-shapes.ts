// The shapes of the contract by the names they have there, for the OpenAPI document.

import * as buildInformation from "@cuttle/contract/rest/build-information";
import * as dashboards from "@cuttle/contract/rest/dashboards";
import * as deploymentProcesses from "@cuttle/contract/rest/deployment-processes";
import * as deployments from "@cuttle/contract/rest/deployments";
import * as environments from "@cuttle/contract/rest/environments";
import * as feeds from "@cuttle/contract/rest/feeds";
import * as home from "@cuttle/contract/rest/home";
import * as installTokens from "@cuttle/contract/rest/install-tokens";
import * as lifecycles from "@cuttle/contract/rest/lifecycles";
import * as machines from "@cuttle/contract/rest/machines";
import * as nuget from "@cuttle/contract/rest/nuget";
import * as packages from "@cuttle/contract/rest/packages";
import * as projects from "@cuttle/contract/rest/projects";
import * as proxies from "@cuttle/contract/rest/proxies";
import * as releases from "@cuttle/contract/rest/releases";
import * as serverNodes from "@cuttle/contract/rest/server-nodes";
import * as serverTasks from "@cuttle/contract/rest/server-tasks";
import * as spaces from "@cuttle/contract/rest/spaces";
import * as tenants from "@cuttle/contract/rest/tenants";
import * as users from "@cuttle/contract/rest/users";
import { SensitiveValue } from "@cuttle/contract/rest/shapes";
import type { TSchema } from "@cuttle/contract/rest/shapes";

const modules: readonly object[] = [
  buildInformation,
  dashboards,
  deploymentProcesses,
  deployments,
  environments,
  feeds,
  home,
  installTokens,
  lifecycles,
  machines,
  nuget,
  packages,
  projects,
  proxies,
  releases,
  serverNodes,
  serverTasks,
  spaces,
  tenants,
  users,
];

const isObjectShape = (value: unknown): value is TSchema =>
  typeof value === "object" && value !== null && "type" in value && value.type === "object";

export const namedShapes: Readonly<Record<string, TSchema>> = Object.fromEntries([
  ["SensitiveValue", SensitiveValue],
  ...modules.flatMap((module) => Object.entries(module).filter((entry): entry is [string, TSchema] => isObjectShape(entry[1]))),
]);
