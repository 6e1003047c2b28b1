// Deployments and both ways of creating them.

import { Commit, MappedBuildInformation, WorkItem } from "./build-information.ts";
import { RetentionPeriod } from "./lifecycles.ts";
import { flag, id, links, list, map, name, object, optional, orNull, text, time } from "./shapes.ts";

/** A release that comes with a deployment: what is in it. */
const ReleaseChanges = object({
  Version: text(),
  ReleaseNotes: text(),
  WorkItems: list(WorkItem),
  Commits: list(Commit),
  BuildInformation: list(MappedBuildInformation),
});

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
  /** What the lifecycle says about files on targets, once they are tidied. */
  TentacleRetentionPeriod: orNull(RetentionPeriod),
  Changes: list(ReleaseChanges),
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

const commandMembers = {
  ProjectName: name(),
  ReleaseVersion: name(),
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
};
export const CreateDeploymentCommand = object({ ...commandMembers, EnvironmentNames: names() });
/** One deployment for each tenant; `*` names all that are connected to the project in that environment. */
export const CreateTenantedDeploymentCommand = object({
  ...commandMembers,
  EnvironmentName: name(),
  Tenants: optional(orNull(list(name()))),
  TenantTags: optional(orNull(list(name()))),
});
export const CreateDeploymentResponse = object({ DeploymentServerTasks: list(object({ DeploymentId: id(), ServerTaskId: id() })) });

const PreviewStep = object({
  ActionId: id(),
  ActionName: text(),
  ActionNumber: text(),
  Roles: list(text()),
  MachineNames: list(text()),
  Machines: list(object({ Id: id(), Name: text(), HasLatestCalamari: flag(), HealthStatus: text(), Links: links() })),
  CanBeSkipped: flag(),
  IsDisabled: flag(),
  HasNoApplicableMachines: flag(),
  UnavailableMachines: list(object({ Id: id(), Name: text() })),
  ExcludedMachines: list(object({ Id: id(), Name: text() })),
});
/** One question of a form: its name is the id of the variable that asks. */
const FormElement = object({
  Name: text(),
  Control: object({
    Type: text(),
    Name: text(),
    Label: text(),
    Description: text(),
    Required: flag(),
    DisplaySettings: map(text()),
  }),
  IsValueRequired: flag(),
});
/** What a deployment would do, and what it asks people for. */
export const DeploymentPreview = object({
  Id: orNull(id()),
  StepsToExecute: list(PreviewStep),
  Form: object({ Values: map(orNull(text())), Elements: list(FormElement) }),
  UseGuidedFailureModeByDefault: flag(),
  Changes: list(ReleaseChanges),
  ChangesMarkdown: text(),
  Links: links(),
});
/** Most previews of one call: each costs some statements. */
const previewsPerCallMax = 100;
export const DeploymentPreviewsBody = object({
  DeploymentPreviews: { ...list(object({ EnvironmentId: id(), TenantId: optional(orNull(id())) })), maxItems: previewsPerCallMax },
  IncludeDisabledSteps: optional(orNull(flag())),
});
