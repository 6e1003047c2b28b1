// Every address of the portal with its page. Pages load when they are first opened; what a page needs is asked for at the same time.

import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, createRouter, redirect } from "@tanstack/react-router";
import type { NavigateOptions, ToOptions } from "@tanstack/react-router";
import { dashboardQuery } from "./api/dashboard.ts";
import { environmentsQuery } from "./api/environments.ts";
import { firstRunQuery } from "./api/first-run.ts";
import { machineQuery, machinesPageQuery } from "./api/machines.ts";
import { packagesQuery } from "./api/packages.ts";
import { processQuery } from "./api/processes.ts";
import { projectQuery, projectsQuery } from "./api/projects.ts";
import { questionQuery, waitingQuestionsQuery } from "./api/questions.ts";
import { deploymentTemplateQuery, releaseByVersionQuery, releaseProgressionQuery, releaseQuery } from "./api/releases.ts";
import { ApiError } from "./api/request.ts";
import { nodesQuery } from "./api/server-nodes.ts";
import { server } from "./api/server.ts";
import { meQuery } from "./api/session.ts";
import { spacesQuery } from "./api/spaces.ts";
import { taskDetailsQuery, tasksPageQuery } from "./api/tasks.ts";
import { variablesQuery } from "./api/variables.ts";
import { readDashboardSearch } from "./features/dashboard/dashboard-search.ts";
import { readDeploySearch } from "./features/deploy/deploy-search.ts";
import { readPackagesSearch } from "./features/packages/packages-search.ts";
import { readProcessSearch } from "./features/process/process-search.ts";
import { readAddTargetSearch, readTargetsSearch } from "./features/targets/targets-search.ts";
import { readTaskSearch } from "./features/task/task-search.ts";
import { readTasksSearch } from "./features/tasks/tasks-search.ts";
import { readVariablesSearch } from "./features/variables/variables-search.ts";
import { lazyPage } from "./shell/lazy-page.ts";
import { pathOfOldLink } from "./shell/old-links.ts";
import { PageNotFound, PageProblem } from "./shell/page-problems.tsx";
import { rememberSpace, rememberedSpace } from "./shell/remembered-space.ts";

interface RouterContext {
  queries: QueryClient;
}

const root = createRootRouteWithContext<RouterContext>()({});

const start = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/app", replace: true });
  },
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/app/signin",
  validateSearch: (search: Record<string, unknown>): { returnTo?: string; link?: "over" } => ({
    ...(typeof search["returnTo"] === "string" && isOwnPath(search["returnTo"]) ? { returnTo: search["returnTo"] } : {}),
    ...(search["link"] === "over" ? { link: "over" } : {}),
  }),
  // Who clicks the link that signed them in once more is where they want to be.
  beforeLoad: async ({ context, search }) => {
    if (search.link === undefined) return;
    const isSignedIn = await context.queries.ensureQueryData(meQuery).then(
      () => true,
      () => false,
    );
    if (isSignedIn) throw redirect({ to: "/app", replace: true });
  },
  component: lazyPage(() => import("./features/sign-in/sign-in-page.tsx"), "SignInPage"),
});

/** Everything else is for those who are signed in. */
const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: async ({ context, location }) => {
    try {
      return { me: await context.queries.ensureQueryData(meQuery) };
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      const isPlain = location.pathname === "/app" && location.hash === "";
      throw redirect({ to: "/app/signin", search: isPlain ? {} : { returnTo: location.publicHref }, replace: true });
    }
  },
});

const app = createRoute({
  getParentRoute: () => signedIn,
  path: "/app",
  beforeLoad: async ({ context, location }) => {
    const old = pathOfOldLink(location.hash === "" ? "" : `#${location.hash}`);
    if (old !== undefined && old !== "") throw redirect({ href: `${server.base}/app${old}`, replace: true });
    const spaces = await context.queries.ensureQueryData(spacesQuery);
    const last = rememberedSpace();
    const space = spaces.find((one) => one.Id === last) ?? spaces.find((one) => one.IsDefault) ?? spaces[0];
    if (space === undefined)
      throw new ApiError(403, ["You can sign in, but no space is shared with you. Ask an administrator of this server."]);
    throw redirect({ to: "/app/$space", params: { space: space.Id }, replace: true });
  },
});

const space = createRoute({
  getParentRoute: () => signedIn,
  path: "/app/$space",
  beforeLoad: ({ params }) => rememberSpace(params.space),
  component: lazyPage(() => import("./shell/shell.tsx"), "Shell"),
});

const dashboard = createRoute({
  getParentRoute: () => space,
  path: "/",
  validateSearch: readDashboardSearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(dashboardQuery(params.space)),
  component: lazyPage(() => import("./features/dashboard/dashboard-page.tsx"), "DashboardPage"),
});

const project = createRoute({
  getParentRoute: () => space,
  path: "projects/$project",
  validateSearch: readNewSearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(projectQuery(params.space, params.project)),
  component: lazyPage(() => import("./features/project/project-page.tsx"), "ProjectPage"),
});

/** As people write it, and as older links have it. */
const releaseByVersion = createRoute({
  getParentRoute: () => space,
  path: "projects/$project/releases/$version",
  beforeLoad: async ({ context, params }) => {
    const found = await context.queries.fetchQuery(releaseByVersionQuery(params.space, params.project, params.version));
    throw redirect({ to: "/app/$space/releases/$release", params: { space: params.space, release: found.Id }, replace: true });
  },
});

const release = createRoute({
  getParentRoute: () => space,
  path: "releases/$release",
  loader: ({ context, params }) => {
    void context.queries.prefetchQuery(releaseQuery(params.space, params.release));
    void context.queries.prefetchQuery(releaseProgressionQuery(params.space, params.release));
  },
  component: lazyPage(() => import("./features/release/release-page.tsx"), "ReleasePage"),
});

const deploy = createRoute({
  getParentRoute: () => space,
  path: "releases/$release/deploy",
  validateSearch: readDeploySearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(deploymentTemplateQuery(params.space, params.release)),
  component: lazyPage(() => import("./features/deploy/deploy-page.tsx"), "DeployPage"),
});

const task = createRoute({
  getParentRoute: () => space,
  path: "tasks/$task",
  validateSearch: readTaskSearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(taskDetailsQuery(params.space, params.task)),
  component: lazyPage(() => import("./features/task/task-page.tsx"), "TaskPage"),
});

const targets = createRoute({
  getParentRoute: () => space,
  path: "infrastructure/targets",
  validateSearch: readTargetsSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context, params, deps }) => void context.queries.prefetchQuery(machinesPageQuery(params.space, deps)),
  component: lazyPage(() => import("./features/targets/targets-page.tsx"), "TargetsPage"),
});

const addTarget = createRoute({
  getParentRoute: () => space,
  path: "infrastructure/targets/new",
  validateSearch: readAddTargetSearch,
  component: lazyPage(() => import("./features/targets/add-target-page.tsx"), "AddTargetPage"),
});

const target = createRoute({
  getParentRoute: () => space,
  path: "infrastructure/targets/$machine",
  loader: ({ context, params }) => void context.queries.prefetchQuery(machineQuery(params.space, params.machine)),
  component: lazyPage(() => import("./features/targets/target-page.tsx"), "TargetPage"),
});

const packages = createRoute({
  getParentRoute: () => space,
  path: "library/packages",
  validateSearch: readPackagesSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context, params, deps }) => void context.queries.prefetchQuery(packagesQuery(params.space, deps)),
  component: lazyPage(() => import("./features/packages/packages-page.tsx"), "PackagesPage"),
});

const me = createRoute({
  getParentRoute: () => space,
  path: "me",
  component: lazyPage(() => import("./features/profile/profile-page.tsx"), "ProfilePage"),
});

const tasks = createRoute({
  getParentRoute: () => space,
  path: "tasks",
  validateSearch: readTasksSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context, params, deps }) => void context.queries.prefetchQuery(tasksPageQuery(params.space, deps)),
  component: lazyPage(() => import("./features/tasks/tasks-page.tsx"), "TasksPage"),
});

const cluster = createRoute({
  getParentRoute: () => space,
  path: "cluster",
  loader: ({ context }) => void context.queries.prefetchQuery(nodesQuery),
  component: lazyPage(() => import("./features/cluster/cluster-page.tsx"), "ClusterPage"),
});

const approvals = createRoute({
  getParentRoute: () => space,
  path: "approvals",
  loader: ({ context, params }) => void context.queries.prefetchQuery(waitingQuestionsQuery(params.space)),
  component: lazyPage(() => import("./features/approvals/approvals-page.tsx"), "ApprovalsPage"),
});

const question = createRoute({
  getParentRoute: () => space,
  path: "approvals/$question",
  loader: ({ context, params }) => void context.queries.prefetchQuery(questionQuery(params.space, params.question)),
  component: lazyPage(() => import("./features/approvals/question-page.tsx"), "QuestionPage"),
});

const process = createRoute({
  getParentRoute: () => space,
  path: "projects/$project/process",
  validateSearch: readProcessSearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(processQuery(params.space, params.project)),
  component: lazyPage(() => import("./features/process/process-page.tsx"), "ProcessPage"),
});

const variables = createRoute({
  getParentRoute: () => space,
  path: "projects/$project/variables",
  validateSearch: readVariablesSearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(variablesQuery(params.space, params.project)),
  component: lazyPage(() => import("./features/variables/variables-page.tsx"), "VariablesPage"),
});

const projects = createRoute({
  getParentRoute: () => space,
  path: "projects",
  validateSearch: readNewSearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(projectsQuery(params.space)),
  component: lazyPage(() => import("./features/projects/projects-page.tsx"), "ProjectsPage"),
});

const environments = createRoute({
  getParentRoute: () => space,
  path: "infrastructure/environments",
  validateSearch: readNewSearch,
  loader: ({ context, params }) => void context.queries.prefetchQuery(environmentsQuery(params.space)),
  component: lazyPage(() => import("./features/environments/environments-page.tsx"), "EnvironmentsPage"),
});

const firstRun = createRoute({
  getParentRoute: () => space,
  path: "start",
  loader: ({ context, params }) => void context.queries.prefetchQuery(firstRunQuery(params.space)),
  component: lazyPage(() => import("./features/first-run/first-run-page.tsx"), "FirstRunPage"),
});

const tree = root.addChildren([
  start,
  signIn,
  signedIn.addChildren([
    app,
    space.addChildren([
      dashboard,
      project,
      releaseByVersion,
      release,
      deploy,
      task,
      targets,
      addTarget,
      target,
      packages,
      cluster,
      me,
      tasks,
      approvals,
      question,
      process,
      variables,
      projects,
      environments,
      firstRun,
    ]),
  ]),
]);

/** Whether the dialog in which something new is made stands open. */
function readNewSearch(search: Record<string, unknown>): { new?: true } {
  return search["new"] === true ? { new: true } : {};
}

/** Only addresses of this portal: a link to the sign-in page must not lead elsewhere afterwards. */
function isOwnPath(text: string): boolean {
  return text.startsWith(`${server.base}/app/`) && !text.includes("\\");
}

export function createPortalRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    basepath: server.base === "" ? "/" : server.base,
    context: { queries },
    defaultPreload: "intent",
    defaultPreloadStaleTime: 0,
    defaultErrorComponent: PageProblem,
    defaultNotFoundComponent: PageNotFound,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createPortalRouter>;
  }
}

declare module "react-aria-components" {
  interface RouterConfig {
    href: ToOptions;
    routerOptions: Omit<NavigateOptions, keyof ToOptions>;
  }
}
