// Releases and their way through the lifecycle, with both ways of creating one.

import { ReleaseBuildInformation } from "./build-information.ts";
import { Deployment } from "./deployments.ts";
import { flag, id, links, list, map, name, object, oneOf, optional, orNull, text, time, whole } from "./shapes.ts";

/** As much of a task as belongs beside its deployment. */
const TaskOfDeployment = object({
  Id: id(),
  State: text(),
  IsCompleted: flag(),
  FinishedSuccessfully: flag(),
  QueueTime: time(),
  StartTime: orNull(time()),
  CompletedTime: orNull(time()),
  ErrorMessage: orNull(text()),
  HasWarningsOrErrors: flag(),
  Links: links(),
});

const SelectedPackage = object({
  ActionName: optional(orNull(text())),
  StepName: optional(orNull(text())),
  PackageReferenceName: optional(orNull(text())),
  Version: optional(orNull(text())),
});

export const Release = object({
  Id: id(),
  SpaceId: id(),
  ProjectId: id(),
  ChannelId: id(),
  Version: text(),
  ReleaseNotes: orNull(text()),
  Assembled: time(),
  IgnoreChannelRules: flag(),
  SelectedPackages: list(SelectedPackage),
  SelectedGitResources: list(object({})),
  BuildInformation: list(ReleaseBuildInformation),
  CustomFields: map(orNull(text())),
  /** Of projects in Git. */
  VersionControlReference: orNull(map(orNull(text()))),
  ProjectDeploymentProcessSnapshotId: id(),
  ProjectVariableSetSnapshotId: orNull(id()),
  LibraryVariableSetSnapshotIds: list(id()),
  Links: links(),
});
/** Packages of a release that its feed does not have. */
export const MissingPackages = object({ Packages: list(object({ Id: text(), Version: text() })) });
export const ReleaseBody = object({
  ProjectId: optional(orNull(id())),
  ChannelId: optional(orNull(id())),
  Version: optional(orNull(name())),
  ReleaseNotes: optional(orNull(text())),
  IgnoreChannelRules: optional(orNull(flag())),
  SelectedPackages: optional(orNull(list(SelectedPackage))),
  CustomFields: optional(orNull(map(orNull(text())))),
});

export const CreateReleaseCommand = object({
  ProjectName: name(),
  ReleaseVersion: optional(orNull(text())),
  ChannelName: optional(orNull(text())),
  PackageVersion: optional(orNull(text())),
  Packages: optional(orNull(list(text()))),
  ReleaseNotes: optional(orNull(text())),
  IgnoreIfAlreadyExists: optional(orNull(flag())),
  IgnoreChannelRules: optional(orNull(flag())),
  GitRef: optional(orNull(text())),
  GitCommit: optional(orNull(text())),
  CustomFields: optional(orNull(map(orNull(text())))),
});
export const CreateReleaseResponse = object({ ReleaseId: id(), ReleaseVersion: text() });

export const Defect = object({ Id: id(), Description: text(), Status: oneOf(["Unresolved", "Resolved"]), Links: links() });
export const DefectBody = object({ Description: text() });

export const ReleaseProgression = object({
  Id: orNull(id()),
  NextDeployments: list(id()),
  NextDeploymentsMinimumRequired: whole(),
  HasUnresolvedDefect: flag(),
  ReleaseRetentionPeriod: orNull(object({})),
  Phases: list(
    object({
      Id: id(),
      Name: text(),
      Progress: oneOf(["Pending", "Current", "Complete"]),
      Blocked: flag(),
      AutomaticDeploymentTargets: list(id()),
      OptionalDeploymentTargets: list(id()),
      MinimumEnvironmentsBeforePromotion: whole(),
      IsOptionalPhase: flag(),
      IsPriorityPhase: flag(),
      Deployments: list(object({ Deployment, Task: TaskOfDeployment })),
    }),
  ),
  Links: links(),
});
const PromotionTarget = object({ Id: id(), Name: text(), Links: links() });
export const DeploymentTemplate = object({
  Id: orNull(id()),
  DeploymentNotes: orNull(text()),
  IsDeploymentProcessModified: flag(),
  IsVariableSetModified: flag(),
  IsLibraryVariableSetModified: flag(),
  PromoteTo: list(PromotionTarget),
  TenantPromotions: list(object({ Id: id(), Name: text(), PromoteTo: list(PromotionTarget) })),
  Links: links(),
});
