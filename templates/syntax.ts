// What a template consists of once it is read. Plain values; `source` is the text as it was written, for what is left as it is.

export type Step =
  /** `.Name` */
  | { kind: "name"; text: string; key: string }
  /** `[text]` */
  | { kind: "index"; text: string; key: string }
  /** `[#{Name}]` */
  | { kind: "indexBy"; symbol: SymbolExpression };

export interface SymbolExpression {
  kind: "symbol";
  steps: readonly Step[];
  source: string;
}

export interface FilterExpression {
  kind: "filter";
  name: string;
  /** Undefined for `#{ | NowDate}`. */
  input: Expression | undefined;
  options: readonly (string | TemplateNode)[];
}

export type Expression = SymbolExpression | FilterExpression;

export interface Condition {
  left: Expression | string;
  comparison: { equal: boolean; right: Expression | string } | undefined;
}

export type Operator = "+" | "-" | "*" | "/";

/** Operands and what joins them, from left to right. */
export interface Sum {
  first: Operand;
  rest: readonly { operator: Operator; operand: Operand }[];
}

export type Operand = number | SymbolExpression | Sum;

export type TemplateNode =
  | string
  | { kind: "substitution"; expression: Expression; source: string }
  | { kind: "calculation"; sum: Sum; source: string }
  | {
      kind: "conditional";
      negated: boolean;
      branches: readonly { condition: Condition; body: readonly TemplateNode[] }[];
      otherwise: readonly TemplateNode[];
      source: string;
    }
  | { kind: "loop"; variable: string; collection: SymbolExpression; body: readonly TemplateNode[]; source: string };

/** A key under which names are equal that differ in case only. */
export const keyOf = (name: string): string => name.toLowerCase();
