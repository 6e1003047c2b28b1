// The deployment process: steps, actions and their properties. A sensitive property goes in as a value and never comes out.

import { Type } from "typebox";
import { anything, flag, id, links, list, map, name, object, oneOf, optional, orNull, SensitiveValue, text, whole } from "./shapes.ts";

/** Text, nothing, or a secret. Numbers and flags are accepted too and stored as text. */
export const PropertyValue = orNull(Type.Union([text(), SensitiveValue]));
const PropertyValueBody = orNull(
  Type.Union([
    text(),
    flag(),
    Type.Integer(),
    object({ HasValue: optional(orNull(flag())), NewValue: optional(orNull(text())), Hint: optional(orNull(text())) }),
  ]),
);

const PackageReference = object({
  Id: optional(orNull(id())),
  Name: optional(orNull(text())),
  PackageId: optional(orNull(text())),
  FeedId: optional(orNull(text())),
  AcquisitionLocation: optional(orNull(text())),
  Properties: optional(orNull(map(orNull(text())))),
  Version: optional(orNull(text())),
});
const Container = object({ Image: optional(orNull(text())), FeedId: optional(orNull(text())) });

export const DeploymentAction = object({
  Id: id(),
  Name: text(),
  Slug: text(),
  ActionType: text(),
  Notes: orNull(text()),
  IsDisabled: flag(),
  IsRequired: flag(),
  CanBeUsedForProjectVersioning: flag(),
  Condition: oneOf(["Success", "Variable"]),
  Environments: list(id()),
  ExcludedEnvironments: list(id()),
  Channels: list(id()),
  TenantTags: list(text()),
  WorkerPoolId: orNull(id()),
  WorkerPoolVariable: orNull(text()),
  Container: orNull(Container),
  Packages: list(PackageReference),
  GitDependencies: list(anything()),
  Properties: map(PropertyValue),
  Links: links(),
});
const DeploymentActionBody = object({
  Id: optional(orNull(id())),
  Name: optional(orNull(name())),
  ActionType: name(),
  Notes: optional(orNull(text())),
  IsDisabled: optional(orNull(flag())),
  IsRequired: optional(orNull(flag())),
  Condition: optional(orNull(oneOf(["Success", "Variable"]))),
  Environments: optional(orNull(list(id()))),
  ExcludedEnvironments: optional(orNull(list(id()))),
  Channels: optional(orNull(list(id()))),
  TenantTags: optional(orNull(list(text()))),
  WorkerPoolId: optional(orNull(id())),
  WorkerPoolVariable: optional(orNull(text())),
  Container: optional(orNull(Container)),
  Packages: optional(orNull(list(PackageReference))),
  GitDependencies: optional(orNull(list(anything()))),
  Properties: optional(orNull(map(PropertyValueBody))),
});

const conditions = ["Success", "Failure", "Always", "Variable"] as ["Success", "Failure", "Always", "Variable"];
const requirements = ["LetOctopusDecide", "BeforePackageAcquisition", "AfterPackageAcquisition"] as [
  "LetOctopusDecide",
  "BeforePackageAcquisition",
  "AfterPackageAcquisition",
];
const triggers = ["StartAfterPrevious", "StartWithPrevious"] as ["StartAfterPrevious", "StartWithPrevious"];

export const DeploymentStep = object({
  Id: id(),
  Name: text(),
  Slug: text(),
  Condition: oneOf(conditions),
  StartTrigger: oneOf(triggers),
  PackageRequirement: oneOf(requirements),
  Properties: map(PropertyValue),
  Actions: list(DeploymentAction),
  Links: links(),
});
const DeploymentStepBody = object({
  Id: optional(orNull(id())),
  Name: optional(orNull(name())),
  Condition: optional(orNull(oneOf(conditions))),
  StartTrigger: optional(orNull(oneOf(triggers))),
  PackageRequirement: optional(orNull(oneOf(requirements))),
  Properties: optional(orNull(map(PropertyValueBody))),
  Actions: optional(orNull(list(DeploymentActionBody))),
});

export const DeploymentProcess = object({
  Id: id(),
  SpaceId: id(),
  ProjectId: id(),
  Version: whole(),
  LastSnapshotId: orNull(id()),
  Steps: list(DeploymentStep),
  Links: links(),
});
export const DeploymentProcessBody = object({ Version: optional(orNull(whole())), Steps: list(DeploymentStepBody) });

export const ReleaseTemplate = object({
  Id: orNull(id()),
  DeploymentProcessId: id(),
  LastReleaseVersion: orNull(text()),
  NextVersionIncrement: orNull(text()),
  VersioningPackageStepName: orNull(text()),
  VersioningPackageReferenceName: orNull(text()),
  Packages: list(map(anything())),
  GitResources: list(map(anything())),
  Links: links(),
});
