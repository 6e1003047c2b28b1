// The steps from an empty space to its first deployment: which are done, which comes next, and where each is done. Pure.

import type { ToOptions } from "@tanstack/react-router";
import type { FirstRun } from "../api/first-run.ts";
import { isolated } from "../design/isolated.ts";

export interface FirstStep {
  id: string;
  title: string;
  text: string;
  isDone: boolean;
  /** It can be left out. */
  isOptional?: boolean;
  /** What has to be done before; undefined: nothing. */
  needs?: string;
  /** Undefined: nothing can be done for it now. */
  way?: { label: string; href: ToOptions };
}

export interface FirstSteps {
  steps: readonly FirstStep[];
  /** Undefined when all is done, or only waited for. */
  next: FirstStep | undefined;
  done: number;
}

export function firstSteps(space: string, state: FirstRun): FirstSteps {
  const { project, release, deployment } = state;
  const params = { space };
  const steps: FirstStep[] = [
    {
      id: "environment",
      title: "An environment",
      text: "A group of machines that get a release together, such as Test or Production.",
      isDone: state.hasEnvironment,
      way: state.hasEnvironment
        ? { label: "Environments", href: { to: "/app/$space/infrastructure/environments", params } }
        : { label: "New environment", href: { to: "/app/$space/infrastructure/environments", params, search: { new: true } } },
    },
    {
      id: "target",
      title: "A target",
      text: "A machine with an agent. Without one a script can run on the server itself.",
      isDone: state.hasTarget,
      isOptional: true,
      ...(state.hasEnvironment ? {} : { needs: "a target belongs to an environment" }),
      way: state.hasTarget
        ? { label: "Targets", href: { to: "/app/$space/infrastructure/targets", params } }
        : { label: "Add a target", href: { to: "/app/$space/infrastructure/targets/new", params } },
    },
    {
      id: "project",
      title: "A project with a step",
      text: "What is deployed. Add a step that runs a script; it may be a single line.",
      isDone: state.hasSteps,
      way:
        project === undefined
          ? { label: "New project", href: { to: "/app/$space/projects", params, search: { new: true } } }
          : {
              label: state.hasSteps ? "Process" : `Add a step to ${isolated(project.Name)}`,
              href: { to: "/app/$space/projects/$project/process", params: { space, project: project.Slug } },
            },
    },
    {
      id: "release",
      title: "A release",
      text: "It freezes steps, variables and packages under a version, to be deployed unchanged from one environment to the next.",
      isDone: release !== undefined,
      ...(state.hasSteps ? {} : { needs: "a release is made of a project's steps" }),
      ...(project === undefined
        ? {}
        : {
            way:
              release === undefined
                ? {
                    label: `Create a release of ${isolated(project.Name)}`,
                    href: { to: "/app/$space/projects/$project", params: { space, project: project.Slug }, search: { new: true } },
                  }
                : { label: "Releases", href: { to: "/app/$space/projects/$project", params: { space, project: project.Slug } } },
          }),
    },
    {
      id: "deployment",
      title: "A deployment",
      text:
        deployment === "made"
          ? "It is under way, or has failed: its log tells. This step is done when one has succeeded."
          : "The release goes to an environment, and you watch its log.",
      isDone: deployment === "succeeded",
      ...(release === undefined || !state.hasEnvironment ? { needs: "a release goes to an environment" } : {}),
      ...(release === undefined
        ? {}
        : {
            way: {
              label: deployment === "none" ? `Deploy ${release.Version}` : "Deploy again",
              href: { to: "/app/$space/releases/$release/deploy", params: { space, release: release.Id } },
            },
          }),
    },
  ];
  const isPassed = (at: number): boolean => steps.slice(at + 1).some((step) => step.isDone);
  const next = steps.find(
    (step, at) => !step.isDone && step.needs === undefined && step.way !== undefined && !(step.isOptional === true && isPassed(at)),
  );
  return {
    steps,
    next: next?.id === "deployment" && deployment === "made" ? undefined : next,
    done: steps.filter((step) => step.isDone).length,
  };
}
