// Brings what clients send about phases and retention into the one stored form; pure.

import { randomUUID } from "node:crypto";
import { problem } from "../../../base/problems.ts";

export interface RetentionPeriod {
  Strategy: "Default" | "Forever" | "Count";
  Unit: "Days" | "Items";
  QuantityToKeep: number;
  ShouldKeepForever: boolean;
}

export interface Phase {
  Id: string;
  Name: string;
  AutomaticDeploymentTargets: string[];
  OptionalDeploymentTargets: string[];
  MinimumEnvironmentsBeforePromotion: number;
  IsOptionalPhase: boolean;
  IsPriorityPhase: boolean;
  ReleaseRetentionPolicy: RetentionPeriod | null;
  TentacleRetentionPolicy: RetentionPeriod | null;
}

export const keepForever: RetentionPeriod = { Strategy: "Forever", Unit: "Days", QuantityToKeep: 0, ShouldKeepForever: true };

type Sent<T> = { [K in keyof T]?: T[K] | null };

/** Old clients send no Strategy; then the flag and the quantity say what is meant. */
export function readRetention(sent: Sent<RetentionPeriod>): RetentionPeriod {
  const quantity = sent.QuantityToKeep ?? 0;
  const strategy = sent.Strategy ?? (sent.ShouldKeepForever === true || quantity === 0 ? "Forever" : "Count");
  const unit = sent.Unit ?? "Days";
  if (strategy === "Forever") return { ...keepForever, Unit: unit };
  if (strategy === "Default") return { Strategy: "Default", Unit: unit, QuantityToKeep: 0, ShouldKeepForever: false };
  if (quantity === 0) throw problem.invalid("QuantityToKeep must be at least 1 when the retention strategy is Count.");
  return { Strategy: "Count", Unit: unit, QuantityToKeep: quantity, ShouldKeepForever: false };
}

/** @throws Problem 400 */
export function readPhases(sent: readonly Sent<Phase>[]): Phase[] {
  const names = new Set<string>();
  return sent.map((phase, n) => {
    const name = phase.Name?.trim() ?? "";
    if (name === "") throw problem.invalid(`Phases[${n}].Name is required.`);
    if (names.has(name.toLowerCase())) throw problem.invalid(`There are two phases named '${name}'.`);
    names.add(name.toLowerCase());
    const automatic = [...new Set(phase.AutomaticDeploymentTargets ?? [])];
    const optional = [...new Set(phase.OptionalDeploymentTargets ?? [])];
    const both = automatic.find((one) => optional.includes(one));
    if (both !== undefined) throw problem.invalid(`The phase '${name}' names ${both} both as automatic and as optional target.`);
    const minimum = phase.MinimumEnvironmentsBeforePromotion ?? 0;
    if (automatic.length + optional.length > 0 && minimum > automatic.length + optional.length) {
      throw problem.invalid(`The phase '${name}' asks for ${minimum} environments before promotion but names fewer.`);
    }
    return {
      Id: phase.Id || randomUUID(),
      Name: name,
      AutomaticDeploymentTargets: automatic,
      OptionalDeploymentTargets: optional,
      MinimumEnvironmentsBeforePromotion: minimum,
      IsOptionalPhase: phase.IsOptionalPhase ?? false,
      IsPriorityPhase: phase.IsPriorityPhase ?? false,
      ReleaseRetentionPolicy: phase.ReleaseRetentionPolicy ? readRetention(phase.ReleaseRetentionPolicy) : null,
      TentacleRetentionPolicy: phase.TentacleRetentionPolicy ? readRetention(phase.TentacleRetentionPolicy) : null,
    };
  });
}
