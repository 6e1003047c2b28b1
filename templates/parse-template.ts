// Reads a template: a hand-written parser that tries blocks, calculations, loops and substitutions in this order, as the official grammar does.
// It remembers what it found at each place inside a block, so that a block that turns out not to be one costs no second reading, and it refuses
// what nests too deep; together that keeps it linear. It evaluates nothing.
import { defaultTemplateLimits } from "./limits.ts";
import { keyOf } from "./syntax.ts";
import type { Condition, Expression, Operand, Operator, Step, Sum, SymbolExpression, TemplateNode } from "./syntax.ts";

export type ParseResult = { ok: true; nodes: readonly TemplateNode[] } | { ok: false; problem: ParseProblem };

export interface ParseProblem {
  message: string;
  /** Where it is, in UTF-16 code units from the start. */
  at: number;
}

export interface ParseOptions {
  /**
   * What is to happen with a `#{` that starts nothing: `refuse` the whole text, which then stays as it is (values and fields), or leave that place as
   * `text` and read on (files, in which other languages use the same characters).
   */
  broken: "refuse" | "text";
  templateCharactersMax?: number;
  nestingMax?: number;
}

/** Texts and paths are kept once they are read, because the same ones come again with each step and target; more than so many are forgotten. */
const cachedTemplatesMax = 2_000;
const cachedCharactersMax = 4 * 1024;
const cachedPathsMax = 20_000;
const caches = { refuse: new Map<string, ParseResult>(), text: new Map<string, ParseResult>() };
const paths = new Map<string, readonly Step[] | null>();

class TooDeep extends Error {}

/** Reads a whole template. Never throws. */
export function parseTemplate(text: string, options: ParseOptions): ParseResult {
  const {
    broken,
    templateCharactersMax = defaultTemplateLimits.templateCharactersMax,
    nestingMax = defaultTemplateLimits.nestingMax,
  } = options;
  if (text.length > templateCharactersMax)
    return {
      ok: false,
      problem: { message: `The template has ${text.length} characters; ${templateCharactersMax} are the most.`, at: templateCharactersMax },
    };
  if (!text.includes("#{")) return { ok: true, nodes: text === "" ? [] : [text] };
  const cache = text.length <= cachedCharactersMax && nestingMax === defaultTemplateLimits.nestingMax ? caches[broken] : undefined;
  const known = cache?.get(text);
  if (known !== undefined) return known;
  const result = new Parser(text, nestingMax).readAll(broken);
  if (cache !== undefined) {
    if (cache.size >= cachedTemplatesMax) cache.clear();
    cache.set(text, result);
  }
  return result;
}

/** Longer names are no names that somebody writes into a template. */
const nameCharactersMax = 1_000;

/** The steps of a variable's name, `Octopus.Action[Web].Name`; null if it is none that a template could name. */
export function parseName(name: string): readonly Step[] | null {
  if (name.length > nameCharactersMax) return null;
  const known = paths.get(name);
  if (known !== undefined) return known;
  const steps = new Parser(name, defaultTemplateLimits.nestingMax).readName();
  if (paths.size >= cachedPathsMax) paths.clear();
  paths.set(name, steps);
  return steps;
}

const isWhite = (code: number): boolean =>
  code === 32 || (code >= 9 && code <= 13) || (code > 127 && /\s|\u0085/.test(String.fromCharCode(code)));

/** Letters, digits and `_ - : / ~ ( ) @`, which paths, roles and emails have. */
function isNameCharacter(code: number): boolean {
  if (code < 128)
    return (
      (code >= 97 && code <= 122) || // a-z
      (code >= 64 && code <= 90) || // @ A-Z
      (code >= 47 && code <= 58) || // / 0-9 :
      code === 95 ||
      code === 45 ||
      code === 126 ||
      code === 40 ||
      code === 41
    );
  return /[\p{L}\p{Nd}]/u.test(String.fromCharCode(code));
}

const keywords = ["in", "==", "!="];

class Parser {
  readonly #text: string;
  readonly #nestingMax: number;
  #at = 0;
  /** How far any attempt came: where the mistake is. */
  #furthest = 0;
  #nesting = 0;
  readonly #found = new Map<number, { node: TemplateNode; end: number } | null>();
  readonly #lastClosings = new Map<string, number>();

  constructor(text: string, nestingMax: number) {
    this.#text = text;
    this.#nestingMax = nestingMax;
  }

  readAll(broken: "refuse" | "text"): ParseResult {
    const nodes: TemplateNode[] = [];
    try {
      while (this.#at < this.#text.length) {
        const start = this.#at;
        this.#furthest = start;
        const node = this.#token();
        if (node !== null) nodes.push(node);
        else if (broken === "refuse") return { ok: false, problem: this.#problem() };
        else {
          this.#at = Math.max(this.#furthest, start + 1);
          nodes.push(this.#text.slice(start, this.#at));
        }
      }
    } catch (error) {
      if (!(error instanceof TooDeep)) throw error;
      const message = `Blocks and expressions stand in one another more than ${this.#nestingMax} deep at character ${this.#at}.`;
      return { ok: false, problem: { message, at: this.#at } };
    }
    return { ok: true, nodes };
  }

  readName(): readonly Step[] | null {
    try {
      const symbol = this.#symbol(false);
      if (symbol === null || this.#at < this.#text.length) return null;
      return symbol.steps.some(({ kind }) => kind === "indexBy") ? null : symbol.steps;
    } catch (error) {
      if (error instanceof TooDeep) return null;
      throw error;
    }
  }

  #problem(): ParseProblem {
    const at = this.#furthest;
    const found = at >= this.#text.length ? "the end of the text" : `"${this.#text.slice(at, at + 20)}"`;
    return { message: `The template cannot be read at character ${at}: unexpected ${found}.`, at };
  }

  #fail(): null {
    if (this.#at > this.#furthest) this.#furthest = this.#at;
    return null;
  }

  #code(): number {
    return this.#text.charCodeAt(this.#at);
  }

  #skipWhite(): boolean {
    const start = this.#at;
    while (this.#at < this.#text.length && isWhite(this.#code())) this.#at++;
    return this.#at > start;
  }

  #take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) {
      this.#fail();
      return false;
    }
    this.#at += word.length;
    return true;
  }

  /** Goes one level deeper; undone by its caller with #nesting--. */
  #deeper(): void {
    if (++this.#nesting > this.#nestingMax) throw new TooDeep();
  }

  // -- text and blocks

  #token(): TemplateNode | null {
    return this.#text.startsWith("#{", this.#at) ? this.#placeholder() : this.#plain();
  }

  /** Text up to the next `#{`. `##{` is a written `#{`, and a `##` in front of a `#{` is one hash before a placeholder. */
  #plain(): string {
    const text = this.#text;
    let plain = "";
    for (;;) {
      const hash = text.indexOf("#", this.#at);
      const end = hash < 0 ? text.length : hash;
      plain += text.slice(this.#at, end);
      this.#at = end;
      if (hash < 0 || text[hash + 1] === "{") return plain;
      if (text[hash + 1] !== "#") {
        plain += text.slice(hash, hash + 2);
        this.#at = Math.min(hash + 2, text.length);
      } else if (text[hash + 2] === "{") {
        plain += "#{";
        this.#at = hash + 3;
      } else {
        plain += text.startsWith("#{", hash + 2) ? "#" : "##";
        this.#at = hash + 2;
      }
    }
  }

  #placeholder(): TemplateNode | null {
    const start = this.#at;
    const known = this.#found.get(start);
    if (known !== undefined) {
      if (known === null) return this.#fail();
      this.#at = known.end;
      return known.node;
    }
    this.#deeper();
    const node = this.#readPlaceholder(start);
    this.#nesting--;
    if (this.#nesting > 0) this.#found.set(start, node === null ? null : { node, end: this.#at });
    if (node === null) this.#at = start;
    return node;
  }

  #readPlaceholder(start: number): TemplateNode | null {
    if (this.#text[start + 2] === "/") {
      this.#at = start + 2;
      return this.#fail();
    }
    const word = this.#keyword(start + 2);
    if (word === "if" || word === "unless") {
      const node = this.#conditional(start, word);
      if (node !== null) return node;
    } else if (word === "calc") {
      const node = this.#calculation(start);
      if (node !== null) return node;
    } else if (word === "each") {
      const node = this.#loop(start);
      if (node !== null) return node;
    }
    this.#at = start + 2;
    const expression = this.#expression();
    if (expression === null || !this.#take("}")) return null;
    return { kind: "substitution", expression, source: this.#text.slice(start, this.#at) };
  }

  /** The word at a place if white space follows; leaves the parser behind both. */
  #keyword(at: number): "if" | "unless" | "each" | "calc" | null {
    this.#at = at;
    this.#skipWhite();
    const head = this.#text.slice(this.#at, this.#at + 6).toLowerCase();
    for (const word of ["if", "unless", "each", "calc"] as const) {
      if (!head.startsWith(word)) continue;
      this.#at += word.length;
      return this.#skipWhite() ? word : null;
    }
    return null;
  }

  /** False where no closing of the kind follows: without looking, a thousand open blocks would each be read to the end. */
  #closes(closing: string): boolean {
    let last = this.#lastClosings.get(closing);
    if (last === undefined) this.#lastClosings.set(closing, (last = this.#text.lastIndexOf(closing)));
    return last >= this.#at;
  }

  #body(stops: (at: number) => boolean): TemplateNode[] {
    const nodes: TemplateNode[] = [];
    while (this.#at < this.#text.length && !stops(this.#at)) {
      const node = this.#token();
      if (node === null) break;
      nodes.push(node);
    }
    return nodes;
  }

  #isElse = (at: number): boolean => this.#text.startsWith("#{else}", at);
  #isElseIf = (at: number): boolean => this.#text.startsWith("#{elseif", at) && isWhite(this.#text.charCodeAt(at + 8));

  #conditional(start: number, word: "if" | "unless"): TemplateNode | null {
    const closing = `#{/${word}}`;
    const stops = word === "if" ? (at: number) => this.#isElse(at) || this.#isElseIf(at) : this.#isElse;
    const branches: { condition: Condition; body: TemplateNode[] }[] = [];
    do {
      if (branches.length > 0) this.#at += "#{elseif".length;
      const condition = this.#condition();
      if (condition === null || !this.#take("}") || !this.#closes(closing)) return null;
      branches.push({ condition, body: this.#body(stops) });
    } while (word === "if" && this.#isElseIf(this.#at));
    let otherwise: TemplateNode[] = [];
    if (this.#isElse(this.#at)) {
      this.#at += "#{else}".length;
      otherwise = this.#body(() => false);
    }
    if (!this.#text.startsWith(closing, this.#at)) return null;
    this.#at += closing.length;
    return { kind: "conditional", negated: word === "unless", branches, otherwise, source: this.#text.slice(start, this.#at) };
  }

  #condition(): Condition | null {
    const left = this.#expressionOrText();
    if (left === null) return null;
    const equal = this.#text.startsWith("==", this.#at);
    if (!equal && !this.#text.startsWith("!=", this.#at)) return typeof left === "string" ? this.#fail() : { left, comparison: undefined };
    this.#at += 2;
    const right = this.#expressionOrText();
    if (right === null || (typeof left === "string" && typeof right === "string")) return null;
    return { left, comparison: { equal, right } };
  }

  #expressionOrText(): Expression | string | null {
    this.#skipWhite();
    const text = this.#quoted();
    if (text !== null) this.#skipWhite();
    return text ?? this.#expression();
  }

  #loop(start: number): TemplateNode | null {
    const variable = this.#identifier(false);
    if (variable === null) return null;
    this.#skipWhite();
    if (this.#text.slice(this.#at, this.#at + 2).toLowerCase() !== "in") return this.#fail();
    this.#at += 2;
    this.#skipWhite();
    const collection = this.#symbol(false);
    if (collection === null) return null;
    this.#skipWhite();
    if (!this.#take("}") || !this.#closes("#{/each}")) return this.#fail();
    const body = this.#body(() => false);
    if (!this.#text.startsWith("#{/each}", this.#at)) return null;
    this.#at += "#{/each}".length;
    return { kind: "loop", variable, collection, body, source: this.#text.slice(start, this.#at) };
  }

  // -- expressions

  /** A name, or a name (or nothing) with filters; ends behind the white space that follows it. */
  #expression(): Expression | null {
    this.#skipWhite();
    let expression: Expression | undefined = this.#symbol(false) ?? undefined;
    this.#skipWhite();
    if (this.#text[this.#at] !== "|") return expression ?? this.#fail();
    for (let filters = 0; this.#text[this.#at] === "|"; filters++) {
      if (filters >= this.#nestingMax) throw new TooDeep();
      this.#at++;
      this.#skipWhite();
      const name = this.#word();
      if (name === null) return null;
      expression = { kind: "filter", name, input: expression, options: this.#options() };
    }
    return expression ?? null;
  }

  #options(): (string | TemplateNode)[] {
    const options: (string | TemplateNode)[] = [];
    for (;;) {
      this.#skipWhite();
      const option = this.#text.startsWith("#{", this.#at) ? this.#placeholder() : (this.#quoted() ?? this.#word());
      if (option === null) return options;
      options.push(option);
    }
  }

  /** `"text"` without quotes and hashes in it, or `\"any text\"`. */
  #quoted(): string | null {
    const start = this.#at;
    if (this.#text[start] === '"') {
      let end = start + 1;
      while (end < this.#text.length && this.#text[end] !== '"' && this.#text[end] !== "#") end++;
      this.#at = end;
      if (this.#text[end] !== '"') {
        this.#fail();
        this.#at = start;
        return null;
      }
      this.#at++;
      return this.#text.slice(start + 1, end);
    }
    if (!this.#text.startsWith('\\"', start)) return null;
    const end = this.#text.indexOf('\\"', start + 2);
    if (end < 0) {
      this.#furthest = this.#text.length;
      return null;
    }
    this.#at = end + 2;
    return this.#text.slice(start + 2, end);
  }

  /** A filter's name or an option without white space in it. */
  #word(): string | null {
    const start = this.#at;
    while (this.#at < this.#text.length && isNameCharacter(this.#code())) this.#at++;
    return this.#at > start ? this.#text.slice(start, this.#at) : this.#fail();
  }

  /** A name's part, with spaces inside. In brackets of a calculation it ends at the bracket that it did not open. */
  #identifier(inBrackets: boolean): string | null {
    const start = this.#at;
    let open = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#code();
      if (isWhite(code)) {
        const next = this.#text[this.#at + 1];
        if (next === "|" || next === "}" || this.#keywordFollows()) break;
      } else if (!isNameCharacter(code)) break;
      else if (inBrackets && code === 40) open++;
      else if (inBrackets && code === 41 && --open < 0) break;
    }
    return this.#at > start ? this.#text.slice(start, this.#at).trim() : this.#fail();
  }

  #keywordFollows(): boolean {
    const at = this.#at + 1;
    return keywords.some((word) => this.#text.startsWith(word, at) && isWhite(this.#text.charCodeAt(at + word.length)));
  }

  #symbol(inBrackets: boolean): SymbolExpression | null {
    const start = this.#at;
    const first = this.#identifier(inBrackets);
    if (first === null) return null;
    const steps: Step[] = [{ kind: "name", text: first, key: keyOf(first) }];
    for (;;) {
      const before = this.#at;
      if (this.#text[before] === ".") {
        this.#at++;
        const text = this.#identifier(inBrackets);
        if (text === null) {
          this.#at = before;
          break;
        }
        steps.push({ kind: "name", text, key: keyOf(text) });
      } else if (this.#text[before] === "[") {
        const step = this.#index();
        if (step === null) {
          this.#at = before;
          break;
        }
        steps.push(step);
      } else break;
    }
    return { kind: "symbol", steps, source: this.#text.slice(start, this.#at).trim() };
  }

  /** `[#{Name}]`, else `[text]` in which brackets may stand in pairs, as in `Package[containers[0].image]`. */
  #index(): Step | null {
    const open = this.#at;
    this.#at++;
    this.#skipWhite();
    if (this.#text.startsWith("#{", this.#at)) {
      this.#deeper();
      this.#at += 2;
      const symbol = this.#expression();
      this.#nesting--;
      if (symbol?.kind === "symbol" && this.#take("}")) {
        this.#skipWhite();
        if (this.#take("]")) return { kind: "indexBy", symbol };
      }
      this.#at = open + 1;
      this.#skipWhite();
    }
    const start = this.#at;
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#code();
      if (code === 91) depth++;
      else if (code === 93 && depth-- === 0) {
        const text = this.#text.slice(start, this.#at);
        this.#at++;
        return { kind: "index", text, key: keyOf(text) };
      }
    }
    return this.#fail();
  }

  // -- calculations

  #calculation(start: number): TemplateNode | null {
    const sum = this.#sum(false);
    if (sum === null) return null;
    this.#skipWhite();
    if (!this.#take("}")) return null;
    return { kind: "calculation", sum, source: this.#text.slice(start, this.#at) };
  }

  #sum(inBrackets: boolean): Sum | null {
    return this.#chain(["+", "-"], () => this.#chain(["*", "/"], () => this.#operand(inBrackets)));
  }

  #chain(operators: readonly Operator[], operand: () => Operand | null): Sum | null {
    const first = operand();
    if (first === null) return null;
    const rest: { operator: Operator; operand: Operand }[] = [];
    for (;;) {
      const before = this.#at;
      this.#skipWhite();
      const operator = operators.find((sign) => this.#text[this.#at] === sign);
      if (operator === undefined) {
        this.#at = before;
        return { first, rest };
      }
      this.#at++;
      const next = operand();
      if (next === null) return null;
      rest.push({ operator, operand: next });
    }
  }

  #operand(inBrackets: boolean): Operand | null {
    this.#skipWhite();
    const start = this.#at;
    if (this.#text[start] === "(") {
      this.#deeper();
      this.#at++;
      const sum = this.#sum(true);
      this.#nesting--;
      this.#skipWhite();
      return sum !== null && this.#take(")") ? sum : null;
    }
    if (this.#text[start] === "{") {
      this.#at++;
      this.#skipWhite();
      const symbol = this.#symbol(false);
      this.#skipWhite();
      return symbol !== null && this.#take("}") ? symbol : null;
    }
    const number = /\d+(?:\.\d+)?/y;
    number.lastIndex = start;
    const digits = number.exec(this.#text)?.[0];
    if (digits === undefined) return this.#symbol(inBrackets);
    this.#at += digits.length;
    return Number(digits);
  }
}
