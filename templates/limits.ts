// How far a template may go before it is refused: every bound of this library with its name and its reason. A caller may lower them.

export interface TemplateLimits {
  /** Longest template that is read, in UTF-16 code units. A larger file is not a text that somebody wrote placeholders into. */
  templateCharactersMax: number;
  /** How deep blocks, indexes, filter options and brackets may stand in one another in one text. Keeps the parser's stack flat. */
  nestingMax: number;
  /** How deep an evaluation may go: values in values, and blocks in them. Keeps the evaluator's stack flat. */
  depthMax: number;
  /** How many expressions, passes of loops, and hundreds of characters of JSON one evaluation may work through. */
  stepsMax: number;
  /** Longest text that an evaluation, or any value on its way, may become. */
  outputCharactersMax: number;
  /** Characters that all values and filters of one evaluation may produce together. */
  producedCharactersMax: number;
  /** Longest regular expression; with the next two it bounds one search. */
  regexCharactersMax: number;
  /** Instructions that a regular expression may compile to: `(a{100}){10}` has a thousand. */
  regexProgramMax: number;
  /** Characters of the text times instructions of the expression: what one search may cost, some tenths of a second. */
  regexWorkMax: number;
  /** Time that the searches of one evaluation may take together once they cost more than a single one may. */
  regexMsMax: number;
  /** Longest text that is turned from Markdown into HTML. */
  markdownCharactersMax: number;
  /** Longest value that is looked at as JSON. */
  jsonCharactersMax: number;
  /** How deep objects and arrays of a value may stand in one another and still be walked as JSON. */
  jsonDepthMax: number;
}

export const defaultTemplateLimits: Readonly<TemplateLimits> = {
  templateCharactersMax: 16 * 1024 * 1024,
  nestingMax: 100,
  depthMax: 200,
  stepsMax: 1_000_000,
  outputCharactersMax: 16 * 1024 * 1024,
  producedCharactersMax: 64 * 1024 * 1024,
  regexCharactersMax: 1_000,
  regexProgramMax: 3_000,
  regexWorkMax: 20_000_000,
  regexMsMax: 500,
  markdownCharactersMax: 128 * 1024,
  jsonCharactersMax: 2 * 1024 * 1024,
  jsonDepthMax: 64,
};
