// Deployments: which one a task carries out, what one would do, and making them.

import { queryOptions, skipToken } from "@tanstack/react-query";
import type { Deployment, DeploymentBody, DeploymentPreview, ServerTask } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path } from "./request.ts";

/** The deployment that a task carries out; asks nothing for tasks of another kind. */
export const deploymentOfTaskQuery = (space: string, task: ServerTask) => {
  const id = task.Arguments["DeploymentId"];
  return queryOptions({
    queryKey: keyOf("deployment", space, typeof id === "string" ? id : null),
    queryFn: typeof id === "string" ? ({ signal }) => api.get<Deployment>(path`/${space}/deployments/${id}`, { signal }) : skipToken,
    staleTime: 5 * 60_000,
  });
};

export const deploymentPreviewQuery = (space: string, release: string, environment: string) =>
  queryOptions({
    queryKey: keyOf("deployment-preview", space, release, environment),
    queryFn: ({ signal }) =>
      api.get<DeploymentPreview>(path`/${space}/releases/${release}/deployments/preview/${environment}`, { signal }),
    staleTime: 0,
  });

export const createDeployment = (space: string, body: DeploymentBody, idempotencyKey: string): Promise<Deployment> =>
  api.post(path`/${space}/deployments`, body, { headers: { "Idempotency-Key": idempotencyKey } });
