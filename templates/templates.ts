// The library's public face: variables and what templates over them come to, and which of several values of a variable holds where.
// Pure: it reads no clock, file or setting; the time that NowDate tells is handed in.
export { TemplateError } from "./template-error.ts";
export type { TemplateErrorKind } from "./template-error.ts";
export { defaultTemplateLimits } from "./limits.ts";
export type { TemplateLimits } from "./limits.ts";
export { parseTemplate } from "./parse-template.ts";
export type { ParseOptions, ParseProblem, ParseResult } from "./parse-template.ts";
export { namesUsedBy } from "./used-names.ts";
export { createVariables } from "./variables.ts";
export type { EvaluateOptions, Evaluation, Variable, Variables, VariablesOptions } from "./variables.ts";
export { checkScope, createScopeResolver, precedence } from "./scopes.ts";
export type { Candidate, Origin, ResolvedVariable, RunScope, ScopeKind, ScopeResolver, ScopedVariable, VariableScope } from "./scopes.ts";
