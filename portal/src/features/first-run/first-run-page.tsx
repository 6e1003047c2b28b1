// From an empty server to a first deployment: five steps that tick themselves, each with the way to the page where it is done. One may leave
// and come back at any time.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import type { ReactNode } from "react";
import { firstRunQuery } from "../../api/first-run.ts";
import type { FirstRun } from "../../api/first-run.ts";
import { isolated } from "../../design/isolated.ts";
import { ButtonLink } from "../../design/button.tsx";
import { joined } from "../../design/class-names.ts";
import { Loaded } from "../../design/loaded.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageHeader } from "../../design/page.tsx";
import { Skeleton } from "../../design/view-states.tsx";
import css from "./first-run-page.module.css";

const route = getRouteApi("/signed-in/app/$space/start");

export function FirstRunPage() {
  const { space } = route.useParams();
  const query = useQuery(firstRunQuery(space));
  return (
    <div className={css["page"]}>
      <PageHeader title="First steps" beside={<p className="muted">From an empty server to a first deployment.</p>} />
      <Loaded query={query} what="How far this space is" skeleton={<Skeleton height="24rem" />}>
        {(state) => <Steps space={space} state={state} />}
      </Loaded>
    </div>
  );
}

interface Step {
  id: string;
  title: string;
  text: string;
  isDone: boolean;
  /** It can be left out. */
  isOptional?: boolean;
  /** What has to be done before; undefined: nothing. */
  needs?: string;
  way(weight: { weight?: "primary" }): ReactNode;
}

function Steps({ space, state }: { space: string; state: FirstRun }) {
  const { project, release } = state;
  const steps: Step[] = [
    {
      id: "environment",
      title: "An environment",
      text: "A group of machines that get a release together, such as Test or Production.",
      isDone: state.hasEnvironment,
      way: (weight) => (
        <ButtonLink
          {...weight}
          href={{ to: "/app/$space/infrastructure/environments", params: { space }, search: state.hasEnvironment ? {} : { new: true } }}
        >
          {state.hasEnvironment ? "Environments" : "New environment"}
        </ButtonLink>
      ),
    },
    {
      id: "target",
      title: "A target",
      text: "A machine with an agent. Without one a script can run on the server itself.",
      isDone: state.hasTarget,
      isOptional: true,
      ...(state.hasEnvironment ? {} : { needs: "a target belongs to an environment" }),
      way: (weight) => (
        <ButtonLink
          {...weight}
          href={{
            to: state.hasTarget ? "/app/$space/infrastructure/targets" : "/app/$space/infrastructure/targets/new",
            params: { space },
          }}
        >
          {state.hasTarget ? "Targets" : "Add a target"}
        </ButtonLink>
      ),
    },
    {
      id: "project",
      title: "A project with a step",
      text: "What is deployed. Add a step that runs a script; it may be a single line.",
      isDone: state.hasSteps,
      way: (weight) =>
        project === undefined ? (
          <ButtonLink {...weight} href={{ to: "/app/$space/projects", params: { space }, search: { new: true } }}>
            New project
          </ButtonLink>
        ) : (
          <ButtonLink {...weight} href={{ to: "/app/$space/projects/$project/process", params: { space, project: project.Slug } }}>
            {state.hasSteps ? "Process" : `Add a step to ${isolated(project.Name)}`}
          </ButtonLink>
        ),
    },
    {
      id: "release",
      title: "A release",
      text: "It freezes steps, variables and packages under a version, to be deployed unchanged from one environment to the next.",
      isDone: release !== undefined,
      ...(state.hasSteps ? {} : { needs: "a release is made of a project's steps" }),
      way: (weight) =>
        project !== undefined && (
          <ButtonLink {...weight} href={{ to: "/app/$space/projects/$project", params: { space, project: project.Slug } }}>
            {release === undefined ? `Create a release of ${isolated(project.Name)}` : "Releases"}
          </ButtonLink>
        ),
    },
    {
      id: "deployment",
      title: "A deployment",
      text: "The release goes to an environment, and you watch its log.",
      isDone: state.hasDeployment,
      ...(release === undefined || !state.hasEnvironment ? { needs: "a release goes to an environment" } : {}),
      way: (weight) =>
        release !== undefined && (
          <ButtonLink {...weight} href={{ to: "/app/$space/releases/$release/deploy", params: { space, release: release.Id } }}>
            {state.hasDeployment ? "Deploy again" : `Deploy ${release.Version}`}
          </ButtonLink>
        ),
    },
  ];
  const next = steps.find((step) => !step.isDone && step.needs === undefined && step.isOptional !== true);
  const done = steps.filter((step) => step.isDone).length;
  return (
    <>
      <p role="status" className={css["status"]}>
        {done} of {steps.length} are done.
      </p>
      {state.hasDeployment && (
        <Notice
          kind="good"
          actions={
            <ButtonLink weight="primary" href={{ to: "/app/$space", params: { space } }}>
              Dashboard
            </ButtonLink>
          }
        >
          <strong>The first deployment is made.</strong> The dashboard shows what is where.
        </Notice>
      )}
      <ol className={css["steps"]}>
        {steps.map((step, index) => (
          <li key={step.id} className={joined(css["step"], step === next && css["next"])} aria-current={step === next ? "step" : undefined}>
            <span className={css["mark"]}>
              {step.isDone ? (
                <CircleCheck size={24} role="img" aria-label="Done" className={css["done"]} />
              ) : (
                <span className={css["number"]} aria-hidden>
                  {index + 1}
                </span>
              )}
            </span>
            <div className={css["what"]}>
              <h2>{step.title}</h2>
              <p className="muted">{step.text}</p>
              {!step.isDone && step.needs !== undefined && <p className="muted small">Comes later: {step.needs}.</p>}
            </div>
            {(step.isDone || step.needs === undefined) && step.way(step === next ? { weight: "primary" } : {})}
          </li>
        ))}
      </ol>
    </>
  );
}
