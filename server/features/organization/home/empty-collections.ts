// Collections whose link must lead somewhere although nothing can be in them yet: an empty page, and an empty list at /all. One line
// each; a collection that gets its own routes loses its line by itself, because real routes win.

import { Type } from "typebox";
import { anything, map, page } from "@cuttle/contract/rest/shapes";
import type { PermissionName } from "@cuttle/contract/rest/permissions";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route, RouteScope } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";

const collections: readonly { path: string; itemType: string; scope: RouteScope; permission: PermissionName | "signed-in" }[] = [
  { path: "/accounts", itemType: "Account", scope: "space", permission: "AccountView" },
  { path: "/actiontemplates", itemType: "ActionTemplate", scope: "space", permission: "ActionTemplateView" },
  { path: "/certificates", itemType: "Certificate", scope: "space", permission: "CertificateView" },
  { path: "/communityactiontemplates", itemType: "CommunityActionTemplate", scope: "system", permission: "signed-in" },
  { path: "/configuration", itemType: "ConfigurationSection", scope: "system", permission: "ConfigureServer" },
  { path: "/deploymentfreezes", itemType: "DeploymentFreeze", scope: "system", permission: "signed-in" },
  { path: "/events/archives", itemType: "ArchivedEventFile", scope: "system", permission: "EventRetentionView" },
  { path: "/git-credentials", itemType: "GitCredential", scope: "space", permission: "GitCredentialView" },
  { path: "/issuetrackers", itemType: "IssueTracker", scope: "system", permission: "signed-in" },
  { path: "/observability/kubernetes-monitors", itemType: "KubernetesMonitor", scope: "space", permission: "MachineView" },
  { path: "/package-metadata", itemType: "PackageMetadata", scope: "space", permission: "BuildInformationPush" },
  { path: "/projects/import-export/import-files", itemType: "ProjectImportFile", scope: "space", permission: "ProjectCreate" },
  { path: "/projecttriggers", itemType: "ProjectTrigger", scope: "space", permission: "TriggerView" },
  { path: "/proxies", itemType: "Proxy", scope: "space", permission: "ProxyView" },
  { path: "/retentionpolicies", itemType: "RetentionPolicy", scope: "space", permission: "LifecycleView" },
  { path: "/runbookProcesses", itemType: "RunbookProcess", scope: "space", permission: "RunbookView" },
  { path: "/runbookRuns", itemType: "RunbookRun", scope: "space", permission: "RunbookRunView" },
  { path: "/runbooks", itemType: "Runbook", scope: "space", permission: "RunbookView" },
  { path: "/runbookSnapshots", itemType: "RunbookSnapshot", scope: "space", permission: "RunbookView" },
  { path: "/scheduledprojecttriggers", itemType: "ProjectTrigger", scope: "space", permission: "TriggerView" },
  { path: "/scopeduserroles", itemType: "ScopedUserRole", scope: "either", permission: "UserRoleView" },
  { path: "/ssh-known-hosts", itemType: "SshKnownHost", scope: "space", permission: "SshKnownHostsView" },
  { path: "/subscriptions", itemType: "Subscription", scope: "either", permission: "SubscriptionView" },
  { path: "/tagsets", itemType: "TagSet", scope: "space", permission: "signed-in" },
  { path: "/teammembership", itemType: "TeamMembership", scope: "either", permission: "TeamView" },
  { path: "/teams", itemType: "Team", scope: "either", permission: "TeamView" },
  { path: "/tenants", itemType: "Tenant", scope: "space", permission: "TenantView" },
  { path: "/userroles", itemType: "UserRole", scope: "system", permission: "UserRoleView" },
];

/** The given routes, and an empty collection at every address of the table that none of them answers. */
export function withEmptyCollections(routes: readonly Route[]): Route[] {
  const answered = new Set(routes.filter((route) => route.method === "GET").map((route) => route.path.toLowerCase()));
  const empty = collections.flatMap(({ path, itemType, scope, permission }) => [
    read({
      path,
      scope,
      permission,
      query: Type.Object(listQuery),
      answer: page(map(anything())),
      handler: async ({ space, query }) => {
        const address = space === undefined ? `/api${path}` : `/api/${(space as { id: string }).id}${path}`;
        return ok(pageOf({ itemType, items: [], total: 0, wanted: pageWanted(query), path: address, query }));
      },
    }),
    read({ path: `${path}/all`, scope, permission, answer: Type.Array(map(anything())), handler: async () => ok([]) }),
  ]);
  return [...routes, ...empty.filter((route) => !answered.has(route.path.toLowerCase()))];
}
