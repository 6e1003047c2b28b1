// May this release go there now? Pure: phases, what was deployed, a verdict. A phase opens when all before it are complete or may be
// skipped; what was reached once stays reachable.

/** A lifecycle may go through a thousand environments; nobody reads all their names in a sentence. */
const missingNamedMax = 10;

export interface LifecyclePhase {
  id: string;
  name: string;
  automatic: readonly string[];
  optional: readonly string[];
  /** 0: all environments of the phase. */
  minimumBeforePromotion: number;
  isOptional: boolean;
  /** Its deployments go before others in the queue. */
  isPriority: boolean;
}

export interface PhaseProgress {
  phase: LifecyclePhase;
  progress: "Pending" | "Current" | "Complete";
  /** In how many of its environments the release succeeded. */
  succeeded: number;
  /** A release may be deployed to the environments of this phase. */
  isOpen: boolean;
}

export interface LifecycleProgress {
  phases: readonly PhaseProgress[];
  /** Environment ids that are open now and have no success yet. */
  next: readonly string[];
}

export type Verdict = { ok: true } | { ok: false; reason: string };

/**
 * Fills what a lifecycle leaves open: without phases each environment is a phase of its own, in order; a phase without environments
 * means all that no earlier phase names.
 */
export function impliedPhases(phases: readonly LifecyclePhase[], environmentIds: readonly string[]): LifecyclePhase[] {
  if (phases.length === 0) {
    return environmentIds.map((id) => ({
      id: `phase-${id}`,
      name: id,
      automatic: [],
      optional: [id],
      minimumBeforePromotion: 0,
      isOptional: false,
      isPriority: false,
    }));
  }
  const named = new Set<string>();
  return phases.map((phase) => {
    const isEmpty = phase.automatic.length + phase.optional.length === 0;
    const filled = isEmpty ? { ...phase, optional: environmentIds.filter((id) => !named.has(id)) } : phase;
    for (const id of [...filled.automatic, ...filled.optional]) named.add(id);
    return filled;
  });
}

/** The phases as a tenant goes through them: only its own environments count, and phases with none of them are passed. */
export function phasesFor(phases: readonly LifecyclePhase[], environmentIds: ReadonlySet<string>): LifecyclePhase[] {
  return phases.map((phase) => ({
    ...phase,
    automatic: phase.automatic.filter((id) => environmentIds.has(id)),
    optional: phase.optional.filter((id) => environmentIds.has(id)),
  }));
}

/** How far a release has come. `succeeded` holds the environments with a successful deployment of this release. */
export function lifecycleProgress(phases: readonly LifecyclePhase[], succeeded: ReadonlySet<string>): LifecycleProgress {
  let reachable = true;
  let current = true;
  const result = phases.map((phase): PhaseProgress => {
    const environments = [...phase.automatic, ...phase.optional];
    const done = environments.filter((id) => succeeded.has(id)).length;
    const needed = phase.minimumBeforePromotion === 0 ? environments.length : Math.min(phase.minimumBeforePromotion, environments.length);
    const isComplete = done >= needed;
    const isOpen = reachable || done > 0;
    const progress = isComplete && (reachable || done > 0) ? "Complete" : isOpen && current ? "Current" : "Pending";
    if (progress === "Current") current = false;
    reachable = reachable && (isComplete || phase.isOptional);
    return { phase, progress, succeeded: done, isOpen };
  });
  const next = result
    .filter((one) => one.isOpen)
    .flatMap(({ phase }) => [...phase.automatic, ...phase.optional])
    .filter((id) => !succeeded.has(id));
  return { phases: result, next: [...new Set(next)] };
}

/** `names` turns environment ids into what people call them. */
export function mayDeploy(progress: LifecycleProgress, environmentId: string, names: ReadonlyMap<string, string>): Verdict {
  const name = names.get(environmentId) ?? environmentId;
  const holding = progress.phases.filter(({ phase }) => phase.automatic.includes(environmentId) || phase.optional.includes(environmentId));
  if (holding.length === 0)
    return { ok: false, reason: `The environment '${name}' is not part of the lifecycle of this release's channel.` };
  if (holding.some((one) => one.isOpen)) return { ok: true };
  const first = progress.phases.indexOf(holding[0]!);
  const missing = progress.phases
    .slice(0, first)
    .filter((one) => one.progress !== "Complete" && !one.phase.isOptional)
    .flatMap(({ phase }) => [...phase.automatic, ...phase.optional])
    .map((id) => names.get(id) ?? id);
  const named = missing.slice(0, missingNamedMax).join(", ");
  const others = missing.length > missingNamedMax ? `, and ${missing.length - missingNamedMax} more` : "";
  return { ok: false, reason: `The release cannot go to '${name}' yet. It must first be deployed successfully to: ${named}${others}.` };
}
