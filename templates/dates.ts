// Dates as .NET reads and writes them in the culture en-US, to a tenth of a microsecond: standard and custom format strings. No clock is read here.

const ticksPerMinute = 600_000_000n;
const ticksPerDay = 1_440n * ticksPerMinute;
/** 0001-01-01 before 1970-01-01, in ticks. */
const unixTicks = 719_162n * ticksPerDay;
const ticksMax = 3_652_059n * ticksPerDay - 1n;

/** A point on a clock that hangs `offsetMinutes` east of Greenwich, and how it was said where that is. */
export interface ClockTime {
  /** Tenths of microseconds since the year 1, on that clock. */
  ticks: bigint;
  zone: "none" | "utc" | "offset";
  offsetMinutes: number;
}

export const clockTimeOf = (epochMs: number, zone: ClockTime["zone"], offsetMinutes: number): ClockTime => ({
  ticks: unixTicks + BigInt(Math.round(epochMs)) * 10_000n + BigInt(offsetMinutes) * ticksPerMinute,
  zone,
  offsetMinutes,
});

const monthNames = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const dayNames = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const time = String.raw`(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?(?:\s*([AaPp])[Mm])?`;
const zone = String.raw`(?:\s*(Z|GMT|UTC|[-+]\d{1,2}(?::?\d{2})?))?`;
const month = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*";
const after = String.raw`(?:(?:[Tt]|,?\s+)${time})?${zone}$`;
const weekday = String.raw`^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?`;
const forms: readonly {
  pattern: RegExp;
  order: readonly ["year" | "month" | "day", "year" | "month" | "day", "year" | "month" | "day"];
}[] = [
  { pattern: new RegExp(String.raw`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})${after}`, "i"), order: ["year", "month", "day"] },
  { pattern: new RegExp(String.raw`^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})${after}`, "i"), order: ["month", "day", "year"] },
  { pattern: new RegExp(String.raw`${weekday}(\d{1,2})[-\s]${month}[-\s,]\s*(\d{4})${after}`, "i"), order: ["day", "month", "year"] },
  { pattern: new RegExp(String.raw`${weekday}${month}\s+(\d{1,2}),?\s+(\d{4})${after}`, "i"), order: ["month", "day", "year"] },
];
/** Longer texts are no dates; it keeps the patterns' work small. */
const dateCharactersMax = 200;

/** What `DateTimeOffset.TryParse` takes of the usual forms: ISO 8601, numbers with the year or the month first, names of months. */
export function parseDate(text: string): ClockTime | undefined {
  if (text.length > dateCharactersMax) return undefined;
  const trimmed = text.trim();
  for (const { pattern, order } of forms) {
    const match = pattern.exec(trimmed);
    if (match === null) continue;
    const [, first = "", second = "", third = "", hourText, minuteText, secondText, fractionText, half, zoneText] = match;
    const date = { year: 0, month: 0, day: 0 };
    for (const [at, written] of [first, second, third].entries()) {
      const part = order[at] ?? "day";
      const named = monthNames.findIndex((name) => name.slice(0, 3).toLowerCase() === written.slice(0, 3).toLowerCase());
      date[part] = named < 0 ? Number(written) : named + 1;
    }
    let hour = Number(hourText ?? 0);
    if (half !== undefined) {
      if (hour < 1 || hour > 12) return undefined;
      hour = (hour % 12) + (half.toLowerCase() === "p" ? 12 : 0);
    }
    const minute = Number(minuteText ?? 0);
    const seconds = Number(secondText ?? 0);
    const days = daysBefore(date.year, date.month, date.day);
    if (days === undefined || hour > 23 || minute > 59 || seconds > 59) return undefined;
    const fraction = BigInt((fractionText ?? "").slice(0, 7).padEnd(7, "0"));
    const ticks = BigInt(days) * ticksPerDay + BigInt((hour * 60 + minute) * 60 + seconds) * 10_000_000n + fraction;
    if (zoneText === undefined) return { ticks, zone: "none", offsetMinutes: 0 };
    if (/^[zgu]/i.test(zoneText)) return { ticks, zone: "utc", offsetMinutes: 0 };
    const [, sign, hours = "0", minutes = "0"] = /^([-+])(\d{1,2}):?(\d{2})?$/.exec(zoneText) ?? [];
    const offsetMinutes = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
    return Math.abs(offsetMinutes) > 14 * 60 ? undefined : { ticks, zone: "offset", offsetMinutes };
  }
  return undefined;
}

/** Days from 0001-01-01; undefined for a day that is not in the calendar. */
function daysBefore(year: number, monthNumber: number, day: number): number | undefined {
  if (year < 1 || year > 9999 || monthNumber < 1 || monthNumber > 12 || day < 1) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, monthNumber - 1, day);
  return date.getUTCMonth() === monthNumber - 1 && date.getUTCDate() === day ? date.getTime() / 86_400_000 + 719_162 : undefined;
}

/** As `DateTime.TryParse` has it: what was said with a zone is shown on the local clock. */
export function toLocal(date: ClockTime, localOffsetMinutes: number): ClockTime {
  if (date.zone === "none") return { ...date, offsetMinutes: localOffsetMinutes };
  const ticks = date.ticks + BigInt(localOffsetMinutes - date.offsetMinutes) * ticksPerMinute;
  return { ticks, zone: "offset", offsetMinutes: localOffsetMinutes };
}

/** As `DateTimeOffset.TryParse` has it: what was said without a zone was meant on the local clock. */
export const withZone = (date: ClockTime, localOffsetMinutes: number): ClockTime =>
  date.zone === "none" ? { ...date, zone: "offset", offsetMinutes: localOffsetMinutes } : { ...date, zone: "offset" };

/** Undefined where the result would lie outside the years 1 to 9999. */
export function addDays(date: ClockTime, days: number): ClockTime | undefined {
  if (!Number.isFinite(days) || Math.abs(days) > 3_700_000) return undefined;
  const ticks = date.ticks + BigInt(Math.round(days * 86_400_000_000)) * 10n;
  return ticks < 0n || ticks > ticksMax ? undefined : { ...date, ticks };
}

/** The form that is read back as the same: `2030-05-22T09:05:00.0000000`, with `Z` or the offset where a zone was said. */
export const roundTrip = (date: ClockTime): string => formatCustom(date, "yyyy-MM-ddTHH:mm:ss.fffffffK") ?? "";

const standardFormats: { readonly [letter: string]: string } = {
  d: "M/d/yyyy",
  D: "dddd, MMMM d, yyyy",
  f: "dddd, MMMM d, yyyy h:mm tt",
  F: "dddd, MMMM d, yyyy h:mm:ss tt",
  g: "M/d/yyyy h:mm tt",
  G: "M/d/yyyy h:mm:ss tt",
  m: "MMMM d",
  M: "MMMM d",
  s: "yyyy-MM-ddTHH:mm:ss",
  t: "h:mm tt",
  T: "h:mm:ss tt",
  y: "MMMM yyyy",
  Y: "MMMM yyyy",
};

/** `date.ToString(format)`; undefined for a format that .NET refuses. */
export function formatDate(date: ClockTime, format: string): string | undefined {
  if (format === "") return formatCustom(date, "M/d/yyyy h:mm:ss tt" + (date.zone === "offset" ? " zzz" : ""));
  if (format.length > 1) return formatCustom(date, format);
  if (format === "o" || format === "O") return roundTrip(date);
  const atGreenwich = date.zone === "none" ? date : { ...date, ticks: date.ticks - BigInt(date.offsetMinutes) * ticksPerMinute };
  if (format === "r" || format === "R") return formatCustom(atGreenwich, "ddd, dd MMM yyyy HH:mm:ss 'GMT'");
  if (format === "u") return formatCustom(atGreenwich, "yyyy-MM-dd HH:mm:ss'Z'");
  if (format === "U") return formatCustom(atGreenwich, "dddd, MMMM d, yyyy h:mm:ss tt");
  const standard = standardFormats[format];
  return standard === undefined ? undefined : formatCustom(date, standard);
}

function formatCustom(date: ClockTime, format: string): string | undefined {
  if (date.ticks < 0n || date.ticks > ticksMax) return undefined;
  const calendar = new Date(Number((date.ticks - unixTicks) / 10_000n - (date.ticks < unixTicks && date.ticks % 10_000n !== 0n ? 1n : 0n)));
  const fraction = String(date.ticks % 10_000_000n).padStart(7, "0");
  const hour = calendar.getUTCHours();
  const two = (value: number): string => String(value).padStart(2, "0");
  const offset = (hoursOnly: "z" | "zz" | "zzz"): string => {
    const size = Math.abs(date.offsetMinutes);
    const hours = Math.floor(size / 60);
    const sign = date.offsetMinutes < 0 ? "-" : "+";
    return `${sign}${hoursOnly === "z" ? hours : two(hours)}${hoursOnly === "zzz" ? `:${two(size % 60)}` : ""}`;
  };
  let text = "";
  for (let at = 0; at < format.length;) {
    const letter = format[at] ?? "";
    let count = 1;
    while (format[at + count] === letter) count++;
    let width = count;
    if (letter === "y") {
      const year = calendar.getUTCFullYear();
      text += count === 1 ? String(year % 100) : count === 2 ? two(year % 100) : String(year).padStart(count, "0");
    } else if (letter === "M") {
      const name = monthNames[calendar.getUTCMonth()] ?? "";
      const number = calendar.getUTCMonth() + 1;
      text += count === 1 ? String(number) : count === 2 ? two(number) : count === 3 ? name.slice(0, 3) : name;
    } else if (letter === "d") {
      const name = dayNames[calendar.getUTCDay()] ?? "";
      const number = calendar.getUTCDate();
      text += count === 1 ? String(number) : count === 2 ? two(number) : count === 3 ? name.slice(0, 3) : name;
    } else if (letter === "H") text += count === 1 ? String(hour) : two(hour);
    else if (letter === "h") text += count === 1 ? String(hour % 12 || 12) : two(hour % 12 || 12);
    else if (letter === "m") text += count === 1 ? String(calendar.getUTCMinutes()) : two(calendar.getUTCMinutes());
    else if (letter === "s") text += count === 1 ? String(calendar.getUTCSeconds()) : two(calendar.getUTCSeconds());
    else if (letter === "t") text += count === 1 ? (hour < 12 ? "A" : "P") : hour < 12 ? "AM" : "PM";
    else if (letter === "f" || letter === "F") {
      if (count > 7) return undefined;
      const shown = fraction.slice(0, count);
      const short = shown.replace(/0+$/, "");
      if (letter === "f") text += shown;
      else if (short !== "") text += short;
      else if (text.endsWith(".")) text = text.slice(0, -1);
    } else if (letter === "z") text += offset(count === 1 ? "z" : count === 2 ? "zz" : "zzz");
    else if (letter === "K") {
      width = 1;
      text += date.zone === "none" ? "" : date.zone === "utc" ? "Z" : offset("zzz");
    } else if (letter === "g") text += "AD";
    else if (letter === "'" || letter === '"') {
      const end = format.indexOf(letter, at + 1);
      if (end < 0) return undefined;
      text += format.slice(at + 1, end);
      width = end - at + 1;
    } else if (letter === "\\") {
      if (at + 1 >= format.length) return undefined;
      text += format[at + 1];
      width = 2;
    } else if (letter === "%") {
      // `%d` is the one letter d as a custom format.
      if (at + 1 >= format.length || format[at + 1] === "%") return undefined;
      width = 1;
    } else text += letter.repeat(count);
    at += width;
  }
  return text;
}
