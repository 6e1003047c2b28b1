// All features together: the routes of the API, and what a new cluster must hold. compose.ts gives the parts with a life.

import { anything, ErrorBody } from "@cuttle/contract/rest/shapes";
import type { DiscoverAgent } from "../engine/agents/agents.ts";
import type { LogFolder, TaskLogFeed, TaskLogIndex } from "../engine/tasks/tasks.ts";
import { systemActor } from "../platform/audit/audit.ts";
import type { Fitness } from "../platform/cluster/cluster.ts";
import type { Database, Transaction } from "../platform/database/database.ts";
import { describeApi, ok, read } from "../platform/http/http.ts";
import type { EventStreams, Route } from "../platform/http/http.ts";
import type { Secrets } from "../platform/secrets/secrets.ts";
import { infrastructureFillers, infrastructureRoutes } from "./infrastructure/infrastructure.ts";
import type { AgentArchives, AskForHealthCheck, ClusterCertificate } from "./infrastructure/infrastructure.ts";
import { ensureBuiltInFeeds, libraryFillers, libraryRoutes } from "./library/library.ts";
import type { PackageFolder, PrepareArchives } from "./library/library.ts";
import { operationsRoutes } from "./operations/operations.ts";
import {
  compatibleVersionDefault,
  ensureFirstSpace as ensureSpace,
  organizationRoutes,
  withEmptyCollections,
} from "./organization/organization.ts";
import type { SpaceFiller } from "./organization/organization.ts";
import { namedShapes } from "./named-shapes.ts";
import { projectsFillers, projectsRoutes } from "./projects/projects.ts";
import { beforeReleaseDelete, deployNewRelease, runsRoutes } from "./runs/runs.ts";

export { createDeployablePackages, incomingArchiveFolder, sweepPackageFiles } from "./library/library.ts";
export { ensureAdministrator, hashOfNewPassword } from "./organization/organization.ts";

export interface FeaturesParts {
  database: Database;
  secrets: Secrets;
  logFolder: LogFolder;
  /** The logs of tasks, live and by line numbers. */
  logFeed: TaskLogFeed;
  logIndex: TaskLogIndex;
  /** The answers of this node that last. */
  eventStreams: EventStreams;
  /** The shared folder, where packages and artifacts lie. */
  packageFolder: PackageFolder;
  /** Has what a release will bring to targets ready before it is asked for. */
  prepareArchives: PrepareArchives;
  /** UUID made once per cluster. */
  installationId: string;
  /** Version of the API to report; absent takes the one this server was written against. */
  compatibleVersion?: string;
  /** The cluster's certificate as agents know it. */
  certificate: ClusterCertificate;
  nodeName: string;
  /** A node's record was changed through this node. */
  nodeChanged: () => void;
  /** Queues the first health check of a new machine. */
  askForHealthCheck: AskForHealthCheck;
  /** The archives of our own agent that this node hands out. */
  agentArchives: AgentArchives;
  /** Where this node waits for polling agents. */
  commsPort: number;
  /** Looks who is at an address that nobody trusts yet. */
  discoverAgent: DiscoverAgent;
  /** Task names that POST /tasks accepts. */
  queueableTasks: readonly string[];
  /** Whether this node can work: the database and the shared folder. */
  fitness: Pick<Fitness, "look">;
}

const spaceFillers: readonly SpaceFiller[] = [...infrastructureFillers, ...libraryFillers, ...projectsFillers];

/** Every route of the API. */
export function featureRoutes(parts: FeaturesParts): Route[] {
  const routes: Route[] = withEmptyCollections([
    ...organizationRoutes({ ...parts, spaceFillers }),
    ...infrastructureRoutes(parts),
    ...libraryRoutes(parts),
    ...projectsRoutes({ ...parts, beforeReleaseDelete, afterReleaseCreate: deployNewRelease }),
    ...runsRoutes(parts),
    ...operationsRoutes({ ...parts, artifactFolder: parts.packageFolder }),
    read({
      path: "/openapi.json",
      scope: "system",
      permission: "signed-in",
      answer: anything(),
      handler: async () => ok(description()),
    }),
  ]);
  let described: object | undefined;
  // Made when it is first asked for: no start waits for it.
  const description = (): object =>
    (described ??= describeApi(routes, {
      title: "Cuttle",
      version: parts.compatibleVersion ?? compatibleVersionDefault,
      shapes: namedShapes,
      errorShape: ErrorBody,
    }));
  return routes;
}

/** Creates the default space with all it must hold, unless there is a space. Harmless when several nodes start at once. */
export async function ensureFirstSpace(tx: Transaction): Promise<void> {
  await ensureSpace(tx, systemActor, spaceFillers);
  await ensureBuiltInFeeds(tx, systemActor);
}
