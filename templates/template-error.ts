// The one error that this library throws at a caller: a template that cannot have a result. Everything milder is left as written and told.

/**
 * - `recursion`: a value needs itself.
 * - `steps`, `output`, `depth`, `regex`: the limit of that name was reached; see TemplateLimits.
 */
export type TemplateErrorKind = "recursion" | "steps" | "output" | "depth" | "regex";

export class TemplateError extends Error {
  readonly kind: TemplateErrorKind;
  constructor(kind: TemplateErrorKind, message: string) {
    super(message);
    this.name = "TemplateError";
    this.kind = kind;
  }
}
