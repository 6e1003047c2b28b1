// Evaluates a template that is read over a tree of variables: one run, with its own account of steps and characters, in which each variable is
// evaluated once. It reads no clock and does no I/O.
import type { Filter, FilterSetting } from "./filters.ts";
import { filters } from "./filters.ts";
import { JsonNumber, jsonText, parseJsonContainer } from "./json-values.ts";
import type { JsonValue } from "./json-values.ts";
import type { TemplateLimits } from "./limits.ts";
import { formatDouble, parseDouble } from "./numbers.ts";
import { parseTemplate } from "./parse-template.ts";
import { keyOf } from "./syntax.ts";
import type { Condition, Expression, FilterExpression, Operand, Step, Sum, SymbolExpression, TemplateNode } from "./syntax.ts";
import { TemplateError } from "./template-error.ts";
import { createNode } from "./variable-tree.ts";
import type { Entry, TreeNode } from "./variable-tree.ts";

export interface Evaluated {
  /** Undefined where the value is undefined by a Null filter. */
  text: string | undefined;
  sensitive: boolean;
  unresolved: readonly string[];
}

/** Variables and what is known of their values already. */
export interface VariableValues {
  root: TreeNode;
  /** By the slots of the tree; a name of the tree need not have a value. */
  entries: readonly (Entry | undefined)[];
  evaluated: Map<Entry, Evaluated>;
  /** Hears each text that filters, calculations and names made of a sensitive value on the way to a result. */
  hearDerived?: ((text: string) => void) | undefined;
}

/** Values of loops, innermost first; the last scope holds the variables. */
interface Scope {
  root: TreeNode;
  outer: Scope | undefined;
}

interface Found {
  node: TreeNode | undefined;
  /** Undefined where the node has no value of its own. */
  text: string | undefined;
  sensitive: boolean;
}

/** Where an unknown name is met: left as written in what is evaluated, nothing in a variable's own value. */
type Place = "template" | "value";

/** How many characters of an input count as one step: of JSON, of a filter's input and options, and of texts that are compared. */
const charactersPerStep = { json: 20, filter: 100, comparison: 500 };

export const isTruthyText = (text: string): boolean => {
  const trimmed = text.trim();
  return text !== "" && (trimmed.length > "false".length || !/^(?:0|no|false)$/i.test(trimmed));
};

export class Run {
  readonly #limits: TemplateLimits;
  readonly #setting: FilterSetting;
  readonly #values: VariableValues;
  readonly #variables: Scope;
  readonly #evaluating = new Set<Entry>();
  #stepsLeft: number;
  #producedLeft: number;
  #depth = 0;
  /** Variables whose values are being evaluated, outermost first. */
  readonly #chain: string[] = [];
  /** Those among them whose unevaluated text was walked as JSON meanwhile; what was found then is not the last word and not kept. */
  readonly #halfRead = new Set<Entry>();
  readonly #jsonPathsOpen = new Set<string>();
  readonly #json = new Map<string, JsonValue[] | Map<string, JsonValue> | undefined>();
  /** What was asked for and is not there, as it is written. */
  unresolved = new Set<string>();
  /** Whether what is evaluated now holds something of a sensitive value. */
  sensitive = false;
  /** Whether a Null filter made the whole undefined. */
  undefinedByFilter = false;
  /** What is read now is looked at and stands in no text. */
  #isUnseen = false;
  #place: Place = "template";

  constructor(values: VariableValues, limits: TemplateLimits, setting: Pick<FilterSetting, "nowMs" | "utcOffsetMinutes">) {
    this.#limits = limits;
    this.#values = values;
    this.#variables = { root: values.root, outer: undefined };
    this.#stepsLeft = limits.stepsMax;
    this.#producedLeft = limits.producedCharactersMax;
    this.#setting = { ...setting, limits, regexMsLeft: limits.regexMsMax, regexWork: 0 };
  }

  evaluateTemplate(nodes: readonly TemplateNode[]): string {
    return this.#nodes(nodes, this.#variables);
  }

  /** A variable's value with its placeholders replaced; undefined where a Null filter says so. */
  evaluateEntry(entry: Entry): string | undefined {
    const { text, sensitive } = this.#entry(entry);
    if (sensitive) this.sensitive = true;
    return text;
  }

  /** The indexes of a name, `Octopus.Action` → `Web`, `Database`; empty where it has none. */
  indexesOf(steps: readonly Step[]): string[] {
    let node: TreeNode | undefined = this.#variables.root;
    for (const step of steps) node = node === undefined || step.kind === "indexBy" ? undefined : this.#child(node, step.kind, step.key);
    return node === undefined ? [] : this.#indexed(node).map(({ index }) => index ?? "");
  }

  #step(steps: number): void {
    this.#stepsLeft -= steps;
    if (this.#stepsLeft < 0)
      throw new TemplateError(
        "steps",
        `The template needs more than ${this.#limits.stepsMax} steps. Look for loops in loops over long lists.`,
      );
  }

  #produced(text: string): string {
    if (text.length > this.#limits.outputCharactersMax) this.#tooLong();
    this.#producedLeft -= text.length;
    if (this.#producedLeft < 0)
      throw new TemplateError("output", `The values of the template come to more than ${this.#limits.producedCharactersMax} characters.`);
    return text;
  }

  #tooLong(): never {
    throw new TemplateError("output", `The result of the template is longer than ${this.#limits.outputCharactersMax} characters.`);
  }

  #deeper(): void {
    if (++this.#depth > this.#limits.depthMax)
      throw new TemplateError("depth", `Values and blocks of the template stand in one another more than ${this.#limits.depthMax} deep.`);
  }

  #nodes(nodes: readonly TemplateNode[], scope: Scope): string {
    this.#deeper();
    let output = "";
    for (const node of nodes) {
      output += typeof node === "string" ? node : this.#node(node, scope);
      if (output.length > this.#limits.outputCharactersMax) this.#tooLong();
    }
    this.#depth--;
    return output;
  }

  #node(node: Exclude<TemplateNode, string>, scope: Scope): string {
    this.#step(1);
    switch (node.kind) {
      case "substitution":
        return this.#substitution(node.expression, node.source, scope);
      case "calculation": {
        const result = this.#madeOf(() => {
          const sum = this.#sum(node.sum, scope);
          return this.#derived(sum === undefined ? undefined : formatDouble(sum));
        });
        if (result !== undefined) return result;
        this.unresolved.add(node.source);
        return node.source;
      }
      case "conditional": {
        for (const { condition, body } of node.branches) {
          const holds = this.#condition(condition, scope);
          if (holds === undefined) {
            this.unresolved.add(node.source);
            return node.source;
          }
          if (holds !== node.negated) return this.#nodes(body, scope);
        }
        return this.#nodes(node.otherwise, scope);
      }
      case "loop":
        return this.#loop(node, scope);
    }
  }

  #substitution(expression: Expression, source: string, scope: Scope): string {
    const text = this.#expression(expression, scope);
    if (text !== undefined) return text;
    if (expression.kind === "filter" && expression.name.toLowerCase() === "null") {
      this.undefinedByFilter = true;
      return "";
    }
    this.unresolved.add(source);
    // A filter that is unknown or cannot do its work leaves the text even in a value, so that the mistake is seen.
    return this.#place === "value" && this.#isUnknown(expression, scope) ? "" : source;
  }

  /** Whether the name that an expression begins with has no value. */
  #isUnknown(expression: Expression, scope: Scope): boolean {
    let first: Expression | undefined = expression;
    while (first?.kind === "filter") first = first.input;
    return first !== undefined && this.#symbol(first, scope) === undefined;
  }

  /** A chain of filters is applied from its innermost input on, without going deeper for each. */
  #expression(expression: Expression, scope: Scope): string | undefined {
    if (expression.kind === "symbol") return this.#symbol(expression, scope);
    const chain: FilterExpression[] = [];
    let first: Expression | undefined = expression;
    for (; first?.kind === "filter"; first = first.input) chain.push(first);
    return this.#madeOf(() => {
      let text = first === undefined ? undefined : this.#symbol(first, scope);
      for (const { name, options } of chain.reverse()) {
        const filter = filters.get(name.toLowerCase());
        text = filter === undefined ? undefined : this.#filtered(filter, text, options, scope);
        // Yes or no about a secret is not the secret, and masking every "true" in a log would hide more than it protects.
        if (filter?.answersYesOrNo) this.sensitive = false;
        this.#derived(text);
      }
      return text;
    });
  }

  /** Evaluates with `sensitive` telling of this piece alone, not of what stands before it in the text. */
  #madeOf<Result>(evaluate: () => Result): Result {
    const before = this.sensitive;
    this.sensitive = false;
    const result = evaluate();
    this.sensitive ||= before;
    return result;
  }

  #derived(text: string | undefined): string | undefined {
    if (this.sensitive && !this.#isUnseen && text !== undefined) this.#values.hearDerived?.(text);
    return text;
  }

  #filtered(filter: Filter, input: string | undefined, options: FilterExpression["options"], scope: Scope): string | undefined {
    const texts = options.map((option) => this.#option(option, scope));
    const characters = texts.reduce((sum, text) => sum + text.length, input?.length ?? 0);
    if (characters > this.#limits.outputCharactersMax) this.#tooLong();
    const weight = filter.weight ?? 1;
    this.#step(weight + Math.ceil((characters / charactersPerStep.filter) * weight));
    const result = filter.apply(input, texts, this.#setting);
    return result === undefined ? undefined : this.#produced(result);
  }

  #option(option: string | TemplateNode, scope: Scope): string {
    return typeof option === "string" ? option : this.#nodes([option], scope);
  }

  #symbol(symbol: SymbolExpression, scope: Scope): string | undefined {
    const found = this.#find(symbol, scope);
    if (found?.text === undefined) return undefined;
    if (found.sensitive) {
      this.sensitive = true;
      // A member of a secret document, or one of its list, is a secret by itself.
      this.#derived(found.text);
    }
    return found.text;
  }

  /** Evaluates without letting what is read count as shown: what a condition or an index reads is not in the text. */
  #unseen<Result>(evaluate: () => Result): Result {
    const before = { sensitive: this.sensitive, isUnseen: this.#isUnseen };
    this.#isUnseen = true;
    const result = evaluate();
    this.sensitive = before.sensitive;
    this.#isUnseen = before.isUnseen;
    return result;
  }

  #condition({ left, comparison }: Condition, scope: Scope): boolean | undefined {
    return this.#unseen(() => {
      const one = this.#side(left, scope);
      if (one === undefined) return undefined;
      this.#step(Math.ceil(one.length / charactersPerStep.comparison));
      if (comparison === undefined) return isTruthyText(one);
      const other = this.#side(comparison.right, scope);
      return other === undefined ? undefined : (one === other) === comparison.equal;
    });
  }

  /** An unknown name is an empty text here; only a filter can fail. */
  #side(side: Expression | string, scope: Scope): string | undefined {
    if (typeof side === "string") return side;
    return side.kind === "symbol" ? (this.#symbol(side, scope) ?? "") : this.#expression(side, scope);
  }

  #sum({ first, rest }: Sum, scope: Scope): number | undefined {
    this.#deeper();
    let result = this.#operand(first, scope);
    for (const { operator, operand } of rest) {
      this.#step(1);
      const next = this.#operand(operand, scope);
      if (result === undefined || next === undefined) result = undefined;
      else if (operator === "+") result += next;
      else if (operator === "-") result -= next;
      else if (operator === "*") result *= next;
      else result /= next;
    }
    this.#depth--;
    return result;
  }

  #operand(operand: Operand, scope: Scope): number | undefined {
    if (typeof operand === "number") return operand;
    if ("first" in operand) return this.#sum(operand, scope);
    const text = this.#symbol(operand, scope);
    return text === undefined ? undefined : parseDouble(text);
  }

  #loop(loop: Extract<TemplateNode, { kind: "loop" }>, scope: Scope): string {
    const items = this.#unseen(() => this.#items(loop.collection, scope));
    let output = "";
    for (const [position, item] of items.entries()) {
      this.#step(1);
      const root = createNode();
      root.names = new Map([
        ["octopus", loopNode(position, items.length)],
        [keyOf(loop.variable), item],
      ]);
      output += this.#nodes(loop.body, { root, outer: scope });
      if (output.length > this.#limits.outputCharactersMax) this.#tooLong();
    }
    return output;
  }

  #items(collection: SymbolExpression, scope: Scope): TreeNode[] {
    const found = this.#find(collection, scope);
    if (found === undefined) return [];
    if (found.node !== undefined && this.#entryAt(found.node) === undefined) {
      const indexed = this.#indexed(found.node);
      if (indexed.length > 0) return indexed;
    }
    if (found.text === undefined) return [];
    const { text, sensitive } = found;
    const item = (value: string): TreeNode => createNode({ name: collection.source, text: value, sensitive, finished: true });
    const json = this.#readJson(text);
    if (Array.isArray(json)) return json.map((value) => item(jsonText(value)));
    if (json === undefined) return this.#split(text).map(item);
    return [...json].map(([name, value]) => {
      const node = item(name);
      node.names = new Map([
        ["key", item(name)],
        ["value", item(jsonText(value))],
      ]);
      return node;
    });
  }

  #split(text: string): string[] {
    let count = 1;
    for (let at = text.indexOf(","); at >= 0; at = text.indexOf(",", at + 1)) if (++count > this.#stepsLeft) this.#step(count);
    return text.split(",");
  }

  // -- names

  #find(symbol: SymbolExpression, scope: Scope): Found | undefined {
    this.#step(symbol.steps.length);
    const steps = symbol.steps.some(({ kind }) => kind === "indexBy") ? this.#resolveIndexes(symbol, scope) : symbol.steps;
    if (steps === undefined) return undefined;
    for (let level: Scope | undefined = scope; level !== undefined; level = level.outer) {
      const found = this.#walk(level.root, steps);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #resolveIndexes(symbol: SymbolExpression, scope: Scope): Step[] | undefined {
    const steps: Step[] = [];
    this.#deeper();
    for (const step of symbol.steps) {
      if (step.kind !== "indexBy") {
        steps.push(step);
        continue;
      }
      const text = this.#unseen(() => this.#symbol(step.symbol, scope));
      if (text === undefined) {
        this.#depth--;
        return undefined;
      }
      steps.push({ kind: "index", text, key: keyOf(text) });
    }
    this.#depth--;
    return steps;
  }

  #walk(root: TreeNode, steps: readonly Step[]): Found | undefined {
    const passed: TreeNode[] = [];
    let node: TreeNode | undefined = root;
    for (const step of steps) {
      if (step.kind === "indexBy") return undefined;
      node = this.#child(node, step.kind, step.key);
      if (node === undefined) break;
      passed.push(node);
    }
    const own = node === undefined ? undefined : this.#entryAt(node);
    if (own !== undefined) return { node, ...this.#entry(own) };
    // Only where no variable has the full name, the values on the way are looked at as JSON, the closest first.
    for (let at = passed.length - 1; at >= 0; at--) {
      const before = passed[at];
      const entry = before === undefined ? undefined : this.#entryAt(before);
      const found = entry === undefined ? undefined : this.#inJson(entry, steps, at + 1);
      if (found !== undefined) return found;
    }
    return node === undefined || !this.#hasValue(node) ? undefined : { node, text: node.index, sensitive: false };
  }

  #entryAt({ entry, slot }: TreeNode): Entry | undefined {
    return entry ?? (slot === undefined ? undefined : this.#values.entries[slot]);
  }

  /** Whether a node or one below it has a value: the tree has names for other places too. */
  #hasValue(node: TreeNode): boolean {
    this.#step(1);
    if (this.#entryAt(node) !== undefined) return true;
    for (const children of [node.names, node.indexes]) for (const child of children?.values() ?? []) if (this.#hasValue(child)) return true;
    return false;
  }

  #indexed(node: TreeNode): TreeNode[] {
    return [...(node.indexes?.values() ?? [])].filter((child) => this.#hasValue(child));
  }

  #child(node: TreeNode, kind: "name" | "index", key: string): TreeNode | undefined {
    if (kind === "name") return node.names?.get(key);
    return node.indexes?.get(key) ?? (key === "*" ? this.#indexed(node)[0] : undefined);
  }

  #entry(entry: Entry): { text: string | undefined; sensitive: boolean } {
    if (entry.finished || !entry.text.includes("#{")) return entry;
    if (this.#evaluating.has(entry))
      throw new TemplateError(
        "recursion",
        `An attempt to parse the variable symbol "${entry.name}" appears to have resulted in a self referencing loop (${[
          ...this.#chain.slice(this.#chain.indexOf(entry.name)),
          entry.name,
        ].join(" -> ")}). Ensure that recursive loops do not exist in the variable values.`,
      );
    const known = this.#values.evaluated.get(entry);
    if (known !== undefined) {
      for (const source of known.unresolved) this.unresolved.add(source);
      return known;
    }
    const parsed = parseTemplate(entry.text, { broken: "refuse", ...this.#limits });
    if (!parsed.ok) return entry;
    const outer = { unresolved: this.unresolved, sensitive: this.sensitive, undefinedByFilter: this.undefinedByFilter };
    const place = this.#place;
    // A value is evaluated once, for whoever reads it later too.
    const isUnseen = this.#isUnseen;
    this.#isUnseen = false;
    this.#place = "value";
    this.unresolved = new Set();
    this.sensitive = entry.sensitive;
    this.undefinedByFilter = false;
    this.#evaluating.add(entry);
    this.#chain.push(entry.name);
    try {
      const text = this.#produced(this.#nodes(parsed.nodes, this.#variables));
      const evaluated = {
        text: this.undefinedByFilter ? undefined : text,
        sensitive: this.sensitive,
        // A placeholder is a piece of the value: of a secret only the name is told.
        unresolved: entry.sensitive && this.unresolved.size > 0 ? [`#{${entry.name}}`] : [...this.unresolved],
      };
      const isFinal = this.#halfRead.size === 0;
      this.#halfRead.delete(entry);
      if (isFinal) this.#values.evaluated.set(entry, evaluated);
      for (const source of evaluated.unresolved) outer.unresolved.add(source);
      return evaluated;
    } finally {
      this.#chain.pop();
      this.#evaluating.delete(entry);
      this.#place = place;
      this.#isUnseen = isUnseen;
      ({ unresolved: this.unresolved, sensitive: this.sensitive, undefinedByFilter: this.undefinedByFilter } = outer);
    }
  }

  /**
   * A part of a value that is JSON. While the value itself is being evaluated, its text as it was given is walked instead: so one member may name
   * another. A member that leads back to itself has no value.
   */
  #inJson(entry: Entry, steps: readonly Step[], from: number): Found | undefined {
    if (!this.#evaluating.has(entry)) {
      const { text, sensitive } = this.#entry(entry);
      const part = text === undefined ? undefined : this.#jsonPart(text, steps, from);
      return part === undefined ? undefined : { node: undefined, text: part, sensitive };
    }
    this.#halfRead.add(entry);
    const part = this.#jsonPart(entry.text, steps, from);
    if (part === undefined || !part.includes("#{"))
      return part === undefined ? undefined : { node: undefined, text: part, sensitive: entry.sensitive };
    const path = JSON.stringify([keyOf(entry.name), ...steps.slice(from).map((step) => (step.kind === "indexBy" ? "" : step.text))]);
    const parsed = parseTemplate(part, { broken: "refuse", ...this.#limits });
    if (this.#jsonPathsOpen.has(path) || !parsed.ok) return undefined;
    this.#jsonPathsOpen.add(path);
    const before = { sensitive: this.sensitive, place: this.#place };
    this.sensitive = entry.sensitive;
    this.#place = "value";
    try {
      const text = this.#produced(this.#nodes(parsed.nodes, this.#variables));
      return { node: undefined, text, sensitive: this.sensitive };
    } finally {
      this.sensitive = before.sensitive;
      this.#place = before.place;
      this.#jsonPathsOpen.delete(path);
    }
  }

  #jsonPart(text: string, steps: readonly Step[], from: number): string | undefined {
    let value: JsonValue = text;
    for (let at = from; at < steps.length; at++) {
      const step = steps[at];
      if (step === undefined || step.kind === "indexBy" || step.text === "") return undefined;
      const container: JsonValue | undefined = typeof value === "string" ? this.#readJson(value) : value;
      if (container instanceof Map) value = container.get(step.text) ?? null;
      else if (Array.isArray(container)) {
        if (!/^[-+]?\d{1,9}$/.test(step.text)) return undefined;
        value = container[Number(step.text)] ?? null;
      } else return undefined;
    }
    if (typeof value === "string" || value === null || value instanceof JsonNumber) return jsonText(value);
    const written = jsonText(value);
    this.#step(Math.ceil(written.length / charactersPerStep.json));
    return written;
  }

  #readJson(text: string): JsonValue[] | Map<string, JsonValue> | undefined {
    if (text.length > this.#limits.jsonCharactersMax) return undefined;
    if (this.#json.has(text)) return this.#json.get(text);
    this.#step(Math.ceil(text.length / charactersPerStep.json));
    const json = parseJsonContainer(text, this.#limits.jsonDepthMax);
    this.#json.set(text, json);
    return json;
  }
}

/** `Octopus.Template.Each.Index`, `.First` and `.Last`. */
function loopNode(position: number, length: number): TreeNode {
  const value = (text: string): TreeNode => createNode({ name: "Octopus.Template.Each", text, sensitive: false, finished: true });
  const each = createNode();
  each.names = new Map([
    ["index", value(String(position))],
    ["first", value(position === 0 ? "True" : "False")],
    ["last", value(position === length - 1 ? "True" : "False")],
  ]);
  const template = createNode();
  template.names = new Map([["each", each]]);
  const octopus = createNode();
  octopus.names = new Map([["template", template]]);
  return octopus;
}
