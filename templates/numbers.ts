// Numbers as .NET reads and writes them in the culture en-US: double and decimal, standard and custom format strings. Decimals are exact, as digits.

/** A number as decimal digits: exact however long it is. */
interface Digits {
  negative: boolean;
  /** Doubles in standard formats round a half to the even neighbour; all else rounds it away from zero. */
  tiesToEven?: boolean;
  /** What is rounded to zero keeps its sign, as doubles do. */
  keepsSign?: boolean;
  /** Without leading zeros; empty for zero. */
  whole: string;
  fraction: string;
}

/** Longer texts are no numbers; it keeps the patterns' work small. */
const numberCharactersMax = 1_000;

/** What `double.TryParse` takes: white space around, a sign, thousands' commas, a fraction, an exponent. */
export function parseDouble(text: string): number | undefined {
  if (text.length > numberCharactersMax) return undefined;
  const trimmed = text.trim();
  if (!/^[-+]?(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/.test(trimmed))
    return { NaN: Number.NaN, "∞": Infinity, "-∞": -Infinity, Infinity, "-Infinity": -Infinity }[trimmed];
  return Number(trimmed.replaceAll(",", ""));
}

/** A double as .NET writes it without a format: the shortest digits that are read back as the same number. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  if (Object.is(value, -0)) return "-0";
  if (value === 0) return "0";
  const [mantissa = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= -5 && exponent <= 15) return plain(mantissa, exponent);
  return `${mantissa}E${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function plain(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, "0");
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

/** The largest decimal of .NET has 29 digits. */
const decimalDigitsMax = 29;

/** `decimal.TryParse` and a format; undefined if the text is no decimal or the format is none. */
export function formatDecimalText(text: string, format: string): string | undefined {
  if (text.length > numberCharactersMax) return undefined;
  const match = /^([-+]?)(\d[\d,]*)?(?:\.(\d*))?([-+]?)$/.exec(text.trim());
  const [, before = "", grouped = "", fraction = "", after = ""] = match ?? [];
  const whole = grouped.replaceAll(",", "").replace(/^0+/, "");
  if (match === null || (grouped === "" && fraction === "") || (before !== "" && after !== "") || whole.length > decimalDigitsMax)
    return undefined;
  return formatDigits(
    { negative: before + after === "-", whole, fraction: fraction.slice(0, decimalDigitsMax - whole.length) },
    format,
    "decimal",
  );
}

/** `double.TryParse` and a format. */
export function formatDoubleText(text: string, format: string): string | undefined {
  const value = parseDouble(text);
  if (value === undefined) return undefined;
  if (!Number.isFinite(value) || format === "" || /^[rRgG]$/.test(format)) return formatDouble(value);
  return formatDigits(exactDigits(value), format, "double");
}

/** `int.TryParse` and a format. */
export function formatIntegerText(text: string, format: string): string | undefined {
  if (text.length > numberCharactersMax) return undefined;
  const trimmed = text.trim();
  const value = Number(trimmed);
  if (!/^[-+]?\d+$/.test(trimmed) || value < -2_147_483_648 || value > 2_147_483_647) return undefined;
  return formatDigits({ negative: value < 0, whole: value === 0 ? "" : String(Math.abs(value)), fraction: "" }, format, "integer");
}

function exactDigits(value: number): Digits {
  const size = Math.abs(value);
  if (size >= 1e21) return { negative: value < 0, tiesToEven: true, keepsSign: true, whole: BigInt(size).toString(), fraction: "" };
  // oxlint-disable-next-line oxc/number-arg-out-of-range -- the language allows 100 digits since 2018, and only so the text is exact
  const [whole = "", fraction = ""] = size.toFixed(100).split(".");
  return {
    negative: value < 0 || Object.is(value, -0),
    tiesToEven: true,
    keepsSign: true,
    whole: whole.replace(/^0+/, ""),
    fraction: fraction.replace(/0+$/, ""),
  };
}

/** Rounds half away from zero to so many digits behind the point. */
function round(value: Digits, places: number): Digits {
  if (value.fraction.length <= places) return { ...value, fraction: value.fraction.padEnd(places, "0") };
  const kept = value.whole + value.fraction.slice(0, places);
  const rest = value.fraction.slice(places);
  const toEven = value.tiesToEven === true && /^50*$/.test(rest) && "02468".includes(kept.at(-1) ?? "0");
  const up = rest >= "5" && !toEven;
  const rounded = up ? (BigInt(kept === "" ? "0" : kept) + 1n).toString().padStart(kept.length, "0") : kept;
  const at = rounded.length - places;
  return { ...value, whole: rounded.slice(0, at).replace(/^0+/, ""), fraction: rounded.slice(at) };
}

const signOf = (value: Digits): string => (value.negative && (value.keepsSign === true || !isZero(value)) ? "-" : "");
const isZero = ({ whole, fraction }: Digits): boolean => whole === "" && /^0*$/.test(fraction);
const withGroups = (whole: string): string => whole.replace(/\B(?=(?:\d{3})+$)/g, ",");

function fixed(value: Digits, places: number, grouped: boolean): { sign: string; text: string } {
  const rounded = round(value, places);
  const { whole, fraction } = rounded;
  const sign = signOf(rounded);
  const shown = whole === "" ? "0" : grouped ? withGroups(whole) : whole;
  return { sign, text: fraction === "" ? shown : `${shown}.${fraction}` };
}

/** In the data of en-US that .NET uses since version 5; money has two. */
const placesByDefault = 3;

function formatDigits(value: Digits, format: string, type: "decimal" | "double" | "integer"): string | undefined {
  if (format === "") return general(value, undefined, "G");
  const standard = /^([A-Za-z])(\d{0,3})$/.exec(format);
  if (standard === null) return custom(value, format);
  const [, letter = "", count = ""] = standard;
  const precision = count === "" ? undefined : Number(count);
  switch (letter.toUpperCase()) {
    case "C": {
      const { sign, text } = fixed(value, precision ?? 2, true);
      return `${sign}$${text}`;
    }
    case "F": {
      const { sign, text } = fixed(value, precision ?? placesByDefault, false);
      return sign + text;
    }
    case "N": {
      const { sign, text } = fixed(value, precision ?? placesByDefault, true);
      return sign + text;
    }
    case "P": {
      const { sign, text } = fixed(shifted(value, 2), precision ?? placesByDefault, true);
      return `${sign}${text}%`;
    }
    case "E":
      return exponential(value, precision ?? 6, letter, 3);
    case "G":
      return general(value, precision, letter);
    case "R":
      return general(value, undefined, "G");
    case "D":
      return type === "integer" ? `${value.negative ? "-" : ""}${(value.whole || "0").padStart(precision ?? 1, "0")}` : undefined;
    case "X": {
      if (type !== "integer") return undefined;
      const number = Number(value.whole || "0");
      const hex = (value.negative ? 2 ** 32 - number : number).toString(16).padStart(precision ?? 1, "0");
      return letter === "X" ? hex.toUpperCase() : hex;
    }
    case "B":
      return type === "integer"
        ? (Number(signOf(value) + (value.whole || "0")) >>> 0).toString(2).padStart(precision ?? 1, "0")
        : undefined;
    default:
      return undefined;
  }
}

/** Moves the point to the right. */
function shifted(value: Digits, places: number): Digits {
  const fraction = value.fraction.padEnd(places, "0");
  return { ...value, whole: (value.whole + fraction.slice(0, places)).replace(/^0+/, ""), fraction: fraction.slice(places) };
}

/** The digits without zeros in front, and the power of ten of the first. */
function scientific(value: Digits): { digits: string; exponent: number } {
  const all = value.whole + value.fraction;
  const digits = all.replace(/^0+/, "");
  return digits === "" ? { digits: "0", exponent: 0 } : { digits, exponent: value.whole.length - 1 - (all.length - digits.length) };
}

/** Rounded to so many digits from the first that is not zero. */
function significant(value: Digits, count: number): Digits {
  const { exponent } = scientific(value);
  const places = count - 1 - exponent;
  if (places >= 0) return round(value, places);
  const { whole } = round({ ...value, whole: value.whole.slice(0, places), fraction: value.whole.slice(places) }, 0);
  return { ...value, whole: whole + "0".repeat(-places), fraction: "" };
}

function exponential(value: Digits, places: number, letter: string, exponentDigits: number): string {
  const { digits, exponent } = scientific(value);
  const rounded = round({ ...value, whole: digits.slice(0, 1), fraction: digits.slice(1) }, places);
  const carried = rounded.whole.length > 1;
  const mantissa = carried ? "1" : rounded.whole || "0";
  const rest = carried ? "0".repeat(places) : rounded.fraction;
  const power = carried ? exponent + 1 : exponent;
  const sign = signOf(value);
  const shown = `${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(exponentDigits, "0")}`;
  return `${sign}${mantissa}${rest === "" ? "" : `.${rest}`}${letter}${shown}`;
}

function general(value: Digits, precision: number | undefined, letter: string): string {
  const sign = signOf(value);
  const plainText = `${value.whole || "0"}${value.fraction === "" ? "" : `.${value.fraction}`}`;
  if (precision === undefined || precision === 0) return sign + plainText;
  const { digits, exponent } = scientific(value);
  const rounded = round({ ...value, whole: digits.slice(0, 1), fraction: digits.slice(1) }, precision - 1);
  const power = rounded.whole.length > 1 ? exponent + 1 : exponent;
  const kept = (rounded.whole + rounded.fraction).slice(0, precision).replace(/0+$/, "") || "0";
  if (power > -5 && power < precision) return sign + plain(kept.length > 1 ? `${kept[0]}.${kept.slice(1)}` : kept, power);
  const mantissa = kept.length > 1 ? `${kept[0]}.${kept.slice(1)}` : kept;
  return `${sign}${mantissa}${letter === "g" ? "e" : "E"}${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

// -- custom formats: `0`, `#`, `.`, `,`, `%`, `‰`, `E+0`, quoted text, sections for positive, negative and zero

type Part = { literal: string } | { sign: "0" | "#" | "." | "," } | { exponent: { letter: string; plus: boolean; digits: number } };

function sectionsOf(format: string): Part[][] | undefined {
  const sections: Part[][] = [[]];
  for (let at = 0; at < format.length; at++) {
    const character = format[at] ?? "";
    const parts = sections.at(-1) ?? [];
    if (character === ";") {
      if (sections.length === 3) break;
      sections.push([]);
    } else if (character === "'" || character === '"') {
      const end = format.indexOf(character, at + 1);
      const close = end < 0 ? format.length : end;
      parts.push({ literal: format.slice(at + 1, close) });
      at = close;
    } else if (character === "\\") parts.push({ literal: format[++at] ?? "" });
    else if (character === "0" || character === "#" || character === "." || character === ",") parts.push({ sign: character });
    else {
      const exponent = /^[eE]([-+]?)(0+)/.exec(format.slice(at, at + 12));
      if (exponent === null) parts.push({ literal: character });
      else {
        parts.push({ exponent: { letter: character, plus: exponent[1] === "+", digits: exponent[2]?.length ?? 1 } });
        at += exponent[0].length - 1;
      }
    }
  }
  return sections;
}

const isDigitPart = (part: Part): part is { sign: "0" | "#" } => "sign" in part && (part.sign === "0" || part.sign === "#");

function custom(given: Digits, format: string): string | undefined {
  const sections = sectionsOf(format);
  if (sections === undefined) return undefined;
  const [positive = [], negative = [], zero = []] = sections;
  let parts = positive;
  // A double is first cut to the digits it surely has.
  const value = given.tiesToEven === true ? { ...significant(given, 15), tiesToEven: false } : given;
  let sign = value.negative ? "-" : "";
  if (value.negative && negative.length > 0) [parts, sign] = [negative, ""];
  let result = customSection(value, parts);
  if (result.zero) {
    sign = value.negative && value.keepsSign === true && zero.length === 0 ? "-" : "";
    if (zero.length > 0) result = customSection({ negative: false, whole: "", fraction: "" }, zero);
    else if (parts === negative) result = customSection({ negative: false, whole: "", fraction: "" }, positive);
  }
  return result.text === "" ? "" : sign + result.text;
}

function customSection(original: Digits, parts: Part[]): { text: string; zero: boolean } {
  let value = original;
  const point = parts.findIndex((part) => "sign" in part && part.sign === ".");
  const before = point < 0 ? parts : parts.slice(0, point);
  const after = point < 0 ? [] : parts.slice(point + 1);
  for (const part of parts) {
    if ("literal" in part && part.literal === "%") value = shifted(value, 2);
    if ("literal" in part && part.literal === "‰") value = shifted(value, 3);
  }
  const lastDigit = before.findLastIndex(isDigitPart);
  const firstDigit = before.findIndex(isDigitPart);
  const isComma = (part: Part): boolean => "sign" in part && part.sign === ",";
  const scaling = before.slice(lastDigit + 1).filter(isComma).length;
  const grouped = before.slice(firstDigit + 1, Math.max(lastDigit, 0)).some(isComma);
  if (scaling > 0) {
    const padded = value.whole.padStart(scaling * 3, "0");
    const cut = padded.length - scaling * 3;
    value = { ...value, whole: padded.slice(0, cut).replace(/^0+/, ""), fraction: padded.slice(cut) + value.fraction };
  }
  const exponentPart = parts.find((part) => "exponent" in part);
  const wholePlaces = before.filter(isDigitPart).length;
  const places = after.filter(isDigitPart).length;
  let power = 0;
  if (exponentPart !== undefined && wholePlaces > 0) {
    const { digits, exponent } = scientific(value);
    power = isZero(value) ? 0 : exponent - wholePlaces + 1;
    const all = digits.padEnd(wholePlaces, "0");
    value = { ...value, whole: all.slice(0, wholePlaces), fraction: all.slice(wholePlaces) };
  }
  let rounded = round(value, places);
  if (exponentPart !== undefined && wholePlaces > 0 && rounded.whole.length > wholePlaces) {
    power++;
    rounded = { ...rounded, whole: rounded.whole.slice(0, wholePlaces) };
  }
  const minimum = before.slice(before.findIndex((part) => "sign" in part && part.sign === "0")).filter(isDigitPart).length;
  const wanted = before.some((part) => "sign" in part && part.sign === "0") ? minimum : 0;
  const whole = rounded.whole.padStart(wanted, "0");
  let taken = 0;
  let text = "";
  let seen = 0;
  for (const part of before) {
    if ("literal" in part) text += part.literal;
    else if ("exponent" in part) text += exponentText(part.exponent, power);
    else if (isDigitPart(part)) {
      // All digits that have no place of their own stand at the first.
      const upTo = whole.length - (wholePlaces - ++seen);
      for (; taken < upTo; taken++) {
        text += whole[taken] ?? "";
        const left = whole.length - taken - 1;
        if (grouped && left > 0 && left % 3 === 0) text += ",";
      }
    }
  }
  const needed = after.findLastIndex((part) => "sign" in part && part.sign === "0");
  let fraction = "";
  let place = 0;
  let behind = "";
  const significant = rounded.fraction.replace(/0+$/, "").length;
  for (const [at, part] of after.entries()) {
    if ("literal" in part) behind += part.literal;
    else if ("exponent" in part) behind += exponentText(part.exponent, power);
    else if (isDigitPart(part)) {
      if (place < significant || at <= needed) {
        fraction += behind + (rounded.fraction[place] ?? "0");
        behind = "";
      }
      place++;
    }
  }
  return { text: text + (fraction === "" ? "" : `.${fraction}`) + behind, zero: isZero(rounded) };
}

function exponentText({ letter, plus, digits }: { letter: string; plus: boolean; digits: number }, power: number): string {
  return `${letter}${power < 0 ? "-" : plus ? "+" : ""}${String(Math.abs(power)).padStart(digits, "0")}`;
}
