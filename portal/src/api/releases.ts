// Releases: what is in one, how far it has come, where it may go, and making one.

import { queryOptions } from "@tanstack/react-query";
import type { DeploymentTemplate, Release, ReleaseProgression } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

export const releaseQuery = (space: string, release: string) =>
  queryOptions({
    queryKey: keyOf("release", space, release),
    queryFn: ({ signal }) => api.get<Release>(path`/${space}/releases/${release}`, { signal }),
    meta: { changesOf: [release] },
  });

export const releaseByVersionQuery = (space: string, project: string, version: string) =>
  queryOptions({
    queryKey: keyOf("release-by-version", space, project, version),
    queryFn: ({ signal }) => api.get<Release>(path`/${space}/projects/${project}/releases/${version}`, { signal }),
  });

export const releaseProgressionQuery = (space: string, release: string) =>
  queryOptions({
    queryKey: keyOf("release-progression", space, release),
    queryFn: ({ signal }) => api.get<ReleaseProgression>(path`/${space}/releases/${release}/progression`, { signal }),
    meta: { changesOf: [release, "Lifecycles", "Environments"] },
  });

/** Where the release may be deployed now. */
export const deploymentTemplateQuery = (space: string, release: string) =>
  queryOptions({
    queryKey: keyOf("deployment-template", space, release),
    queryFn: ({ signal }) => api.get<DeploymentTemplate>(path`/${space}/releases/${release}/deployments/template`, { signal }),
    staleTime: 0,
    meta: { changesOf: [release, "Lifecycles", "Environments"] },
  });

interface NextVersion {
  NextVersionIncrement: string | null;
  VersioningPackageStepName: string | null;
}

/** What the project's way of counting gives next in a channel (undefined: the default one), or whose package gives it; both null when it cannot tell. */
export const nextVersionQuery = (space: string, process: string, channel: string | undefined) =>
  queryOptions({
    queryKey: keyOf("next-version", space, process, channel ?? ""),
    queryFn: async ({ signal }) => {
      const address = withQuery(path`/${space}/deploymentprocesses/${process}/template`, { channel });
      const { NextVersionIncrement, VersioningPackageStepName } = await api.get<NextVersion>(address, { signal });
      return { version: NextVersionIncrement, packageOfStep: VersioningPackageStepName };
    },
    staleTime: 0,
  });

export interface NewRelease {
  ProjectId: string;
  ChannelId?: string;
  Version?: string;
  ReleaseNotes?: string;
}

interface CreatedRelease {
  ReleaseId: string;
  ReleaseVersion: string;
}

/** By the command, which takes the newest version of each package that fits the channel; the plain collection wants each one named. */
export const createRelease = (space: string, body: NewRelease, idempotencyKey: string): Promise<CreatedRelease> => {
  const { ProjectId, ChannelId, Version, ReleaseNotes } = body;
  const command = {
    ProjectName: ProjectId,
    ...(ChannelId === undefined ? {} : { ChannelName: ChannelId }),
    ...(Version === undefined ? {} : { ReleaseVersion: Version }),
    ...(ReleaseNotes === undefined ? {} : { ReleaseNotes }),
  };
  return api.post(path`/${space}/releases/create/v1`, command, { headers: { "Idempotency-Key": idempotencyKey } });
};
