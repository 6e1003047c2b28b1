// Variables with their values at one place, and what templates over them come to.
import { Run, isTruthyText } from "./evaluate.ts";
import type { VariableValues } from "./evaluate.ts";
import { defaultTemplateLimits } from "./limits.ts";
import type { TemplateLimits } from "./limits.ts";
import { parseName, parseTemplate } from "./parse-template.ts";
import type { ParseProblem } from "./parse-template.ts";
import { NameTree } from "./variable-tree.ts";
import type { Entry } from "./variable-tree.ts";

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
  /**
   * Hears, while something is evaluated, each text that filters, calculations, members and names made of a sensitive value and that stands in
   * a result, or led to it: whoever masks sensitive values masks these too. What conditions and indexes read is not told.
   */
  hearDerived?: ((text: string) => void) | undefined;
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
export function createVariables(variables: Iterable<Variable>, options: VariablesOptions): Variables {
  const tree = new NameTree();
  const entries: (Entry | undefined)[] = [];
  for (const variable of variables) entries[tree.slotOf(variable.name)] = entryOf(variable);
  return variablesOver(tree, entries, options);
}

export const entryOf = ({ name, value, sensitive = false }: Variable): Entry => ({ name, text: value ?? "", sensitive, finished: false });

/** The same over a tree of names that others share, and values by its slots. */
export function variablesOver(
  tree: NameTree,
  entries: readonly (Entry | undefined)[],
  { nowMs, utcOffsetMinutes = 0, limits: changes, hearDerived }: VariablesOptions,
): Variables {
  const limits = { ...defaultTemplateLimits, ...changes };
  const values: VariableValues = { root: tree.root, entries, evaluated: new Map(), hearDerived };
  const newRun = (): Run => new Run(values, limits, { nowMs, utcOffsetMinutes });
  const find = (name: string): Entry | undefined => entries[tree.find(name) ?? -1];

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
      const entry = find(name);
      if (entry === undefined) return undefined;
      const parsed = parseTemplate(entry.text, { broken: "refuse", ...limits });
      if (!parsed.ok) {
        // The message shows where in the text the mistake is; of a secret nothing is shown.
        const { at } = parsed.problem;
        const problem = entry.sensitive
          ? { message: `The sensitive value of ${entry.name} cannot be read as a template.`, at }
          : parsed.problem;
        return { text: entry.text, sensitive: entry.sensitive, unresolved: [], problem };
      }
      const run = newRun();
      const text = run.evaluateEntry(entry);
      return { text: text ?? null, sensitive: run.sensitive, unresolved: [...run.unresolved], problem: null };
    },
    getUnevaluated: (name) => find(name)?.text,
    isTruthy(text) {
      const result = evaluate(text);
      return result.problem === null && result.unresolved.length === 0 && result.text !== null && isTruthyText(result.text);
    },
    indexesOf(name) {
      const steps = parseName(name);
      return steps === null ? [] : newRun().indexesOf(steps);
    },
    names: () => entries.flatMap((entry) => (entry === undefined ? [] : [entry.name])),
  };
}
