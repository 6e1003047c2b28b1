// Deployments and both ways of creating them.

import { flag, id, links, list, map, name, object, optional, orNull, text, time } from "./shapes.ts";

export const Deployment = object({
  Id: id(),
  SpaceId: id(),
  Name: text(),
  ProjectId: id(),
  ReleaseId: id(),
  ChannelId: id(),
  EnvironmentId: id(),
  TenantId: orNull(id()),
  TaskId: id(),
  DeploymentProcessId: id(),
  ManifestVariableSetId: orNull(id()),
  Comments: orNull(text()),
  Created: time(),
  DeployedBy: text(),
  DeployedById: orNull(id()),
  DeployedToMachineIds: list(id()),
  FailureEncountered: flag(),
  ForcePackageDownload: flag(),
  ForcePackageRedeployment: flag(),
  FormValues: map(orNull(text())),
  QueueTime: orNull(time()),
  QueueTimeExpiry: orNull(time()),
  SkipActions: list(id()),
  SpecificMachineIds: list(id()),
  ExcludedMachineIds: list(id()),
  UseGuidedFailure: flag(),
  Changes: list(object({})),
  ChangesMarkdown: text(),
  Links: links(),
});
export const DeploymentBody = object({
  ReleaseId: id(),
  EnvironmentId: id(),
  TenantId: optional(orNull(id())),
  Comments: optional(orNull(text())),
  ForcePackageDownload: optional(orNull(flag())),
  ForcePackageRedeployment: optional(orNull(flag())),
  FormValues: optional(orNull(map(orNull(text())))),
  QueueTime: optional(orNull(time())),
  QueueTimeExpiry: optional(orNull(time())),
  SkipActions: optional(orNull(list(id()))),
  SpecificMachineIds: optional(orNull(list(id()))),
  ExcludedMachineIds: optional(orNull(list(id()))),
  UseGuidedFailure: optional(orNull(flag())),
});

/** Most environments of one create call: each makes a deployment in the same transaction. */
const environmentsPerCallMax = 100;
const names = () => ({ ...list(name()), maxItems: environmentsPerCallMax });

export const CreateDeploymentCommand = object({
  ProjectName: name(),
  ReleaseVersion: name(),
  EnvironmentNames: names(),
  ForcePackageDownload: optional(orNull(flag())),
  ForcePackageRedeployment: optional(orNull(flag())),
  UpdateVariableSnapshot: optional(orNull(flag())),
  SpecificMachineNames: optional(orNull(list(name()))),
  ExcludedMachineNames: optional(orNull(list(name()))),
  SkipStepNames: optional(orNull(list(name()))),
  UseGuidedFailure: optional(orNull(flag())),
  RunAt: optional(orNull(time())),
  NoRunAfter: optional(orNull(time())),
  Variables: optional(orNull(map(orNull(text())))),
});
export const CreateDeploymentResponse = object({ DeploymentServerTasks: list(object({ DeploymentId: id(), ServerTaskId: id() })) });
