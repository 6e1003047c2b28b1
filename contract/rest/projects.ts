// Projects, their groups, deployment settings and channels.

import { anything, flag, id, links, list, map, name, object, oneOf, optional, orNull, text, whole, written } from "./shapes.ts";

const groupMembers = { Name: name(), Slug: text(), Description: text(), SpaceId: id() };
export const ProjectGroup = object({
  Id: id(),
  ...groupMembers,
  EnvironmentIds: list(id()),
  RetentionPolicyId: orNull(id()),
  Links: links(),
});
export const ProjectGroupBody = written(groupMembers);

export const ConnectivityPolicy = object({
  SkipMachineBehavior: oneOf(["None", "SkipUnavailableMachines"]),
  TargetRoles: list(name()),
  AllowDeploymentsToNoTargets: flag(),
  ExcludeUnhealthyTargets: flag(),
});
const ConnectivityPolicyBody = object({
  SkipMachineBehavior: optional(orNull(oneOf(["None", "SkipUnavailableMachines"]))),
  TargetRoles: optional(orNull(list(name()))),
  AllowDeploymentsToNoTargets: optional(orNull(flag())),
  ExcludeUnhealthyTargets: optional(orNull(flag())),
});
const DonorPackage = object({ DeploymentAction: optional(orNull(text())), PackageReference: optional(orNull(text())) });
const VersioningStrategy = object({
  Template: optional(orNull(text())),
  DonorPackage: optional(orNull(DonorPackage)),
  DonorPackageStepId: optional(orNull(id())),
});
const guidedFailureModes = ["EnvironmentDefault", "Off", "On"] as ["EnvironmentDefault", "Off", "On"];

/** Members that project and deployment settings share: two views of one thing. */
const settings = {
  DefaultGuidedFailureMode: oneOf(guidedFailureModes),
  DefaultToSkipIfAlreadyInstalled: flag(),
  DeploymentChangesTemplate: orNull(text()),
  ReleaseNotesTemplate: orNull(text()),
  ForcePackageDownload: flag(),
};

const members = {
  Name: name(),
  Slug: text(),
  Description: text(),
  SpaceId: id(),
  ProjectGroupId: id(),
  LifecycleId: id(),
  IsDisabled: flag(),
  TenantedDeploymentMode: oneOf(["Untenanted", "TenantedOrUntenanted", "Tenanted"]),
  AllowIgnoreChannelRules: flag(),
  AutoCreateRelease: flag(),
  AutoDeployReleaseOverrides: list(anything()),
  DiscreteChannelRelease: flag(),
  ExtensionSettings: list(anything()),
  IncludedLibraryVariableSetIds: list(id()),
  ProjectTags: list(text()),
  Templates: list(anything()),
  ReleaseCreationStrategy: map(anything()),
};

export const Project = object({
  Id: id(),
  ...members,
  ...settings,
  ProjectConnectivityPolicy: ConnectivityPolicy,
  VersioningStrategy,
  ClonedFromProjectId: orNull(id()),
  DeploymentProcessId: id(),
  VariableSetId: id(),
  IsVersionControlled: flag(),
  PersistenceSettings: object({ Type: text() }),
  /** Of projects in Git, in the spelling of older clients. */
  VersionControlSettings: orNull(map(anything())),
  Links: links(),
});
export const ProjectBody = written({ ...members, ...settings, ProjectConnectivityPolicy: ConnectivityPolicyBody, VersioningStrategy });

export const DeploymentSettings = object({
  Id: id(),
  SpaceId: id(),
  ProjectId: id(),
  ...settings,
  ConnectivityPolicy,
  VersioningStrategy,
  FailTargetDiscovery: flag(),
  Links: links(),
});
export const DeploymentSettingsBody = written({ ...settings, ConnectivityPolicy: ConnectivityPolicyBody, VersioningStrategy });

const ruleMembers = {
  Id: optional(orNull(id())),
  VersionRange: optional(orNull(text())),
  Tag: optional(orNull(text())),
  ActionPackages: optional(orNull(list(DonorPackage))),
};
const channelMembers = {
  Name: name(),
  Slug: text(),
  Description: text(),
  SpaceId: id(),
  ProjectId: id(),
  IsDefault: flag(),
  LifecycleId: orNull(id()),
  Rules: list(object(ruleMembers)),
  TenantTags: list(text()),
};
export const Channel = object({
  Id: id(),
  ...channelMembers,
  GitReferenceRules: list(text()),
  GitResourceRules: list(anything()),
  Type: text(),
  Links: links(),
});
export const ChannelBody = written(channelMembers);
/** Does a version fit a rule of a channel? The parameter's name is misspelt in old documents and in what was built after them. */
export const VersionRuleTestBody = object({
  Version: optional(orNull(text())),
  VersionRange: optional(orNull(text())),
  PreReleaseTag: optional(orNull(text())),
  FeedType: optional(orNull(text())),
  FeetType: optional(orNull(text())),
});
export const VersionRuleTest = object({ SatisfiesVersionRange: flag(), SatisfiesPreReleaseTag: flag(), Errors: list(text()) });
export const ProjectSummary = object({ HasDeploymentProcess: flag(), HasRunbooks: flag(), StepCount: whole() });
