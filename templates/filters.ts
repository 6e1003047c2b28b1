// The filters behind `|`, each by its name in lower case. A filter answers undefined where it cannot do its work; then the place stays as written.
import { createHash } from "node:crypto";
import MarkdownIt from "markdown-it";
import { addDays, clockTimeOf, formatDate, parseDate, roundTrip, toLocal, withZone } from "./dates.ts";
import {
  escapeHtml,
  escapeJson,
  escapePropertiesKey,
  escapePropertiesValue,
  escapeXml,
  escapeYamlDoubleQuoted,
  escapeYamlSingleQuoted,
} from "./escapes.ts";
import { formatDecimalText, formatDoubleText, formatIntegerText, parseDouble } from "./numbers.ts";
import { regexMatches, regexReplace } from "./regular-expressions.ts";
import type { RegexBudget } from "./regular-expressions.ts";
import { TemplateError } from "./template-error.ts";
import { escapeUri, escapeUriText, uriPart } from "./uri-part.ts";
import { parseVersion } from "./version-part.ts";
import type { VersionParts } from "./version-part.ts";

export interface FilterSetting extends RegexBudget {
  /** What NowDate and NowDateUtc answer, in milliseconds since 1970. */
  nowMs: number;
  /** How far east of Greenwich the local clock hangs. */
  utcOffsetMinutes: number;
}

export interface Filter {
  apply(input: string | undefined, options: readonly string[], setting: FilterSetting): string | undefined;
  /** How many times the steps of other filters it costs. */
  weight?: number;
  /** Its answer tells something about the input but holds nothing of it. */
  answersYesOrNo?: true;
}

/** A filter that needs an input and takes no options. */
const plain = (change: (text: string) => string | undefined): Filter => ({
  apply: (input, options) => (input === undefined || options.length > 0 ? undefined : change(input)),
});

const comparison = (holds: (text: string, option: string, setting: FilterSetting) => boolean | undefined): Filter => ({
  answersYesOrNo: true,
  apply(input, options, setting) {
    const [option] = options;
    return input === undefined || option === undefined || options.length > 1 ? undefined : holds(input, option, setting)?.toString();
  },
});

/** Longer texts are no numbers. */
const numberCharactersMax = 100;

/** `int.TryParse`. */
function parseInteger(text: string | undefined): number | undefined {
  if (text === undefined || text.length > numberCharactersMax) return undefined;
  const trimmed = text.trim();
  const value = Number(trimmed);
  return /^[-+]?\d+$/.test(trimmed) && value >= -2_147_483_648 && value <= 2_147_483_647 ? value : undefined;
}

function encodingOf(name: string): "utf8" | "utf16le" | undefined {
  if (/^utf-?8$/i.test(name)) return "utf8";
  return /^unicode$/i.test(name) ? "utf16le" : undefined;
}

/** `Convert.FromBase64String`: strict but for white space. */
function fromBase64(text: string): Buffer | undefined {
  const compact = text.replace(/[ \t\r\n]+/g, "");
  return compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact) ? Buffer.from(compact, "base64") : undefined;
}

const base64: Filter["apply"] = (input, options) => {
  const encoding = encodingOf(options[0] ?? "utf8");
  return input === undefined || options.length > 1 || encoding === undefined ? undefined : Buffer.from(input, encoding).toString("base64");
};

const unbase64: Filter["apply"] = (input, options) => {
  const encoding = encodingOf(options[0] ?? "utf8");
  if (input === undefined || options.length > 1 || encoding === undefined) return undefined;
  return fromBase64(input)?.toString(encoding);
};

/** Options in any order: how many bytes are shown, and how the text becomes bytes. */
const hash = (algorithm: string): Filter => ({
  apply(input, options) {
    if (input === undefined || options.length > 2) return undefined;
    let bytesShown = Number.POSITIVE_INFINITY;
    let bytes: Buffer | undefined = Buffer.from(input, "utf8");
    const seen = { size: false, encoding: false };
    for (const option of options) {
      const size = parseInteger(option);
      const kind = size === undefined ? "encoding" : "size";
      if (seen[kind]) return undefined;
      seen[kind] = true;
      if (size !== undefined) {
        if (size <= 0) return undefined;
        bytesShown = size;
        continue;
      }
      const encoding = encodingOf(option);
      if (encoding === undefined && !/^base64$/i.test(option)) return undefined;
      bytes = encoding === undefined ? fromBase64(input) : Buffer.from(input, encoding);
    }
    return bytes === undefined ? undefined : createHash(algorithm).update(bytes).digest().subarray(0, bytesShown).toString("hex");
  },
});

const joined = (join: (input: string, added: string) => string): Filter => ({
  apply: (input, options) => (options.length === 0 ? undefined : join(input ?? "", options.join(""))),
});

const trim: Filter["apply"] = (input, [side]) => {
  if (input === undefined || side === undefined) return input?.trim();
  if (/^start$/i.test(side)) return input.trimStart();
  return /^end$/i.test(side) ? input.trimEnd() : undefined;
};

const truncate: Filter["apply"] = (input, [lengthText, suffix = "..."]) => {
  const length = parseInteger(lengthText);
  if (input === undefined || length === undefined || length < 0) return undefined;
  return length < input.length ? input.slice(0, length) + suffix : input;
};

/** One option is a length, two are a start and a length. */
const substring: Filter["apply"] = (input, options) => {
  const numbers = options.map(parseInteger);
  if (input === undefined || options.length === 0 || options.length > 2 || numbers.some((value) => value === undefined || value < 0))
    return undefined;
  const [first = 0, second] = numbers;
  const start = second === undefined ? 0 : first;
  return start > input.length ? undefined : input.slice(start, start + (second ?? first));
};

/** `Indent`, `Indent 2`, `Indent /3`, `Indent 3/2`, `Indent "// "`, `Indent "/* " " * "`. */
const indent: Filter["apply"] = (input, options, { limits }) => {
  if (input === undefined || input === "") return input;
  if (options.length > 2) return undefined;
  let [first = "    ", next = first] = options;
  if (options.length === 1) {
    const [, separator, initial, subsequent] = /^((\d{1,3})?\/)?(\d{1,3})$/.exec(first) ?? [];
    const sizes = [separator === undefined ? subsequent : (initial ?? "0"), subsequent].map(Number);
    if (subsequent !== undefined && sizes.every((size) => size <= 255)) [first = "", next = ""] = sizes.map((size) => " ".repeat(size));
  }
  const lines = input.split("\n");
  if (input.length + lines.length * next.length > limits.outputCharactersMax)
    throw new TemplateError("output", `The indented text is longer than ${limits.outputCharactersMax} characters.`);
  return first + lines.join(`\n${next}`);
};

const format: Filter["apply"] = (input, options, { utcOffsetMinutes }) => {
  const [first, second] = options;
  if (input === undefined || first === undefined || options.length > 2 || (second ?? first).length > formatCharactersMax) return undefined;
  if (second === undefined) {
    const number = formatDecimalText(input, "");
    if (number !== undefined) return formatDecimalText(input, first);
    const date = parseDate(input);
    return date === undefined || first === "U" ? undefined : formatDate(withZone(date, utcOffsetMinutes), first);
  }
  switch (first.toLowerCase()) {
    case "int":
    case "int32":
      return formatIntegerText(input, second);
    case "double":
      return formatDoubleText(input, second);
    case "decimal":
      return formatDecimalText(input, second);
    case "date":
    case "datetime": {
      const date = parseDate(input);
      return date === undefined ? undefined : formatDate(toLocal(date, utcOffsetMinutes), second);
    }
    case "datetimeoffset": {
      const date = parseDate(input);
      return date === undefined || second === "U" ? undefined : formatDate(withZone(date, utcOffsetMinutes), second);
    }
    default:
      return undefined;
  }
};

/** Longer format strings are refused: they would be copied for each digit. */
const formatCharactersMax = 1_000;

const now = (zone: "none" | "utc"): Filter => ({
  weight: 10,
  apply(input, options, { nowMs, utcOffsetMinutes }) {
    if (input !== undefined || options.length > 1 || (options[0] ?? "").length > formatCharactersMax) return undefined;
    return formatDate(clockTimeOf(nowMs, zone, zone === "utc" ? 0 : utcOffsetMinutes), options[0] ?? "O");
  },
});

const added = (daysEach: number): Filter => ({
  weight: 10,
  apply(input, options) {
    const amount = parseDouble((options[0] ?? "").replaceAll(",", " "));
    if (input === undefined || options.length !== 1 || amount === undefined) return undefined;
    const date = parseDate(input);
    const later = date === undefined ? undefined : addDays(date, amount * daysEach);
    return later === undefined ? undefined : roundTrip(later);
  },
});

const uri: Filter["apply"] = (input, [part]) => {
  if (input === undefined) return undefined;
  return part === undefined ? "[UriPart error: no argument given]" : uriPart(input, part);
};

const version = (part: keyof VersionParts): Filter => ({
  weight: 10,
  apply: (input) => (input === undefined ? undefined : parseVersion(input)?.[part]),
});

let markdown: InstanceType<typeof MarkdownIt> | undefined;

/** Tables, struck text and bare links as the official filter has them; HTML in the text passes, as it does there. */
function createMarkdown(): InstanceType<typeof MarkdownIt> {
  const renderer = new MarkdownIt({ html: true, linkify: true, xhtmlOut: true });
  const { rules } = renderer.renderer;
  rules["s_open"] = () => "<del>";
  rules["s_close"] = () => "</del>";
  for (const cell of ["th_open", "td_open"])
    rules[cell] = (tokens, at, options, _env, self) => {
      const style = tokens[at]?.attrGet("style");
      if (typeof style === "string") tokens[at]?.attrSet("style", `${style.replace(":", ": ")};`);
      return self.renderToken(tokens, at, options);
    };
  return renderer;
}

const markdownToHtml: Filter["apply"] = (input, options, { limits }) => {
  if (input === undefined || options.length > 0) return undefined;
  if (input.length > limits.markdownCharactersMax)
    throw new TemplateError("output", `A Markdown text has ${input.length} characters; ${limits.markdownCharactersMax} are the most.`);
  markdown ??= createMarkdown();
  return `${markdown.render(input.trim())}\n`;
};

const filter = (apply: Filter["apply"], weight = 1): Filter => ({ apply, weight });

export const filters: ReadonlyMap<string, Filter> = new Map([
  ["tolower", plain((text) => text.toLowerCase())],
  ["toupper", plain((text) => text.toUpperCase())],
  ["trim", filter(trim)],
  ["truncate", filter(truncate)],
  ["substring", filter(substring)],
  [
    "replace",
    filter((input, [pattern, replacement = ""], setting) =>
      input === undefined || pattern === undefined ? undefined : regexReplace(input, pattern, replacement, setting),
    ),
  ],
  ["append", joined((input, text) => input + text)],
  ["prepend", joined((input, text) => text + input)],
  ["indent", filter(indent)],
  ["format", filter(format, 30)],
  ["contains", comparison((text, option) => text.includes(option))],
  ["startswith", comparison((text, option) => text.startsWith(option))],
  ["endswith", comparison((text, option) => text.endsWith(option))],
  ["match", comparison((text, option, setting) => regexMatches(text, option, setting))],
  ["tobase64", filter(base64)],
  ["frombase64", filter(unbase64)],
  ["markdown", filter(markdownToHtml, 100)],
  ["markdowntohtml", filter(markdownToHtml, 100)],
  ["htmlescape", plain(escapeHtml)],
  ["xmlescape", plain(escapeXml)],
  ["jsonescape", plain(escapeJson)],
  ["yamlsinglequoteescape", plain(escapeYamlSingleQuoted)],
  ["yamldoublequoteescape", plain(escapeYamlDoubleQuoted)],
  ["propertieskeyescape", plain(escapePropertiesKey)],
  ["propertiesvalueescape", plain(escapePropertiesValue)],
  ["uriescape", plain(escapeUri)],
  ["uridataescape", plain(escapeUriText)],
  ["nowdate", now("none")],
  ["nowdateutc", now("utc")],
  ["addhours", added(1 / 24)],
  ["adddays", added(1)],
  ["uripart", filter(uri, 10)],
  ["versionmajor", version("major")],
  ["versionminor", version("minor")],
  ["versionpatch", version("patch")],
  ["versionrevision", version("revision")],
  ["versionprerelease", version("preRelease")],
  ["versionprereleaseprefix", version("preReleasePrefix")],
  ["versionprereleasecounter", version("preReleaseCounter")],
  ["versionmetadata", version("metadata")],
  ["md5", hash("md5")],
  ["sha1", hash("sha1")],
  ["sha256", hash("sha256")],
  ["sha384", hash("sha384")],
  ["sha512", hash("sha512")],
  ["null", filter(() => undefined)],
]);
