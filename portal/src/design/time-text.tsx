// Times as people read them: "3 minutes ago" for a week, then the date; the exact time with its zone for those who ask. One clock for the
// whole page moves them on.

import { useSyncExternalStore } from "react";

const minuteMs = 60_000;
const relativeMsMax = 7 * 24 * 60 * minuteMs;
/** The texts change by the minute at most. */
const tickMs = 30_000;
/** What has just happened lies ahead of a clock that has not ticked since, or goes differently from the server's. */
const aheadMsMax = 2 * minuteMs;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const dayText = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const exactText = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "long" });
const momentText = new Intl.DateTimeFormat("en", {
  year: "numeric",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});
const clockText = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

const listeners = new Set<() => void>();
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function followClock(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    nowMs = Date.now();
    for (const one of listeners) one();
  }, tickMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const readClock = (): number => nowMs;

export function relativeText(timeMs: number, fromMs: number): string {
  const apartMs = timeMs - fromMs;
  if (Math.abs(apartMs) > relativeMsMax) return dayText.format(timeMs);
  const minutes = Math.round(apartMs / minuteMs);
  if (minutes === 0) return "just now";
  if (Math.abs(minutes) < 60) return relative.format(minutes, "minute");
  const hours = Math.round(minutes / 60);
  return Math.abs(hours) < 24 ? relative.format(hours, "hour") : relative.format(Math.round(hours / 24), "day");
}

/** `at`: ISO 8601. */
export function TimeText({ at }: { at: string }) {
  const now = useSyncExternalStore(followClock, readClock);
  const timeMs = Date.parse(at);
  return (
    <time dateTime={at} title={`${exactText.format(timeMs)}\n${new Date(timeMs).toISOString()}`}>
      {relativeText(timeMs, timeMs - now < aheadMsMax ? Math.max(now, timeMs) : now)}
    </time>
  );
}

/** When something will be, as a date with its time and zone: until when a secret is good. */
export function MomentText({ at }: { at: string }) {
  return (
    <time dateTime={at} title={at}>
      {momentText.format(Date.parse(at))}
    </time>
  );
}

/** Hours, minutes and seconds in the browser's zone. */
export function clockTime(timeMs: number): string {
  return clockText.format(timeMs);
}

/** "2 min 5 s" */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
