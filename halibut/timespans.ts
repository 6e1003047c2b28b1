/** Timespans as .NET writes them, and as milliseconds. */

/** .NET ticks (100 ns) per millisecond. */
const TICKS_PER_MS = 10_000;

/** `[-][d.]hh:mm:ss[.fffffff]` as milliseconds, or undefined. */
export function parseTimespan(text: string): number | undefined {
  const match = /^(-)?(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,7}))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign, days, hours, minutes, seconds, fraction] = match;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const wholeSeconds = ((Number(days ?? 0) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  const ms = wholeSeconds * 1_000 + Number((fraction ?? "").padEnd(7, "0")) / TICKS_PER_MS;
  return sign === "-" ? -ms : ms;
}

/** Milliseconds as .NET writes a timespan. */
export function formatTimespan(ms: number): string {
  const ticks = BigInt(Math.round(Math.abs(ms) * TICKS_PER_MS));
  const ticksPerSecond = 10_000_000n;
  const seconds = ticks / ticksPerSecond;
  const two = (part: bigint): string => String(part).padStart(2, "0");
  const days = seconds / 86_400n;
  const fraction = ticks % ticksPerSecond;
  return [
    ms < 0 && ticks > 0n ? "-" : "",
    days > 0n ? `${days}.` : "",
    `${two((seconds / 3_600n) % 24n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`,
    fraction > 0n ? `.${String(fraction).padStart(7, "0")}` : "",
  ].join("");
}
