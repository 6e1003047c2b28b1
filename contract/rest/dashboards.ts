// What is deployed where: the dashboard of a space, and the progress of a project's releases through its environments.

import { flag, id, links, list, map, object, oneOf, optional, orNull, text, time, whole } from "./shapes.ts";
import { Channel } from "./projects.ts";
import { Release } from "./releases.ts";

export const DashboardItem = object({
  Id: id(),
  ProjectId: id(),
  EnvironmentId: id(),
  ReleaseId: id(),
  ReleaseVersion: text(),
  ChannelId: id(),
  TenantId: orNull(id()),
  DeploymentId: id(),
  TaskId: id(),
  State: oneOf(["Queued", "Executing", "Cancelling", "Success", "Failed", "Canceled", "TimedOut"]),
  Created: time(),
  QueueTime: time(),
  StartTime: orNull(time()),
  CompletedTime: orNull(time()),
  Duration: orNull(text()),
  ErrorMessage: orNull(text()),
  HasPendingInterruptions: flag(),
  HasWarningsOrErrors: flag(),
  IsCompleted: flag(),
  IsCurrent: flag(),
  IsPrevious: flag(),
  Links: links(),
});

export const Dashboard = object({
  Id: orNull(id()),
  Projects: list(
    object({
      Id: id(),
      Name: text(),
      Slug: text(),
      ProjectGroupId: id(),
      IsDisabled: flag(),
      TenantedDeploymentMode: text(),
      CanPerformUntenantedDeployment: flag(),
      EnvironmentIds: list(id()),
      Links: links(),
    }),
  ),
  ProjectGroups: list(object({ Id: id(), Name: text(), EnvironmentIds: list(id()), Links: links() })),
  Environments: list(object({ Id: id(), Name: text(), Links: links() })),
  Tenants: list(object({ Id: id(), Name: text(), TenantTags: list(text()), ProjectEnvironments: map(list(id())), Links: links() })),
  Items: list(DashboardItem),
  PreviousItems: list(DashboardItem),
  /** The answer holds no more projects than this. */
  ProjectLimit: whole(),
  IsFiltered: flag(),
  Links: links(),
});

const Named = object({ Id: id(), Name: text() });
export const Progression = object({
  Id: orNull(id()),
  Environments: list(Named),
  /** Channel id → its environments in the order of its lifecycle. */
  ChannelEnvironments: map(list(Named)),
  LifecycleEnvironments: map(list(Named)),
  Releases: list(
    object({
      Release,
      Channel: optional(orNull(Channel)),
      /** Environment id → its deployments of this release, the newest of each tenant. */
      Deployments: map(list(DashboardItem)),
      NextDeployments: list(id()),
      HasUnresolvedDefect: flag(),
      ReleaseRetentionPeriod: orNull(object({})),
    }),
  ),
  Links: links(),
});
