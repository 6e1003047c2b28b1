// A project: its releases and where each of them is, what may go where next, and a new release.

import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import type { DashboardItem, Progression, Project, Release } from "../../api/documents.ts";
import { newerThere, progressionQuery, projectQuery } from "../../api/projects.ts";
import { isolated } from "../../design/isolated.ts";
import { Button, ButtonLink } from "../../design/button.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { useNarrowed } from "../../design/narrowing.tsx";
import { PageHeader } from "../../design/page.tsx";
import { StateLabel, shownState } from "../../design/state-label.tsx";
import { Table } from "../../design/table.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import { ProjectTabs } from "../../shell/project-tabs.tsx";
import { NewReleaseDialog } from "./new-release-dialog.tsx";
import css from "./project-page.module.css";

const route = getRouteApi("/signed-in/app/$space/projects/$project");

/** Environments drawn at once. */
const columnsMax = 30;

export function ProjectPage() {
  const { space, project } = route.useParams();
  const query = useQuery(projectQuery(space, project));
  return (
    <Loaded query={query} what="The project" skeleton={<Skeleton height="20rem" />}>
      {(found) => <Overview space={space} project={found} />}
    </Loaded>
  );
}

function Overview({ space, project }: { space: string; project: Project }) {
  const query = useQuery(progressionQuery(space, project.Id));
  const { new: isMaking } = route.useSearch();
  const navigate = route.useNavigate();
  const make = (): void => void navigate({ search: { new: true } });
  return (
    <>
      <PageHeader
        title={project.Name}
        within={["Projects"]}
        above={
          <Link to="/app/$space/projects" params={{ space }}>
            Projects
          </Link>
        }
        beside={project.Description !== "" && <p className="muted">{project.Description}</p>}
        actions={
          <Button weight="primary" onPress={make}>
            Create release
          </Button>
        }
      />
      <ProjectTabs space={space} project={project.Slug} />
      <Loaded query={query} what="The project's releases" skeleton={<Skeleton height="20rem" />}>
        {(progression) =>
          progression.Releases.length === 0 ? (
            <EmptyState
              title="No releases yet"
              action={
                <Button weight="primary" onPress={make}>
                  Create the first release
                </Button>
              }
            >
              A release freezes the steps, the variables and the packages of a project under a version, to be deployed unchanged from one
              environment to the next.
            </EmptyState>
          ) : (
            <Releases space={space} progression={progression} />
          )
        }
      </Loaded>
      <NewReleaseDialog
        space={space}
        project={project}
        isOpen={isMaking === true}
        onLeave={() => void navigate({ search: {}, replace: true })}
      />
    </>
  );
}

function Releases({ space, progression }: { space: string; progression: Progression }) {
  const { shown: environments, field } = useNarrowed(progression.Environments, {
    label: "Find environments",
    max: columnsMax,
    textOf: ({ Name }) => Name,
    isPreferred: ({ Id }) => progression.Releases.some(({ Deployments }) => Deployments[Id] !== undefined),
  });
  const hasChannels = new Set(progression.Releases.map(({ Release }) => Release.ChannelId)).size > 1;
  const table = (
    <Table label="Releases and where they are" columns={["Release", ...environments.map(({ Name }) => Name)]}>
      {progression.Releases.map(
        ({ Release: release, Channel: channel, Deployments: deployments, NextDeployments: next, HasUnresolvedDefect }) => (
          <tr key={release.Id}>
            <th scope="row" className={css["release"]}>
              <Link to="/app/$space/releases/$release" params={{ space, release: release.Id }} className="tabular">
                {release.Version}
              </Link>
              <div className="muted small">
                {hasChannels && channel && <>{isolated(channel.Name)}, </>}
                <TimeText at={release.Assembled} />
                {HasUnresolvedDefect && <> · held back</>}
              </div>
            </th>
            {environments.map(({ Id, Name }) => (
              <td key={Id} className={css["cell"]}>
                <Cell space={space} items={deployments[Id] ?? []} />
                {next.includes(Id) && (deployments[Id] ?? []).every((one) => one.IsCompleted) && (
                  <Link
                    to="/app/$space/releases/$release/deploy"
                    params={{ space, release: release.Id }}
                    search={{ to: [Id] }}
                    className={css["next"]}
                    aria-label={`Deploy ${release.Version} to ${isolated(Name)}`}
                  >
                    Deploy …
                  </Link>
                )}
                <Again space={space} progression={progression} release={release} environment={{ Id, Name }} next={next} />
              </td>
            ))}
          </tr>
        ),
      )}
    </Table>
  );
  return (
    <>
      {field}
      {table}
    </>
  );
}

/** A release that was there and is no more can be there again. */
function Again(props: {
  space: string;
  progression: Progression;
  release: Release;
  environment: { Id: string; Name: string };
  next: string[];
}) {
  const { space, progression, release, environment, next } = props;
  const item = progression.Releases.find((one) => one.Release.Id === release.Id)?.Deployments[environment.Id]?.[0];
  if (item === undefined || item.State !== "Success" || item.IsCurrent || next.includes(environment.Id)) return null;
  const goesBack = newerThere(progression, environment.Id, release) !== undefined;
  return (
    <ButtonLink
      weight="quiet"
      aria-label={
        goesBack ? `Roll back ${environment.Name} to ${release.Version}` : `Deploy again ${release.Version} to ${environment.Name}`
      }
      href={{ to: "/app/$space/releases/$release/deploy", params: { space, release: release.Id }, search: { to: [environment.Id] } }}
    >
      {goesBack ? "Roll back …" : "Deploy again …"}
    </ButtonLink>
  );
}

function Cell({ space, items }: { space: string; items: readonly DashboardItem[] }) {
  const item = items[0];
  if (item === undefined) return null;
  return (
    <Link to="/app/$space/tasks/$task" params={{ space, task: item.TaskId }} className={css["state"]}>
      <StateLabel state={shownState(item)} isShort />
      <span className="muted small">
        {item.IsCurrent ? "" : "replaced, "}
        <TimeText at={item.CompletedTime ?? item.Created} />
        {items.length > 1 && ` · ${items.length} tenants`}
      </span>
    </Link>
  );
}
