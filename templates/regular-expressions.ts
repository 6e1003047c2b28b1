// Regular expressions of templates, run by a linear engine (RE2's), because a template's author may not be the server's. Forms that only a
// backtracking engine has (look-around, back references) are refused, and then the filter leaves its text.
import { RE2JS } from "re2js";
import type { Matcher } from "re2js";
import type { TemplateLimits } from "./limits.ts";
import { TemplateError } from "./template-error.ts";

export interface RegexBudget {
  limits: TemplateLimits;
  /** What the searches of this evaluation may still take together. */
  regexMsLeft: number;
  /** What they cost so far, in characters times instructions, as if each had read its text to the end. */
  regexWork: number;
}

/** Searches of one evaluation that cost less than this together are not held against the clock, so that a busy machine changes no small result. */
const freeWork = 2_000_000;
/** What compiling counts as, beside what searches do. */
const compileWorkPerCharacter = 1_000;
/** Expressions that are kept once compiled: a large one takes a megabyte. */
const compiledMax = 100;
const compiled = new Map<string, RE2JS | null>();

function compile(pattern: string, budget: RegexBudget): RE2JS | undefined {
  const { regexCharactersMax, regexProgramMax } = budget.limits;
  if (pattern.length > regexCharactersMax)
    throw new TemplateError("regex", `A regular expression has ${pattern.length} characters; ${regexCharactersMax} are the most.`);
  let program = compiled.get(pattern);
  if (program === undefined) {
    const startedAt = performance.now();
    try {
      program = RE2JS.compile(pattern);
    } catch {
      program = null; // not a regular expression, or one that needs backtracking
    }
    budget.regexMsLeft -= performance.now() - startedAt;
    budget.regexWork += pattern.length * compileWorkPerCharacter;
    if (compiled.size >= compiledMax) compiled.clear();
    compiled.set(pattern, program);
  }
  if (program !== null && program.programSize() > regexProgramMax)
    throw new TemplateError(
      "regex",
      `A regular expression of ${program.programSize()} instructions is too large; ${regexProgramMax} are the most.`,
    );
  return program ?? undefined;
}

/** Each match in turn, with the account kept. */
function* searches(text: string, program: RE2JS, budget: RegexBudget): Generator<Matcher> {
  const size = Math.max(1, program.programSize());
  if (text.length * size > budget.limits.regexWorkMax)
    throw new TemplateError("regex", `A text of ${text.length} characters is too long for a regular expression of ${size} instructions.`);
  const matcher = program.matcher(text);
  for (;;) {
    const startedAt = performance.now();
    const found = matcher.find();
    budget.regexMsLeft -= performance.now() - startedAt;
    budget.regexWork += (text.length + 1) * size;
    if (budget.regexMsLeft < 0 && budget.regexWork > freeWork)
      throw new TemplateError("regex", `The regular expressions of the template took more than ${budget.limits.regexMsMax} ms.`);
    if (!found) return;
    yield matcher;
  }
}

/** Undefined where the pattern is none that can be run. */
export function regexMatches(text: string, pattern: string, budget: RegexBudget): boolean | undefined {
  const program = compile(pattern, budget);
  return program === undefined ? undefined : searches(text, program, budget).next().done !== true;
}

/** Replaces all matches; `$1`, `${name}`, `$&`, `` $` ``, `$'`, `$+`, `$_` and `$$` as .NET has them. Undefined where the pattern is none that can be run. */
export function regexReplace(text: string, pattern: string, replacement: string, budget: RegexBudget): string | undefined {
  const program = compile(pattern, budget);
  if (program === undefined) return undefined;
  const parts = replacement.match(/\$(?:\d+|\{\w+\}|[&`'+_$])|[^$]+|\$/g) ?? [];
  const names = program.namedGroups();
  const groups = program.groupCount();
  let result = "";
  let end = 0;
  for (const match of searches(text, program, budget)) {
    result += text.slice(end, match.start());
    for (const part of parts) {
      result += replacementText(part, match, { text, groups, names });
      if (result.length > budget.limits.outputCharactersMax)
        throw new TemplateError("output", `A replacement is longer than ${budget.limits.outputCharactersMax} characters.`);
    }
    end = match.end();
  }
  return result + text.slice(end);
}

function replacementText(
  part: string,
  match: Matcher,
  { text, groups, names }: { text: string; groups: number; names: Record<string, number> },
): string {
  if (!part.startsWith("$") || part === "$") return part;
  const group = (number: number): string => match.group(number) ?? "";
  if (part === "$$") return "$";
  if (part === "$&") return group(0);
  if (part === "$`") return text.slice(0, match.start());
  if (part === "$'") return text.slice(match.end());
  if (part === "$_") return text;
  if (part === "$+") return group(groups);
  const name = part.startsWith("${") ? part.slice(2, -1) : part.slice(1);
  if (/^\d+$/.test(name)) return Number(name) <= groups ? group(Number(name)) : part;
  const number = new Map(Object.entries(names)).get(name);
  return number === undefined ? part : group(number);
}
