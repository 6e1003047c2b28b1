// A release: what is in it, how far it has come through its lifecycle, and where it may go next.

import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import type { Progression, Release, ReleaseProgression } from "../../api/documents.ts";
import { newerThere, progressionQuery, projectQuery } from "../../api/projects.ts";
import { environmentsQuery } from "../../api/environments.ts";
import { releaseProgressionQuery, releaseQuery } from "../../api/releases.ts";
import { isolated } from "../../design/isolated.ts";
import { ButtonLink } from "../../design/button.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { MarkdownText } from "../../design/markdown-text.tsx";
import { Notice } from "../../design/notice.tsx";
import { useNarrowed } from "../../design/narrowing.tsx";
import { PageHeader, Panel } from "../../design/page.tsx";
import { StateLabel } from "../../design/state-label.tsx";
import { Table } from "../../design/table.tsx";
import { TimeText, durationText } from "../../design/time-text.tsx";
import { Skeleton } from "../../design/view-states.tsx";
import css from "./release-page.module.css";

const route = getRouteApi("/signed-in/app/$space/releases/$release");

/** Environments of a phase that are drawn at once. */
const environmentsMax = 30;
/** The standard lifecycle has a phase for each environment. */
const phasesMax = 20;

export function ReleasePage() {
  const { space, release } = route.useParams();
  const query = useQuery(releaseQuery(space, release));
  return (
    <Loaded query={query} what="The release" skeleton={<Skeleton height="20rem" />}>
      {(found) => <ReleaseView space={space} release={found} />}
    </Loaded>
  );
}

function ReleaseView({ space, release }: { space: string; release: Release }) {
  const { data: project } = useQuery(projectQuery(space, release.ProjectId));
  const progression = useQuery(releaseProgressionQuery(space, release.Id));
  const next = progression.data?.NextDeployments ?? [];
  return (
    <>
      <PageHeader
        title={`Release ${release.Version}`}
        within={[project?.Name ?? "", "Releases"].filter((part) => part !== "")}
        above={
          <Link to="/app/$space/projects/$project" params={{ space, project: project?.Slug ?? release.ProjectId }}>
            {project?.Name ?? "Project"}
          </Link>
        }
        beside={
          <p className="muted">
            Made <TimeText at={release.Assembled} />
          </p>
        }
        actions={
          <ButtonLink
            {...(next.length > 0 ? { weight: "primary" as const } : {})}
            href={{
              to: "/app/$space/releases/$release/deploy",
              params: { space, release: release.Id },
              search: next.length === 1 ? { to: next } : {},
            }}
          >
            {next.length > 0 ? "Deploy …" : "Deploy again …"}
          </ButtonLink>
        }
      />
      {progression.data?.HasUnresolvedDefect === true && (
        <Notice kind="warning">
          <strong>This release is held back.</strong> Somebody reported a defect; until that is resolved it goes to no further environment.
        </Notice>
      )}
      <Panel title="Progress">
        <Loaded query={progression} what="The progress" skeleton={<Skeleton height="8rem" />}>
          {(data) => <Progress space={space} progression={data} release={release} />}
        </Loaded>
      </Panel>
      {release.ReleaseNotes !== null && release.ReleaseNotes.trim() !== "" && (
        <Panel title="Notes">
          <MarkdownText text={release.ReleaseNotes} />
        </Panel>
      )}
      {release.SelectedPackages.length > 0 && (
        <Panel title="Packages">
          <Table label="Packages of this release" columns={["Step", "Version"]}>
            {release.SelectedPackages.map((one, index) => (
              <tr key={index}>
                <td>
                  {one.ActionName ?? one.StepName}
                  {Boolean(one.PackageReferenceName) && <span className="muted"> ({one.PackageReferenceName})</span>}
                </td>
                <td className="tabular">{one.Version}</td>
              </tr>
            ))}
          </Table>
        </Panel>
      )}
    </>
  );
}

const progressWords = { Pending: "not reached", Current: "open", Complete: "complete" } as const;

function Progress({ space, progression, release }: { space: string; progression: ReleaseProgression; release: Release }) {
  const { data: environments = [] } = useQuery(environmentsQuery(space));
  const { data: project } = useQuery(progressionQuery(space, release.ProjectId));
  const names = new Map(environments.map(({ Id, Name }) => [Id, Name]));
  const nameOf = (id: string): string => names.get(id) ?? id;
  const { shown, field } = useNarrowed(progression.Phases, {
    label: "Find phases",
    max: phasesMax,
    textOf: (phase) => [phase.Name, ...environmentsOf(phase).map(nameOf)].join("\n"),
    isPreferred: (phase) => phase.Progress !== "Pending",
  });
  return (
    <>
      {field}
      <ol className={css["phases"]}>
        {shown.map((phase) => (
          <Phase
            key={phase.Id}
            space={space}
            phase={phase}
            next={progression.NextDeployments}
            release={release}
            project={project}
            nameOf={nameOf}
          />
        ))}
      </ol>
    </>
  );
}

type ProgressPhase = ReleaseProgression["Phases"][number];

const environmentsOf = (phase: ProgressPhase): readonly string[] => [
  ...phase.AutomaticDeploymentTargets,
  ...phase.OptionalDeploymentTargets,
];

interface PhaseProps {
  space: string;
  phase: ProgressPhase;
  next: readonly string[];
  release: Release;
  /** Undefined until it is known. */
  project: Progression | undefined;
  nameOf(id: string): string;
}

function Phase({ space, phase, next, release, project, nameOf }: PhaseProps) {
  const { shown, field } = useNarrowed(environmentsOf(phase), {
    label: `Find environments of ${phase.Name}`,
    max: environmentsMax,
    textOf: nameOf,
    isPreferred: (id) => phase.Deployments.some(({ Deployment }) => Deployment.EnvironmentId === id),
  });
  return (
    <li className={css["phase"]}>
      <h3>
        {phase.Name} <span className="muted small">{progressWords[phase.Progress]}</span>
      </h3>
      {field}
      <ul className={css["environments"]}>
        {shown.map((id) => {
          const here = phase.Deployments.filter(({ Deployment }) => Deployment.EnvironmentId === id);
          const newest = here.toSorted((one, other) => other.Deployment.Created.localeCompare(one.Deployment.Created))[0];
          return (
            <li key={id} className={css["environment"]}>
              <strong>{nameOf(id)}</strong>
              {newest === undefined ? (
                <StateLabel state="None" />
              ) : (
                <Link to="/app/$space/tasks/$task" params={{ space, task: newest.Task.Id }} className={css["state"]}>
                  <StateLabel state={stateOf(newest.Task)} />
                  <span className="muted small">
                    <TimeText at={newest.Task.CompletedTime ?? newest.Task.StartTime ?? newest.Task.QueueTime} />
                    {newest.Task.StartTime !== null &&
                      newest.Task.CompletedTime !== null &&
                      `, took ${durationText(Date.parse(newest.Task.CompletedTime) - Date.parse(newest.Task.StartTime))}`}
                  </span>
                </Link>
              )}
              {next.includes(id) && (
                <ButtonLink
                  aria-label={`Deploy to ${isolated(nameOf(id))}`}
                  href={{ to: "/app/$space/releases/$release/deploy", params: { space, release: release.Id }, search: { to: [id] } }}
                >
                  Deploy …
                </ButtonLink>
              )}
              {newest?.Task.State === "Success" && project !== undefined && newerThere(project, id, release) !== undefined && (
                <ButtonLink
                  aria-label={`Roll back ${isolated(nameOf(id))} to ${release.Version}`}
                  href={{ to: "/app/$space/releases/$release/deploy", params: { space, release: release.Id }, search: { to: [id] } }}
                >
                  Roll back …
                </ButtonLink>
              )}
            </li>
          );
        })}
      </ul>
    </li>
  );
}

function stateOf(task: ProgressPhase["Deployments"][number]["Task"]) {
  const known = ["Queued", "Executing", "Cancelling", "Failed", "Canceled", "TimedOut"] as const;
  if (task.State === "Success") return task.HasWarningsOrErrors ? "SuccessWithWarnings" : "Success";
  return known.find((one) => one === task.State) ?? "None";
}
