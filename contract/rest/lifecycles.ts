// Lifecycles: the phases a release goes through, and how long things are kept.

import { count, flag, id, links, list, name, object, oneOf, optional, orNull, text, written } from "./shapes.ts";

export const RetentionPeriod = object({
  Strategy: oneOf(["Default", "Forever", "Count"]),
  Unit: oneOf(["Days", "Items"]),
  QuantityToKeep: count(),
  ShouldKeepForever: flag(),
});
const RetentionPeriodBody = object({
  Strategy: optional(orNull(oneOf(["Default", "Forever", "Count"]))),
  Unit: optional(orNull(oneOf(["Days", "Items"]))),
  QuantityToKeep: optional(orNull(count())),
  ShouldKeepForever: optional(orNull(flag())),
});

export const Phase = object({
  Id: id(),
  Name: text(),
  AutomaticDeploymentTargets: list(id()),
  OptionalDeploymentTargets: list(id()),
  MinimumEnvironmentsBeforePromotion: count(),
  IsOptionalPhase: flag(),
  IsPriorityPhase: flag(),
  ReleaseRetentionPolicy: orNull(RetentionPeriod),
  TentacleRetentionPolicy: orNull(RetentionPeriod),
});
const PhaseBody = object({
  Id: optional(orNull(id())),
  Name: name(),
  AutomaticDeploymentTargets: optional(orNull(list(id()))),
  OptionalDeploymentTargets: optional(orNull(list(id()))),
  MinimumEnvironmentsBeforePromotion: optional(orNull(count())),
  IsOptionalPhase: optional(orNull(flag())),
  IsPriorityPhase: optional(orNull(flag())),
  ReleaseRetentionPolicy: optional(orNull(RetentionPeriodBody)),
  TentacleRetentionPolicy: optional(orNull(RetentionPeriodBody)),
});

const members = { Name: name(), Slug: text(), Description: text(), SpaceId: id() };
export const Lifecycle = object({
  Id: id(),
  ...members,
  Phases: list(Phase),
  ReleaseRetentionPolicy: RetentionPeriod,
  TentacleRetentionPolicy: RetentionPeriod,
  Links: links(),
});
export const LifecycleBody = written({
  ...members,
  Phases: list(PhaseBody),
  ReleaseRetentionPolicy: RetentionPeriodBody,
  TentacleRetentionPolicy: RetentionPeriodBody,
});
