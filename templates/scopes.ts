// Which of several values of a variable holds where: scopes are matched and the precedence table of the product decides. The keys of a scope are those
// of the REST resource, so that a variable set can be handed in as it is stored. It evaluates nothing.
import { keyOf } from "./syntax.ts";
import { NameTree } from "./variable-tree.ts";
import type { Entry } from "./variable-tree.ts";
import { entryOf, variablesOver } from "./variables.ts";
import type { Variable, Variables, VariablesOptions } from "./variables.ts";

/** Keys of a variable's scope, as in the REST resource. */
export type ScopeKind =
  | "Action"
  | "Machine"
  | "Role"
  | "TargetRole"
  | "Tenant"
  | "TenantTag"
  | "Environment"
  | "Channel"
  | "ProcessOwner"
  | "Project";

/** To ids, or to names for `Role`, `TargetRole` and `TenantTag` (`Set/Tag`). One of a list has to match, and each kind that has a list. */
export type VariableScope = { readonly [kind in ScopeKind]?: readonly string[] | undefined };

/**
 * Where a value comes from. `trigger`, `parentDeployment` and `private` (the server's own) stand above all ranks, in this order; among equals `project`
 * beats `librarySet`, and that beats `system`, the values that the server only proposes.
 */
export type Origin = "trigger" | "parentDeployment" | "private" | "project" | "librarySet" | "system";

export interface ScopedVariable {
  /** Decides the last tie: the older id wins. `Variables-9` is older than `Variables-10`. */
  id: string;
  name: string;
  value: string | null;
  sensitive?: boolean | undefined;
  scope?: VariableScope | undefined;
  origin: Origin;
}

/** What a value is asked for. What is not there (no machine for a step on the server, no channel in a runbook run) matches no scope to it. */
export interface RunScope {
  action?: string | undefined;
  machine?: string | undefined;
  /** Target tags of the machine. */
  machineRoles?: readonly string[] | undefined;
  /** Target tags that the step names. */
  stepRoles?: readonly string[] | undefined;
  tenant?: string | undefined;
  /** As `Set/Tag`. */
  tenantTags?: readonly string[] | undefined;
  environment?: string | undefined;
  channel?: string | undefined;
  /** Id of the project whose deployment process runs, or of the runbook. */
  processOwner?: string | undefined;
  project?: string | undefined;
}

export interface ResolvedVariable {
  name: string;
  value: string | null;
  sensitive: boolean;
  winner: ScopedVariable;
  /** Values that were as good as the winner but for their ids: worth a warning when a snapshot is made. */
  tiedWith: readonly ScopedVariable[];
}

export interface Candidate {
  variable: ScopedVariable;
  outcome: "won" | "beaten" | "elsewhere";
  /** The place in the precedence table that decided, 0 above all ranks; null where the scope does not match. */
  rank: number | null;
  /** A sentence for a person. */
  reason: string;
}

export interface ScopeResolver {
  /** The value of each variable that has one there, in the order in which the names first came. */
  resolve(scope: RunScope): ResolvedVariable[];
  /**
   * The same as variables to evaluate templates over; much cheaper than handing the answer of `resolve` to createVariables. `more` are values that only
   * the run knows (of the step, the target, outputs of earlier steps); they win over all of the set.
   */
  variablesAt(scope: RunScope, options: VariablesOptions, more?: Iterable<Variable>): Variables;
  /** All values of one variable, the winner first, with why each won, was beaten or holds elsewhere. */
  explain(name: string, scope: RunScope): Candidate[];
}

/** The precedence table, highest first; its last row is a value without a scope. */
export const precedence = [
  "step or action",
  "target",
  "target tag that the target has and the step names",
  "target tag that the target has",
  "tenant",
  "tenant tag",
  "environment",
  "channel",
  "deployment process or runbook",
  "project",
  "no scope",
] as const;

const unscopedRank = precedence.length;
const fixedRanks: { readonly [kind in ScopeKind]: number } = {
  Action: 1,
  Machine: 2,
  TargetRole: 3,
  Role: 4,
  Tenant: 5,
  TenantTag: 6,
  Environment: 7,
  Channel: 8,
  ProcessOwner: 9,
  Project: 10,
};

function isScopeKind(kind: string): kind is ScopeKind {
  return Object.hasOwn(fixedRanks, kind);
}
const scopeKinds = Object.keys(fixedRanks).filter(isScopeKind);

const origins: readonly Origin[] = ["trigger", "parentDeployment", "private", "project", "librarySet", "system"];
const aboveAllRanks = (origin: Origin): boolean => origin === "trigger" || origin === "parentDeployment" || origin === "private";

/** How many names that are not of the set a resolver remembers where they belong. */
const addedNamesMax = 20_000;

interface Prepared {
  variable: ScopedVariable;
  tests: readonly { kind: string; values: readonly string[] }[];
}

interface Group {
  name: string;
  slot: number;
  candidates: Prepared[];
  /** Without any scope the answer is the same everywhere. */
  everywhere: ResolvedVariable | undefined;
}

/** A scope with its words in one case, ready to be compared. */
type Place = { readonly [kind in ScopeKind]: ReadonlySet<string> } & { stepRoles: ReadonlySet<string> };

/** What decides between two values that hold, in this order. */
interface Weight {
  origin: number;
  rank: number;
  kinds: number;
  ranks: readonly number[];
}

/** Prepares a variable set once, so that it can be asked for many places. */
export function createScopeResolver(variables: Iterable<ScopedVariable>): ScopeResolver {
  const groups = new Map<string, Group>();
  const names = new NameTree();
  for (const variable of variables) {
    const key = keyOf(variable.name);
    let group = groups.get(key);
    if (group === undefined)
      groups.set(key, (group = { name: variable.name, slot: names.slotOf(variable.name), candidates: [], everywhere: undefined }));
    const tests = Object.entries(variable.scope ?? {})
      .map(([kind, values]) => ({ kind, values: (values ?? []).map(keyOf) }))
      .filter(({ values }) => values.length > 0);
    group.candidates.push({ variable, tests });
  }
  const nowhere = placeOf({});
  for (const group of groups.values())
    if (group.candidates.every(({ tests }) => tests.length === 0)) group.everywhere = choose(group.candidates, nowhere);
  // Where no scope matches, the values without one hold; a place changes only what its words are scoped to.
  const entries: (Entry | undefined)[] = [...groups.values()].map(({ everywhere, candidates }) => {
    const found = everywhere ?? choose(candidates, nowhere);
    return found === undefined ? undefined : entryOf(found);
  });
  const scopedTo = new Map<string, Set<Group>>();
  for (const group of groups.values())
    for (const { tests } of group.candidates)
      for (const { kind, values } of tests.slice(0, 1))
        for (const word of values) {
          const key = `${kind} ${word}`;
          const known = scopedTo.get(key);
          if (known === undefined) scopedTo.set(key, new Set([group]));
          else known.add(group);
        }
  const groupsTouchedBy = (place: Place): Set<Group> => {
    const touched = new Set<Group>();
    for (const kind of scopeKinds)
      for (const word of place[kind]) for (const group of scopedTo.get(`${kind} ${word}`) ?? []) touched.add(group);
    return touched;
  };
  const scopedEntries = new Map<ScopedVariable, Entry>();
  const entryOfVariable = (variable: ScopedVariable): Entry => {
    let entry = scopedEntries.get(variable);
    if (entry === undefined) scopedEntries.set(variable, (entry = entryOf(variable)));
    return entry;
  };

  return {
    resolve(scope) {
      const place = placeOf(scope);
      const resolved: ResolvedVariable[] = [];
      for (const group of groups.values()) {
        const found = group.everywhere ?? choose(group.candidates, place);
        if (found !== undefined) resolved.push(found);
      }
      return resolved;
    },
    variablesAt(scope, options, more = []) {
      const place = placeOf(scope);
      const values = entries.slice();
      for (const { candidates, slot } of groupsTouchedBy(place)) {
        const found = choose(candidates, place);
        if (found !== undefined) values[slot] = entryOfVariable(found.winner);
      }
      const added = [...more];
      // Names that only single runs have are kept for the next ones, but not without end.
      if (names.size + added.length <= groups.size + addedNamesMax) {
        for (const variable of added) values[names.slotOf(variable.name)] = entryOf(variable);
        return variablesOver(names, values, options);
      }
      const own = new NameTree();
      const ownValues: (Entry | undefined)[] = [];
      for (const entry of values) if (entry !== undefined) ownValues[own.slotOf(entry.name)] = entry;
      for (const variable of added) ownValues[own.slotOf(variable.name)] = entryOf(variable);
      return variablesOver(own, ownValues, options);
    },
    explain(name, scope) {
      const place = placeOf(scope);
      const candidates = groups.get(keyOf(name))?.candidates ?? [];
      const weighed = candidates.map((prepared) => ({ ...prepared, weight: weigh(prepared, place) }));
      const holding = weighed.flatMap(({ variable, weight }) => (weight === undefined ? [] : [{ variable, weight }])).sort(compare);
      const [winner] = holding;
      return [
        ...holding.map(({ variable, weight }, at): Candidate => {
          const rank = aboveAllRanks(variable.origin) ? 0 : weight.rank;
          if (at === 0 || winner === undefined)
            return { variable, outcome: "won", rank, reason: `It has the ${described(variable, weight)}.` };
          return { variable, outcome: "beaten", rank, reason: lossReason(winner, { variable, weight }) };
        }),
        ...weighed
          .filter(({ weight }) => weight === undefined)
          .map(({ variable, tests }): Candidate => {
            const { kind = "" } = tests.find((test) => rankOf(test, place) === undefined) ?? {};
            return { variable, outcome: "elsewhere", rank: null, reason: `Its scope to ${kind} does not match.` };
          }),
      ];
    },
  };
}

function placeOf(scope: RunScope): Place {
  const set = (...words: readonly (string | undefined)[]): ReadonlySet<string> =>
    new Set(words.flatMap((word) => (word === undefined ? [] : [keyOf(word)])));
  const roles = set(...(scope.machineRoles ?? []));
  return {
    Action: set(scope.action),
    Machine: set(scope.machine),
    Role: roles,
    TargetRole: roles,
    Tenant: set(scope.tenant),
    TenantTag: set(...(scope.tenantTags ?? [])),
    Environment: set(scope.environment),
    Channel: set(scope.channel),
    ProcessOwner: set(scope.processOwner),
    Project: set(scope.project),
    stepRoles: set(...(scope.stepRoles ?? [])),
  };
}

/** The rank at which one kind of a scope matches; undefined where it does not, as for a kind that nothing has. */
function rankOf({ kind, values }: { kind: string; values: readonly string[] }, place: Place): number | undefined {
  if (!isScopeKind(kind)) return undefined;
  if (kind !== "Role" && kind !== "TargetRole") return values.some((value) => place[kind].has(value)) ? fixedRanks[kind] : undefined;
  const had = values.filter((value) => place.Role.has(value));
  if (had.some((value) => place.stepRoles.has(value))) return fixedRanks.TargetRole;
  return had.length > 0 && kind === "Role" ? fixedRanks.Role : undefined;
}

/** Undefined where the value does not hold. */
function weigh({ variable, tests }: Prepared, place: Place): Weight | undefined {
  const ranks: number[] = [];
  for (const test of tests) {
    const rank = rankOf(test, place);
    if (rank === undefined) return undefined;
    ranks.push(rank);
  }
  if (ranks.length > 1) ranks.sort((a, b) => a - b);
  return { origin: origins.indexOf(variable.origin), rank: ranks[0] ?? unscopedRank, kinds: ranks.length, ranks };
}

interface Weighed {
  variable: ScopedVariable;
  weight: Weight;
}

/** Negative where the first wins. Zero only for equal ids. */
function compare(a: Weighed, b: Weighed): number {
  return compareWeights(a, b) || compareIds(a.variable.id, b.variable.id);
}

/** Before the ids: above all ranks, the highest rank, the number of kinds, the further ranks, project before variable set. */
function compareWeights(a: Weighed, b: Weighed): number {
  const above = layer(a) - layer(b) || a.weight.rank - b.weight.rank || b.weight.kinds - a.weight.kinds;
  if (above !== 0) return above;
  for (const [at, rank] of a.weight.ranks.entries()) {
    const further = rank - (b.weight.ranks[at] ?? unscopedRank);
    if (further !== 0) return further;
  }
  return a.weight.origin - b.weight.origin;
}

const layer = ({ variable, weight }: Weighed): number => (aboveAllRanks(variable.origin) ? weight.origin : origins.length);

/** Ids with a number at the end by the number, others as texts. */
function compareIds(a: string, b: string): number {
  const one = /^(.*?)(\d{1,15})$/.exec(a);
  const other = /^(.*?)(\d{1,15})$/.exec(b);
  if (one !== null && other !== null && one[1] === other[1]) return Number(one[2]) - Number(other[2]);
  return a < b ? -1 : a > b ? 1 : 0;
}

function choose(candidates: readonly Prepared[], place: Place): ResolvedVariable | undefined {
  let best: Weighed | undefined;
  let tied: ScopedVariable[] = [];
  for (const prepared of candidates) {
    const weight = weigh(prepared, place);
    if (weight === undefined) continue;
    const current = { variable: prepared.variable, weight };
    const difference = best === undefined ? -1 : compareWeights(current, best);
    if (best !== undefined && difference === 0) {
      const older = compareIds(current.variable.id, best.variable.id) < 0;
      tied.push(older ? best.variable : current.variable);
      if (older) best = current;
    } else if (difference < 0) {
      best = current;
      tied = [];
    }
  }
  if (best === undefined) return undefined;
  const { variable } = best;
  return { name: variable.name, value: variable.value, sensitive: variable.sensitive === true, winner: variable, tiedWith: tied };
}

function described({ origin }: ScopedVariable, { rank }: Weight): string {
  if (aboveAllRanks(origin))
    return `highest place: it is given by ${origin === "private" ? "the server" : origin === "trigger" ? "a trigger" : "a parent deployment"}`;
  return `highest rank here: ${precedence[rank - 1] ?? ""}`;
}

function lossReason(winner: Weighed, loser: Weighed): string {
  if (layer(winner) !== layer(loser)) return "The winner stands above all ranks.";
  if (winner.weight.rank !== loser.weight.rank)
    return `The winner has the rank "${precedence[winner.weight.rank - 1]}", this one "${precedence[loser.weight.rank - 1]}".`;
  if (winner.weight.kinds !== loser.weight.kinds)
    return `The winner has ${winner.weight.kinds} kinds of scope, this one ${loser.weight.kinds}.`;
  if (winner.weight.ranks.some((rank, at) => rank !== loser.weight.ranks[at])) return "The winner's further kinds of scope rank higher.";
  if (winner.weight.origin !== loser.weight.origin)
    return `The winner comes from ${winner.variable.origin}, this one from ${loser.variable.origin}.`;
  return "Both are equal but for their ids, and the older id wins. Scope one of them further, or remove it.";
}

/** What is wrong with a value's scope wherever it is used, as sentences; empty where nothing is. */
export function checkScope({ name, scope = {}, origin }: Pick<ScopedVariable, "name" | "scope" | "origin">): string[] {
  const problems: string[] = [];
  const has = (kind: ScopeKind): boolean => (scope[kind]?.length ?? 0) > 0;
  for (const kind of ["Action", "Channel"] as const)
    if (origin === "librarySet" && has(kind))
      problems.push(
        `The variable ${name} of a variable set is scoped to ${kind}. Only a project's variables can be; move it into the project.`,
      );
  const owners = scope.ProcessOwner ?? [];
  if (has("Channel") && owners.length > 0 && owners.every((owner) => /^runbooks-/i.test(owner)))
    problems.push(
      `The variable ${name} is scoped to a channel and to a runbook. Runbooks have no channel, so it can never hold; remove one of the two.`,
    );
  return problems;
}
