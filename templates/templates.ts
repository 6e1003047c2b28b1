// The library's public face: variables and what templates over them come to, and which of several values of a variable holds where.
// Pure: it reads no clock, file or setting; the time that NowDate tells is handed in.
import { Run, isTruthyText } from "./evaluate.ts";
import { defaultTemplateLimits } from "./limits.ts";
import type { TemplateLimits } from "./limits.ts";
import { parseName, parseTemplate } from "./parse-template.ts";
import type { ParseProblem } from "./parse-template.ts";
import { keyOf } from "./syntax.ts";
import { TemplateError } from "./template-error.ts";
import { addEntry, createEntry, createNode } from "./variable-tree.ts";
import type { Entry } from "./variable-tree.ts";

export { TemplateError, defaultTemplateLimits, parseTemplate };
export type { TemplateErrorKind } from "./template-error.ts";
export type { ParseOptions, ParseProblem, ParseResult } from "./parse-template.ts";
export type { TemplateLimits } from "./limits.ts";
export { namesUsedBy } from "./used-names.ts";
export { checkScope, createScopeResolver, precedence } from "./scopes.ts";
export type { Candidate, Origin, ResolvedVariable, RunScope, ScopeKind, ScopeResolver, ScopedVariable, VariableScope } from "./scopes.ts";

/** A variable as a template sees it: one name, one value. */
export interface Variable {
  /** Names that differ in case only are one; the last given wins. */
  name: string;
  /** May hold placeholders. Null counts as empty. */
  value: string | null;
  /** What is made from it is sensitive too. */
  sensitive?: boolean | undefined;
}

export interface VariablesOptions {
  /** What `NowDate` and `NowDateUtc` tell, in milliseconds since 1970. The same over a whole task, so that an attempt after a takeover says the same. */
  nowMs: number;
  /** How far east of Greenwich the clock hangs that `NowDate` and dates without a zone mean. Default 0. */
  utcOffsetMinutes?: number | undefined;
  /** Single limits that differ from defaultTemplateLimits. */
  limits?: Partial<TemplateLimits> | undefined;
}

export interface EvaluateOptions {
  /**
   * What a `#{` that starts nothing does: by default (`refuse`; values, step fields) the whole text stays as it is and `problem` says why; as `text`
   * (files) only that place does.
   */
  broken?: "refuse" | "text" | undefined;
}

export interface Evaluation {
  /** The text; null where a Null filter made it undefined. */
  text: string | null;
  /** True where something of a sensitive value is in the text. What a condition, an index or a comparison filter read does not count. */
  sensitive: boolean;
  /** Placeholders without a value, as they are written, each once: those that stayed in the text and, from within values, those that became empty. */
  unresolved: readonly string[];
  /** Why the text could not be read as a template and stayed as it is; null otherwise. */
  problem: ParseProblem | null;
}

export interface Variables {
  /** Replaces what stands in a text. Throws TemplateError for recursion and exceeded limits, nothing else. */
  evaluate(text: string, options?: EvaluateOptions): Evaluation;
  /** A variable's value, its placeholders replaced; undefined where there is none of that name. Throws as `evaluate`. */
  get(name: string): Evaluation | undefined;
  /** A variable's value as it was given; undefined where there is none of that name. */
  getUnevaluated(name: string): string | undefined;
  /** Whether a condition holds: the text evaluates without unresolved placeholders and is not empty, `0`, `no` or `false`. Throws as `evaluate`. */
  isTruthy(text: string): boolean;
  /** The indexes that a name has: with `Octopus.Action[Web].Name`, those of `Octopus.Action` are `Web`. */
  indexesOf(name: string): string[];
  /** The names, as they were given, in order. */
  names(): string[];
}

/** Makes variables to evaluate templates over. They do not change; each value is evaluated once, when it is first needed. */
export function createVariables(
  variables: Iterable<Variable>,
  { nowMs, utcOffsetMinutes = 0, limits: changes }: VariablesOptions,
): Variables {
  const limits = { ...defaultTemplateLimits, ...changes };
  const entries = new Map<string, Entry>();
  for (const { name, value, sensitive = false } of variables) entries.set(keyOf(name), createEntry(name, value ?? "", sensitive, false));
  const root = createNode();
  for (const entry of entries.values()) addEntry(root, entry);
  const newRun = (): Run => new Run(root, limits, { nowMs, utcOffsetMinutes });

  function evaluate(text: string, { broken = "refuse" }: EvaluateOptions = {}): Evaluation {
    const parsed = parseTemplate(text, { broken, ...limits });
    if (!parsed.ok) return { text, sensitive: false, unresolved: [], problem: parsed.problem };
    const run = newRun();
    const result = run.evaluateTemplate(parsed.nodes);
    return { text: run.undefinedByFilter ? null : result, sensitive: run.sensitive, unresolved: [...run.unresolved], problem: null };
  }

  return {
    evaluate,
    get(name) {
      const entry = entries.get(keyOf(name));
      if (entry === undefined) return undefined;
      const parsed = parseTemplate(entry.text, { broken: "refuse", ...limits });
      if (!parsed.ok) return { text: entry.text, sensitive: entry.sensitive, unresolved: [], problem: parsed.problem };
      const run = newRun();
      const text = run.evaluateEntry(entry);
      return { text: text ?? null, sensitive: run.sensitive, unresolved: [...run.unresolved], problem: null };
    },
    getUnevaluated: (name) => entries.get(keyOf(name))?.text,
    isTruthy(text) {
      const result = evaluate(text);
      return result.problem === null && result.unresolved.length === 0 && result.text !== null && isTruthyText(result.text);
    },
    indexesOf(name) {
      const steps = parseName(name);
      return steps === null ? [] : newRun().indexesOf(steps);
    },
    names: () => [...entries.values()].map(({ name }) => name),
  };
}
