// Which names a template asks for, without evaluating it: for checks before a deployment and for editors.
import type { Condition, Expression, Operand, Sum, SymbolExpression, TemplateNode } from "./syntax.ts";
import { keyOf } from "./syntax.ts";

/**
 * The names in a read template, each once, as written. An index that is a placeholder ends a name (`A[#{B}].C` gives `A` and `B`), and what is asked of
 * a loop's variable is left out, because only the loop knows it.
 */
export function namesUsedBy(nodes: readonly TemplateNode[]): string[] {
  const names = new Map<string, string>();
  const visit = new Visitor((name) => {
    if (!names.has(keyOf(name))) names.set(keyOf(name), name);
  });
  visit.nodes(nodes, new Set());
  return [...names.values()];
}

class Visitor {
  readonly #found: (name: string) => void;
  constructor(found: (name: string) => void) {
    this.#found = found;
  }

  nodes(nodes: readonly TemplateNode[], locals: ReadonlySet<string>): void {
    for (const node of nodes) {
      if (typeof node === "string") continue;
      if (node.kind === "substitution") this.#expression(node.expression, locals);
      else if (node.kind === "calculation") this.#sum(node.sum, locals);
      else if (node.kind === "loop") {
        this.#symbol(node.collection, locals);
        this.nodes(node.body, new Set([...locals, keyOf(node.variable)]));
      } else {
        for (const { condition, body } of node.branches) {
          this.#condition(condition, locals);
          this.nodes(body, locals);
        }
        this.nodes(node.otherwise, locals);
      }
    }
  }

  #condition({ left, comparison }: Condition, locals: ReadonlySet<string>): void {
    for (const side of [left, comparison?.right ?? ""]) if (typeof side !== "string") this.#expression(side, locals);
  }

  #expression(expression: Expression, locals: ReadonlySet<string>): void {
    if (expression.kind === "symbol") this.#symbol(expression, locals);
    else {
      if (expression.input !== undefined) this.#expression(expression.input, locals);
      this.nodes(expression.options, locals);
    }
  }

  #sum({ first, rest }: Sum, locals: ReadonlySet<string>): void {
    for (const operand of [first, ...rest.map((term) => term.operand)]) this.#operand(operand, locals);
  }

  #operand(operand: Operand, locals: ReadonlySet<string>): void {
    if (typeof operand === "number") return;
    if ("first" in operand) this.#sum(operand, locals);
    else this.#symbol(operand, locals);
  }

  #symbol({ steps }: SymbolExpression, locals: ReadonlySet<string>): void {
    let name = "";
    let open = true;
    for (const step of steps) {
      if (step.kind === "indexBy") {
        this.#symbol(step.symbol, locals);
        open = false;
      } else if (open) name += step.kind === "index" ? `[${step.text}]` : name === "" ? step.text : `.${step.text}`;
    }
    if (!locals.has(steps[0]?.kind === "name" ? steps[0].key : "") && !/^octopus\.template\.each\./i.test(name)) this.#found(name);
  }
}
