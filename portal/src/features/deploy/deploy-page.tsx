// Deploying a release: where to, what will be replaced there, what will run on which machines, what is asked of the person; then one
// deployment for each environment.

import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, getRouteApi, useRouter } from "@tanstack/react-router";
import { useMemo, useRef, useState } from "react";
import { createDeployment } from "../../api/deployments.ts";
import type { Deployment, DeploymentTemplate, Progression, Release } from "../../api/documents.ts";
import { newIdempotencyKey } from "../../api/idempotency-key.ts";
import { newerThere, progressionQuery, projectQuery, releaseThere } from "../../api/projects.ts";
import { deploymentTemplateQuery, releaseQuery } from "../../api/releases.ts";
import { isUnknown } from "../../api/request.ts";
import { isolated } from "../../design/isolated.ts";
import { Button } from "../../design/button.tsx";
import { Checkbox, TextField } from "../../design/field.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { useNarrowed } from "../../design/narrowing.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageColumn, PageHeader, Panel } from "../../design/page.tsx";
import { EmptyState, ErrorPanel, Skeleton } from "../../design/view-states.tsx";
import css from "./deploy-page.module.css";
import { environmentsMax } from "./deploy-search.ts";
import { EnvironmentPreview } from "./environment-preview.tsx";
import type { Answers } from "./environment-preview.tsx";
import { ReleaseDifferences } from "./release-differences.tsx";
import { StartTimePanel, startTimeBody, startTimeFault } from "./start-time.tsx";
import type { StartTime } from "./start-time.tsx";

const route = getRouteApi("/signed-in/app/$space/releases/$release/deploy");

/** Environments drawn at once, beside those that are chosen. */
const boxesMax = 50;

export function DeployPage() {
  const { space, release } = route.useParams();
  const query = useQuery(releaseQuery(space, release));
  const template = useQuery(deploymentTemplateQuery(space, release));
  return (
    <Loaded query={query} what="The release" skeleton={<Skeleton height="20rem" />}>
      {(found) => (
        <Loaded query={template} what="Where the release may go" skeleton={<Skeleton height="20rem" />}>
          {(where) => <DeployForm space={space} release={found} template={where} />}
        </Loaded>
      )}
    </Loaded>
  );
}

function DeployForm({ space, release, template }: { space: string; release: Release; template: DeploymentTemplate }) {
  const { to = [] } = route.useSearch();
  const navigate = route.useNavigate();
  const router = useRouter();
  const { data: project } = useQuery(projectQuery(space, release.ProjectId));
  const { data: progression } = useQuery(progressionQuery(space, release.ProjectId));
  const possible = template.PromoteTo;
  // The only choice there is need not be made.
  const chosen = useMemo(() => (possible.length === 1 ? possible : possible.filter(({ Id }) => to.includes(Id))), [possible, to]);
  const newer = (environment: string): Release | undefined =>
    progression === undefined ? undefined : newerThere(progression, environment, release);
  const goesBack = chosen.length > 0 && chosen.every(({ Id }) => newer(Id) !== undefined);
  const [answers, setAnswers] = useState<Readonly<Record<string, Answers>>>({});
  const [comments, setComments] = useState("");
  const [start, setStart] = useState<StartTime>(null);
  const startFault = startTimeFault(start);
  /** What was made already when one of several failed, and the name of each wish. Other words are another wish. */
  const made = useRef(new Map<string, Deployment>());
  const wishes = useRef(new Map<string, { text: string; key: string }>());

  const deploy = useMutation({
    mutationFn: async () => {
      // Where it may go can be another list before the answer is here; what was chosen stays chosen.
      if (possible.length === 1) await navigate({ search: { to: chosen.map(({ Id }) => Id) }, replace: true, resetScroll: false });
      for (const { Id } of chosen) {
        if (made.current.has(Id)) continue;
        const own = answers[Id];
        const body = {
          ReleaseId: release.Id,
          EnvironmentId: Id,
          ...startTimeBody(start),
          ...(comments.trim() === "" ? {} : { Comments: comments }),
          ...(own === undefined ? {} : { FormValues: own.values, SkipActions: [...own.skipped] }),
          ...(own?.guidedFailure === undefined ? {} : { UseGuidedFailure: own.guidedFailure }),
        };
        const text = JSON.stringify(body);
        const known = wishes.current.get(Id);
        const key = known?.text === text ? known.key : newIdempotencyKey();
        wishes.current.set(Id, { text, key });
        try {
          made.current.set(Id, await createDeployment(space, body, key));
        } catch (error) {
          // What was refused is asked anew; what may have arrived keeps its name.
          if (!isUnknown(error)) wishes.current.delete(Id);
          throw error;
        }
      }
      return chosen.map(({ Id }) => made.current.get(Id)!);
    },
    onSuccess: async (deployments) => {
      const [only] = deployments;
      if (deployments.length === 1 && only !== undefined)
        await router.navigate({ to: "/app/$space/tasks/$task", params: { space, task: only.TaskId } });
      else await router.navigate({ to: "/app/$space/projects/$project", params: { space, project: project?.Slug ?? release.ProjectId } });
    },
  });

  const { shown, field } = useNarrowed(possible, {
    label: "Find environments",
    max: boxesMax,
    textOf: ({ Name }) => Name,
    isKept: ({ Id }) => chosen.some((one) => one.Id === Id),
  });
  const isFull = to.length >= environmentsMax;
  const replaced = useMemo(() => replacedTexts(progression, release), [progression, release]);

  const toggle = (id: string, isChosen: boolean): void =>
    void navigate({ search: { to: isChosen ? [...to, id] : to.filter((one) => one !== id) }, replace: true, resetScroll: false });

  return (
    <PageColumn>
      <PageHeader
        title={goesBack ? `Roll back to release ${release.Version}` : `Deploy release ${release.Version}`}
        within={project === undefined ? [] : [project.Name]}
        above={
          <Link to="/app/$space/releases/$release" params={{ space, release: release.Id }}>
            {isolated(project?.Name ?? "Project")}, release {release.Version}
          </Link>
        }
      />
      {template.IsDeploymentProcessModified && (
        <Notice>The project's steps were changed after this release was made. The release runs the steps as they were.</Notice>
      )}
      {(template.IsVariableSetModified || template.IsLibraryVariableSetModified) && (
        <Notice kind="warning">Variables were changed after this release was made. The release uses their values from then.</Notice>
      )}
      {possible.length === 0 ? (
        <EmptyState title="This release may go nowhere now">
          {template.TenantPromotions.length > 0
            ? "This project is deployed for tenants only."
            : "Each phase of the lifecycle has to be completed before the next, and a release that is held back goes no further."}
        </EmptyState>
      ) : (
        <>
          <Panel title="Where to">
            {field}
            {isFull && <Notice>No more than {environmentsMax} environments are chosen at once.</Notice>}
            <div className={css["choices"]} role="group" aria-label="Environments">
              {shown.map(({ Id, Name }) => (
                <Checkbox
                  key={Id}
                  isSelected={chosen.some((one) => one.Id === Id)}
                  isDisabled={possible.length === 1 || made.current.has(Id) || (isFull && !to.includes(Id))}
                  onChange={(isChosen) => toggle(Id, isChosen)}
                >
                  {Name}
                  <span className="muted"> {replaced(Id)}</span>
                </Checkbox>
              ))}
            </div>
          </Panel>
          {chosen.map(({ Id, Name }) => (
            <EnvironmentPreview
              key={Id}
              space={space}
              release={release.Id}
              environment={{ id: Id, name: Name }}
              answers={answers[Id]}
              onChange={(next) => setAnswers((before) => ({ ...before, [Id]: next }))}
            >
              <Replaced space={space} environment={Name} release={release} there={progression && releaseThere(progression, Id)} />
            </EnvironmentPreview>
          ))}
          <StartTimePanel start={start} onChange={setStart} />
          <Panel>
            <TextField label="Comment" value={comments} onChange={setComments} rows={2} help="Stands beside the deployment for ever." />
          </Panel>
          {deploy.isError && (
            <ErrorPanel
              title={
                isUnknown(deploy.error)
                  ? "It is not known whether the deployment was started; pressing again without another change starts no second one"
                  : made.current.size > 0
                    ? `${made.current.size} of ${chosen.length} deployments were started, then one was refused`
                    : "Nothing was deployed"
              }
              error={deploy.error}
            />
          )}
          <div className={css["actions"]}>
            <Button
              weight="primary"
              isDisabled={chosen.length === 0 || startFault !== undefined}
              isPending={deploy.isPending}
              onPress={() => deploy.mutate()}
            >
              {chosen.length <= 1
                ? chosen[0] === undefined
                  ? "Deploy"
                  : goesBack
                    ? `Roll back ${isolated(chosen[0].Name)} to ${release.Version}`
                    : `Deploy to ${isolated(chosen[0].Name)}`
                : `Deploy to ${chosen.length} environments`}
            </Button>
            {chosen.length === 0 ? (
              <span className="muted">Choose at least one environment.</span>
            ) : (
              start !== null && <span className="muted">{startFault ?? "It waits for its time; until then it can be cancelled."}</span>
            )}
          </div>
        </>
      )}
    </PageColumn>
  );
}

/** What is in an environment now. */
function replacedTexts(progression: Progression | undefined, release: Release): (environment: string) => string {
  if (progression === undefined) return () => "";
  const current = new Map<string, Release>();
  for (const { Release: other, Deployments } of progression.Releases)
    for (const [environment, items] of Object.entries(Deployments))
      if (!current.has(environment) && items.some((one) => one.IsCurrent)) current.set(environment, other);
  return (environment) => {
    const other = current.get(environment);
    if (other === undefined) return `nothing → ${release.Version}`;
    return other.Id === release.Id ? `${other.Version} is there already` : `${other.Version} → ${release.Version}`;
  };
}

/** What a deployment replaces, when that is another release. */
function Replaced(props: { space: string; environment: string; release: Release; there: Release | undefined }) {
  const { space, environment, release, there } = props;
  if (there === undefined || there.Id === release.Id) return null;
  return (
    <>
      {Date.parse(there.Assembled) > Date.parse(release.Assembled) && (
        <Notice kind="warning">
          <strong>This goes back.</strong> {environment} has release {there.Version}, which is newer than {release.Version}.
        </Notice>
      )}
      <ReleaseDifferences space={space} before={there} after={release} />
    </>
  );
}
